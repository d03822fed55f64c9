# SPDX-License-Identifier: Apache-2.0
"""CORE-05: capture runs no code of the application. Objects whose every method raises, and says so, are
captured whole."""
import array
import collections
import datetime
import decimal
import enum
import pathlib
import re
import time
import types
import uuid

import pytest

from conftest import captured, plain

TRIPPED = []


def trip(name):
    def method(*args, **kwargs):
        TRIPPED.append(name)
        raise AssertionError("called " + name)

    return method


DUNDERS = """__repr__ __str__ __bytes__ __format__ __lt__ __le__ __eq__ __ne__ __gt__ __ge__ __hash__ __bool__ __getattr__
    __getattribute__ __dir__ __get__ __call__ __len__ __length_hint__ __getitem__ __missing__ __iter__ __reversed__
    __contains__ __index__ __int__ __float__ __complex__ __enter__ __exit__ __await__ __aiter__ __anext__ __next__
    __sizeof__ __reduce__ __reduce_ex__ __copy__ __deepcopy__ __del__ __instancecheck__ __subclasscheck__
    __fspath__ __buffer__ __abs__ __neg__ __add__ __radd__ items keys values get copy pop append isoformat
    utcoffset tzname""".split()


class Meta(type):
    """Its classes answer no question either."""

    armed = False

    def __getattribute__(cls, name):
        if Meta.armed:
            TRIPPED.append("Meta." + name)
            raise AssertionError("Meta." + name)
        return type.__getattribute__(cls, name)

    def __instancecheck__(cls, instance):
        return trip("Meta.__instancecheck__")()

    def __subclasscheck__(cls, other):
        return trip("Meta.__subclasscheck__")()

    def __repr__(cls):
        return trip("Meta.__repr__")()

    def __hash__(cls):
        return id(cls)

    def mro(cls):
        return type.mro(cls)


def wired(base, **fields):
    """A class derived from `base` in which everything raises."""
    names = {name: trip(name) for name in DUNDERS if name not in ("__del__",)}
    names["__class__"] = property(trip("__class__"))
    names["__dict__"] = property(trip("__dict__"))
    names["__slots__"] = ()
    if base is object or base is Exception:
        del names["__slots__"]
        del names["__dict__"]
    for name in ("__getattribute__",):
        names[name] = lambda self, attribute: trip("__getattribute__ " + attribute)()
    names["__setattr__"] = trip("__setattr__")
    return Meta("Wired_" + base.__name__, (base,), {**names, **fields})


def make(cls, base, *args):
    return base.__new__(cls, *args)


def filled(kind, fill):
    def make_it():
        value = kind.__new__(wired(kind))
        fill(value)
        return value

    return make_it


def path(text):
    # Where a path keeps its text once somebody asked for it; the asking would trip.
    value = object.__new__(wired(pathlib.PurePosixPath))
    object.__setattr__(value, "_str", text)
    return value


def identifier():
    value = object.__new__(wired(uuid.UUID))
    uuid.UUID.int.__set__(value, 7)
    return value


@pytest.fixture
def capture(probes, source):
    subject = source("def look(value):\n    return None  # here\n")
    module = subject.run()
    probes.set(subject.at("# here"), "line")

    def show(value):
        del TRIPPED[:]
        Meta.armed = True
        try:
            module.look(value)
        finally:
            Meta.armed = False
        assert TRIPPED == []
        return captured(probes.take())["value"]

    return show


@pytest.mark.parametrize("base,args,data", [
    (int, (42,), "42"), (str, ("text",), "text"), (float, (1.5,), "1.5"), (bytes, (b"b",), "b"),
    (complex, (1, 2), "(1+2j)"), (tuple, ((1, 2),), ["1", "2"]), (frozenset, ((7,),), ["7"]),
], ids=lambda v: getattr(v, "__name__", None))
def test_core05_immutable_subclasses(capture, base, args, data):
    value = make(wired(base), base, *args)
    shown = capture(value)
    assert (shown["type"], plain(shown)) == ("Wired_" + base.__name__, data)


