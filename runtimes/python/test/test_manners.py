# SPDX-License-Identifier: Apache-2.0
# Rows: PY-12 PY-13 PY-16 PY-17
"""A guest that nobody notices: other tools, code without probes, the end of the process, and other
interpreters in it."""
import copy
import dis
import gc
import inspect
import json
import marshal
import os
import pickle
import sys
import textwrap
import types

import pytest

from conftest import run_python

HAS_MONITORING = hasattr(sys, "monitoring")
# CPython does not tell of a generator that is closed outside of any try (gh-140373).
CLOSES_UNTOLD = (3, 13) <= sys.version_info < (3, 13, 10) or (3, 14) <= sys.version_info < (3, 14, 1)
needs_monitoring = pytest.mark.skipif(not HAS_MONITORING, reason="sys.monitoring is there from 3.12 on")

SUBJECT = """
    def traced(a, b=2, *rest, c: int = 3, **others) -> int:
        '''What it does.'''
        total = a + b  # line
        def inner(x):
            return x + total  # inner
        if total < 0:
            raise ValueError(total)
        return inner(c)
    class Owner:
        def method(self):
            return [n for n in range(3)]  # method
        async def later(self):
            yield self  # later
    """
OTHERS = """
    def plain(a):
        return a * 2
    def throws(n):
        if n:
            throws(n - 1)
        raise KeyError(n)
    def catches():
        try:
            throws(5)
        except KeyError:
            return plain(1)
    def loops(n):
        found = []
        for i in range(n):
            try:
                found.append(plain(i))
                raise ValueError
            except ValueError:
                continue
        return len(found)
    """


def tool():
    return next(n for n in range(6) if sys.monitoring.get_tool(n) == "sonde")


def codes(code):
    return [code] + [c for k in code.co_consts if isinstance(k, types.CodeType) for c in codes(k)]


def view(function):
    """All that is to be seen of a function and its code."""
    code = function.__code__
    members = {n: getattr(code, n) for n in dir(code)
               if n.startswith("co_") and n not in ("co_lnotab", "co_lines", "co_positions")}
    instructions = [(i.opname, i.arg, i.offset, i.is_jump_target) for i in dis.get_instructions(code)]
    lines = list(code.co_lines()) if hasattr(code, "co_lines") else list(dis.findlinestarts(code))
    positions = list(code.co_positions()) if hasattr(code, "co_positions") else None
    return (members, instructions, lines, positions, hash(code), marshal.dumps(code), code.replace() == code,
            copy.copy(code) is code, sys.getsizeof(code) if HAS_MONITORING else None,
            inspect.signature(function), inspect.getsource(function), inspect.getdoc(function), inspect.getfile(function), inspect.isgeneratorfunction(function),
            function.__qualname__, function.__defaults__, function.__kwdefaults__, function.__annotations__,
            sorted(function.__dict__), hash(function), sorted(dir(function)))


def differing(one, other):
    return [n for n, (a, b) in enumerate(zip(one, other)) if a != b]


