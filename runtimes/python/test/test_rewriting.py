# SPDX-License-Identifier: Apache-2.0
# Rows: PY-11 PY-17
"""Before 3.12: code objects that stand in the place of others, wherever these are held, and that
nothing is left of them."""
import functools
import gc
import itertools
import json
import marshal
import os
import sys
import threading
import types
import weakref

import pytest
from sonde import _native

from conftest import captured, plain, run_python

SUBJECT = """
    def outer(n):
        def middle(m):
            def inner(x):
                y = x + n + m
                return y  # inner
            return inner  # middle
        return middle  # outer
    def f(a):
        b = a * 2
        return b  # f
    class C:
        kind = "c"  # class
        def method(self, a):
            return a  # method
        squares = [n * n for n in range(3)]
    """


def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def everything(code):
    """What there is to see of a code object, of those in it too."""
    names = [n for n in dir(code) if n.startswith("co_") and not callable(getattr(code, n))]
    values = [(n, getattr(code, n)) for n in names if n != "co_consts"]
    inner = [everything(c) if isinstance(c, types.CodeType) else c for c in code.co_consts]
    return values, inner, hash(code), marshal.dumps(code)


def codes(code):
    return [code] + [c for k in code.co_consts if isinstance(k, types.CodeType) for c in codes(k)]


def test_py11_every_closure_that_there_is_and_will_be(probes, source):
    module = (subject := source(SUBJECT)).run()
    old = [module.outer(n)(0) for n in range(10)]
    middle = module.outer(100)
    assert probes.set(subject.at("# inner"), "line")["status"] == "installed"
    new = [module.outer(n)(0) for n in range(10, 20)] + [middle(0)]
    assert [f(1) for f in old + new] == [n + 1 for n in range(20)] + [101]
    assert probes.hits() == 21
    assert {plain(captured(r)["n"]) for r in probes.take_all()} == {str(n) for n in [*range(20), 100]}
    probes.remove()
    assert len({id(f.__code__) for f in old + new + [module.outer(1)(2)]}) == 1


@pytest.mark.parametrize("order", itertools.permutations(["inner", "middle", "outer"]))
@pytest.mark.parametrize("backwards", [False, True])
def test_py17_nested_code_in_any_order(probes, source, order, backwards):
    module = (subject := source(SUBJECT)).run()
    root, before = module.outer.__code__, everything(module.outer.__code__)
    originals = [id(c) for c in codes(root)]
    armed = set()

    def check():
        counts = {name: probes.hits(name) for name in armed}
        assert module.outer(1)(2)(3) == 6
        assert counts == {name: probes.hits(name) - 1 for name in armed}

    for name in order:
        assert probes.set(subject.at("# " + name), "line", id=name)["status"] == "installed"
        armed.add(name)
        check()
    for name in reversed(order) if backwards else order:
        armed.discard(name)
        probes.remove(name)
        check()
    assert module.outer.__code__ is root
    assert [id(c) for c in codes(root)] == originals
    assert everything(root) == before


def test_py17_all_at_once_and_none(probes, source):
    module = (subject := source(SUBJECT)).run()
    functions = [module.outer, module.f, module.C.method]
    before = [(id(f.__code__), everything(f.__code__)) for f in functions]
    for _ in range(3):
        for name in ("inner", "middle", "outer", "f", "method"):
            probes.set(subject.at("# " + name), "line", id=name)
        module.outer(1)(2)(3), module.f(1), module.C().method(1)
        probes.definitions = {}
        probes.apply()
        assert [(id(f.__code__), everything(f.__code__)) for f in functions] == before


def test_py06_whoever_holds_the_function(probes, source):
    module = (subject := source(SUBJECT)).run()
    alias, partial, registry = module.f, functools.partial(module.f, 1), {"f": module.f}
    wrapped = functools.lru_cache(maxsize=None)(module.f)
    bound = module.C().method
    probes.set(subject.at("# f"), "line")
    probes.set(subject.at("# method"), "line", id="m")
    alias(1), partial(), registry["f"](3), wrapped(4), list(map(module.f, [5])), bound(1)
    assert (probes.hits(), probes.hits("m")) == (5, 1)


