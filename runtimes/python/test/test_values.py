# SPDX-License-Identifier: Apache-2.0
# Rows: CORE-07
"""Every kind of value, by its storage; and that reading it changes nothing (PY-14, CORE-04)."""
import _pydecimal
import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import math
import pathlib
import re
import sys
import time
import types
import uuid
import weakref
import zoneinfo

import pytest

from conftest import captured, plain


@pytest.fixture
def capture(probes, source):
    """What a snapshot shows of a value."""
    subject = source("def look(value):\n    return value  # here\n")
    module = subject.run()
    known = [decimal.Decimal(1), array.array("b", [1]), collections.deque()]

    def show(value, **limits):
        probes.set(subject.at("# here"), "line", limits=dict({"time_us": 100000}, **limits))
        module.look(value)
        return captured(probes.take())["value"]

    wait_until_known(show, *known)
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
    def method(self):
        pass


class Zone(datetime.tzinfo):
    pass


STRINGED = pathlib.PurePosixPath("/x/é")
str(STRINGED)


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


@dataclasses.dataclass
class SlotData:
    __slots__ = ("x",)
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
    (datetime.timezone.utc, "timezone", "+00:00"), (zoneinfo.ZoneInfo("UTC"), "ZoneInfo", "UTC"),
    (datetime.timezone(datetime.timedelta(seconds=3661)), "timezone", "+01:01:01"),
    (datetime.datetime(2024, 2, 29, tzinfo=zoneinfo.ZoneInfo("UTC")), "datetime", "2024-02-29T00:00:00[UTC]"),
    (datetime.time(1, tzinfo=Zone()), "time", "01:00:00[Zone]"),
    (uuid.UUID("12345678-9abc-def0-1234-56789abcdef0"), "UUID", "12345678-9abc-def0-1234-56789abcdef0"),
    (uuid.UUID(int=5), "UUID", "00000000-0000-0000-0000-000000000005"),
    (re.compile("a+b"), "Pattern", "a+b"), (re.compile(b"a\xff"), "Pattern", "a\\xff"),
    (STRINGED, "PurePosixPath", "/x/é"),
    ([].append, "builtin_function_or_method", "list.append"), (dict.fromkeys, "builtin_function_or_method", "dict.fromkeys"),
    (str.upper, "method_descriptor", "str.upper"), (int.real, "getset_descriptor", "int.real"),
    (int.__add__, "wrapper_descriptor", "int.__add__"), (functools.partial.func, "member_descriptor", "partial.func"),
    ((n for n in ()), "generator", "<genexpr>"), (Empty.method, "function", "test_values.Empty.method"),
    (Empty().method, "method", "test_values.Empty.method"), (len.__call__.__self__, "builtin_function_or_method", "len"),
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
    (Flags.A | Flags.B, {"name": "A|B" if sys.version_info >= (3, 11) else None, "value": "3"}),
    (range(1, 10, 2), {"start": "1", "stop": "10", "step": "2"}), (slice(1, None), {"start": "1", "stop": None, "step": None}),
    (MyError(5), {"args": ["message", "5"], "code": "5"}), (KeyError("k"), {"args": ["k"]}),
    (types.SimpleNamespace(a=1), {"a": "1"}), (functools.partial(len, [1]), None),
    (fractions.Fraction(1, 3), {"_numerator": "1", "_denominator": "3"}),
    (ipaddress.ip_address("1.2.3.4"), {"_ip": "16909060"}),
    (types.MappingProxyType({"a": 1}), {"a": "1"}), ({"a": 1}.keys(), ["a"]), ({"a": 1}.values(), ["1"]),
    ({"a": 1}.items(), {"a": "1"}), (types.MappingProxyType(collections.OrderedDict(a=1)), {"a": "1"}),
    (collections.deque(), []), (collections.deque([1, "a"], 5), ["1", "a"]),
    (array.array("h", [1, -2]), {"typecode": "h", "items": ["1", "-2"]}),
    (array.array("Q", [2**64 - 1]), {"typecode": "Q", "items": [str(2**64 - 1)]}),
    (array.array("d", [0.1]), {"typecode": "d", "items": ["0.1"]}), (array.array("b"), {"typecode": "b", "items": []}),
    (memoryview(b"abc"), {"format": "B", "itemsize": "1", "nbytes": "3", "shape": ["3"], "readonly": "true"}),
    (memoryview(array.array("i", range(6))).cast("B").cast("i", (2, 3)),
     {"format": "i", "itemsize": "4", "nbytes": "24", "shape": ["2", "3"], "readonly": "false"}),
    (time.gmtime(0), {"tm_year": "1970", "tm_mon": "1", "tm_mday": "1", "tm_hour": "0", "tm_min": "0", "tm_sec": "0",
                      "tm_wday": "3", "tm_yday": "1", "tm_isdst": "0"}),
    (FileNotFoundError(2, "no", "f"), {"args": ["2", "no"], "errno": "2", "strerror": "no", "filename": "f"}),
    (property(len), {"fget": "len"}), (pathlib.PurePosixPath("a"), None),
], ids=lambda v: type(v).__name__)
def test_py14_containers(capture, value, data):
    shown = capture(value)
    assert shown["type"] == type(value).__name__
    if data is not None:
        assert plain(shown) == data


