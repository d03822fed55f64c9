# SPDX-License-Identifier: Apache-2.0
# Rows: PY-03 PY-07 PY-08
"""Function probes: how they are found, what they tell, and that they leave each other alone."""
import functools
import importlib
import pathlib
import threading

import pytest
from sonde import _native

from conftest import plain

SHOP = """
    import functools
    def traced(f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            return f(*args, **kwargs)
        return wrapper
    def total(price, *more, tax=2, **options):
        result = price + sum(more) + tax
        return result
    @traced
    @traced
    def decorated(a):
        return a * 2
    class Order:
        def __init__(self, n):
            self.n = n
        def price(self, factor):
            return self.n * factor
        @staticmethod
        def static(a):
            return a
        @classmethod
        def make(cls, n):
            return cls(n)
        class Inner:
            def deep(self):
                return "deep"
    def outer():
        def inner(x):
            return x
        return inner
    def fails(a):
        inside = a
        raise ValueError("bad " + a)
    def catches(a):
        try:
            fails(a)
        except ValueError:
            return "caught"
    def passes_on(a):
        return fails(a)
    def nothing():
        pass
    def generate(n):
        for i in range(n):
            yield i
        return "end"
    async def answer(a):
        return a
    """


@pytest.fixture
def shop(importable):
    importable(SHOP, "shop_functions.py")
    return importlib.import_module("shop_functions")


@pytest.mark.parametrize("location,work", [
    ("shop_functions:total", lambda m: m.total(1)),
    ("shop_functions.total", lambda m: m.total(1)),
    ("shop_functions:decorated", lambda m: m.decorated(1)),
    ("shop_functions:Order.price", lambda m: m.Order(1).price(2)),
    ("shop_functions.Order.price", lambda m: m.Order(1).price(2)),
    ("shop_functions:Order.static", lambda m: m.Order.static(2)),
    ("shop_functions:Order.make", lambda m: m.Order.make(2)),
    ("shop_functions.Order.Inner.deep", lambda m: m.Order.Inner().deep()),
    ("shop_functions:outer.<locals>.inner", lambda m: [m.outer()(1)]),
])
def test_py07_names(probes, shop, location, work):
    assert probes.set(location, "entry")["status"] == "installed"
    work(shop)
    assert probes.hits() == 1
    assert probes.take()["function"].endswith(location.split(".")[-1].split(":")[-1])


def test_py07_package(probes, importable):
    root = pathlib.Path(importable("", "x_functions.py").path).parent / "pkg_functions"
    root.mkdir()
    (root / "__init__.py").write_text("def at_top(): return 1\n")
    (root / "part.py").write_text("class A:\n    def m(self): return 2\n")
    top, part = importlib.import_module("pkg_functions"), importlib.import_module("pkg_functions.part")
    assert probes.set("pkg_functions:at_top", "entry", id="a")["status"] == "installed"
    assert probes.set("pkg_functions.part.A.m", "entry", id="b")["status"] == "installed"
    top.at_top(), part.A().m()
    assert (probes.hits("a"), probes.hits("b")) == (1, 1)


def test_entry_has_the_arguments(probes, shop):
    probes.set("shop_functions:total", "entry")
    shop.total(1, 2, 3, tax=4, note="n")
    record = probes.take()
    arguments = {n: plain(v) for n, v in record["entry"]["arguments"].items()}
    assert list(arguments) == ["price", "tax", "more", "options"]
    assert arguments == {"price": "1", "tax": "4", "more": ["2", "3"], "options": {"note": "n"}}
    assert record["duration_ns"] == -1
    assert [frame[1] for frame in record["stack"]][:2] == ["total", "test_entry_has_the_arguments"]


def test_exit_has_everything(probes, shop):
    probes.set("shop_functions:total", "exit")
    shop.total(1, 2, 3)
    record = probes.take()
    assert plain(record["entry"]["arguments"]["price"]) == "1"
    assert {n: plain(v) for n, v in record["return"]["locals"].items()} == {"result": "8"}
    assert plain(record["return"]["return_value"]) == "8"
    assert record["duration_ns"] > 0 and "throwable" not in record["return"]
    probes.set("shop_functions:nothing", "exit")
    shop.nothing()
    assert probes.take()["return"]["return_value"] == {"type": "NoneType", "is_null": True}