def test_names_and_identity_are_kept_while_armed(probes, source):
    module = (subject := source(SUBJECT)).run()
    f, original = module.f, module.f.__code__
    probes.set(subject.at("# f"), "line")
    probes.set(subject.at("# f"), "line", id="two")
    assert module.f is f and f.__name__ == "f" and f.__code__ is not original
    for name in ("co_name", "co_filename", "co_firstlineno", "co_varnames", "co_names", "co_freevars",
                 "co_cellvars", "co_flags", "co_argcount"):
        assert getattr(f.__code__, name) == getattr(original, name)
    assert hash(f.__code__) is not None


def test_code_that_another_tool_has_put_there_is_left_alone(probes, source):
    module = (subject := source(SUBJECT)).run()
    probes.set(subject.at("# f"), "line")
    foreign = (lambda a: "foreign").__code__
    module.f.__code__ = foreign
    assert module.f(1) == "foreign"
    probes.remove()
    assert module.f.__code__ is foreign
    probes.set(subject.at("# method"), "line")
    copy = types.FunctionType(module.C.method.__code__.replace(co_name="copy"), {})
    assert copy(None, 5) == 5
    probes.remove()
    assert copy(None, 6) == 6


def test_code_given_to_another_function(probes, source):
    """What was taken from a function while it was armed is taken back there too."""
    module = (subject := source(SUBJECT)).run()
    original = module.f.__code__
    probes.set(subject.at("# f"), "line")

    def other(a):
        return None

    other.__code__ = module.f.__code__
    assert other(2) == 4 and probes.hits() == 1
    probes.remove()
    assert other.__code__ is original


def test_running_frames_keep_what_they_have(probes, source):
    module = (subject := source("""
        def steps():
            while True:
                x = 1  # here
                yield x
        """)).run()
    old = module.steps()
    next(old)
    probes.set(subject.at("# here"), "line")
    new = module.steps()
    next(old), next(new), next(new)
    assert probes.hits() == 2
    probes.remove()
    next(old), next(new)
    assert probes.take_all() and probes.take() is None
    probes.set(subject.at("# here"), "line")
    next(new)
    assert probes.hits() == 1  # it has a hook there, and something is armed again


def test_generators_that_are_suspended_for_ever(probes, source):
    module = (subject := source("""
        def steps():
            x = 1
            yield x
            x = 2  # here
            yield x
        """)).run()
    original = module.steps.__code__
    kept = []
    for _ in range(5):
        probes.set(subject.at("# here"), "line")
        kept.append(module.steps())
        next(kept[-1])
        probes.remove()
    assert module.steps.__code__ is original
    assert [next(g) for g in kept] == [2] * 5
    stands = weakref.ref(kept[0].gi_code)
    del kept
    gc.collect()
    assert stands() is None


def test_module_and_class_bodies(probes, importable):
    subject = importable("""
        first = 1
        second = first + 1  # module
        class C:
            third = 3
            fourth = third + 1  # class
            def method(self):
                return 5  # method
        try:
            1 // 0
        except ZeroDivisionError as e:
            frames = []
            t = e.__traceback__
            while t:
                frames.append(t.tb_frame.f_code.co_name)
                t = t.tb_next
        import sys
        depth = []
        frame = sys._getframe()
        while frame and len(depth) < 3:
            depth.append(frame.f_code.co_name)
            frame = frame.f_back
        """, "body_rewriting.py")
    for name in ("module", "class", "method"):
        assert probes.set(subject.at("# " + name), "line", id=name)["status"] == "pending"
    import body_rewriting as module
    module.C().method()
    assert [probes.hits(n) for n in ("module", "class", "method")] == [1, 1, 1]
    records = {r["probe_id"]: r for r in probes.take_all()}
    assert plain(captured(records["module"])["first"]) == "1"
    assert plain(captured(records["class"])["third"]) == "3"
    assert module.frames == ["<module>"]
    assert module.depth[:2] == ["<module>", "_call_with_frames_removed"]
    assert [f[1] for f in records["module"]["stack"][:2]] == ["<module>", "_call_with_frames_removed"]
    assert module.second == 2 and module.__name__ == "body_rewriting" and module.C.fourth == 4


def test_a_module_body_that_raises(probes, importable):
    subject = importable("x = 1  # here\nraise KeyError(x)\n", "raises_rewriting.py")
    probes.set(subject.at("# here"), "line")
    with pytest.raises(KeyError) as caught:
        import raises_rewriting  # noqa: F401
    names = [entry.name for entry in caught.traceback if "raises_rewriting" in str(entry.path)]
    assert names == ["<module>"] and probes.hits() == 1