def test_py14_opaque(capture):
    """What has no fields that could be read natively says what it is and where."""
    released = memoryview(b"x")
    released.release()
    for value in (object(), released, iter([]), iter({}), weakref.ref(Empty), list[int], enumerate([]), Empty().__init__):
        shown = capture(value)
        assert shown.get("value", repr(shown)).startswith("<%s at 0x" % type(value).__name__)


DECIMALS = """0 -0 1 -1.50 0.1 1E+3 1E-6 1E-7 -1.234E-10 123456789012345678 1234567890123456789 12345678901234567890
    0E+5 0E-9 0.000001 0.0000001 1E+999999999999999999 -1.5E-999999999999999990 NaN -NaN NaN123 sNaN -sNaN77
    Infinity -Infinity 99999999999999999999999999999999999999.99999999999999999999999999999999999999""".split()


@pytest.mark.parametrize("kind", [decimal.Decimal, _pydecimal.Decimal], ids=["C", "Python"])
def test_py14_decimals(capture, kind):
    long = "9" * 300 + "." + "0123456789" * 70
    for text in DECIMALS + ["1" + "0" * k for k in (17, 18, 19, 37, 38, 39)] + [long]:
        value = kind(text)
        shown = capture(value, length=3000)
        assert (shown["type"], shown["value"]) == ("Decimal", str(value))
    with decimal.localcontext(decimal.Context(prec=60)):
        assert capture(decimal.Decimal(1) / 7)["value"] == str(decimal.Decimal(1) / 7)
    class Money(kind):
        pass
    assert plain(capture(Money("1.5"))) == "1.5"
    assert capture(Money("1.5"))["type"] == "Money"


def test_py14_order_of_ordered_dict(capture):
    """That of its list, which is not that of the dictionary in it."""
    value = collections.OrderedDict((n, str(n)) for n in range(50))
    for n in (7, 0, 49, 7):
        value.move_to_end(n)
    value.move_to_end(20, last=False)
    del value[3]
    value[3] = "again"
    for subject in (value, collections.OrderedDict(), type("Sub", (collections.OrderedDict,), {})(value)):
        shown = capture(subject)
        assert [(plain(k), plain(v)) for k, v in shown["entries"]] == [(str(k), v) for k, v in subject.items()]
    big = collections.OrderedDict((n, n) for n in range(40000))
    for n in range(0, 300, 2):
        big.move_to_end(n, last=False)
    shown = capture(big)
    assert shown["size"] == 40000 and [plain(k) for k, _ in shown["entries"]] == [str(n) for n in list(big)[:100]]
    assert {plain(v) for (k, v) in shown["entries"] if plain(v) != plain(k)} <= {"unreadable"}


def test_py14_deques_of_any_history(capture):
    value = collections.deque()
    for n in range(200):
        value.append(n)
        value.appendleft(-n)
        if n % 3 == 0:
            value.popleft()
        if n % 20 == 0:
            assert plain(capture(value, elements=1000)) == [str(v) for v in value]
    value.rotate(77)
    assert plain(capture(value, elements=1000)) == [str(v) for v in value]
    assert (len(capture(value)["elements"]), capture(value)["size"]) == (100, len(value))


def test_py14_paths(capture):
    """Their text when it is stored; it is not computed."""
    path = pathlib.PurePosixPath("a", "b")
    assert "value" not in capture(path) and capture(path)["type"] == "PurePosixPath"
    assert plain(capture(path)).get("_raw_paths", ["a", "b"]) == ["a", "b"]
    assert "_str" not in plain(capture(path))
    assert str(path) and capture(path)["value"] == "a/b"