def test_py03_throwable(probes, shop):
    probes.set("shop_functions:fails", "exit")
    with pytest.raises(ValueError):
        shop.passes_on("thing")
    thrown = probes.take()["return"]
    assert "return_value" not in thrown
    assert {n: plain(v) for n, v in thrown["locals"].items()} == {"inside": "thing"}
    throwable = thrown["throwable"]
    assert (throwable["type"], plain(throwable["message"])) == ("ValueError", "bad thing")
    source = SHOP.strip("\n").split("\n")
    line = next(n for n, text in enumerate(source, 1) if "raise ValueError" in text)
    assert throwable["stack"][0] == (shop.__file__, "fails", line)
    assert [frame[1] for frame in throwable["stack"]][:3] == ["fails", "passes_on", "test_py03_throwable"]


def test_py03_thrown_further_in(probes, shop):
    """The throw site first, then the function, then its callers."""
    probes.set("shop_functions:passes_on", "exit")
    with pytest.raises(ValueError):
        shop.passes_on("thing")
    stack = probes.take()["return"]["throwable"]["stack"]
    assert [frame[1] for frame in stack][:3] == ["fails", "passes_on", "test_py03_thrown_further_in"]


def test_py03_caught_inside_is_not_reported(probes, shop):
    probes.set("shop_functions:catches", "exit")
    assert shop.catches("x") == "caught"
    record = probes.take()["return"]
    assert "throwable" not in record and plain(record["return_value"]) == "caught"


class Refused(Exception):
    """As starlette makes its own: what is given by keywords never gets into args."""

    def __init__(self, status_code, detail=None, headers=None):
        self.status_code = status_code
        self.detail = detail
        self.headers = headers

    def __str__(self):
        raise AssertionError("code of the application ran")

    __repr__ = __str__


class Cleared(Exception):
    """As werkzeug makes its own: args are taken away again, and the class has fields too."""
    code = 404
    description = "of the class"

    def __init__(self, description=None, response=None):
        super().__init__()
        if description is not None:
            self.description = description
        self.response = response


class Slotted(Exception):
    __slots__ = ("code", "unset")

    def __init__(self, *, code):
        self.code = code


@pytest.mark.parametrize("make,type,message", [
    (lambda: KeyError("key"), "KeyError", "key"),
    (lambda: ValueError(), "ValueError", None),
    (lambda: OSError(2, "No such file or directory", "/x"), "FileNotFoundError",
     "[Errno 2] No such file or directory: '/x'"),
    (lambda: ValueError("a", 1), "ValueError", ["a", "1"]),
    (lambda: SyntaxError("oops", ("f.py", 1, 2, "x")), "SyntaxError", "oops"),
    (lambda: SystemExit(3), "SystemExit", "3"),
    # Nothing in args: the instance's own fields, if they say anything.
    (lambda: Refused(status_code=404, detail="no such item"), "Refused",
     {"status_code": "404", "detail": "no such item", "headers": None}),
    (lambda: Refused(404, "no such item"), "Refused", ["404", "no such item"]),
    (lambda: Refused(404, detail="no such item"), "Refused",
     {"status_code": "404", "detail": "no such item", "headers": None}),
    (lambda: Cleared("no such item"), "Cleared", {"description": "no such item", "response": None}),
    (lambda: Cleared(), "Cleared", None),
    (lambda: Slotted(code=7), "Slotted", {"code": "7"}),
    (lambda: StopIteration(), "StopIteration", None),
    (lambda: ImportError(name="x"), "ImportError", {"name": "x"}),
])
def test_py03_messages(probes, source, make, type, message):
    subject = source("def f(e):\n    raise e\n")
    module = subject.run()
    probes.set("%s:f" % subject.path.stem, "exit")
    probes.set(str(subject.path) + ":1", "line", id="unused")
    with pytest.raises(BaseException):
        module.f(make())
    throwable = probes.take()["return"]["throwable"]
    assert throwable["type"] == type
    assert (plain(throwable["message"]) if "message" in throwable else None) == message
    if isinstance(message, dict):
        assert throwable["message"]["type"] == type


def test_py03_a_message_of_fields_is_redacted(probes, source):
    subject = source("def f(e):\n    raise e\n")
    module = subject.run()
    probes.set("%s:f" % subject.path.stem, "exit")
    thrown = Refused(status_code=401)
    thrown.password = "secret"
    with pytest.raises(Refused):
        module.f(thrown)
    message = probes.take()["return"]["throwable"]["message"]
    assert message["fields"]["password"]["not_captured_reason"] == "redacted"
    assert plain(message["fields"]["status_code"]) == "401"


