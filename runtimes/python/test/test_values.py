# SPDX-License-Identifier: Apache-2.0
# Rows: CORE-07
"""Every kind of value, by its storage; and that reading it changes nothing (PY-14 in part, CORE-04)."""
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import math
import sys
import types
import uuid

import pytest

from conftest import captured, plain


@pytest.fixture
def capture(probes, source):
    """What a snapshot shows of a value."""
    subject = source("def look(value):\n    return value  # here\n")
    module = subject.run()

    def show(value, **limits):
        probes.set(subject.at("# here"), "line", limits=dict({"time_us": 100000}, **limits))
        module.look(value)
        return captured(probes.take())["value"]

    return show


class Plain:
    def __init__(self):
        self.a = 1
        self.b = "two"


class Slots:
    __slots__ = ("x", "_Slots__hidden", "unset")

    def __init__(self):
        self.x = 1
        self._Slots__hidden = 2


class SlotsChild(Slots):
    __slots__ = ("y",)

    def __init__(self):
        super().__init__()
        self.y = 3


class Both(Slots):
    def __init__(self):
        super().__init__()
        self.free = 4


class Empty:
    pass


class Number(int):
    pass


class Text(str):
    pass


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


class Level(enum.IntEnum):
    HIGH = 3


class Flags(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Data:
    x: int
    y: list


@dataclasses.dataclass(slots=True)
class SlotData:
    x: int


Point = collections.namedtuple("Point", "x y")


class MyError(Exception):
    def __init__(self, code):
        super().__init__("message", code)
        self.code = code


@pytest.mark.parametrize("value,type,text", [
    (None, "NoneType", None), (True, "bool", "true"), (False, "bool", "false"),
    (0, "int", "0"), (-1, "int", "-1"), (2**30 - 1, "int", str(2**30 - 1)), (2**30, "int", str(2**30)),
    (-(2**63), "int", str(-(2**63))), (2**64, "int", str(2**64)), (10**300, "int", str(10**300)),
    (Number(7), "Number", "7"),
    (1.5, "float", "1.5"), (-0.0, "float", "-0.0"), (0.1 + 0.2, "float", repr(0.1 + 0.2)), (1e300, "float", "1e+300"),
    (math.inf, "float", "inf"), (math.nan, "float", "nan"), (100.0, "float", "100.0"), (1e-7, "float", "1e-07"),
    (complex(1, -2), "complex", "(1-2j)"), (complex(0.5, math.inf), "complex", "(0.5+infj)"),
    ("", "str", ""), ("abc", "str", "abc"), ("é", "str", "é"), ("€", "str", "€"), ("😀", "str", "😀"),
    (Text("sub"), "Text", "sub"), ("a\udc80b", "str", "a\\udc80b"),
    (b"ab\xff", "bytes", "ab\\xff"), (bytearray(b"xy"), "bytearray", "xy"),
    (len, "builtin_function_or_method", "len"), (math.sin, "builtin_function_or_method", "math.sin"),
    (Plain, "type", "test_values.Plain"), (int, "type", "int"), (sys, "module", "sys"),
    (dataclasses.asdict, "function", "dataclasses.asdict"), (Empty().__init__, "method-wrapper", None),
    (datetime.date(2024, 2, 29), "date", "2024-02-29"), (datetime.time(1, 2, 3), "time", "01:02:03"),
    (datetime.datetime(2024, 2, 29, 1, 2, 3, 45), "datetime", "2024-02-29T01:02:03.000045"),
    (datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc), "datetime", "2024-02-29T00:00:00+00:00"),
    (datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))), "datetime",
     "2024-02-29T00:00:00-05:30"),
    (datetime.timedelta(days=2, seconds=3, microseconds=4), "timedelta", "2 days, 0:00:03.000004"),
], ids=lambda v: repr(v)[:20])
def test_py14_scalars(capture, value, type, text):
    shown = capture(value, length=400)
    assert shown["type"] == type
    if text is None:
        assert value is not None or shown["is_null"]
    else:
        assert shown["value"] == text and "truncated" not in shown