@pytest.mark.parametrize("base,fill,data", [
    (list, lambda v: list.extend(v, [1, 2]), ["1", "2"]),
    (dict, lambda v: dict.update(v, {"a": 1}), {"a": "1"}),
    (set, lambda v: set.add(v, 7), ["7"]),
    (bytearray, lambda v: bytearray.extend(v, b"xy"), "xy"),
], ids=lambda v: getattr(v, "__name__", None))
def test_core05_mutable_subclasses(capture, base, fill, data):
    value = make(wired(base), base)
    fill(value)
    shown = capture(value)
    assert (shown["type"], plain(shown)) == ("Wired_" + base.__name__, data)


@pytest.mark.parametrize("make_it,data", [
    (filled(collections.OrderedDict, lambda v: (collections.OrderedDict.__init__(v, [("a", 1), ("b", 2)]),
                                                collections.OrderedDict.move_to_end(v, "a"))), {"b": "2", "a": "1"}),
    (filled(collections.defaultdict, lambda v: dict.update(v, a=1)), {"a": "1"}),
    (filled(collections.Counter, lambda v: dict.update(v, a=1)), {"a": "1"}),
    (filled(collections.deque, lambda v: collections.deque.extend(v, [1, 2])), ["1", "2"]),
    (lambda: decimal.Decimal.__new__(wired(decimal.Decimal), "1.5"), "1.5"),
    (lambda: array.array.__new__(wired(array.array), "h", [1, -2]), {"typecode": "h", "items": ["1", "-2"]}),
    (lambda: datetime.date.__new__(wired(datetime.date), 2024, 2, 29), "2024-02-29"),
    (lambda: datetime.datetime.__new__(wired(datetime.datetime), 2024, 2, 29), "2024-02-29T00:00:00"),
    (lambda: datetime.time.__new__(wired(datetime.time), 1, 2, 3), "01:02:03"),
    (lambda: datetime.timedelta.__new__(wired(datetime.timedelta), 1), "1 day, 0:00:00"),
    (lambda: datetime.datetime(2024, 2, 29, tzinfo=datetime.tzinfo.__new__(wired(datetime.tzinfo))),
     "2024-02-29T00:00:00[Wired_tzinfo]"),
    (lambda: types.ModuleType.__new__(wired(types.ModuleType), "m"), None),
    (lambda: types.SimpleNamespace.__new__(wired(types.SimpleNamespace)), {}),
    (identifier, "00000000-0000-0000-0000-000000000007"),
    (lambda: path("/a/b"), "/a/b"),
    (lambda: types.MappingProxyType(filled(dict, lambda v: dict.update(v, a=1))()), {"a": "1"}),
    (lambda: dict.items(filled(dict, lambda v: dict.update(v, a=1))()), {"a": "1"}),
    (lambda: property.__new__(wired(property)), {}),
    (lambda: re.compile("a+"), "a+"),
])
def test_core05_standard_types(capture, make_it, data):
    value = make_it()
    shown = capture(value)
    deadline = time.monotonic() + 10
    while str(shown.get("value", "")).startswith("<"):  # a type of a module that was loaded after the agent
        assert time.monotonic() < deadline
        time.sleep(0.002)
        shown = capture(value)
    if data is not None:
        found = plain(shown)
        assert found == data and (not isinstance(data, dict) or "a" not in data or list(found) == list(data))


def test_core05_numpy(capture):
    numpy = __import__("numpy")
    kind = wired(numpy.ndarray, **{"__array_finalize__": lambda *args: None, "__array__": trip("__array__")})
    item = object.__new__(wired(object))
    value = numpy.ndarray.__new__(kind, (2,), "O")
    numpy.ndarray.__setitem__(value, 0, item)
    number = numpy.float64.__new__(wired(numpy.float64), 1.5)
    deadline = time.monotonic() + 10
    while "items" not in capture(value).get("fields", {}) or "value" not in capture(number):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    shown = capture(value)
    assert shown["type"] == "Wired_ndarray"
    assert [e["type"] for e in shown["fields"]["items"]["elements"]] == ["Wired_object", "NoneType"]
    assert (capture(number)["type"], plain(capture(number))) == ("Wired_float64", "1.5")


