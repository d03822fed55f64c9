"""What is measured: a program that does as it is told on standard input, one word a line, and
answers with one number a line: nanoseconds a call, or bytes. Numbers after the word are its arguments.

It runs the same with and without the agent and knows nothing of it. The plain ways of doing what
a probe does stand here too."""
import functools
import json
import sys
import threading
import time

clock = time.perf_counter_ns


def hot(a, b):
    total = a + b
    total = total * 3
    if total < 0:
        total = -total  # NEVER
    left = total - a
    right = total - b
    best = left if left > right else right
    total = best + a
    return total  # HOT


def other(a, b):
    """As hot, and never probed."""
    total = a + b
    total = total * 3
    if total < 0:
        total = -total
    left = total - a
    right = total - b
    best = left if left > right else right
    total = best + a
    return total


class Item:
    def __init__(self, number):
        self.number, self.name, self.price = number, f"item {number}", number * 1.5
        self.stock, self.active = number * 7, True


FIRST, SECOND, THIRD = Item(1), Item(2), Item(3)
NUMBERS = list(range(20))
TABLE = {f"key{i}": i for i in range(10)}
TEXT = "lorem ipsum " * 25


def handler(first, second, third):
    numbers = NUMBERS
    table = TABLE
    text = TEXT
    count = len(numbers)
    ratio = count / 3.0
    label = "handler"
    return label  # NINE LOCALS


def plain_value(value):
    return vars(value) if hasattr(value, "__dict__") else repr(value)


def line_of(text):
    with open(__file__, encoding="utf-8") as source:
        for number, line in enumerate(source, 1):
            if line.rstrip().endswith(text):
                return number
    raise LookupError(text)


SENSITIVE = {"password", "token", "secret", "apikey", "authorization", "cookie", "ssn"}


def tree(name, value, depth=3):
    """What a snapshot says of a value, the way one writes it in Python."""
    if name.lower().replace("_", "") in SENSITIVE:
        return {"type": type(value).__name__, "not_captured_reason": "redacted"}
    if isinstance(value, str):
        out = {"type": "str", "value": value[:255]}
        if len(value) > 255:
            out["truncated"], out["size"] = True, len(value)
        return out
    if value is None or isinstance(value, (bool, int, float)):
        return {"type": type(value).__name__, "value": str(value)}
    if depth == 0:
        return {"type": type(value).__name__, "not_captured_reason": "depth"}
    if isinstance(value, (list, tuple)):
        return {"type": type(value).__name__, "elements": [tree("", v, depth - 1) for v in value[:100]]}
    if isinstance(value, dict):
        return {"type": "dict", "entries": [
            {"key": tree("", k, depth - 1), "value": tree(str(k), v, depth - 1)} for k, v in value.items()]}
    return {"type": type(value).__name__,
            "fields": {k: tree(k, v, depth - 1) for k, v in vars(value).items()}}


def stack_of(frame):
    stack = []
    while frame is not None:
        code = frame.f_code
        stack.append({"file": code.co_filename, "function": getattr(code, "co_qualname", code.co_name), "line": frame.f_lineno})
        frame = frame.f_back
    return stack


def whole(frame):
    """The same content as a snapshot of ours."""
    values = {name: tree(name, value) for name, value in frame.f_locals.items()}
    return json.dumps({"stack": stack_of(frame), "captures": values})


def bare(frame):
    """No types, limits, redaction or stack: the least that somebody might write."""
    return json.dumps(dict(frame.f_locals), default=vars)


class PlainMonitoring:
    """A sys.monitoring callback in Python that serialises the locals with json."""

    def __init__(self, serialise):
        self.serialise = serialise

    def __enter__(self):
        monitoring, line, tool = sys.monitoring, line_of("# NINE LOCALS"), 2
        serialise = self.serialise

        def on_line(code, number):
            if number != line:
                return monitoring.DISABLE
            serialise(sys._getframe(1))

        monitoring.use_tool_id(tool, "plain")
        monitoring.register_callback(tool, monitoring.events.LINE, on_line)
        monitoring.set_local_events(tool, handler.__code__, monitoring.events.LINE)
        return handler

    def __exit__(self, *_):
        monitoring = sys.monitoring
        monitoring.set_local_events(2, handler.__code__, 0)
        monitoring.register_callback(2, monitoring.events.LINE, None)
        monitoring.free_tool_id(2)