@pytest.mark.parametrize("value,data", [
    ([], []), ([1, "a", None], ["1", "a", None]), ((), []), ((1, (2,)), ["1", ["2"]]),
    ({}, {}), ({"a": 1, 2: None}, {"a": "1", "2": None}),
    (set(), []), ({5}, ["5"]), (frozenset({"x"}), ["x"]),
    (collections.OrderedDict(a=1), {"a": "1"}), (collections.defaultdict(list, a=[1]), {"a": ["1"]}),
    (collections.Counter("aab"), {"a": "2", "b": "1"}),
    (Point(1, 2), {"x": "1", "y": "2"}), (Data(1, [2]), {"x": "1", "y": ["2"]}), (SlotData(1), {"x": "1"}),
    (Plain(), {"a": "1", "b": "two"}), (Slots(), {"x": "1", "_Slots__hidden": "2"}),
    (SlotsChild(), {"x": "1", "_Slots__hidden": "2", "y": "3"}),
    (Both(), {"x": "1", "_Slots__hidden": "2", "free": "4"}), (Empty(), {}),
    (Colour.RED, {"name": "RED", "value": "1"}), (Level.HIGH, {"name": "HIGH", "value": "3"}),
    (Flags.A | Flags.B, {"name": "A|B", "value": "3"}),
    (range(1, 10, 2), {"start": "1", "stop": "10", "step": "2"}), (slice(1, None), {"start": "1", "stop": None, "step": None}),
    (MyError(5), {"args": ["message", "5"], "code": "5"}), (KeyError("k"), {"args": ["k"]}),
    (types.SimpleNamespace(a=1), {"a": "1"}), (functools.partial(len, [1]), None),
    (uuid.UUID(int=5), {"int": "5", "is_safe": {"name": "unknown", "value": None}}),
], ids=lambda v: type(v).__name__)
def test_py14_containers(capture, value, data):
    shown = capture(value)
    assert shown["type"] == type(value).__name__
    if data is not None:
        assert plain(shown) == data


def test_py14_opaque(capture):
    """What has no fields that could be read natively says what it is and where."""
    for value in (object(), decimal.Decimal("1.5"), memoryview(b"x"), collections.deque([1])):
        shown = capture(value)
        assert shown.get("value", repr(shown)).startswith("<%s at 0x" % type(value).__name__)


def test_py14_integers_beyond_decimal(capture):
    for value in (2**1020 - 1, 2**1021, -(2**1500) + 1, 2**5000):
        shown = capture(value, length=4000)
        text = str(value) if value.bit_length() <= 1020 else hex(value)
        assert shown["value"] == text[:1024] or shown["value"] == text
    shown = capture(2**1500)
    assert shown["truncated"] and shown["size"] == len(hex(2**1500)) and hex(2**1500).startswith(shown["value"])


def test_core04_limits(capture):
    shown = capture("x" * 300)
    assert (len(shown["value"]), shown["truncated"], shown["size"]) == (255, True, 300)
    shown = capture("é" * 300, length=10)
    assert (shown["value"], shown["size"]) == ("é" * 10, 300)
    shown = capture(list(range(150)))
    assert (len(shown["elements"]), shown["size"], shown["not_captured_reason"]) == (100, 150, "collection_size")
    shown = capture({n: n for n in range(150)}, elements=10)
    assert (len(shown["entries"]), shown["size"], shown["not_captured_reason"]) == (10, 150, "collection_size")
    many = Empty()
    for n in range(30):
        setattr(many, "f%02d" % n, n)
    shown = capture(many)
    assert (len(shown["fields"]), shown["size"], shown["not_captured_reason"]) == (20, 30, "field_count")
    assert list(shown["fields"]) == ["f%02d" % n for n in range(20)]
    shown = capture([[[[1]]]])
    assert plain(shown) == [[["depth"]]]
    cycle = []
    cycle.append(cycle)
    assert plain(capture(cycle)) == [[["depth"]]]