def test_py17_nothing_of_a_function_looks_different(probes, importable):
    """Identity, hash, marshal's bytes, what inspect and dis say: on 3.12 and later also while armed."""
    import importlib

    subject = importable(SUBJECT, "seen_manners.py")
    module = importlib.import_module("seen_manners")
    functions = [module.traced, module.Owner.method, module.Owner.later]
    for function in functions[:2]:
        function(1) if function is module.traced else function(None)
    held = [f.__code__ for f in functions]
    before = [view(f) for f in functions]
    pickled = [pickle.dumps(f) for f in functions]
    references = [sys.getrefcount(f) for f in functions]
    places = [(subject.at("# line"), "line"), (subject.at("# inner"), "line"), (subject.at("# method"), "line"),
              (subject.at("# later"), "line"), ("seen_manners:traced", "exit"), ("seen_manners:traced", "entry"),
              ("seen_manners:Owner.later", "exit"), ("seen_manners:traced.<locals>.inner", "exit")]
    for n, (location, at) in enumerate(places):
        assert probes.set(location, at, id="p%d" % n)["status"] == "installed"
        assert [pickle.dumps(f) for f in functions] == pickled
        assert [inspect.getsource(f) for f in functions] == [v[10] for v in before]
        if HAS_MONITORING:
            assert all(f.__code__ is code for f, code in zip(functions, held))
            now = [view(f) for f in functions]
            if CLOSES_UNTOLD and "seen_manners:Owner.later" in (place for place, _ in places[:n + 1]):
                # docs/python.md: where closing is not told by itself, a generator's code has another hash.
                assert differing(now.pop(), before[2]) == [4, 6]
            assert now == before[:len(now)]
            assert [sys.getrefcount(f) for f in functions] == references
    assert module.traced(1) == 6 and module.Owner().method() == [0, 1, 2]
    while probes.definitions:
        probes.remove(next(iter(probes.definitions)))
    assert module.traced(1) == 6
    assert all(f.__code__ is code for f, code in zip(functions, held))
    assert [view(f) for f in functions] == before
    gc.collect()
    assert [sys.getrefcount(f) for f in functions] == references


def test_py17_code_can_be_replaced_while_armed(probes, source):
    """As debuggers and hot reloaders do; what they put there stays there."""
    module = (subject := source(SUBJECT)).run()
    probes.set(subject.at("# line"), "line", id="line")
    probes.set(subject.path.stem + ":traced", "exit", id="exit")
    module.traced(1)
    names = {}
    exec(compile("def f(a, b=2, *rest, c=3, **others):\n    return 'other'\n", "other.py", "exec"), names)
    other = names["f"].__code__
    old = module.traced.__code__
    module.traced.__code__ = other
    assert module.traced(1) == "other"
    probes.clear()
    assert module.traced.__code__ is other and module.traced(1) == "other"
    module.traced.__code__ = old
    assert module.traced(1) == 6


def raw(code):
    """The instructions that really run, with their caches."""
    return getattr(code, "_co_code_adaptive", code.co_code)


def test_py13_other_code_is_not_touched(probes, source):
    """With line probes armed no event is on outside of their code, and no other code is changed by a bit;
    exceptions elsewhere tell nobody."""
    armed = (subject := source(SUBJECT)).run()
    others = source(OTHERS).run()
    for _ in range(100):
        others.catches(), others.loops(5), armed.traced(1)
    elsewhere = [f for f in gc.get_objects() if type(f) is types.FunctionType and
                 f.__code__.co_filename != str(subject.path)]
    before = [(f.__code__, raw(f.__code__)) for f in elsewhere]
    probes.set(subject.at("# line"), "line", id="line", rate=0.001)
    probes.set(subject.at("# method"), "line", id="method", rate=0.001)
    changed = [f for f, (code, bytes) in zip(elsewhere, before) if f.__code__ is not code or raw(code) != bytes]
    # What the tests themselves ran meanwhile warms up; no more than that.
    assert not [f for f in changed if f.__code__.co_filename.startswith(os.path.dirname(str(subject.path)))]
    assert all(f.__code__ is code for f, (code, _) in zip(elsewhere, before))
    opcodes = [(i.opname, i.arg) for f in (others.catches, others.throws, others.loops, others.plain)
               for i in dis.get_instructions(f.__code__, **({"adaptive": True} if sys.version_info >= (3, 11) else {}))]
    for _ in range(100):
        others.catches(), others.loops(5), armed.traced(1)
    assert opcodes == [
        (i.opname, i.arg) for f in (others.catches, others.throws, others.loops, others.plain)
        for i in dis.get_instructions(f.__code__, **({"adaptive": True} if sys.version_info >= (3, 11) else {}))]
    if HAS_MONITORING:
        assert sys.monitoring.get_events(tool()) == 0
        assert all(sys.monitoring.get_local_events(tool(), f.__code__) == 0 for f in elsewhere)
        assert sys.monitoring.get_local_events(tool(), armed.traced.__code__) != 0
    assert sys.gettrace() is None and sys.getprofile() is None
    assert probes.hits("line") == 100


