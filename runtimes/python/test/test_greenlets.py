# SPDX-License-Identifier: Apache-2.0
# Rows: PY-04
"""Greenlets switch in the middle of functions, behind the interpreter's back: what belongs to a frame
stays with it."""
import gc
import random
import threading

import greenlet
import pytest

from conftest import captured, plain

SUBJECT = """
    import time
    def work(name, seconds, switch):
        begun = time.monotonic()
        switch()
        while time.monotonic() - begun < seconds:
            switch()
        done = name  # done
        return [name, seconds]
    def recurse(name, n, switch):
        switch()
        return recurse(name, n - 1, switch) + 1 if n else 0  # deeper
    def fails(name, switch):
        switch()
        raise KeyError(name)
    def catches(name, switch):
        try:
            fails(name, switch)
        except KeyError as error:
            switch()
            return error.args[0]
    def generate(name, switch):
        for i in range(3):
            switch()
            yield name, i
    def consume(name, switch):
        return [pair for pair in generate(name, switch)]
    """


@pytest.fixture
def subject(source):
    return source(SUBJECT)


def round_robin(tasks):
    """Switches among greenlets that run these, until all have ended; their results."""
    me, results = greenlet.getcurrent(), [None] * len(tasks)

    def run(n, task):
        results[n] = task(lambda: me.switch())

    waiting = [greenlet.greenlet(run) for _ in tasks]
    for n, (one, task) in enumerate(zip(waiting, tasks)):
        one.switch(n, task)
    order = random.Random(4)
    while waiting := [one for one in waiting if not one.dead]:
        order.shuffle(waiting)
        for one in waiting:
            one.switch()
    return results


def test_py04_two_greenlets_have_their_own_durations(probes, subject):
    module = subject.run()
    probes.set(subject.path.stem + ":work", "exit")
    probes.set(subject.at("# done"), "line", id="line")
    assert round_robin([lambda s: module.work("a", 0.1, s), lambda s: module.work("b", 0.25, s)]) == [
        ["a", 0.1], ["b", 0.25]]
    records = probes.take_all()
    ends = {plain(r["entry"]["arguments"]["name"]): r for r in records if "return" in r}
    assert set(ends) == {"a", "b"}
    for name, seconds in (("a", 0.1), ("b", 0.25)):
        assert seconds <= ends[name]["duration_ns"] / 1e9 < seconds + 0.1
        assert plain(ends[name]["return"]["return_value"]) == [name, str(seconds)]
        # A greenlet's stack ends where it began; the switcher is no caller.
        callers = [frame[1].split(".")[-1] for frame in ends[name]["stack"]]
        assert callers == ["work", "<lambda>", "run"]
    assert [plain(captured(r)["name"]) for r in records if "line_probe" in r] == ["a", "b"]


def test_py04_many_greenlets_in_recursions(probes, subject):
    module = subject.run()
    probes.set(subject.path.stem + ":recurse", "exit")
    probes.set(subject.at("# deeper"), "line", id="line", rate=0.001)
    assert round_robin([lambda s, n=n: module.recurse(str(n), n % 7, s) for n in range(60)]) == [
        n % 7 for n in range(60)]
    calls = sum(n % 7 + 1 for n in range(60))
    assert probes.hits() == probes.hits("line") == calls
    records = probes.take_all()
    for name in map(str, range(60)):
        mine = [r for r in records if "return" in r and plain(r["entry"]["arguments"]["name"]) == name]
        levels = [str(n) for n in range(int(name) % 7 + 1)]
        assert [plain(r["entry"]["arguments"]["n"]) for r in mine] == levels
        assert [plain(r["return"]["return_value"]) for r in mine] == levels
        durations = [r["duration_ns"] for r in mine]
        assert durations == sorted(durations)


def test_py04_exceptions_stay_with_their_greenlet(probes, subject):
    module = subject.run()
    for function in ("fails", "catches"):
        probes.set("%s:%s" % (subject.path.stem, function), "exit", id=function)
    names = [str(n) for n in range(20)]
    assert round_robin([lambda s, n=n: module.catches(n, s) for n in names]) == names
    records = probes.take_all()
    thrown = [r for r in records if r["probe_id"] == "fails"]
    assert sorted(plain(r["return"]["throwable"]["message"]) for r in thrown) == sorted(names)
    for record in records:
        name = plain(record["entry"]["arguments"]["name"])
        said = record["return"].get("throwable", {}).get("message") or record["return"]["return_value"]
        assert plain(said) == name


def test_py04_generators_in_greenlets(probes, subject):
    module = subject.run()
    probes.set(subject.path.stem + ":generate", "exit")
    names = list("abcdefgh")
    assert round_robin([lambda s, n=n: module.consume(n, s) for n in names]) == [
        [(n, i) for i in range(3)] for n in names]
    records = probes.take_all()
    assert sorted(plain(r["entry"]["arguments"]["name"]) for r in records) == names
    assert [r["return"]["outcome"] for r in records] == ["returned"] * len(names)


def test_py04_greenlets_that_are_killed_or_forgotten(probes, subject):
    """Their frames end by GreenletExit, or only with the process; no entry is taken for another's."""
    module = subject.run()
    probes.set(subject.path.stem + ":work", "exit")
    me = greenlet.getcurrent()
    for n in range(50):
        one = greenlet.greenlet(lambda: module.work(str(n), 60, me.switch))
        one.switch()
        if n % 2:
            one.kill() if hasattr(one, "kill") else one.throw()
        del one
        gc.collect()
    records = probes.take_all()
    assert [plain(r["entry"]["arguments"]["name"]) for r in records] == [str(n) for n in range(50)]
    assert {r["return"]["throwable"]["type"] for r in records} == {"GreenletExit"}
    assert module.work("after", 0, int) == ["after", 0]
    assert plain(probes.take()["return"]["return_value"]) == ["after", "0"]


def test_py04_probes_come_and_go_while_greenlets_are_inside(probes, subject):
    module = subject.run()
    name = subject.path.stem + ":recurse"
    changes = [lambda: probes.set(name, "exit", id="a"), lambda: probes.set(name, "exit", id="b"),
               lambda: probes.remove("a"), lambda: probes.set(subject.at("# deeper"), "line", id="l"),
               lambda: probes.remove("b"), lambda: probes.remove("l")]
    turns = iter(range(10 ** 6))

    def task(switch, n):
        def step():
            changes[next(turns) % len(changes)]()
            switch()

        return module.recurse(str(n), n, step)

    # A definite number of changes: whole rounds, so that the last one leaves nothing.
    counts = [11, 5, 17, 23]
    assert round_robin([lambda s, n=n: task(s, n) for n in counts]) == counts
    assert sum(n + 1 for n in counts) % len(changes) == 0
    for record in probes.take_all():
        if "return" in record:
            assert plain(record["entry"]["arguments"]["n"]) == plain(record["return"]["return_value"])
    assert not probes.definitions


def test_py04_greenlets_of_several_threads(probes, subject):
    module = subject.run()
    probes.set(subject.path.stem + ":recurse", "exit")
    results = []

    def run(base):
        results.append(round_robin([lambda s, n=n: module.recurse("%d-%d" % (base, n), n, s) for n in range(8)]))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [list(range(8))] * 3
    records = probes.take_all()
    assert len(records) == 3 * sum(n + 1 for n in range(8))
    for record in records:
        assert plain(record["entry"]["arguments"]["n"]) == plain(record["return"]["return_value"])
