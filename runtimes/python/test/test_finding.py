# SPDX-License-Identifier: Apache-2.0
# Rows: PY-07 PY-08 PY-11
"""Which code a probe is set on: a decorated function's own, that of closures there are and closures to
come, of modules not imported yet; and that taking one probe away touches no other."""
import gc
import importlib
import sys
import threading
import types

import pytest
from sonde import _native

from conftest import plain

HAS_MONITORING = hasattr(sys, "monitoring")

DECORATORS = """
    import functools
    def wrapping(f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            return f(*args, **kwargs)  # wraps
        return wrapper
    def with_options(*options):
        def decorator(f):
            @functools.wraps(f)
            def wrapper(*args, **kwargs):
                return f(*args, **kwargs)  # options
            wrapper.options = options
            return wrapper
        return decorator
    def bare(f):
        def replaced(*args):
            return f(*args)  # bare
        return replaced
    class Callable:
        def __init__(self, f):
            self.hidden = f
        def __call__(self, *args):
            return self.hidden(*args)  # class
    class Registry(dict):
        def register(self, f):
            self[f.__name__] = f
            return None
    registry = Registry()
    """

DECORATED = """
    from decorators_finding import *
    @wrapping
    def wrapped(a):
        return a + 1  # wrapped
    @with_options(1, 2)
    def optioned(a):
        return a + 1  # optioned
    @wrapping
    @with_options("x")
    @wrapping
    def stacked(a):
        return a + 1  # stacked
    @bare
    def unmarked(a):
        return a + 1  # unmarked
    @bare
    @wrapping
    @bare
    def mixed(a):
        return a + 1  # mixed
    @Callable
    def called(a):
        return a + 1  # called
    @functools.lru_cache(maxsize=None)
    def cached(a):
        return a + 1  # cached
    @functools.partial(functools.partial, functools.partial)
    def partially(a):
        return a + 1  # partially
    @registry.register
    def registered(a):
        return a + 1  # registered
    @functools.singledispatch
    def dispatched(a):
        return a + 1  # dispatched
    class Owner:
        @property
        def prop(self):
            return 2  # prop
        @wrapping
        def method(self, a):
            return a + 1  # method
        @staticmethod
        @wrapping
        def static(a):
            return a + 1  # static
        @classmethod
        @wrapping
        def of_class(cls, a):
            return a + 1  # of_class
        @functools.cached_property
        def lazily(self):
            return 2  # lazily
    """

# name, its location, and what calls it; the answer is always 2
CASES = [
    ("wrapped", lambda m: m.wrapped(1)),
    ("optioned", lambda m: m.optioned(1)),
    ("stacked", lambda m: m.stacked(1)),
    ("unmarked", lambda m: m.unmarked(1)),
    ("mixed", lambda m: m.mixed(1)),
    ("called", lambda m: m.called(1)),
    ("cached", lambda m: (m.cached.cache_clear(), m.cached(1))[1]),
    ("partially", lambda m: m.partially()(1)),
    ("registered", lambda m: m.registry["registered"](1)),
    ("dispatched", lambda m: m.dispatched(1)),
    ("Owner.prop", lambda m: m.Owner().prop),
    ("Owner.method", lambda m: m.Owner().method(1)),
    ("Owner.static", lambda m: m.Owner.static(1)),
    ("Owner.of_class", lambda m: m.Owner.of_class(1)),
    ("Owner.lazily", lambda m: m.Owner().lazily),
]


@pytest.fixture
def decorated(importable):
    importable(DECORATORS, "decorators_finding.py")
    subject = importable(DECORATED, "decorated_finding.py")
    return subject, importlib.import_module("decorated_finding")


def functions(files):
    """Every function made in these files, whoever holds it, and its code."""
    return {id(f): (f, f.__code__, f.__code__.co_code) for f in gc.get_objects()
            if type(f) is types.FunctionType and f.__code__.co_filename in files}