def test_core07_redaction(capture):
    user = Empty()
    user.name, user.password = "n", "secret"
    shown = capture({"user": user, "api_key": "k", "nested": {"Authorization": "b", "ok": 1}})
    assert plain(shown) == {"user": {"name": "n", "password": "redacted"}, "api_key": "redacted",
                            "nested": {"Authorization": "redacted", "ok": "1"}}


def test_py14_field_order_and_deletion(capture):
    """In the order in which they were set; instances of one class in their own orders."""
    one, other = Empty(), Empty()
    one.a, one.b, one.c = 1, 2, 3
    other.c, other.a = 1, 2
    del one.b
    one.b = 4
    assert list(capture(one)["fields"]) == ["a", "c", "b"]
    assert list(capture(other)["fields"]) == ["c", "a"]
    one.__dict__["d"] = 5
    assert list(capture(one)["fields"]) == ["a", "c", "b", "d"]
    vars(one).clear()
    assert capture(one)["fields"] == {}
    one.__dict__ = {"new": 1, 2: 3}
    assert plain(capture(one)) == {"new": "1"}


def test_py14_reading_changes_nothing(capture):
    """No dictionary is made: what an object keeps inline stays inline, at the same references."""
    value, texts = Plain(), Text("t")
    before = sys.getsizeof(value), sys.getrefcount(value.b), sys.getrefcount(None), sys.getrefcount(Plain)
    for _ in range(50):
        capture(value)
        capture(texts)
    after = sys.getsizeof(value), sys.getrefcount(value.b), sys.getrefcount(None), sys.getrefcount(Plain)
    assert before == after
    # With a dictionary of its own an object of these versions is bigger by it, or refers to it.
    import gc

    assert not any(isinstance(o, dict) for o in gc.get_referents(value))


def test_locals_by_kind(probes, source):
    subject = source("""
        def outer(arg, /, second, *rest, only, **more):
            cell = [arg]
            unbound = 1
            del unbound
            def inner():
                return cell, arg
            plain = 5
            return inner()  # here
        """)
    module = subject.run()
    probes.set(subject.at("# here"), "line")
    module.outer(1, 2, 3, only=4, key=5)
    section = probes.take()["line_probe"]
    assert list(section["arguments"]) == ["arg", "second", "only", "rest", "more"]
    assert plain(section["arguments"]["arg"]) == "1"
    assert {n: v["type"] for n, v in section["locals"].items()} == {"inner": "function", "plain": "int", "cell": "list"}


def test_locals_of_inner_and_class_and_module(probes, source):
    subject = source("""
        import os
        top = 1
        def outer(a):
            def inner(b):
                return a + b  # inner
            return inner
        class A:
            x = 5
            y = x  # class
        last = 2  # module
        """)
    for name in ("inner", "class", "module"):
        probes.set(subject.at("# " + name), "line", id=name)
    module = subject.run()
    module.outer(1)(2)
    shown = {r["probe_id"]: {n: plain(v) for n, v in captured(r).items()} for r in probes.take_all()}
    assert shown["inner"] == {"a": "1", "b": "2"}
    assert shown["class"] == {"x": "5"}
    assert shown["module"] == {"top": "1"}


def test_stack(probes, source):
    subject = source("""
        def f():
            return 1  # here
        def g():
            return [f()
                    for _ in range(1)]  # call
        def h(n):
            return h(n - 1) if n else g()
        """)
    module = subject.run()
    probes.set(subject.at("# here"), "line")
    module.h(3)
    stack = probes.take()["stack"]
    assert stack[0] == (str(subject.path), "f", subject.line("# here"))
    assert [(f, line) for _, f, line in stack[1:6]] == [("g", 4)] + [("h", 7)] * 4
    assert stack[6][1] == "test_stack"
    probes.set(subject.at("# here"), "line", limits={"frames": 2})
    module.h(3)
    assert len(probes.take()["stack"]) == 2
    module.h(300)
    assert len(probes.take_all()[-1]["stack"]) == 2