def test_core05_objects(capture):
    cls = wired(object)
    value = object.__new__(cls)
    object.__setattr__(value, "field", [1])
    object.__setattr__(value, "other", value)
    shown = capture(value)
    assert shown["type"] == "Wired_object"
    assert plain(shown["fields"]["field"]) == ["1"] and shown["fields"]["other"]["type"] == "Wired_object"


def test_core05_keys_and_members(capture):
    """A wired key of a dictionary, member of a set, name of a field."""
    key = make(wired(str), str, "key")
    cls = type.__getattribute__(Meta, "__class__")
    assert cls is type
    hashed = Meta("Hashed", (str,), {"__eq__": trip("__eq__"), "__hash__": lambda self: str.__hash__("key")})
    key = str.__new__(hashed, "key")
    assert plain(capture({key: 1})) == {"key": "1"}
    member = object.__new__(Meta("Member", (), {"__eq__": trip("__eq__"), "__hash__": lambda self: 5}))
    assert capture({member})["elements"][0]["type"] == "Member"
    holder = type("Holder", (), {})()
    holder.__dict__ = {key: 2}
    assert plain(capture(holder)) == {"key": "2"}


def test_core05_exceptions(capture):
    value = Exception.__new__(wired(Exception), "a")
    object.__setattr__(value, "code", 5)
    assert plain(capture(value)) == {"args": ["a"], "code": "5"}


def test_core05_properties_and_descriptors(capture):
    class Descriptor:
        __get__ = trip("__get__")
        __set__ = trip("__set__")

    class Owner:
        data = Descriptor()
        lazy = property(trip("lazy"))

        def __init__(self):
            self.real = 1

    assert plain(capture(Owner())) == {"real": "1"}


def test_core05_enumerations(capture):
    class Wired(enum.Enum):
        A = 1
        name = property(trip("name"))
        value = property(trip("value"))
        __repr__ = trip("__repr__")
        __str__ = trip("__str__")
        __eq__ = trip("__eq__")
        __hash__ = enum.Enum.__hash__

    assert plain(capture(Wired.A)) == {"name": "A", "value": "1"}


def test_core05_named_tuple_with_false_names(capture):
    class Fields(tuple):
        _fields = property(trip("_fields"))

    assert plain(capture(tuple.__new__(Fields, (1, 2)))) == ["1", "2"]


def test_core05_lying_class(capture):
    class Liar:
        __class__ = int

    shown = capture(Liar())
    assert (shown["type"], shown["fields"]) == ("Liar", {})


def test_core05_mapping_as_namespace(probes, source):
    """Locals of a class body kept in a mapping of the application's."""

    class Space(dict):
        __getitem__ = dict.__getitem__
        items = keys = values = get = __iter__ = __len__ = trip("mapping")

    class Kind(type):
        @classmethod
        def __prepare__(mcs, name, bases):
            return Space()

        def __new__(mcs, name, bases, names):
            return type.__new__(mcs, name, bases, dict(zip(dict.keys(names), dict.values(names))))

    subject = source("class A(metaclass=Kind):\n    x = 1\n    y = 2  # here\n")
    probes.set(subject.at("# here"), "line")
    del TRIPPED[:]
    subject.run(Kind=Kind)
    assert TRIPPED == []
    assert {n: plain(v) for n, v in captured(probes.take()).items()} == {"x": "1"}


def test_core05_exception_that_leaves(probes, source):
    subject = source("def f(e):\n    raise e\n")
    module = subject.run()
    probes.set(subject.path.stem + ":f", "exit")
    names = {name: trip(name) for name in ("__str__", "__repr__", "__eq__", "__hash__", "__len__", "__bool__")}
    names["args"] = property(trip("args"))
    names["__getattribute__"] = lambda self, name: trip(name)()
    wired_error = type("WiredError", (Exception,), names)
    value = Exception.__new__(wired_error, make(wired(str), str, "text"))
    del TRIPPED[:]
    try:
        module.f(value)
    except Exception as error:
        assert type(error) is wired_error
    assert TRIPPED == []
    throwable = probes.take()["return"]["throwable"]
    assert (throwable["type"], plain(throwable["message"])) == ("WiredError", "text")
