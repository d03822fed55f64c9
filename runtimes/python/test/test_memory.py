# SPDX-License-Identifier: Apache-2.0
"""NX-02: what happens when memory runs out in the middle: nothing raises, nothing leaks."""
import gc
import json
import marshal
import sys
import tracemalloc

import pytest
from sonde import _native

_testcapi = pytest.importorskip("_testcapi")


@pytest.fixture
def failing():
    """fails(n, work): runs work with every allocation from the nth on failing."""

    def run(start, stop, work):
        try:
            _testcapi.set_nomemory(start, stop)
            work()
        finally:
            _testcapi.remove_mem_hooks()

    return run


SUBJECT = """
    class Thing:
        def __init__(self):
            self.a = 1.23456789012345e-5
            self.b = "text"
    def f(thing, big):
        return thing  # here
    def g(thing):
        raise ERROR
    ERROR = ValueError("made before")
    """


def test_nx02_hits_without_memory(probes, source, failing):
    """A capture needs no memory of Python's but for floats, which then have a marker."""
    module = (subject := source(SUBJECT)).run()
    probes.set(subject.at("# here"), "line", id="l")
    probes.set(subject.path.stem + ":f", "exit", id="f")
    thing, big = module.Thing(), 2**200
    f = module.f
    f(thing, big)
    probes.take_all()
    before = sys.getrefcount(thing), sys.getrefcount(big)
    for start in range(0, 12):
        try:
            failing(start, 0, lambda: f(thing, big))
        except MemoryError:
            pass  # the interpreter's own: the call itself needs memory
        assert sys.exc_info() == (None, None, None)
    records = probes.take_all()
    assert (sys.getrefcount(thing), sys.getrefcount(big)) == before
    assert records
    f(thing, big)
    assert len(probes.take_all()) == 2


def test_nx02_exceptions_without_memory(probes, source, failing):
    module = (subject := source(SUBJECT)).run()
    probes.set(subject.path.stem + ":g", "exit")
    thing = module.Thing()
    for start in range(0, 12):
        with pytest.raises((ValueError, MemoryError)):
            failing(start, 0, lambda: module.g(thing))
    with pytest.raises(ValueError):
        module.g(thing)
    assert probes.take_all()


def test_nx02_arming_without_memory(probes, source, failing):
    """Every allocation of a safe point fails in turn: the probe is installed or says why not."""
    module = (subject := source(SUBJECT)).run()
    line = json.dumps([{"id": "n", "revision": 1, "location": subject.at("# here"), "at": "line", "rate": 100},
                       {"id": "m", "revision": 1, "location": subject.path.stem + ":f", "at": "exit", "rate": 100}])
    apply, thing = _native.apply_testonly, module.Thing()
    for start in range(0, 60):
        try:
            failing(start, start + 1, lambda: apply(line))
        except (ValueError, MemoryError):
            pass
        for status in json.loads(_native.report())["statuses"]:
            assert status["status"] in ("installed", "error", "emitting"), status
            assert status["status"] != "error" or status["cause"] == "internal", status
        hits = {s["probe_id"]: s["hits"] for s in json.loads(_native.report())["statuses"]
                if s["status"] in ("installed", "emitting")}
        module.f(thing, 1)
        after = {s["probe_id"]: s["hits"] for s in json.loads(_native.report())["statuses"]}
        assert all(after[id] == hits[id] + 1 for id in hits), (start, hits, after)
        apply("[]")
        assert _native.armed_testonly(module.f.__code__) == 0
        module.f(thing, 1)
    _native.discard_testonly()


def test_nx02_code_appearing_without_memory(probes, source, failing):
    """Code from marshal: the compiler itself does not survive lack of memory (seen on 3.13.0)."""
    subject = source(SUBJECT)
    assert probes.set(subject.at("# here"), "line")["status"] == "pending"
    data = marshal.dumps(compile("def x(a): return [a]\ndef y(): pass", "other.py", "exec"))
    load, loaded = marshal.loads, []
    for start in range(0, 120):
        try:
            failing(start, start + 1, lambda: loaded.append(load(data)))
        except MemoryError:
            pass
    module = subject.run()
    module.f(1, 2)
    assert probes.hits() == 1


def test_nx02_nothing_leaks(probes, source):
    """Many probes set and removed, many hits, many code objects: as many blocks as before."""
    module = (subject := source(SUBJECT)).run()
    thing = module.Thing()

    def round():
        probes.set(subject.at("# here"), "line", id="l")
        probes.set(subject.path.stem + ":f", "exit", id="f")
        probes.set("nobody.py:3", "line", id="n")
        module.f(thing, 2**100)
        exec(compile("def f(): return 1\nf()", "made.py", "exec"), {})
        probes.clear()

    for _ in range(20):
        round()
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(200):
        round()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 50


def test_nx02_a_hit_makes_no_python_object(probes, source):
    """Of a rejected hit and of a snapshot: not one block more than without, while it lasts."""
    module = (subject := source("def f(a, b):\n    return None  # here\n")).run()
    probes.set(subject.at("# here"), "line")
    values = [1, "a", 2.5, {"k": (1, None)}, module], {"x": 2**300}
    module.f(*values)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        module.f(*values)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before < 2000
    assert len(probes.take_all()) == 2
