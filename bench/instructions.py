"""One way of running a function N times, to be counted by callgrind. Usage: instructions.py MODE N

Modes: none (no agent), unarmed, never, rejected, other, entry, exit; handler, snapshot, plain. The agent runs without
a collector (SONDE_SERVER=""): what is counted is the application's thread."""
import json
import sys
import time

import subject

mode, calls = sys.argv[1], int(sys.argv[2])
PLACES = {
    "never": ("subject.py:%d" % subject.line_of("# NEVER"), 0.001),
    "rejected": ("subject.py:%d" % subject.line_of("# HOT"), 0.001),
    "other": ("subject.py:%d" % subject.line_of("# HOT"), 0.001),
    "entry": ("subject:hot", 0.001),
    "exit": ("subject:hot", 0.001),
    "snapshot": ("subject.py:%d" % subject.line_of("# NINE LOCALS"), 5000),
}


def hot_loop(n, f=subject.hot):
    for i in range(n):
        f(i, 7)


def handler_loop(n, f=subject.handler):
    for _ in range(n):
        f(subject.FIRST, subject.SECOND, subject.THIRD)
        time.sleep(0.002)  # within the rate and the CPU budget, also when counted; in every mode


native = None
if mode not in ("none", "plain"):
    import sonde.auto  # noqa: F401
    from sonde import _native as native
hot_loop(2000)
if mode in PLACES:
    place, rate = PLACES[mode]
    at = mode if mode in ("entry", "exit") else "line"
    native.apply_testonly(json.dumps([{"id": "p", "revision": 1, "location": place, "at": at, "rate": rate}]))
    hot_loop(100)
    handler_loop(1)
if mode == "plain":
    has_monitoring = hasattr(sys, "monitoring")
    with subject.PlainMonitoring(subject.whole) if has_monitoring else subject.PlainWrapper() as f:
        handler_loop(calls, f)
elif mode in ("handler", "snapshot"):
    handler_loop(calls)
elif mode == "other":
    hot_loop(calls, subject.other)
else:
    hot_loop(calls)
if mode == "snapshot":
    captured = json.loads(native.report())["statuses"][0]["captured"]
    assert captured > calls, (captured, calls)  # each one, or the count means nothing
