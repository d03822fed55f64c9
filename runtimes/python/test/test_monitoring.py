# SPDX-License-Identifier: Apache-2.0
# Rows: CORE-03 CORE-09 CORE-10 PY-12 PY-13 PY-17
"""Living beside other tools of sys.monitoring, and leaving no trace of ourselves."""
import dis
import gc
import marshal
import sys
import threading
import time

import pytest
from sonde import _native

from conftest import run_python

monitoring = sys.monitoring
EVENTS = monitoring.events

HOT = """
    def f(a, b):
        c = a + b
        d = c * 2
        e = d - a
        if e < 0:
            e = -e  # never
        g = e + c  # always
        h = g + d
        return h
    """


def tool():
    return next((n for n in range(6) if monitoring.get_tool(n) == "sonde"), None)


def adaptive(code):
    """What really runs: opcodes with specialisations and instrumentation."""
    return [(i.opname, i.arg) for i in dis.get_instructions(code, adaptive=True)]


def warm(function, times=200):
    for n in range(times):
        function(n, 3)


def test_core09_nothing_is_left(probes, source):
    """After the last probe leaves, the very instructions run that ran before."""
    module = (subject := source(HOT)).run()
    warm(module.f)
    code = module.f.__code__
    before = adaptive(code), hash(code), marshal.dumps(code), code.co_code, sys.getsizeof(code)
    for location, at in ((subject.at("# never"), "line"), (subject.at("# always"), "line"),
                         (subject.path.stem + ":f", "entry"), (subject.path.stem + ":f", "exit")):
        probes.set(location, at, rate=0.001)
        warm(module.f)
        assert _native.armed_testonly(code) == 1
        assert (hash(code), marshal.dumps(code), code.co_code) == before[1:4]
        probes.clear()
        warm(module.f)
        assert monitoring.get_local_events(tool(), code) == 0
        assert _native.armed_testonly(code) == 0
        assert adaptive(code) == before[0]
    assert (hash(code), marshal.dumps(code), code.co_code, sys.getsizeof(code)) == before[1:]
    assert monitoring.get_events(tool()) == 0


def test_core09_only_the_armed_instruction_differs(probes, source):
    """While a line is armed, all other instructions run as if it were not, from the first call on."""
    module = (subject := source(HOT)).run()
    warm(module.f)
    before = adaptive(module.f.__code__)
    probes.set(subject.at("# never"), "line")
    instrumented = [name for name, _ in adaptive(module.f.__code__) if "INSTRUMENTED" in name]
    assert instrumented == ["INSTRUMENTED_INSTRUCTION"]
    warm(module.f)
    after = adaptive(module.f.__code__)
    different = [(a, b) for a, b in zip(before, after) if a != b]
    assert len(before) == len(after) and len(different) <= 2, different
    assert any("INSTRUMENTED" in b[0] for _, b in different)


def test_core09_hit_limit_and_expiry_leave_nothing(probes, source):
    module = (subject := source(HOT)).run()
    warm(module.f)
    before = adaptive(module.f.__code__)
    probes.set(subject.at("# always"), "line", hit_limit=1, id="limit")
    probes.set(subject.at("# always"), "line", expires_at_ns=time.time_ns() + 30_000_000, id="expiry")
    module.f(1, 2)
    probes.wait("error", id="limit")
    deadline = time.monotonic() + 5
    while probes.status("expiry")["status"] != "error":
        assert time.monotonic() < deadline
        time.sleep(0.01)
        _native.safe_point_testonly()
    warm(module.f)
    assert adaptive(module.f.__code__) == before


def test_py17_identity(probes, source):
    module = (subject := source(HOT)).run()
    f, code = module.f, module.f.__code__
    before = sys.getrefcount(f), sys.getrefcount(code)
    probes.set(subject.path.stem + ":f", "exit")
    f(1, 2)
    assert module.f is f and f.__code__ is code and not hasattr(f, "__wrapped__")
    assert (sys.getrefcount(f), sys.getrefcount(code)) == before


def test_py12_debugger_ids_are_left_alone(probes, source):
    module = (subject := source(HOT)).run()
    probes.set(subject.at("# always"), "line")
    assert tool() in (3, 4, 5, 2)
    assert monitoring.get_tool(0) is None and monitoring.get_tool(1) is None
    assert module


def test_py12_restart_events_of_another_tool(probes, source):
    module = (subject := source(HOT)).run()
    warm(module.f)
    plain = adaptive(module.f.__code__)
    probes.set(subject.at("# always"), "line", rate=0.001)
    module.f(1, 2)
    monitoring.restart_events()
    module.f(1, 2)
    module.f(1, 2)
    assert probes.hits() == 3
    names = [name for name, _ in adaptive(module.f.__code__)]
    assert names.count("INSTRUMENTED_INSTRUCTION") == 1
    probes.clear()
    warm(module.f)
    assert adaptive(module.f.__code__) == plain


