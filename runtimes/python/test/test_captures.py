# SPDX-License-Identifier: Apache-2.0
# Rows: PY-09
"""Which variables a snapshot has: none, all, or those that are named; of every kind of parameter."""
import pytest

from conftest import captured, plain

TEXT = """
    def every(one, /, two, three=3, *rest, four, five=5, **others):
        six = one + two
        seven = None
        return None  # every
    def only_rest(*rest, **others):
        return rest  # only_rest
    def nothing():
        return 1  # nothing
    def outer(free, hidden):
        counter = 0
        def inner(argument):
            nonlocal counter
            local = argument + free
            counter += 1
            return local  # inner
        inner(1)
        return inner  # outer
    def celled(held, plain):
        show = lambda: held
        return show()  # celled
    def unbound(flag):
        if flag:
            maybe = 1
        del flag
        return 0  # unbound
    def given(a):
        a = "changed"
        return a  # given
    class Owner:
        kind = "owner"  # in the class
        def method(self, value):
            return __class__  # method
    def fails(a):
        b = a
        raise ValueError(a)
    def generator(a):
        b = yield a
        yield b  # generator
    async def coroutine(a, *, b):
        c = a + b
        return c  # coroutine
    """


def values(group):
    return {name: plain(value) for name, value in group.items()}


@pytest.fixture
def subject(source):
    return source(TEXT)


def line(probes, subject, mark, work, **capture):
    """Of one execution of a line: its arguments and locals, None for a group that is not there."""
    probes.set(subject.at("# " + mark), "line", capture=capture, limits=UNHURRIED)
    work(subject.run())
    (record,) = probes.take_all()
    section = record["line_probe"]
    return tuple(values(section[name]) if name in section else None for name in ("arguments", "locals"))


def call(probes, subject, name, work, at="exit", **capture):
    module = subject.run()
    probes.set("%s:%s" % (subject.path.stem, name), at, capture=capture, limits=UNHURRIED)
    work(module)
    return probes.take_all()[-1]


UNHURRIED = {"time_us": 100000}  # on a machine that has other things to do too
ARGUMENTS = {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "rest": [], "others": {"x": "y"}}


def every(module):
    assert module.every(1, 2, four=4, x="y") is None


def test_py09_every_kind_of_parameter(probes, subject):
    arguments, locals = line(probes, subject, "every", every)
    assert arguments == ARGUMENTS
    assert locals == {"six": "3", "seven": None}
    record = call(probes, subject, "every", lambda m: m.every(1, 2, 30, 8, 9, four=4, five=50))
    assert values(record["entry"]["arguments"]) == {
        "one": "1", "two": "2", "three": "30", "four": "4", "five": "50", "rest": ["8", "9"], "others": {}}
    assert record["return"]["return_value"] == {"type": "NoneType", "is_null": True}
    arguments, _ = line(probes, subject, "only_rest", lambda m: m.only_rest(1, (2,), k=None))
    assert arguments == {"rest": ["1", ["2"]], "others": {"k": None}}
    assert line(probes, subject, "nothing", lambda m: m.nothing()) == (None, {})


@pytest.mark.parametrize("capture,arguments,locals", [
    ({}, ARGUMENTS, {"six": "3", "seven": None}),
    ({"arguments": False}, None, {"six": "3", "seven": None}),
    ({"arguments": [], "locals": []}, None, None),
    ({"locals": False}, ARGUMENTS, None),
    ({"arguments": ["four", "one"]}, {"one": "1", "four": "4"}, {"six": "3", "seven": None}),
    ({"arguments": ["rest", "others"], "locals": ["seven"]}, {"rest": [], "others": {"x": "y"}}, {"seven": None}),
    ({"arguments": ["on", "onee", "six", "x"], "locals": ["one", "si"]}, {}, {}),
])
def test_py09_none_all_or_by_name(probes, subject, capture, arguments, locals):
    assert line(probes, subject, "every", every, **capture) == (arguments, locals)
    record = call(probes, subject, "every", every, **capture)
    entry, left = record["entry"].get("arguments"), record["return"].get("locals")
    assert (entry and values(entry)) == (arguments or entry)
    assert (entry is None, left is None) == (arguments is None, locals is None)
    assert left is None or values(left) == locals
    assert "return_value" in record["return"]
    record = call(probes, subject, "every", every, at="entry", **capture)
    entry = record["entry"].get("arguments")
    assert entry == arguments if not arguments else values(entry) == arguments


def test_py09_several_probes_want_different_names(probes, subject):
    module = subject.run()
    for id, names in (("a", ["one"]), ("b", ["two"]), ("c", True), ("d", False)):
        probes.set(subject.at("# every"), "line", id=id, capture={"arguments": names, "locals": False})
    every(module)
    found = {r["probe_id"]: values(r["line_probe"].get("arguments", {})) for r in probes.take_all()}
    assert found == {"a": {"one": "1"}, "b": {"two": "2"}, "c": ARGUMENTS, "d": {}}