def test_py14_numpy(capture):
    numpy = __import__("numpy")
    wait_until_known(capture, numpy.zeros(1), numpy.int8(1))
    grid = numpy.arange(6, dtype="i8").reshape(2, 3)
    for value, dtype, items in [
            (grid, "int64", "0 1 2 3 4 5"), (grid.T, "int64", "0 3 1 4 2 5"), (grid[::-1, ::2], "int64", "3 5 0 2"),
            (numpy.array(5), "int64", "5"), (numpy.zeros((2, 0)), "float64", ""),
            (numpy.array([0.1]), "float64", "0.1"), (numpy.array([0.5], "f4"), "float32", "0.5"),
            (numpy.array([1.5, -65504, 2.0**-14, 2.0**-15], "f2"), "float16",
             "1.5 -65504.0 6.103515625e-05 3.0517578125e-05"),
            (numpy.array([True, False]), "bool", "true false"), (numpy.array([255], "u1"), "uint8", "255"),
            (numpy.array([2**64 - 1], "u8"), "uint64", str(2**64 - 1)), (numpy.array([1 + 2j]), "complex128", "(1+2j)"),
            (numpy.array(["a", "bcd"]), "<U3", "a bcd"), (numpy.array([b"x"]), "S1", "x"),
            (numpy.array([None, "t"], object), "object", "None t"), (numpy.zeros(2).view(numpy.matrix), "float64", "0.0 0.0")]:
        shown = plain(capture(value))
        assert (shown["dtype"], shown["shape"]) == (dtype, [str(n) for n in value.shape])
        assert [str(item) for item in shown["items"]] == items.split()
    for value, dtype in [(numpy.array(["2020"], "M8[D]"), "datetime64"), (numpy.array([1], ">i4"), ">int32"),
                         (numpy.zeros(1, "i4,f8"), "void")]:
        assert plain(capture(value)) == {"dtype": dtype, "shape": ["1"]}
    large = capture(numpy.arange(1000))["fields"]["items"]
    assert (len(large["elements"]), large["size"], large["not_captured_reason"]) == (100, 1000, "collection_size")


def test_py14_numpy_scalars(capture):
    numpy = __import__("numpy")
    wait_until_known(capture, numpy.zeros(1), numpy.int8(1))
    for name, given, text in [
            ("bool_", True, "true"), ("int8", -3, "-3"), ("uint8", 255, "255"), ("int16", -300, "-300"),
            ("uint16", 65535, "65535"), ("int32", -5, "-5"), ("uint32", 2**32 - 1, str(2**32 - 1)),
            ("int64", -(2**63), str(-(2**63))), ("uint64", 2**64 - 1, str(2**64 - 1)), ("float16", 0.5, "0.5"),
            ("float32", 0.25, "0.25"), ("float64", 0.1, "0.1"), ("complex64", 1 + 2j, "(1+2j)"),
            ("complex128", 1 - 2j, "(1-2j)"), ("str_", "é", "é"), ("bytes_", b"x", "x")]:
        value = getattr(numpy, name)(given)
        shown = capture(value)
        assert (shown["type"], shown["value"]) == (type(value).__name__, text)


def wait_until_known(capture, *values):
    """What was imported after the agent is looked at by a thread of its own when the first is met."""
    for value in values:
        deadline = time.monotonic() + 10
        while str(capture(value).get("value", "")).startswith("<"):
            assert time.monotonic() < deadline
            time.sleep(0.002)


def test_py14_integers_beyond_decimal(capture):
    for value in (2**1020 - 1, 2**1021, -(2**1500) + 1, 2**5000, 2**20000 + 1):
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


def test_py14_reading_leaves_references(capture):
    """Nothing that is reached holds a reference more afterwards."""
    inner = object()
    holders = [[inner], collections.deque([inner]), collections.OrderedDict(a=inner), {"a": inner}.values(),
               types.MappingProxyType({"a": inner}), functools.partial(len, inner), weakref.ref(Empty), array.array("h", [1]),
               memoryview(b"x"), decimal.Decimal("1.5"), uuid.UUID(int=1), re.compile("x"), STRINGED, Colour.RED]
    before = [sys.getrefcount(value) for value in holders], sys.getrefcount(inner)
    for _ in range(20):
        for value in holders:
            capture(value)
    del value
    assert ([sys.getrefcount(value) for value in holders], sys.getrefcount(inner)) == before
    holders[7].append(2)  # no buffer of it is held


def test_py14_reading_changes_nothing(capture):
    """No dictionary is made: what an object keeps inline stays inline, at the same references."""
    import gc

    def dicts(value):
        return [id(o) for o in gc.get_referents(value) if isinstance(o, dict)]

    value, texts, empty = Plain(), Text("t"), Empty()
    dicts_before = dicts(value)
    assert len(dicts_before) == (sys.version_info < (3, 11))  # before, only what is empty has none
    before = sys.getsizeof(value), sys.getrefcount(value.b), sys.getrefcount(None), sys.getrefcount(Plain)
    for _ in range(50):
        capture(value)
        capture(texts)
        capture(empty)
    after = sys.getsizeof(value), sys.getrefcount(value.b), sys.getrefcount(None), sys.getrefcount(Plain)
    assert before == after
    # With a dictionary of its own an object is bigger by it, or refers to it.
    assert dicts(value) == dicts_before and dicts(empty) == []


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
    called = [("g", 4)] + [("h", 7)] * 4
    if sys.version_info < (3, 12):  # a comprehension is a function of its own
        called.insert(0, ("g.<locals>.<listcomp>", 4))
    assert [(f, line) for _, f, line in stack[1:len(called) + 1]] == called
    assert stack[len(called) + 1][1] == "test_stack"
    probes.set(subject.at("# here"), "line", limits={"frames": 2})
    module.h(3)
    assert len(probes.take()["stack"]) == 2
    module.h(300)
    assert len(probes.take_all()[-1]["stack"]) == 2
