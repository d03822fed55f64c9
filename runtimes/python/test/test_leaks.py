# SPDX-License-Identifier: Apache-2.0
# Rows: PY-08 PY-09 PY-11 NX-02
"""That nothing is left behind, however often: memory of the process, references, calls under way.

Each in a process of its own, which is small. Memory is measured in blocks of work: what leaks grows in
every one of them, an allocator's change of mind in one or two."""
import json
import textwrap

import pytest

from conftest import run_python

SETUP = '''
    import gc, json, os, sys
    import sonde.auto
    from sonde import _native
    PAGE = os.sysconf("SC_PAGE_SIZE")
    def rss():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * PAGE
    def load(text, name):
        names = {"__name__": name}
        exec(compile(text, "/tmp/%s.py" % name, "exec"), names)
        return names
    def definition(id, location, at, rate=100000, **more):
        return dict(more, id=id, revision=1, location=location, at=at, rate=rate)
    def apply(*definitions):
        _native.apply_testonly(json.dumps(definitions))
    def hits():
        return {s["probe_id"]: s["hits"] for s in json.loads(_native.report())["statuses"]}
    def grown(work, count, blocks=4):
        """How much the process grew in each block of so many calls, after as much to warm up."""
        found = []
        for _ in range(blocks + 1):
            gc.collect()
            before = rss()
            for n in range(count):
                work(n)
            gc.collect()
            found.append(rss() - before)
        return found[1:]
    '''
ENVIRONMENT = {"SONDE_QUEUE_BYTES": str(256 << 10)}
LEAST_LEAK = 8  # bytes for each time


def run(code, *arguments):
    result = run_python(textwrap.dedent(SETUP) + textwrap.dedent(code), *arguments, env=ENVIRONMENT, timeout=120)
    assert result.stderr == ""
    return json.loads(result.stdout)


def is_flat(grown, count):
    return min(grown) < LEAST_LEAK * count and sum(grown) < 4 << 20


CYCLES = """
    names = load("def f(a):\\n    b = a\\n    return b\\ndef g(a):\\n    yield a\\n", "cycles")
    f, g = names["f"], names["g"]
    LINE = definition("l", "/tmp/cycles.py:3", "line")
    FUNCTIONS = definition("e", "cycles:f", "entry"), definition("x", "cycles:f", "exit")
    SUSPENDED = definition("g", "cycles:g", "exit")
    kept = []
    def line(n):
        apply(LINE)
        f(n)
        apply()
    def function(n):
        apply(*FUNCTIONS)
        f(n)
        apply()
    def under_way(n):
        apply(SUSPENDED)
        waits = g(n)
        next(waits)
        apply()
    def leaks(n):
        kept.append(b"%29d" % n)  # 64 bytes with its reference
    """


@pytest.mark.parametrize("what,count", [("line", 2000), ("function", 2000), ("under_way", 1000)])
def test_py08_ten_thousand_cycles_of_install_and_remove(what, count):
    """The first block included; before 3.12 each cycle walks the heap."""
    grown, taken, armed = run(CYCLES + """
    work = globals()[sys.argv[1]]
    taken = 0
    def cycle(n):
        global taken
        work(n)
        taken += _native.discard_testonly()
    grown = grown(cycle, int(sys.argv[2]))
    print(json.dumps([grown, taken, [_native.armed_testonly(x.__code__) for x in (f, g)]]))
    """, what, str(count))
    assert is_flat(grown, count), grown
    assert taken == {"line": 10000, "function": 20000, "under_way": 0}[what]
    assert armed == [0, 0]


def test_the_measure_sees_a_small_leak():
    """Or the tests here would prove nothing."""
    assert not is_flat(run(CYCLES + "\n    print(json.dumps(grown(leaks, 2000)))\n"), 2000)


@pytest.mark.parametrize("at", ["line", "exit"])
def test_py11_a_million_closures_made_under_an_armed_probe(at):
    grown, seen, shared = run("""
    outer = load("def outer(n):\\n    def inner(a):\\n        return n + a\\n    return inner\\n", "closures")["outer"]
    before = outer(0)
    at = sys.argv[1]
    apply(definition("p", "/tmp/closures.py:3" if at == "line" else "closures:outer.<locals>.inner", at, rate=0.001))
    made = outer(0)
    def work(n):
        assert outer(n)(1) == n + 1
    grown = grown(work, 200000)
    before(1)
    seen = hits()["p"]
    apply()
    assert outer(1)(1) == 2
    print(json.dumps([grown, seen, before.__code__ is made.__code__ is outer(2).__code__]))
    """, at)
    assert is_flat(grown, 200000), grown
    assert seen == 1000001
    assert shared


def test_py09_references_are_as_before_after_captures():
    """Of None, True and other constants too, which count them before 3.12."""
    before, after, taken = run("""
    names = load('''
    class Thing:
        def __init__(self):
            self.field = {"k": [1.5, None, True]}
    def f(a, *args, key=None, **kwargs):
        one = (a, key)
        two = lambda: (one, key)
        if key == "raise":
            raise ERROR
        return a
    ''', "captures")
    f, thing, text, error = names["f"], names["Thing"](), "some text".upper(), ValueError("made before")
    names["ERROR"] = error
    values = [None, True, False, 7, 2**80, 1.25, text, b"by", [text], {text: thing}, {text}, thing, names["Thing"], f]
    watched = values + [thing.__dict__, thing.field, error, (), "", ValueError, f.__code__, names]
    def work():
        for value in values:
            f(value, value, key=value, other=value)
        try:
            f(thing, key="raise")
        except ValueError:
            error.__traceback__ = None
    def counts():
        gc.collect()
        return [sys.getrefcount(x) for x in watched]
    PROBES = (definition("l", "/tmp/captures.py:8", "line"), definition("x", "captures:f", "exit"),
              definition("e", "captures:f", "entry"))
    def captures():
        apply(*PROBES)
        work()
        taken = _native.discard_testonly()
        apply()
        return taken
    for _ in range(3):
        captures()
    before = after = None
    before = counts()
    taken = sum(captures() for _ in range(300))
    after = counts()
    print(json.dumps([before, after, taken]))
    """)
    assert taken == 300 * (15 + 15 + 15)
    # What the interpreter itself keeps of the constants varies by a few; a leak would be 300 at least.
    assert [abs(a - b) > 20 for a, b in zip(before, after)] == [False] * len(before), (before, after)
    assert before[8:12] == after[8:12] and before[14:17] == after[14:17], (before, after)