@needs_monitoring
def test_py13_a_function_probe_hears_unwinds_and_nothing_else(probes, source):
    module = (subject := source(SUBJECT)).run()
    others = source(OTHERS).run()
    probes.set(subject.path.stem + ":traced", "exit")
    only = sys.monitoring.events.PY_UNWIND | sys.monitoring.events.PY_THROW  # they can not be local
    assert sys.monitoring.get_events(tool()) & ~only == 0
    for function in (others.catches, others.throws, others.loops):
        assert sys.monitoring.get_local_events(tool(), function.__code__) == 0
    others.catches()
    assert probes.hits() == 0
    probes.clear()
    assert sys.monitoring.get_events(tool()) == 0
    assert module


def test_py12_exceptions_pass_as_they_are(probes, source):
    """Through functions with probes and without, often: a callback that asked to be switched off where
    this is not allowed would show as another exception, or by falling silent."""
    module = (subject := source(OTHERS)).run()
    error = None
    for name in ("throws", "catches", "loops"):
        probes.set("%s:%s" % (subject.path.stem, name), "exit", id=name, rate=0.001)
    for _ in range(300):
        assert module.catches() == 2
        with pytest.raises(KeyError) as caught:
            module.throws(3)
        assert caught.value.args == (0,) and caught.value.__context__ is None and caught.value.__cause__ is None
        depth, entry = 0, caught.value.__traceback__
        while entry is not None:
            depth, entry = depth + 1, entry.tb_next
        assert error is None or depth == error
        error = depth
        with pytest.raises(ZeroDivisionError):
            1 / 0
        assert module.loops(3) == 3
    assert {id: probes.hits(id) for id in probes.definitions} == {"throws": 3000, "catches": 300, "loops": 300}
    assert sys.exc_info() == (None, None, None)


def test_py12_what_the_program_sees_while_a_callback_runs(probes, source):
    """errno, the exception being handled and the recursion limit belong to the program."""
    module = (subject := source("""
        import ctypes, sys
        def handled():
            try:
                raise KeyError("k")
            except KeyError:
                ctypes.set_errno(77)
                here = 1  # here
                return sys.exc_info()[1].args, ctypes.get_errno()
        def deep(n):
            return deep(n + 1) if n >= 0 else 0  # deep
        def depth():
            try:
                deep(0)
            except RecursionError as error:
                count, entry = 0, error.__traceback__
                while entry is not None:
                    count, entry = count + 1, entry.tb_next
                return count
        """)).run()
    depth = module.depth()
    probes.set(subject.at("# here"), "line", id="here")
    probes.set(subject.at("# deep"), "line", id="deep", rate=0.001)
    probes.set(subject.path.stem + ":deep", "exit", id="exit", rate=0.001)
    assert module.handled() == (("k",), 77)
    assert abs(module.depth() - depth) <= 1
    assert probes.hits("here") == 1 and probes.hits("deep") >= depth - 3