def test_a_body_that_is_run_again_and_again(probes, source):
    subject = source("a = n\nb = a  # here\n")
    code = compile(subject.text, str(subject.path), "exec")
    before = everything(code)
    probes.set(subject.at("# here"), "line")
    for n in range(5):
        names, local = {"n": n}, {}
        exec(code, names, local)
        assert local == {"a": n, "b": n} and set(names) == {"n", "__builtins__"}
    assert probes.hits() == 5
    probes.remove()
    exec(code, {"n": 1})
    assert everything(code) == before


def test_nested_imports_and_threads(probes, importable):
    inner = importable("x = 1  # inner\n", "inner_rewriting.py")
    outer = importable("import inner_rewriting\ny = 2  # outer\n", "outer_rewriting.py")
    probes.set(inner.at("# inner"), "line", id="i")
    probes.set(outer.at("# outer"), "line", id="o")
    thread = threading.Thread(target=__import__, args=("outer_rewriting",))
    thread.start()
    thread.join()
    assert (probes.hits("i"), probes.hits("o")) == (1, 1)


def test_constants_that_are_looked_at_are_no_hits(probes, source):
    module = (subject := source(SUBJECT)).run()
    probes.set(subject.at("# f"), "line")
    for const in module.f.__code__.co_consts:
        if type(const).__name__ == "hook":
            assert const and const not in (None, 1) and not isinstance(const, int)
            assert const not in const and None not in const
    module.f(1)
    assert probes.hits() == 1


def test_py02_a_copy_of_the_probed_code_is_told_of(probes, source):
    """As types.coroutine makes one: nothing else may be left of the function."""
    module = (subject := source(SUBJECT)).run()
    probes.set(subject.at("# f"), "line")
    module.f.__code__ = module.f.__code__.replace(co_name="copy")
    gc.collect()
    module.f(1)
    assert probes.hits() == 1
    probes.clear()
    module.f(1)  # what is left of our hooks does nothing


def test_frozen_objects_are_found(probes, source):
    module = (subject := source(SUBJECT)).run()
    gc.freeze()
    try:
        probes.set(subject.at("# f"), "line")
        module.f(1)
        assert probes.hits() == 1
    finally:
        gc.unfreeze()


def test_the_collector_is_as_it_was(probes, source):
    subject = source(SUBJECT)
    subject.run()
    for state, switch in ((False, gc.disable), (True, gc.enable)):
        switch()
        probes.set(subject.at("# f"), "line")
        assert gc.isenabled() is state
        probes.remove()
        assert gc.isenabled() is state


def test_core03_code_dies_when_its_last_holder_does(probes, source):
    module = (subject := source(SUBJECT)).run()
    probes.set(subject.at("# inner"), "line")
    probes.set(subject.at("# outer"), "line", id="o")
    ends = [weakref.ref(c) for c in codes(module.outer.__code__)]
    inner = module.outer(1)(2)
    del module
    gc.collect()
    assert inner(3) == 6 and probes.hits() == 1
    assert _native.status()["armed"] == 2  # its globals are the module
    del inner
    gc.collect()
    assert _native.status()["armed"] == 0
    assert [end() for end in ends] == [None] * 3
    module = subject.run()
    assert module.outer(1)(2)(3) == 6 and probes.hits() == 2


def test_fork(probes, source):
    module = (subject := source(SUBJECT)).run()
    probes.set(subject.at("# f"), "line")
    original = None
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            module.f(1)
            hits = probes.hits()
            probes.remove()
            answer = [hits, probes.status() is None, type(module.f.__code__.co_consts[-1]).__name__]
        except BaseException as e:  # the child must not go on as a test run
            answer = [repr(e)]
        os.write(write, json.dumps(answer).encode())
        os._exit(0)
    os.waitpid(child, 0)
    hits, is_gone, last = json.loads(os.read(read, 1000))
    assert (hits, is_gone) == (1, True) and last != "hook"
    module.f(1)
    assert probes.hits() == 1
    assert original is None