@pytest.mark.parametrize("event", ["LINE", "INSTRUCTION", "PY_START", "PY_RETURN"])
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_py12_another_tool_on_the_same_code(probes, source, event, first):
    """Set and taken off before, while and after our probes are there; both see what they asked for."""
    module = (subject := source(HOT)).run()
    warm(module.f)
    plain = adaptive(module.f.__code__)
    theirs = [0]

    def callback(*args):
        theirs[0] += 1

    def set_theirs(on):
        monitoring.set_local_events(1, module.f.__code__, getattr(EVENTS, event) if on else 0)

    monitoring.use_tool_id(1, "other")
    try:
        monitoring.register_callback(1, getattr(EVENTS, event), callback)
        if first == "theirs":
            set_theirs(True)
            module.f(1, 2)
        probes.set(subject.at("# always"), "line", id="line", rate=0.001)
        probes.set(subject.path.stem + ":f", "exit", id="exit", rate=0.001)
        set_theirs(True)
        theirs[0] = 0
        hits = probes.hits("line")
        for _ in range(3):
            module.f(1, 2)
        assert probes.hits("exit") == 3 and theirs[0] >= 3
        if event != "INSTRUCTION":
            assert probes.hits("line") - hits == 3
        set_theirs(False)
        hits, theirs[0] = probes.hits("line"), 0
        probes.set(subject.at("# always"), "line", id="again", rate=0.001)
        module.f(1, 2)
        assert (probes.hits("line") - hits, probes.hits("again"), theirs[0]) == (1, 1, 0)
    finally:
        monitoring.set_local_events(1, module.f.__code__, 0)
        monitoring.register_callback(1, getattr(EVENTS, event), None)
        monitoring.free_tool_id(1)
    probes.clear()
    warm(module.f)
    assert adaptive(module.f.__code__) == plain


def test_py12_settrace_beside_probes(probes, source):
    module = (subject := source(HOT)).run()
    lines = []

    def tracer(frame, event, arg):
        if frame.f_code is module.f.__code__:
            lines.append(event)
        return tracer

    probes.set(subject.at("# always"), "line")
    old = sys.gettrace()
    sys.settrace(tracer)
    try:
        module.f(1, 2)
    finally:
        sys.settrace(old)
    module.f(1, 2)
    assert lines.count("line") >= 7 and probes.hits() == 2


def test_core03_tool_conflict():
    """No id left that we may take: the probe says who has them."""
    result = run_python("""
        import sys, json
        for n in (2, 3, 4, 5):
            sys.monitoring.use_tool_id(n, "tool%d" % n)
        import sonde.auto
        from sonde import _native
        def f():
            return 1
        def apply():
            _native.apply_testonly(json.dumps([{"id": "p", "revision": apply.revision, "at": "entry",
                                                "location": "__main__:f"}]))
            apply.revision += 1
            return json.loads(_native.report())["statuses"][0]
        apply.revision = 1
        status = apply()
        assert (status["status"], status["cause"]) == ("error", "tool_conflict"), status
        assert "tool4" in status["message"], status
        sys.monitoring.free_tool_id(4)
        status = apply()
        assert status["status"] == "installed", status
        f()
        assert json.loads(_native.report())["statuses"][0]["hits"] == 1
        """)
    assert result.stderr == ""


def test_core10_nothing_of_the_agent_is_seen(probes, source):
    """No stack, thread list or frame shows it; its own code sets off nothing."""
    module = (subject := source("def f():\n    return 1  # here\n")).run()
    probes.set(subject.at("# here"), "line")
    module.f()
    assert not any("sonde" in frame[0].rsplit("/", 1)[-1] for frame in probes.take()["stack"])
    assert [t.name for t in threading.enumerate()] == ["MainThread"]
    assert len(sys._current_frames()) == 1
    import sonde

    probes.set("sonde:status", "exit", id="own")
    assert sonde.status()["running"]
    assert probes.hits("own") == 1


def test_core10_no_capture_within_a_capture(probes, source):
    """An allocation during a hit that sets the collector off: what that runs is not captured."""
    module = (subject := source("""
        class Late:
            def __del__(self):
                note()
        def note():
            return 1  # note
        def f():
            return 1  # here
        """)).run()
    probes.set(subject.at("# here"), "line", id="a")
    probes.set(subject.at("# note"), "line", id="b")
    cycle = module.Late()
    cycle.me = cycle
    del cycle
    module.f()
    gc.collect()
    assert (probes.hits("a"), probes.hits("b")) == (1, 1)


def test_py13_no_unwind_while_only_lines_are_armed(probes, source):
    module = (subject := source(HOT)).run()
    probes.set(subject.at("# always"), "line")
    assert monitoring.get_events(tool()) == 0
    assert module


def test_py03_unwind_only_while_needed(probes, source):
    module = (subject := source("def f():\n    return 1\ndef g():\n    yield 1\n")).run()

    def heard():
        found = next(n for n in range(6) if monitoring.get_tool(n) == "sonde")
        return bool(monitoring.get_events(found) & monitoring.events.PY_UNWIND)

    def events(function):
        return monitoring.get_local_events(tool(), function.__code__)

    probes.set(subject.path.stem + ":f", "entry", id="a")
    assert not heard()
    probes.set(subject.path.stem + ":f", "exit", id="b")
    probes.set(subject.path.stem + ":g", "exit", id="c")
    assert heard()
    assert events(module.g) & monitoring.events.PY_YIELD and not events(module.f) & monitoring.events.PY_YIELD
    probes.remove("b")
    assert heard()
    probes.remove("c")
    assert not heard() and events(module.g) == 0


def test_py04_listening_to_a_close_leaves_no_trace(probes, source):
    """PY-04: a generator's code shows its own bytes all the while, and equals a fresh one once the probe is gone."""
    text = "def g():\n    yield 1\n    yield 2\n"
    subject = source(text)
    module = subject.run()
    assert probes.set("%s:g" % subject.path.stem, "exit")["status"] == "installed"
    code, generator = module.g.__code__, module.g()
    next(generator)
    shown = code.co_code
    probes.remove()
    generator.close()
    fresh = next(const for const in compile(text, code.co_filename, "exec").co_consts if hasattr(const, "co_code"))
    assert shown == code.co_code == fresh.co_code
    assert code == fresh
