# SPDX-License-Identifier: Apache-2.0
# Rows: PY-04 PY-05
"""How long activations took, how much of it they were suspended, and how they ended: each has its
own entry, whatever runs in between."""
import asyncio
import gc
import time

import pytest

from conftest import plain

MS = 1000 * 1000


@pytest.fixture
def told(probes, source):
    """Sets an exit probe on a function of a new module; the module."""

    def make(text, function, **names):
        subject = source(text)
        module = subject.run(**names)
        assert probes.set("%s:%s" % (subject.path.stem, function), "exit")["status"] == "installed"
        return module

    return make


def outcomes(probes):
    return [r["return"]["outcome"] for r in probes.take_all()]


def test_py05_recursion_of_depth_five(probes, told):
    module = told("""
        import time
        def f(n):
            time.sleep(0.01)
            return f(n - 1) + 1 if n > 1 else 1
        """, "f")
    assert module.f(5) == 5
    durations = [r["duration_ns"] for r in probes.take_all()]
    assert len(durations) == 5
    for inner, outer in zip([0] + durations, durations):
        assert outer >= inner + 10 * MS


def test_py04_interleaved_coroutines(probes, told):
    module = told("""
        import asyncio
        async def wait(seconds):
            await asyncio.sleep(seconds)
            return seconds
        """, "wait")

    async def main():
        return await asyncio.gather(module.wait(0.30), module.wait(0.50))

    assert asyncio.run(main()) == [0.30, 0.50]
    records = probes.take_all()
    assert [plain(r["return"]["return_value"]) for r in records] == ["0.3", "0.5"]
    for record, seconds in zip(records, (0.30, 0.50)):
        assert seconds <= record["duration_ns"] / 1e9 < seconds + 0.15
        running = (record["duration_ns"] - record["suspended_ns"]) / 1e9
        assert 0 < running < 0.1
        assert record["return"]["outcome"] == "returned"


def test_py04_work_between_awaits_is_running_time(probes, told):
    module = told("""
        import asyncio, time
        async def work():
            time.sleep(0.05)
            await asyncio.sleep(0.1)
            time.sleep(0.05)
        async def outer():
            await work()
        """, "outer")
    asyncio.run(module.outer())
    (record,) = probes.take_all()
    running = record["duration_ns"] - record["suspended_ns"]
    assert 100 * MS <= running < 180 * MS
    assert 95 * MS <= record["suspended_ns"] < 180 * MS


def test_py04_generators_are_suspended_between_values(probes, told):
    module = told("""
        def g():
            try:
                yield 1
            except KeyError:
                yield 2
            yield from range(2)
        """, "g")
    generator = module.g()
    found = [next(generator)]
    time.sleep(0.03)
    found.append(generator.throw(KeyError("x")))
    time.sleep(0.03)
    found += generator
    assert found == [1, 2, 0, 1]
    (record,) = probes.take_all()
    assert 60 * MS <= record["suspended_ns"] <= record["duration_ns"]
    assert record["duration_ns"] - record["suspended_ns"] < 30 * MS


def test_py04_async_generators(probes, told):
    module = told("""
        import asyncio
        async def g():
            for i in range(2):
                await asyncio.sleep(0.02)
                yield i
        async def main():
            return [i async for i in g()]
        """, "g")
    assert asyncio.run(module.main()) == [0, 1]
    (record,) = probes.take_all()
    assert record["suspended_ns"] >= 40 * MS
    assert record["return"]["outcome"] == "returned"


def test_a_function_that_never_suspends_says_so(probes, told):
    module = told("def f():\n    return 1\n", "f")
    module.f()
    (record,) = probes.take_all()
    assert record["suspended_ns"] <= 0
    assert record["return"]["outcome"] == "returned"


@pytest.mark.parametrize("name", ["tries", "plain"])
def test_py04_closed_generators(probes, told, name):
    """Also outside of any try, where some releases tell nobody of their own accord (monitoring/closing.c)."""
    module = told("""
        def tries():
            try:
                yield 1
            finally:
                pass
        def plain():
            yield 1
        """, name)
    for _ in range(3):
        generator = getattr(module, name)()
        next(generator)
        generator.close()
    del generator
    gc.collect()
    records = probes.take_all()
    assert [r["return"]["outcome"] for r in records] == ["closed"] * 3
    assert not any("throwable" in r["return"] or "return_value" in r["return"] for r in records)
    probes.remove()


def test_py04_cancelled_tasks(probes, told):
    module = told("""
        import asyncio
        async def wait():
            await asyncio.sleep(60)
        async def main():
            task = asyncio.ensure_future(wait())
            await asyncio.sleep(0.02)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return "cancelled"
        """, "wait")
    assert asyncio.run(module.main()) == "cancelled"
    (record,) = probes.take_all()
    assert record["return"]["outcome"] == "cancelled"
    assert "throwable" not in record["return"]
    assert record["suspended_ns"] > 0


def test_py04_raised(probes, told):
    module = told("""
        async def fails():
            raise ValueError("no")
        def cancels():
            import asyncio
            raise asyncio.CancelledError()
        """, "fails")
    with pytest.raises(ValueError):
        module.fails().send(None)
    (record,) = probes.take_all()
    assert record["return"]["outcome"] == "raised"
    assert record["return"]["throwable"]["type"] == "ValueError"


def test_py04_a_plain_function_is_not_cancelled(probes, told):
    module = told("import asyncio\ndef f():\n    raise asyncio.CancelledError()\n", "f")
    with pytest.raises(asyncio.CancelledError):
        module.f()
    assert outcomes(probes) == ["raised"]


def test_py04_many_tasks_of_one_function(probes, told):
    module = told("""
        import asyncio
        async def step(n):
            for _ in range(n):
                await asyncio.sleep(0)
            return n
        """, "step")

    async def main():
        return await asyncio.gather(*[module.step(n) for n in range(50)])

    assert asyncio.run(main()) == list(range(50))
    records = probes.take_all()
    assert sorted(int(plain(r["return"]["return_value"])) for r in records) == list(range(50))
    for record in records:
        assert plain(record["entry"]["arguments"]["n"]) == plain(record["return"]["return_value"])


def test_py04_suspended_when_the_probe_is_removed(probes, told):
    module = told("def g():\n    yield 1\n    yield 2\n", "g")
    generator = module.g()
    next(generator)
    probes.remove()
    assert list(generator) == [2]
    assert probes.take() is None