def test_py17_references_are_as_before():
    """In a process of its own, which is small: each cycle walks the heap."""
    result = run_python("""
        import gc, json, os, sys
        import sonde.auto
        from sonde import _native
        source = "def f(a):\\n    return a\\ndef o():\\n    def i(a):\\n        return a\\n    return i\\n"
        names = {}
        exec(compile(source, "/tmp/cycles.py", "exec"), names)
        f, o = names["f"], names["o"]
        definitions = json.dumps([
            {"id": "l", "revision": 1, "location": "/tmp/cycles.py:2", "at": "line", "rate": 100000},
            {"id": "i", "revision": 1, "location": "/tmp/cycles.py:5", "at": "line", "rate": 100000},
            {"id": "e", "revision": 1, "location": "cycles:f", "at": "exit", "rate": 100000}])
        argument = object()
        watched = [f, o, f.__code__, o.__code__, o.__code__.co_consts, argument, None, True]
        def rss():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        def cycle():
            _native.apply_testonly(definitions)
            f(argument)
            o()(argument)
            taken = _native.discard_testonly()
            _native.apply_testonly("[]")
            return taken
        for _ in range(300):
            assert cycle() == 3
        gc.collect()
        size, before = rss(), [sys.getrefcount(x) for x in watched]
        for _ in range(10000):
            cycle()
        gc.collect()
        after = [sys.getrefcount(x) for x in watched]
        print(json.dumps([before, after, rss() - size]))
        """, env={"SONDE_QUEUE_BYTES": str(256 << 10)}, timeout=240)
    before, after, grown = json.loads(result.stdout)
    assert after[:6] == before[:6]
    assert max(abs(a - b) for a, b in zip(after, before)) < 20, (before, after)
    assert grown < 1 << 20


def test_py11_a_million_closures(probes, source):
    module = (subject := source("""
        def outer(n):
            def inner():
                return n  # inner
            return inner
        """)).run()
    closures = [module.outer(n) for n in range(300000)]
    probes.set(subject.at("# inner"), "line", rate=0.001)
    probes.remove()
    gc.collect()
    size = rss()
    for _ in range(3):
        probes.set(subject.at("# inner"), "line", rate=0.001)
        assert closures[-1]() == 299999
        probes.remove()
    assert rss() - size < 4 << 20
    probes.set(subject.at("# inner"), "line", rate=0.001)
    closures = None
    size = None
    for n in range(1000000):
        module.outer(n)()
        if n == 100000:
            size = rss()
    assert probes.hits() == 1000000
    assert rss() - size < 1 << 20


def test_nx03_where_rewriting_does_not_hold_nothing_is_armed():
    result = run_python("""
        import json
        from sonde import _native
        _native.fail_testonly("rewriting")
        import sonde.auto, sonde
        def f():
            return 1
        _native.apply_testonly(json.dumps(
            [{"id": "p", "revision": 1, "location": "__main__:f", "at": "entry", "rate": 1}]))
        report = json.loads(_native.report())
        print(json.dumps([report["statuses"][0], report["disarmed"], f(), type(f.__code__.co_consts[-1]).__name__]))
        """)
    status, disarmed, value, last = json.loads(result.stdout)
    assert status["status"] == "error" and "rewriting" in status["message"]
    assert "rewriting" in json.dumps(disarmed) and value == 1 and last == "int"


def test_a_module_body_behind_another_audit_hook(tmp_path):
    """Frames come between the audit event and the module's; and one never comes."""
    (tmp_path / "late.py").write_text("x = 1  # here\n")
    result = run_python("""
        import json, sys
        import sonde.auto
        from sonde import _native
        path = sys.argv[1]
        sys.path.insert(0, path)
        refuses = False
        def audit(event, args):
            if event == "exec" and [n for n in range(3)] and refuses:
                raise RuntimeError("refused")
        _native.apply_testonly(json.dumps(
            [{"id": "p", "revision": 1, "location": path + "/late.py:1", "at": "line", "rate": 100}]))
        sys.addaudithook(audit)
        refuses = True
        try:
            import late
        except RuntimeError as e:
            print(e)
        refuses = False
        print([n for n in map(lambda n: n, range(20000))][-1])
        import late
        print(json.loads(_native.report())["statuses"][0]["hits"], late.x)
        """, str(tmp_path))
    assert result.stdout.split() == ["refused", "19999", "1", "1"]
