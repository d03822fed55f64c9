"""Bounded traffic for an example application: asks for URLs in turn until the time is up.

Usage: traffic.py BASE_URL SECONDS [PATH…]. At most 20 requests a second; loopback only. Prints how
many were answered and how many failed; exit status 1 when one failed or was answered 5xx."""
import itertools
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def main():
    base, seconds, paths = sys.argv[1], float(sys.argv[2]), sys.argv[3:] or ["/"]
    if urllib.parse.urlsplit(base).hostname not in ("127.0.0.1", "localhost", "::1"):
        sys.exit("traffic.py: loopback only")
    end = time.monotonic() + min(seconds, 24 * 3600)
    answered = failed = 0
    for path in itertools.cycle(paths):
        if time.monotonic() >= end:
            break
        try:
            with urllib.request.urlopen(base + path, timeout=10) as response:
                response.read()
            answered += 1
        except urllib.error.HTTPError as error:
            answered += error.code < 500
            failed += error.code >= 500
        except OSError:
            failed += 1
        time.sleep(0.05)
    print(f"traffic: {answered} answered, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        pass