@needs_monitoring
@pytest.mark.parametrize("first", ["sonde", "others"])
def test_py12_coverage_and_a_debugger_at_once(tmp_path, first):
    """The real coverage.py on sys.monitoring, a debugger at id 0 that restarts everybody's events from
    within its callbacks, and us: each is told what it would be told alone.

    But for one thing. Where a tool asks for a line's events to be switched off, CPython (3.12.1 and
    3.13.0, seen with callbacks in plain Python too) passes over other tools' INSTRUCTION event of
    that one execution. Never more than that may be missing."""
    program = tmp_path / "program_manners.py"
    program.write_text(textwrap.dedent("""
        def f(n):
            total = 0
            for i in range(n):
                if i % 2:
                    total += i  # odd
                else:
                    total -= 1
            return total  # end
        def fails(n):
            if n:
                return fails(n - 1)
            raise KeyError(n)
        def never():
            return 1
        def main():
            for n in range(10):
                f(n)
                try:
                    fails(2)
                except KeyError:
                    pass
    """).lstrip())
    code = """
        import json, sys
        with_sonde, with_others, disables = (word == "1" for word in sys.argv[1:4])
        first, folder = sys.argv[4:]
        sys.path.insert(0, folder)
        monitoring, E = sys.monitoring, sys.monitoring.events
        told = {"debugger": 0, "hits": None, "lines": None, "ids": None, "restarts": 0, "off": {}}
        def set_probes():
            import sonde.auto
            from sonde import _native
            _native.apply_testonly(json.dumps([
                dict(id=id, revision=1, location=location, at=at, rate=0.001) for id, location, at in (
                    ("odd", "program_manners.py:5", "line"), ("end", "program_manners.py:8", "line"),
                    ("f", "program_manners:f", "exit"), ("fails", "program_manners:fails", "exit"))]))
        def start_others():
            global measured
            import coverage
            measured = coverage.Coverage(data_file=None, include=["*program_manners*"], config_file=False)
            measured.start()
            monitoring.use_tool_id(monitoring.DEBUGGER_ID, "debugger")
            def on_line(code, line):
                if code.co_filename.endswith("program_manners.py"):
                    told["debugger"] += 1
                    if told["debugger"] % 7 == 0:
                        told["restarts"] += 1
                        monitoring.restart_events()
                        return None
                    if disables and told["debugger"] % 3 == 0:
                        told["off"][line] = told["off"].get(line, 0) + 1
                        return monitoring.DISABLE
            monitoring.register_callback(monitoring.DEBUGGER_ID, E.LINE, on_line)
            def on_raise(code, *rest):
                told["raised"] = told.get("raised", 0) + code.co_filename.endswith("program_manners.py")
            monitoring.register_callback(monitoring.DEBUGGER_ID, E.RAISE, on_raise)
            monitoring.set_events(monitoring.DEBUGGER_ID, E.LINE | E.RAISE)
        for what in (["sonde", "others"] if first == "sonde" else ["others", "sonde"]):
            if what == "sonde" and with_sonde:
                set_probes()
            if what == "others" and with_others:
                start_others()
        import program_manners
        for _ in range(3):
            program_manners.main()
        told["ids"] = [monitoring.get_tool(n) for n in (0, 1)]
        if with_others:
            monitoring.set_events(monitoring.DEBUGGER_ID, 0)
            measured.stop()
            data = measured.get_data()
            told["core"] = type(measured._collector.tracers[0]).__name__ if measured._collector.tracers else "?"
            told["lines"] = sorted(n for name in data.measured_files() for n in data.lines(name))
        if with_sonde:
            from sonde import _native
            told["hits"] = {s["probe_id"]: s["hits"] for s in json.loads(_native.report())["statuses"]}
        print(json.dumps(told))
        """
    environment = {"COVERAGE_CORE": "sysmon"}

    def run(with_sonde, with_others, disables=False):
        flags = [str(int(flag)) for flag in (with_sonde, with_others, disables)]
        result = run_python(code, *flags, first, str(tmp_path), env=environment)
        assert result.stderr == ""
        return json.loads(result.stdout)

    alone = run(True, False)
    assert alone["hits"] == {"odd": 60, "end": 30, "f": 30, "fails": 90}
    assert alone["ids"] == [None, None]
    for disables in (False, True):
        without, together = run(False, True, disables), run(True, True, disables)
        assert together["core"] == "SysMonitor", together
        assert together["lines"] == without["lines"] and set(together["lines"]) >= {2, 3, 4, 5, 7, 8}
        assert (together["debugger"], together["raised"]) == (without["debugger"], without["raised"])
        assert together["ids"] == ["debugger", without["ids"][1]] and together["ids"][1]
        assert {id: together["hits"][id] for id in ("f", "fails")} == {"f": 30, "fails": 90}
        for id, line in (("odd", "5"), ("end", "8")):
            # coverage.py has each line switched off once it knows it, after each restart again.
            missing = alone["hits"][id] - together["hits"][id]
            assert 0 <= missing <= together["off"].get(line, 0) + together["restarts"] + 1
            assert together["hits"][id] > 0