@pytest.mark.parametrize("name,work", CASES, ids=[name for name, _ in CASES])
@pytest.mark.parametrize("at", ["entry", "exit"])
def test_py07_the_users_function_is_found(probes, decorated, name, work, at):
    """Its own file and line, not the decorator's; afterwards every function is what it was."""
    subject, module = decorated
    last = name.split(".")[-1]
    body = subject.line("return a + 1  # " + last if last not in ("prop", "lazily") else "# " + last)
    files = {str(subject.path), sys.modules["decorators_finding"].__file__}
    gc.collect()
    before = functions(files)
    assert len(before) > 30
    status = probes.set("decorated_finding:" + name, at)
    assert (status["status"], status["places"]) == ("installed", 1)
    armed = [f for f, code, _ in before.values() if _native.armed_testonly(code)]
    assert [f.__name__ for f in armed] == [last]
    assert work(module) == 2
    (record,) = probes.take_all()
    assert (record["file"], record["function"]) == (str(subject.path), name)
    assert body - 4 <= record["line"] < body
    assert record["stack"][0][:2] == (str(subject.path), name) and record["stack"][0][2] <= body
    probes.remove()
    after = functions(files)
    assert set(after) == set(before)
    assert all(after[i][1] is before[i][1] and after[i][2] == before[i][2] for i in before)
    assert work(module) == 2 and probes.take() is None


def test_py07_lines_in_decorated_functions_and_in_decorators(probes, decorated):
    subject, module = decorated
    decorators = sys.modules["decorators_finding"].__file__
    wraps = next(n for n, text in enumerate(open(decorators), 1) if "# wraps" in text)
    probes.set(subject.at("# stacked"), "line", id="inner")
    probes.set("%s:%d" % (decorators, wraps), "line", id="wrapper")
    assert module.stacked(1) == 2
    assert (probes.hits("inner"), probes.hits("wrapper")) == (1, 2)  # one code, two closures of it
    probes.remove("wrapper")
    assert module.stacked(1) == 2 and module.wrapped(1) == 2
    assert probes.hits("inner") == 2


def test_py07_the_wrapper_has_a_name_too(probes, decorated):
    _, module = decorated
    assert probes.set("decorators_finding:bare.<locals>.replaced", "exit")["status"] == "installed"
    assert module.mixed(1) == 2 and module.unmarked(1) == 2
    assert probes.hits() == 3


SHARED = """
    def outer(n):
        def inner(a):
            b = a + n  # line
            return b
        return inner
    def sibling(a):
        b = a  # sibling
        return b
    class Owner:
        def method(self, a):
            return a  # method
        def other(self, a):
            return a  # other
    """


def counts(probes):
    return {id: probes.hits(id) for id in probes.definitions}


def everything(probes, subject):
    """Probes on every place that they could mix up."""
    name = subject.path.stem
    for id, location, at in (
            ("line", subject.at("# line"), "line"), ("same line", subject.at("# line"), "line"),
            ("next line", "%s:%d" % (subject.path, subject.line("# line") + 1), "line"),
            ("entry", name + ":outer.<locals>.inner", "entry"), ("exit", name + ":outer.<locals>.inner", "exit"),
            ("outer", name + ":outer", "exit"), ("sibling", name + ":sibling", "exit"),
            ("sibling line", subject.at("# sibling"), "line"), ("method", name + ":Owner.method", "exit"),
            ("method line", subject.at("# method"), "line"), ("other", name + ":Owner.other", "entry")):
        assert probes.set(location, at, id=id.replace(" ", "-"), rate=0.001)["status"] == "installed", id


def use(module, first):
    owner = module.Owner()
    assert (first(1), module.outer(2)(1), module.sibling(1), owner.method(1), owner.other(1)) == (2, 3, 1, 1, 1)


TIMES = {"line": 2, "same-line": 2, "next-line": 2, "entry": 2, "exit": 2}
NAMES = ["line", "same-line", "next-line", "entry", "exit", "outer", "sibling", "sibling-line", "method",
         "method-line", "other"]


