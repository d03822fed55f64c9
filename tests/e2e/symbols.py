"""What tests of symbols ask the collector, for test_symbols*.py."""
import http.server
import json
import threading
import urllib.error
import urllib.parse
import urllib.request

from conftest import wait_for

SECONDS = 60  # what anything may take on a slow machine


def ask(collector, path, **query):
    words = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
    with urllib.request.urlopen(f"{collector.url}/api/v1/{path}?{words}", timeout=SECONDS) as response:
        return json.load(response)


def search(collector, q, **query):
    return ask(collector, "symbols/search", q=q, **query)["symbols"]


def found(collector, name, **query):
    """The symbols of exactly that name or qualified name."""
    return [s for s in search(collector, name, limit=200, **query) if name in (s["name"], s.get("qualified"))]


def await_found(collector, *names, seconds=SECONDS, **query):
    """One symbol for each name, once all are there."""
    def all_there():
        each = [found(collector, name, **query) for name in names]
        return [many[0] for many in each] if all(each) else None
    try:
        return wait_for(f"symbols {names}", all_there, seconds)
    except AssertionError:
        raise AssertionError(f"not there: {[n for n in names if not found(collector, n, **query)]}") from None


def states(collector, service=None):
    """What the connected processes say of their symbols; pid → member."""
    return {p["pid"]: p["symbols"] for p in ask(collector, "processes")["processes"]
            if p["connected"] and "symbols" in p and service in (None, p["service"])}


def await_done(collector, count=1, service=None, seconds=SECONDS):
    """Until as many processes have had all that they know of acknowledged."""
    def done():
        told = states(collector, service)
        return told if sum(s["state"] == "done" for s in told.values()) >= count else None
    return wait_for(f"{count} processes to be done with symbols", done, seconds)


def stored(collector):
    """Bytes that symbols take in the store."""
    return sum(f.stat().st_size for f in collector.data.glob("symbols.db*"))


def switch(collector, service, **body):
    request = urllib.request.Request(f"{collector.url}/api/v1/symbols/services/{service}", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"}, method="PUT")
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        return json.load(response)


class Between:
    """A collector's address that answers uploads of symbols as a test says, and passes on all else.
    `answer` takes the body's length and gives a status, or None to pass it on."""

    def __init__(self, collector, answer):
        between = self
        self.refused, self.passed, self.answer = [], [], answer

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = between.answer(len(body)) if self.path == "/v1/symbols" else None
                if status is not None:
                    between.refused.append(len(body))
                    return self.say(status, b'{"error": {"code": "internal", "message": "a test says so"}}')
                if self.path == "/v1/symbols":
                    between.passed.append(len(body))
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
                request = urllib.request.Request(collector.url + self.path, body, headers)
                try:
                    with urllib.request.urlopen(request, timeout=SECONDS) as response:
                        return self.say(response.status, response.read())
                except urllib.error.HTTPError as error:
                    return self.say(error.code, error.read())
                except OSError:
                    self.close_connection = True

            def say(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