def test_py08_siblings_are_left_alone(probes, shop):
    for id, name in (("a", "total"), ("b", "decorated"), ("c", "Order.price")):
        probes.set("shop_functions:" + name, "exit", id=id)
    probes.remove("b")
    shop.total(1), shop.decorated(1), shop.Order(1).price(1)
    assert (probes.hits("a"), probes.hits("c")) == (1, 1)
    assert sorted(r["probe_id"] for r in probes.take_all()) == ["a", "c"]


def test_py08_several_probes_in_one_function(probes, source):
    subject = source("def f(a):\n    b = a  # one\n    return b  # two\n")
    module = subject.run()
    for id, location, at in (("x", subject.at("# one"), "line"), ("y", subject.at("# one"), "line"),
                             ("z", subject.at("# two"), "line"),
                             ("e", subject.path.stem + ":f", "entry"), ("r", subject.path.stem + ":f", "exit")):
        assert probes.set(location, at, id=id)["status"] == "installed"
    module.f(1)
    assert [probes.hits(id) for id in "xyzer"] == [1, 1, 1, 1, 1]
    for gone, left in (("x", "yzer"), ("r", "yze"), ("z", "ye"), ("e", "y")):
        probes.remove(gone)
        before = [probes.hits(id) for id in left]
        module.f(1)
        assert [probes.hits(id) for id in left] == [n + 1 for n in before]
    probes.remove("y")
    assert _native.armed_testonly(module.f.__code__) == 0


def test_py08_closures_of_one_code_object(probes, shop):
    first = shop.outer()
    probes.set("shop_functions:outer.<locals>.inner", "exit")
    second = shop.outer()
    first(1), second(2)
    assert [plain(r["return"]["return_value"]) for r in probes.take_all()] == ["1", "2"]


def test_py08_removed_while_a_call_is_under_way(probes, source):
    subject = source("def f(go, done):\n    go.set()\n    done.wait()\n    return 1\n")
    module = subject.run()
    probes.set(subject.path.stem + ":f", "exit")
    go, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=module.f, args=(go, done))
    thread.start()
    go.wait()
    probes.remove()
    done.set()
    thread.join()
    assert probes.take() is None
    assert _native.armed_testonly(module.f.__code__) == 0


def test_recursion_has_its_own_state(probes, source):
    subject = source("def f(n):\n    return f(n - 1) + 1 if n else 0\n")
    module = subject.run()
    probes.set(subject.path.stem + ":f", "exit")
    assert module.f(4) == 4
    records = probes.take_all()
    assert [plain(r["return"]["return_value"]) for r in records] == ["0", "1", "2", "3", "4"]
    assert [plain(r["entry"]["arguments"]["n"]) for r in records] == ["0", "1", "2", "3", "4"]
    durations = [r["duration_ns"] for r in records]
    assert durations == sorted(durations)


def test_generators_and_coroutines(probes, shop):
    """Their body begins and ends once; what is closed early does no harm."""
    probes.set("shop_functions:generate", "exit")
    assert list(shop.generate(3)) == [0, 1, 2]
    record = probes.take()
    assert plain(record["return"]["return_value"]) == "end"
    generator = shop.generate(3)
    next(generator)
    generator.close()
    generator = shop.generate(3)
    next(generator)
    del generator
    with pytest.raises(KeyError):
        generator = shop.generate(3)
        next(generator)
        generator.throw(KeyError("thrown"))
    assert probes.take_all()[-1]["return"]["throwable"]["type"] == "KeyError"
    probes.set("shop_functions:answer", "exit", id="c")
    with pytest.raises(StopIteration):
        shop.answer(5).send(None)
    assert plain(probes.take_all()[-1]["return"]["return_value"]) == "5"


def test_interleaved_generators_keep_their_own_entries(probes, shop):
    probes.set("shop_functions:generate", "exit")
    one, other = shop.generate(1), shop.generate(2)
    next(one), next(other)
    list(one), list(other)
    assert [plain(r["entry"]["arguments"]["n"]) for r in probes.take_all()] == ["1", "2"]


def test_thread_is_named(probes, shop):
    probes.set("shop_functions:total", "entry")
    thread = threading.Thread(target=functools.partial(shop.total, 1), name="worker é")
    thread.start()
    thread.join()
    shop.total(1)
    named, main = probes.take_all()
    assert named["thread_name"] == "worker é"
    assert (main["thread_name"], main["thread_id"]) == ("MainThread", threading.main_thread().ident)