class PlainWrapper:
    """A functools.wraps wrapper that serialises arguments, result and stack with json."""

    def __enter__(self):
        @functools.wraps(handler)
        def wrapper(*args):
            result = handler(*args)
            json.dumps({"stack": stack_of(sys._getframe()), "return": tree("", result),
                        "arguments": [tree("", v) for v in (*args, NUMBERS, TABLE, TEXT, 20, 6.7, "x")]})
            return result
        return wrapper

    def __exit__(self, *_):
        pass


def time_hot(calls=200_000, f="hot"):
    f = globals()[f] if isinstance(f, str) else f  # as it is now: somebody may have wrapped it
    began = clock()
    for i in range(calls):
        f(i, 7)
    return (clock() - began) / calls


def time_handler(calls=50_000, f="handler"):
    f = globals()[f] if isinstance(f, str) else f
    began = clock()
    for _ in range(calls):
        f(FIRST, SECOND, THIRD)
    return (clock() - began) / calls


def time_spaced(calls=400, gap_ns=300_000):
    """The median of single calls that come no faster than probes may fire; busy in between."""
    times = []
    at = clock()
    for _ in range(calls):
        while clock() < at:
            pass
        began = clock()
        handler(FIRST, SECOND, THIRD)
        times.append(clock() - began)
        at += gap_ns
    return sorted(times)[len(times) // 2]


def deep(levels):
    if levels == 0:
        raise LookupError(levels)
    return deep(levels - 1)


def time_raising(calls=5_000, levels=6):
    """Exceptions through six frames: elsewhere than any probe is."""
    began = clock()
    for _ in range(calls):
        try:
            deep(levels)
        except LookupError:
            pass
    return (clock() - began) / calls


def time_caught(calls=50_000):
    """Exceptions that leave no frame."""
    began = clock()
    for _ in range(calls):
        try:
            raise LookupError
        except LookupError:
            pass
    return (clock() - began) / calls


def long_function(lines=1000):
    body = "".join(f"    x{n} = a + {n}\n" for n in range(lines))
    names = {}
    exec(compile(f"def long(a):\n{body}    return a\n", "long.py", "exec"), names)
    return names["long"]


def time_arming(rounds=20):
    """Setting a probe on the last line of a function of 1,000 lines: the median of what it holds the
    interpreter for, its definition read, its place found and armed."""
    import sonde._native as native

    long = long_function()
    code = long.__code__
    times = []
    for number in range(rounds):
        probe = json.dumps([{"id": "long", "revision": number + 1, "location": "long.py:1001"}])
        began = clock()
        native.apply_testonly(probe)
        times.append(clock() - began)
        assert native.armed_testonly(code) == 1
        native.apply_testonly("[]")
    return sorted(times)[rounds // 2]


def flood(calls=100_000):
    for _ in range(calls):
        handler(FIRST, SECOND, THIRD)
    return calls


def resident(_=None):
    with open("/proc/self/smaps_rollup", encoding="ascii") as rollup:
        for line in rollup:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    return 0


busy_threads, calmed = [], threading.Event()


def busy(count=4):
    """Threads that never let go of the lock by themselves."""
    def work():
        while not calmed.is_set():
            time_hot(1000, other)
    calmed.clear()
    for _ in range(count):
        busy_threads.append(threading.Thread(target=work, daemon=True))
        busy_threads[-1].start()
    return count


def calm():
    calmed.set()
    while busy_threads:
        busy_threads.pop().join()
    return 0


def plain(way):
    with way as f:
        return time_handler(2_000, f)


TASKS = {
    "hot": time_hot,
    "other": lambda: time_hot(f=other),
    "raising": time_raising,
    "caught": time_caught,
    "arming": time_arming,
    "handler": time_handler,
    "spaced": time_spaced,
    "flood": flood,
    "resident": resident,
    "busy": busy,
    "calm": calm,
    "plain-monitoring": lambda: plain(PlainMonitoring(whole)),
    "bare-monitoring": lambda: plain(PlainMonitoring(bare)),
    "plain-wrapper": lambda: plain(PlainWrapper()),
}


def main():
    time_hot(), time_hot(f=other), time_handler(1000)
    print("ready", line_of("# NEVER"), line_of("# HOT"), line_of("# NINE LOCALS"), flush=True)
    for line in sys.stdin:
        task, *numbers = line.split()
        print(TASKS[task](*map(int, numbers)), flush=True)


if __name__ == "__main__":
    main()