@pytest.mark.parametrize("gone", NAMES)
def test_py08_removing_one_disarms_no_other(probes, source, gone):
    module = (subject := source(SHARED)).run()
    first = module.outer(1)
    everything(probes, subject)
    use(module, first)
    assert counts(probes) == {id: TIMES.get(id, 1) for id in NAMES}
    probes.remove(gone)
    before = counts(probes)
    use(module, first)
    assert counts(probes) == {id: before[id] + TIMES.get(id, 1) for id in NAMES if id != gone}


@pytest.mark.parametrize("order", [NAMES, NAMES[::-1], NAMES[::2] + NAMES[1::2]], ids=["as set", "backwards", "mixed"])
def test_py08_removed_one_after_the_other(probes, source, order):
    module = (subject := source(SHARED)).run()
    first = module.outer(1)
    originals = [f.__code__ for f in (first, module.outer, module.sibling, module.Owner.method, module.Owner.other)]
    everything(probes, subject)
    for gone in order:
        probes.remove(gone)
        before = counts(probes)
        use(module, first)
        assert counts(probes) == {id: n + TIMES.get(id, 1) for id, n in before.items()}
    assert all(f.__code__ is code for f, code in zip(
        (first, module.outer, module.sibling, module.Owner.method, module.Owner.other), originals))
    assert module.outer(5).__code__ is originals[0]
    assert [_native.armed_testonly(code) for code in originals] == [0] * 5
    assert _native.status()["armed"] == 0


def test_py08_calls_under_way_end_with_their_probe(probes, source):
    """Recursion, suspended generators and another probe's calls on the same frames; what is set again
    under the same id is told nothing of the old calls."""
    subject = source("""
        def f(n, at_the_bottom):
            if n == 0:
                at_the_bottom()
            else:
                f(n - 1, at_the_bottom)
            return n
        def g(a):
            yield a
            yield a
        """)
    module = subject.run()
    name = subject.path.stem
    probes.set(name + ":f", "exit", id="gone")
    probes.set(name + ":f", "exit", id="stays")
    probes.set(name + ":g", "exit", id="generator")
    waiting = [module.g(n) for n in range(3)]
    for generator in waiting:
        next(generator)

    def change():
        probes.remove("gone")
        probes.remove("generator")
        probes.set(name + ":f", "exit", id="gone")
        probes.set(name + ":g", "exit", id="generator")

    module.f(3, change)
    assert [list(generator) for generator in waiting] == [[0], [1], [2]]
    assert [r["probe_id"] for r in probes.take_all()] == ["stays"] * 4
    module.f(0, int)
    assert list(module.g(9)) == [9, 9]
    assert sorted(r["probe_id"] for r in probes.take_all()) == ["generator", "gone", "stays"]


def test_py08_removed_while_threads_run_through_it(probes, source):
    """Probes come and go on functions that two threads are in; one that stays misses nothing."""
    subject = source("""
        def f(a):
            b = a  # coming
            return b  # staying
        """)
    module = subject.run()
    probes.set(subject.at("# staying"), "line", id="staying", rate=0.001)
    stop, calls = threading.Event(), [0, 0]

    def work(me):
        while not stop.is_set():
            assert module.f(me) == me
            calls[me] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for n in range(50):
        probes.set(subject.at("# coming"), "line", id="line", rate=0.001)
        probes.set(subject.path.stem + ":f", "exit", id="exit", rate=0.001)
        probes.remove("line")
        probes.remove("exit")
    stop.set()
    for thread in threads:
        thread.join()
    assert probes.hits("staying") == sum(calls)
    probes.clear()
    assert _native.armed_testonly(module.f.__code__) == 0


LATER = """
    started = []  # first
    def f(a):
        return a  # in f
    def outer(n):
        def inner():
            return n  # inner
        return inner
    class Owner:
        made = 1  # class body
        def method(self):
            return 3  # method
    early = outer(1)
    result = f(2), early(), Owner().method()  # uses
    """
WAITING = [("first", "# first"), ("in-f", "# in f"), ("inner", "# inner"), ("class", "# class body"),
           ("method", "# method"), ("uses", "# uses")]