@pytest.mark.skipif(HAS_MONITORING, reason="for 3.12 and later another test has it beside a debugger")
def test_py12_coverage_beside_probes(tmp_path):
    """coverage.py's own tracer where there is no sys.monitoring: same lines, same hits."""
    (tmp_path / "program_manners.py").write_text(
        "def f(n):\n    if n % 2:\n        return 1\n    return 0\ndef never():\n    return 1\n")
    code = """
        import json, sys
        sys.path.insert(0, sys.argv[2])
        hits = None
        if sys.argv[1] == "1":
            import sonde.auto
            from sonde import _native
            _native.apply_testonly(json.dumps([
                dict(id="l", revision=1, location="program_manners.py:3", at="line", rate=0.001),
                dict(id="f", revision=1, location="program_manners:f", at="exit", rate=0.001)]))
        import coverage
        measured = coverage.Coverage(data_file=None, include=["*program_manners*"], config_file=False)
        measured.start()
        import program_manners
        for n in range(10):
            program_manners.f(n)
        measured.stop()
        data = measured.get_data()
        if sys.argv[1] == "1":
            hits = {s["probe_id"]: s["hits"] for s in json.loads(_native.report())["statuses"]}
        print(json.dumps([sorted(n for name in data.measured_files() for n in data.lines(name)), hits]))
        """
    without, beside = (json.loads(run_python(code, n, str(tmp_path)).stdout) for n in "01")
    assert beside == [without[0], {"l": 5, "f": 10}]


SHUTDOWN = """
    import atexit, json, sys, threading, time, _thread
    def late(where):
        told = where + "."
        return told
    def hits():
        return sum(s["hits"] for s in json.loads(_native.report())["statuses"])
    def after_the_agent():
        import sonde
        assert not sonde.status()["running"]
        _native.discard_testonly()  # of before: there is no collector to send it to
        late("last handler")
        assert _native.take_testonly() is None, "emitted after the stop"
        print("after", flush=True)
    atexit.register(after_the_agent)
    import sonde.auto
    from sonde import _native
    def before_the_agent():
        before = hits()
        late("handler")
        assert hits() >= before + 2, (before, _native.report())
        print("before", flush=True)
    atexit.register(before_the_agent)
    _native.apply_testonly(json.dumps([
        {"id": "l", "revision": 1, "at": "line", "location": "PLACE:5", "rate": 5000},
        {"id": "e", "revision": 1, "at": "entry", "location": "__main__:late", "rate": 5000},
        {"id": "x", "revision": 1, "at": "exit", "location": "__main__:late", "rate": 5000}]))
    """


def run_shutdown(tmp_path, code, *options, status=0):
    """The program from a file, as lines are told from there; run with -X dev, which warns of much."""
    path = tmp_path / "ends_manners.py"
    path.write_text((textwrap.dedent(SHUTDOWN) + textwrap.dedent(code)).lstrip().replace("PLACE", path.name))
    lines = path.read_text().split("\n")
    where = 1 + next(n for n, line in enumerate(lines) if "return told" in line)
    path.write_text("\n".join(lines).replace(path.name + ":5", "%s:%d" % (path.name, where)))
    result = run_python("""
        import os, sys
        os.execv(sys.executable, [sys.executable, "-X", "dev", *sys.argv[1:]])
        """, *options, str(path), check=False)
    assert (result.returncode, result.stderr) == (status, "")
    return result.stdout.split()


