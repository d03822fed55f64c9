# SPDX-License-Identifier: Apache-2.0
"""What the Python runtime costs the application's thread, in this process, without a collector.

Medians of paired runs: each measured run stands between two runs of the same function untouched, so
that a noisy machine shifts both. `make python-bench` runs it on every interpreter."""
import json
import os
import statistics
import sys
import time

os.environ["SONDE_SERVER"] = ""
os.environ["SONDE_MAX_RATE"] = "100000"
os.environ["SONDE_CPU_PERCENT"] = "100"

import sonde.auto  # noqa: E402
import sonde  # noqa: E402
from sonde import _native  # noqa: E402

PAIRS = int(os.environ.get("PAIRS", "31"))
FILE = os.path.abspath(__file__)


def hot(a, b):
    c = a + b
    d = c * 2
    e = d - a
    if e < 0:
        e = -e
    f = e + c
    g = f + d
    h = g - b
    i = h + 1
    return i


class Order:
    def __init__(self, n):
        self.id = n
        self.name = "order"
        self.price = 1.5
        self.paid = True
        self.note = None


def handler(request, user):
    order = Order(1)
    other = Order(2)
    items = list(range(20))
    table = {"k%d" % n: n for n in range(10)}
    text = "x" * 300
    total = 12.5
    count = 42
    return total


def line_of(function, text):
    lines = open(FILE).read().split("\n")
    start = function.__code__.co_firstlineno
    return next(n for n in range(start, len(lines) + 1) if text in lines[n - 1])


def loop(function, args, count):
    clock = time.perf_counter_ns
    started = clock()
    for _ in range(count):
        function(*args)
    return (clock() - started) / count


def probe(**more):
    _native.apply_testonly(json.dumps([dict(id="bench", revision=probe.revision, **more)]))
    probe.revision += 1
    report = json.loads(_native.report())["statuses"]
    if report[0]["status"] not in ("installed", "emitting"):
        sys.exit("not installed: %r" % report)


probe.revision = 1


def remove():
    _native.apply_testonly("[]")
    _native.discard_testonly()


def paired(function, args, count, arm):
    """(base, with, medians of the pairs' ratios and differences)."""
    ratios, differences, bases = [], [], []
    for _ in range(PAIRS):
        remove()
        loop(function, args, count // 10)
        before = loop(function, args, count)
        arm()
        loop(function, args, count // 10)
        while_armed = loop(function, args, count)
        remove()
        loop(function, args, count // 10)
        after = loop(function, args, count)
        base = (before + after) / 2
        bases.append(base)
        ratios.append(while_armed / base)
        differences.append(while_armed - base)
    return statistics.median(bases), statistics.median(ratios), statistics.median(differences)


def snapshot_ns():
    """The capture alone, as the clock of the application's thread sees it: hits that are taken against
    hits that are rejected, on the same line."""
    place = "%s:%d" % (FILE, line_of(handler, "return total"))
    costs = []
    clock = time.perf_counter_ns
    probe(location=place, at="line", rate=5000)
    for _ in range(PAIRS * 4):
        time.sleep(0.02)
        for _ in range(10):
            handler(None, None)  # warm, and rejected once the bucket is empty
        taken = []
        time.sleep(0.02)
        for _ in range(20):
            started = clock()
            handler(None, None)
            taken.append(clock() - started)
        if _native.discard_testonly() == 30:
            costs.append(statistics.median(taken))
    probe(location=place, at="line", rate=0.001)
    handler(None, None)
    rejected = []
    for _ in range(2000):
        started = clock()
        handler(None, None)
        rejected.append(clock() - started)
    remove()
    return statistics.median(costs) - statistics.median(rejected) if costs else float("nan")


def main():
    if not sonde.status()["running"]:
        sys.exit("not running: %r" % sonde.status())
    args = (3, 4)
    count = int(os.environ.get("COUNT", "60000"))
    dead = "%s:%d" % (FILE, line_of(hot, "e = -e"))
    live = "%s:%d" % (FILE, line_of(hot, "g = f + d"))
    print("CPython %s, %d pairs" % (sys.version.split()[0], PAIRS))
    base, ratio, _ = paired(hot, args, count, lambda: None)
    print("  hot 10-line function             %7.1f ns" % base)
    print("  agent, no probe                  %7.3f x" % ratio)
    base, ratio, more = paired(hot, args, count, lambda: probe(location=dead, at="line"))
    print("  line armed, not executed         %7.3f x  (%+.1f ns)" % (ratio, more))
    base, ratio, more = paired(hot, args, count, lambda: probe(location=live, at="line", rate=0.001))
    print("  line armed, hits rejected        %7.3f x  (%+.1f ns a hit)" % (ratio, more))
    where = "__main__:hot"
    base, ratio, more = paired(hot, args, count, lambda: probe(location=where, at="entry", rate=0.001))
    print("  function entry, rejected         %7.3f x  (%+.1f ns a hit)" % (ratio, more))
    base, ratio, more = paired(hot, args, count, lambda: probe(location=where, at="exit", rate=0.001))
    print("  function exit, rejected          %7.3f x  (%+.1f ns a hit)" % (ratio, more))
    base, ratio, more = paired(
        hot, args, count, lambda: (probe(location=live, at="line", rate=0.001), remove()))
    print("  after removal                    %7.3f x  (%+.1f ns)" % (ratio, more))
    print("  snapshot of 9 locals             %7.2f us" % (snapshot_ns() / 1000))


if __name__ == "__main__":
    main()