@pytest.mark.parametrize("by", ["path", "name"])
def test_py11_armed_before_the_modules_first_line(probes, importable, by):
    stem = "later_finding_by_" + by
    subject = importable(LATER, stem + ".py")
    for id, mark in WAITING:
        location = subject.at(mark) if by == "path" else "%s.py:%d" % (stem, subject.line(mark))
        assert probes.set(location, "line", id=id)["status"] == "pending", id
    for id, name in (("f", "f"), ("closure", "outer.<locals>.inner"), ("of-class", "Owner.method")):
        assert probes.set(stem + ":" + name, "exit", id=id)["status"] == "pending"
    module = importlib.import_module(stem)
    assert module.result == (2, 1, 3)
    assert counts(probes) == dict.fromkeys(probes.definitions, 1)
    before = [module.early, module.outer(5)]
    assert [closure() for closure in before] == [1, 5]
    assert (probes.hits("inner"), probes.hits("closure")) == (3, 3)


def test_py11_a_decorator_that_copies_the_code(probes, importable):
    """types.coroutine does: what was armed dies as soon as the module has run."""
    importable("""
        import types
        @types.coroutine
        def f():
            yield 1
        """, "copied_finding.py")
    assert probes.set("copied_finding:f", "exit")["status"] == "pending"
    module = importlib.import_module("copied_finding")
    gc.collect()
    if HAS_MONITORING:
        probes.wait("installed")  # the copy is found by the next look; before 3.12 it has our hooks
    assert list(module.f()) == [1]
    assert probes.hits() == 1


def test_py11_pending_survives_imports_of_other_modules_and_failures(probes, importable):
    subject = importable(LATER, "late_finding.py")
    importable("import no_such_module_at_all\n", "failing_finding.py")
    importable("def f():\n    return 1\n", "other_finding.py")
    assert probes.set("late_finding:f", "exit")["status"] == "pending"
    assert probes.set("failing_finding:f", "exit", id="failing")["status"] == "pending"
    with pytest.raises(ImportError):
        importlib.import_module("failing_finding")
    importlib.import_module("other_finding").f()
    assert probes.status()["status"] == "pending"
    importlib.import_module("late_finding")
    assert probes.hits() == 1
    assert plain(probes.take()["return"]["return_value"]) == "2"
    assert subject


def test_py11_imported_by_a_thread_while_others_wait(probes, importable):
    subject = importable(LATER, "threads_finding.py")
    probes.set(subject.at("# first"), "line", id="first")
    probes.set("threads_finding:f", "exit", id="f")
    results = []
    threads = [threading.Thread(target=lambda: results.append(importlib.import_module("threads_finding").f(7)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [7] * 4
    assert (probes.hits("first"), probes.hits("f")) == (1, 5)


def test_py11_closures_that_exist_and_closures_to_come(probes, source):
    module = (subject := source(SHARED)).run()
    old = [module.outer(n) for n in range(50)]
    probes.set(subject.at("# line"), "line", id="line", rate=0.001)
    probes.set(subject.path.stem + ":outer.<locals>.inner", "exit", id="exit", rate=0.001)
    new = [module.outer(n) for n in range(50)]
    assert [f(1) for f in old + new] == [n + 1 for n in range(50)] * 2
    assert counts(probes) == {"line": 100, "exit": 100}
    copies = [types.FunctionType(f.__code__, f.__globals__, "copy", None, f.__closure__) for f in (old[3], new[4])]
    assert [f(1) for f in copies] == [4, 5]
    assert counts(probes) == {"line": 102, "exit": 102}
    probes.clear()
    assert len({id(f.__code__) for f in old + new + [module.outer(0)]}) == 1


@pytest.mark.skipif(not HAS_MONITORING, reason="before 3.12 a call that runs ends as it began (decision 0010)")
def test_py11_a_loop_that_already_runs(probes, source):
    subject = source("""
        def f(go, done):
            while not done.is_set():
                go.wait(5)
                tick = 1  # in the loop
                done.wait(0.001)
        """)
    module = subject.run()
    go, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=module.f, args=(go, done))
    thread.start()
    probes.set(subject.at("# in the loop"), "line")
    go.set()
    probes.wait("emitting")
    done.set()
    thread.join()