@pytest.mark.parametrize("code", [
    "",
    # Daemon threads in the middle of it, while the interpreter goes.
    """
    def spin():
        while True:
            late("daemon")
    for _ in range(3):
        threading.Thread(target=spin, daemon=True).start()
    """,
    # Threads that threading knows nothing of.
    """
    def spin():
        while True:
            late("unknown thread")
            time.sleep(0)
    for _ in range(3):
        _thread.start_new_thread(spin, ())
    """,
    # One that the main thread does not outlive: everything still works for it.
    """
    def work():
        threading.main_thread().join()
        before = hits()
        for _ in range(100):
            late("survivor")
        assert hits() >= before + 200
        _native.apply_testonly("[]")
        _native.apply_testonly(json.dumps([
            {"id": "n", "revision": 9, "at": "exit", "location": "__main__:late"},
            {"id": "m", "revision": 9, "at": "line", "location": "PLACE:5", "rate": 10}]))
        print("survived", flush=True)
    threading.Thread(target=work).start()
    """,
    # Objects that die with the modules, with the last collection, and at the very end.
    """
    class Dying:
        def __del__(self, late=late):
            late("dying")
    here, cycle = Dying(), Dying()
    cycle.me = cycle
    sys.dying = Dying()
    import builtins
    builtins.dying = Dying()
    del cycle
    """,
    # Frames that are still suspended: their end is told, or not, when their generators die.
    """
    def generator(late=late):
        try:
            while True:
                yield late("generator")
        finally:
            late("closed")
    waiting = generator()
    next(waiting)
    _native.apply_testonly(json.dumps([{"id": "g", "revision": 3, "at": "exit", "location": "__main__:generator"},
        {"id": "l", "revision": 3, "at": "line", "location": "PLACE:5", "rate": 10},
        {"id": "x", "revision": 3, "at": "exit", "location": "__main__:late"}]))
    """,
    # Code that appears and goes while everything ends.
    """
    def compiles():
        exec(compile("def f(): return 1\\nf()", "appears.py", "exec"), {})
        late("compiled")
    atexit.register(compiles)
    class Compiling:
        def __del__(self, compiles=compiles):
            compiles()
    kept = Compiling()
    """,
    # Probes that come and go from a thread until it is frozen.
    """
    _native.apply_testonly("[]")
    def change():
        n = 10
        while True:
            n += 1
            try:
                _native.apply_testonly(json.dumps([
                    {"id": "x", "revision": n, "at": "exit", "location": "__main__:late"},
                    {"id": "y", "revision": n, "at": "entry", "location": "__main__:late"}]))
            except ValueError as error:  # this thread may still run between the agent's end and its own
                assert "is stopped" in str(error)
                return
            late("changed")
    atexit.unregister(before_the_agent)
    atexit.register(lambda: print("before", flush=True))
    threading.Thread(target=change, daemon=True).start()
    """,
], ids=["handlers", "daemons", "unknown threads", "a survivor", "finalizers", "generators", "code", "changes"])
def test_py16_the_end_of_the_process(tmp_path, code):
    """Emission is ready before the exit handlers and silent after the agent's own; no warning, no crash."""
    words = run_shutdown(tmp_path, code)
    assert [w for w in words if w in ("before", "after")] == ["before", "after"]
    assert ("survived" in words) == ("survivor" in code)


def test_py16_exit_by_exception_and_by_exit(tmp_path):
    assert run_shutdown(tmp_path, "sys.exit(3)\n", status=3) == ["before", "after"]


INTERPRETERS = """
    import json, os, sys, threading
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    import sonde.auto, sonde
    from sonde import _native
    TEXT = "def shared(a):\\n    b = a\\n    return b\\nx = shared(1)\\n"
    def run(other, code):
        error = interpreters.run_string(other, code)
        assert error is None, error
    def load(name):
        names = {"__name__": name}
        exec(compile(TEXT, "/tmp/%s.py" % name, "exec"), names)
        return names["shared"]
    def apply(*locations):
        _native.apply_testonly(json.dumps([
            {"id": "p%d" % n, "revision": 1, "at": "line" if location[-1].isdigit() else "exit", "location": location,
             "rate": 1000} for n, location in enumerate(locations)]))
    def statuses():
        return [(s["status"], s["hits"]) for s in json.loads(_native.report())["statuses"]]
    """