def test_py09_names_that_are_asked_for_are_redacted_all_the_same(probes, source):
    subject = source("def f(password, user):\n    return user  # here\n")
    probes.set(subject.at("# here"), "line", capture={"arguments": ["password"]})
    subject.run().f("secret", "me")
    assert captured(probes.take()) == {"password": {"type": "str", "not_captured_reason": "redacted"}}


def test_py09_members_are_not_chosen_by_name(probes, source):
    """A list of names is about variables; what these hold is shown as ever."""
    subject = source("def f(a):\n    b = {'c': a}\n    return b  # here\n")
    probes.set(subject.at("# here"), "line", capture={"arguments": False, "locals": ["b"]})
    subject.run().f([1])
    assert values(captured(probes.take())) == {"b": {"c": ["1"]}}


def test_py09_free_and_cell_variables(probes, subject):
    assert line(probes, subject, "inner", lambda m: m.outer(10, 20)) == (
        {"argument": "1"}, {"local": "11", "free": "10", "counter": "1"})
    arguments, locals = line(probes, subject, "outer", lambda m: m.outer(10, 20))
    assert arguments == {"free": "10", "hidden": "20"}
    assert locals["counter"] == "1" and set(locals) == {"counter", "inner"}
    assert line(probes, subject, "celled", lambda m: m.celled(1, 2), locals=["held"]) == (
        {"held": "1", "plain": "2"}, {})
    assert line(probes, subject, "inner", lambda m: m.outer(10, 20), arguments=False, locals=["free"]) == (
        None, {"free": "10"})
    record = call(probes, subject, "celled", lambda m: m.celled([1], 2))
    assert values(record["entry"]["arguments"]) == {"held": ["1"], "plain": "2"}
    record = call(probes, subject, "outer.<locals>.inner", lambda m: m.outer(10, 20))
    assert values(record["return"]["locals"]) == {"local": "11", "free": "10", "counter": "1"}


def test_py09_what_is_not_bound_is_not_there(probes, subject):
    assert line(probes, subject, "unbound", lambda m: m.unbound(False)) == ({}, {})
    assert line(probes, subject, "unbound", lambda m: m.unbound(True)) == ({}, {"maybe": "1"})


def test_py09_arguments_are_those_of_the_entry(probes, subject):
    record = call(probes, subject, "given", lambda m: m.given("given"))
    assert values(record["entry"]["arguments"]) == {"a": "given"}
    assert plain(record["return"]["return_value"]) == "changed"
    assert line(probes, subject, "given", lambda m: m.given("given"))[0] == {"a": "changed"}


def test_py09_methods(probes, subject):
    arguments, locals = line(probes, subject, "method", lambda m: m.Owner().method(5))
    assert list(arguments) == ["self", "value"] and arguments["value"] == "5"
    assert set(locals) == {"__class__"}
    assert line(probes, subject, "method", lambda m: m.Owner().method(5), arguments=["value"], locals=False) == (
        {"value": "5"}, None)


def test_py09_return_value_and_throwable(probes, subject):
    record = call(probes, subject, "nothing", lambda m: m.nothing(), **{"return": False})
    assert "return_value" not in record["return"]

    def work(module):
        with pytest.raises(ValueError):
            module.fails("x")

    record = call(probes, subject, "fails", work, arguments=False, locals=["b"])
    assert values(record["return"]["locals"]) == {"b": "x"}
    assert record["return"]["throwable"]["type"] == "ValueError"
    assert "return_value" not in record["return"]


def test_py09_generators_and_coroutines(probes, subject):
    def drive(module):
        generator = module.generator(1)
        assert [next(generator), generator.send(2)] == [1, 2]
        generator.close()

    assert line(probes, subject, "generator", drive) == ({"a": "1"}, {"b": "2"})

    def run(module):
        with pytest.raises(StopIteration):
            module.coroutine(1, b=2).send(None)

    assert line(probes, subject, "coroutine", run) == ({"a": "1", "b": "2"}, {"c": "3"})
    record = call(probes, subject, "coroutine", run, arguments=["b"])
    assert values(record["entry"]["arguments"]) == {"b": "2"}
    assert values(record["return"]["locals"]) == {"c": "3"}
    assert plain(record["return"]["return_value"]) == "3"


def test_py09_module_variables_by_name(probes, importable):
    import importlib

    subject = importable("first = 1\nsecond = 2\nthird = 3  # here\n", "captures_module.py")
    probes.set(subject.at("# here"), "line", capture={"locals": ["second"]})
    importlib.import_module("captures_module")
    assert values(captured(probes.take())) == {"second": "2"}