def run_interpreters(code):
    result = run_python(textwrap.dedent(INTERPRETERS) + textwrap.dedent(code))
    assert result.stderr == ""
    return result.stdout


def test_nx01_code_of_a_sub_interpreter_is_not_ours():
    """The same file is loaded there too, before and after probes are set here: nothing of it fires, waits
    or is found, and here everything goes on."""
    run_interpreters("""
        mine = load("twice")
        other = interpreters.create()
        theirs = ("names = {'__name__': 'twice'}\\n"
                  "exec(compile(%r, '/tmp/twice.py', 'exec'), names)\\nnames['shared'](2)\\n") % TEXT
        run(other, theirs)
        apply("/tmp/twice.py:2", "twice:shared", "only_there:shared", "only_there.py:2")
        assert statuses() == [("installed", 0)] * 2 + [("pending", 0)] * 2, statuses()
        run(other, theirs)
        run(other, theirs.replace("twice", "only_there"))
        assert statuses() == [("installed", 0)] * 2 + [("pending", 0)] * 2, statuses()
        mine(1)
        assert [s[1] for s in statuses()] == [1, 1, 0, 0]
        here = load("only_there")
        assert [s[1] for s in statuses()] == [1, 1, 1, 1], statuses()
        interpreters.destroy(other)
        mine(1), here(1)
        assert [s[1] for s in statuses()] == [2, 2, 2, 2]
        apply()
        assert [_native.armed_testonly(f.__code__) for f in (mine, here)] == [0, 0]
        """)


def test_nx01_sub_interpreters_beside_hits_and_changes():
    """While probes come, hit and go here: in threads of their own from 3.12 on; before, where two
    interpreters with a thread each stand still even without us, in turns."""
    run_interpreters("""
        mine = load("beside")
        theirs = ("names = {'__name__': 'beside'}\\n"
                  "for n in range(50):\\n"
                  "    exec(compile(%r, '/tmp/beside.py', 'exec'), names)\\n"
                  "    for n in range(50):\\n        names['shared'](n)\\n") % TEXT
        failures = []
        def work():
            try:
                for _ in range(3):
                    other = interpreters.create()
                    run(other, theirs)
                    interpreters.destroy(other)
            except BaseException as error:
                failures.append(error)
        threads = [threading.Thread(target=work) for _ in range(2 if sys.version_info >= (3, 12) else 0)]
        for thread in threads: thread.start()
        in_turn = None if threads else interpreters.create()
        rounds = 0
        while any(thread.is_alive() for thread in threads) or rounds < 50:
            apply("/tmp/beside.py:2", "beside:shared")
            if in_turn is not None:
                run(in_turn, theirs)
            mine(rounds)
            assert [s[1] for s in statuses()] == [1, 1], statuses()
            apply()
            assert _native.discard_testonly() == 2
            rounds += 1
        for thread in threads: thread.join()
        assert not failures, failures
        assert sonde.status()["running"]
        """)


def test_nx01_a_sub_interpreter_is_told_why():
    out = run_interpreters("""
        other = interpreters.create()
        run(other, "import sonde.auto, sonde\\nprint(sonde.status(), flush=True)")
        interpreters.destroy(other)
        def f():
            return 1
        apply("__main__:f")
        f()
        assert statuses() == [("emitting", 1)]
        """)
    assert "'running': False" in out and "interpreter" in out.split("reason")[1]


def test_nx01_free_threaded_builds_are_told_why():
    """There is none here: what such a build says of itself is said for it."""
    result = run_python("""
        import sys
        sys._is_gil_enabled = lambda: False
        import sonde.auto, sonde
        print(sonde.status(), "sonde._native" in sys.modules)
        """)
    assert "free-threaded" in result.stdout and "'running': False" in result.stdout
    assert result.stdout.strip().endswith("False") and result.stderr == ""
