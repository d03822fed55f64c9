# SPDX-License-Identifier: Apache-2.0
"""SY-01, SY-04, SY-06: what a listing of this process says, against what was written and what Python says."""
import gc
import importlib
import json
import os
import subprocess
import sys
import textwrap
import threading

import symbols_oracle
from conftest import LIB, _native, run_python


def listing(is_whole=True):
    return json.loads(_native.symbols_testonly(is_whole))


def unit_of(listed, path):
    found = [unit for unit in listed["units"] if unit["file"] == str(path)]
    assert len(found) == 1, (path, [unit["file"] for unit in listed["units"]][:50])
    return found[0]


def in_order(symbol):
    """Parameters as they were written, then the rest."""
    kind = symbol["symbol_type"]
    return (kind != "ARG", kind, "" if kind == "ARG" else symbol["name"])


def outline(scope, depth=0):
    """A scope as lines of text: kind, name, lines, names, facts."""
    symbols = " ".join(
        "%s:%s%s" % ({"ARG": "a", "LOCAL": "l", "FIELD": "f", "STATIC_FIELD": "s"}[symbol["symbol_type"]],
                     symbol["name"], "=" + symbol["type"] if "type" in symbol else "")
        for symbol in sorted(scope.get("symbols", ()), key=in_order))
    facts = " ".join("%s=%s" % (key, ",".join(value) if isinstance(value, list) else value)
                     for key, value in sorted(scope.get("language_specifics", {}).items()))
    lines = ",".join("%d-%d" % (run["start"], run["end"]) for run in scope.get("injectible_lines", ()))
    text = "%s%s %s %s-%s" % ("  " * depth, scope["scope_type"], scope["name"],
                              scope.get("start_line", "?"), scope.get("end_line", "?"))
    yield " | ".join(part for part in (text, symbols, facts, lines and "[%s]" % lines) if part)
    for inner in scope.get("scopes", ()):
        yield from outline(inner, depth + 1)


SUBJECT = """\
import functools

LIMIT = 10


def timed(unit):
    def around(f):
        @functools.wraps(f)
        def wrapper(*args, **kw):
            return f(*args, **kw)
        return wrapper
    return around


@timed("ms")
def decorated(
    a: int,
    /,
    b: "List[str]" = None,
    *rest,
    only: "Order",
    **more,
) -> "Order":
    total = a
    deep = lambda n: n + total
    return deep(b)


async def fetch(url: str):
    return url


def numbers(n):
    yield from (i * n for i in range(n))


class Base:
    pass


@functools.total_ordering
class Order(Base):
    '''class Nothing: in a string'''
    rate = 0.5
    total: int
    note: "Optional[str]" = None
    __slots_of__ = ()

    def __init__(self, name, count=1):
        self.name = name
        self.count = self.twice = count

    def __lt__(self, other):
        return self.count < other.count

    @property
    def price(self) -> float:
        return self.rate

    @price.setter
    def price(self, value):
        self._price = value

    @staticmethod
    def make(*, name):
        return Order(name)

    @classmethod
    def empty(cls):
        cls.made = 1
        return cls("")

    @functools.cached_property
    def slow(self):
        return 1

    half = functools.partialmethod(__lt__, 2)

    @timed("s")
    def work(self):
        def inner():
            self.hidden = 2
        return inner

    class Line:
        __slots__ = ("sku", "amount")

        def show(self):
            return self.sku


def local():
    class Inside(Order):
        def only_here(self):
            return 1
    return Inside


Inside = local()
Made = type("Made", (Base,), {"value": 3, "shout": lambda self: 1})
handlers = {"a": lambda event: event}
"""

OUTLINE = """\
MODULE everything ?-? | s:LIMIT=int s:handlers=dict
  CLASS Made ?-? | s:value=int | super_classes=Base
  FUNCTION timed 6-12 | a:unit l:around | [7-7,12-12]
    FUNCTION around 7-11 | a:f l:wrapper | [8-9,11-11]
      FUNCTION wrapper 8-10 | a:args a:kw | [10-10]
  FUNCTION decorated 15-26 | a:a=int a:b=List[str] a:only=Order a:rest a:more l:deep l:total | decorators=timed return_type=Order | [24-26]
    CLOSURE <lambda> 25-25 | a:n | [25-25]
  FUNCTION fetch 29-30 | a:url=str | function_type=coroutine | [30-30]
  FUNCTION numbers 33-34 | a:n | function_type=generator | [34-34]
    CLOSURE <genexpr> 34-34 | l:i | function_type=generator | [34-34]
  CLASS Base 37-37
  CLASS Order 41-89 | f:_price f:count f:name f:note=Optional[str] f:total=int f:twice s:made s:note=NoneType s:rate=float | super_classes=Base
    METHOD __init__ 49-51 | a:self a:name a:count | [50-51]
    METHOD __lt__ 53-54 | a:self a:other | [54-54]
    METHOD price 56-58 | a:self | method_type=property return_type=float | [58-58]
    METHOD price 60-62 | a:self a:value | method_type=property | [62-62]
    METHOD make 64-66 | a:name | method_type=static | [66-66]
    METHOD empty 68-71 | a:cls | method_type=class | [70-71]
    METHOD slow 73-75 | a:self | method_type=cached_property | [75-75]
    METHOD work 79-83 | a:self l:inner | decorators=timed | [81-81,83-83]
      FUNCTION inner 81-82 | [82-82]
    CLASS Line 85-89 | f:amount f:sku
      METHOD show 88-89 | a:self | [89-89]
  FUNCTION local 92-96 | l:Inside | [93-93,96-96]
    CLASS Inside 93-95 | super_classes=Order
      METHOD only_here 94-95 | a:self | [95-95]
  CLOSURE <lambda> 100-100 | a:self | [100-100]
  CLOSURE <lambda> 101-101 | a:event | [101-101]
"""


def test_everything_in_one_module(importable):
    """SY-01: the whole tree of a module in which everything stands."""
    source = importable(SUBJECT, "everything.py")
    importlib.import_module("everything")
    unit = unit_of(listing(), source.path)
    assert unit["origin"] == "user"
    got = "\n".join(outline(unit["scope"]))
    if sys.version_info < (3, 11):  # only its code knows what a wrapper is
        got_lines = [line.replace(" | decorators=timed", "") for line in got.split("\n")]
        wanted = [line.replace("decorators=timed return", "return").replace(" | decorators=timed", "")
                  for line in OUTLINE.strip().split("\n")]
    else:
        got_lines, wanted = got.split("\n"), OUTLINE.strip().split("\n")
    assert got_lines == wanted


def test_names_that_a_probe_takes(importable, probes):
    """SY-01: the qualified name of everything listed is one that a probe can be set on."""
    source = importable(SUBJECT, "everything.py")
    importlib.import_module("everything")
    names = []

    def visit(scope):
        for inner in scope.get("scopes", ()):
            if inner["scope_type"] in ("FUNCTION", "METHOD"):
                names.append(inner["qualified"])
            visit(inner)

    visit(unit_of(listing(), source.path)["scope"])
    assert "everything:Order.Line.show" in names and "everything:local.<locals>.Inside.only_here" in names
    for name in names:
        assert probes.set(name)["status"] == "installed", name


def test_lines_are_those_that_take_a_probe():
    """SY-01: for every function of some modules: told in one pass as one by one."""
    import argparse
    import asyncio.base_events
    import json.decoder
    import typing

    listed, checked = listing(), 0
    for module in (argparse, asyncio.base_events, json.decoder, typing):
        lines = {}

        def visit(scope):
            for inner in scope.get("scopes", ()):
                if inner["scope_type"] != "CLASS" and "start_line" in inner:
                    lines.setdefault((inner["name"], inner["start_line"]), set()).update(
                        n for run in inner.get("injectible_lines", ()) for n in range(run["start"], run["end"] + 1))
                visit(inner)

        visit(unit_of(listed, module.__file__)["scope"])
        for function in gc.get_objects():
            if type(function) is type(visit) and function.__code__.co_filename == module.__file__:
                code = function.__code__
                want = {n for n in range(code.co_firstlineno, code.co_firstlineno + 400)
                        if _native.places_testonly(code, n)}
                told = lines.get((code.co_name, code.co_firstlineno))
                if told is None:
                    continue  # kept by nothing that has a name
                assert told == want or (code.co_name == "<lambda>" and told >= want), code
                checked += 1
    assert checked > 200


MUCH = """
import asyncio.base_events, concurrent.futures.process, configparser, csv, ctypes, dataclasses, decimal
import difflib, doctest, email.mime.text, enum, fractions, http.server, logging.handlers, multiprocessing.pool
import pdb, sqlite3, ssl, statistics, tarfile, typing, unittest.mock, urllib.request, xml.dom.minidom, zipfile
import sys, json
sys.path.insert(0, sys.argv[1])
import symbols_oracle
import sonde.auto
from sonde import _native
found = symbols_oracle.compare(json.loads(_native.symbols_testonly(True)))
print(json.dumps(found))
"""


def test_recall_and_precision_in_a_process_with_much_loaded():
    """SY-01: 99.9 % of what Python itself can list, and of what is listed."""
    result = run_python(MUCH, os.path.dirname(os.path.abspath(__file__)), timeout=300)
    found = json.loads(result.stdout.strip().split("\n")[-1])
    differences = found.pop("differences")
    for what, (right, all) in found.items():
        assert all > 500 and right / all >= 0.999, (what, right, all, {k: v[:20] for k, v in differences.items()})


def test_before_and_after_the_agent_say_the_same(tmp_path):
    """SY-01: loaded before the agent or after it, a module is listed alike."""
    (tmp_path / "everything.py").write_text(SUBJECT)
    code = """
        import sys, json
        sys.path.insert(0, sys.argv[1])
        if sys.argv[2] == "before":
            import everything
        import sonde.auto
        from sonde import _native
        import everything
        units = json.loads(_native.symbols_testonly(True))["units"]
        print(next(u["hash"] for u in units if u["file"].endswith("/everything.py")))
    """
    first, second = (run_python(code, str(tmp_path), when).stdout for when in ("before", "after"))
    assert first == second


def test_a_huge_module_is_listed_in_slices(importable):
    """SY-04: 5,000 functions and a class of 3,000 methods take many slices, and all of them are there."""
    text = "".join("def f%d(a, b=1):\n    c = a\n    return c\n" % n for n in range(5000))
    text += "class Wide:\n" + "".join("    def m%d(self):\n        return %d\n" % (n, n) for n in range(3000))
    source = importable(text, "huge.py")
    importlib.import_module("huge")
    listed = listing()
    assert listed["slices"] > 5 and listed["dropped"] == 0
    names = {}
    for unit in listed["units"]:
        if unit["file"] == str(source.path):
            for scope in unit["scope"]["scopes"]:
                names.setdefault(scope["name"], set()).update(s["name"] for s in scope.get("scopes", ()))
    assert {"f%d" % n for n in range(5000)} <= set(names)
    assert len(names["Wide"]) == 3000


def test_nothing_of_the_application_runs(importable):
    """SY-04: traps in metaclasses, modules, descriptors, annotations and names stay shut."""
    importable("""
        import sys, types
        sprung = []
        class Trap(type):
            def __getattribute__(cls, name):
                sprung.append(("meta", name)); return type.__getattribute__(cls, name)
            def __subclasses__(cls):
                sprung.append("subclasses"); return []
            def __eq__(cls, other):
                sprung.append("eq"); return False
            def __hash__(cls):
                sprung.append("hash"); return 1
            def mro(cls):
                return type.mro(cls)
        class Descriptor:
            def __get__(self, obj, cls): sprung.append("get")
            def __getattribute__(self, name):
                sprung.append(("descriptor", name)); return object.__getattribute__(self, name)
        class Victim(metaclass=Trap):
            field = Descriptor()
            def method(self: "nobody()") -> "nothing()":
                self.x = 1
        class Lazy(types.ModuleType):
            def __getattribute__(self, name):
                sprung.append(("module", name)); return types.ModuleType.__getattribute__(self, name)
        sys.modules["lazy_trap"] = Lazy("lazy_trap")
        sys.modules["odd_trap"] = Descriptor()
        class Text(str):
            def __eq__(self, other): sprung.append("str"); return False
            __hash__ = str.__hash__
        globals()[Text("odd")] = 1
        def __getattr__(name): sprung.append(("getattr", name))
        del sprung[:]
        """, "traps.py")
    traps = importlib.import_module("traps")
    try:
        del traps.sprung[:]
        listed = listing()
        _native.symbols_changed_testonly()
        assert traps.sprung == []
        text = json.dumps(listed)
        assert '"traps:Victim.method"' in text
    finally:
        del sys.modules["lazy_trap"], sys.modules["odd_trap"]


def test_while_threads_import(importable, tmp_path):
    """SY-04: modules and classes that come and go between the slices do no harm."""
    for n in range(150):
        importable("class C:\n    def m(self):\n        return 1\ndef f():\n    return 2\n", "coming%d.py" % n)
    done = threading.Event()

    def load():
        for n in range(150):
            importlib.import_module("coming%d" % n)
            type("Gone%d" % n, (), {})
            if n % 3 == 0:
                del sys.modules["coming%d" % n]
        done.set()

    thread = threading.Thread(target=load)
    thread.start()
    while not done.is_set():
        assert listing()["dropped"] == 0
    thread.join()
    files = {unit["file"] for unit in listing()["units"]}
    assert str(tmp_path / "coming149.py") in files or str(tmp_path / "coming148.py") in files


def test_reference_counts(importable):
    """Nothing is kept: neither modules' names nor classes nor code."""
    source = importable(SUBJECT, "everything.py")
    everything = importlib.import_module("everything")
    objects = [everything, everything.Order, everything.Order.__init__.__code__, everything.local.__code__,
               everything.Inside, everything.__name__, str(source.path), object, type, everything.handlers]
    listing()
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(5):
        listing()
    assert [sys.getrefcount(each) for each in objects] == before


def test_a_class_can_die_between_two_listings(importable):
    importable("class C:\n    pass\n", "mortal.py")
    mortal = importlib.import_module("mortal")
    import weakref

    listing()
    alive = weakref.ref(mortal.C)
    del mortal.C
    gc.collect()
    assert alive() is None


def test_whose_code(tmp_path):
    """SY-06: by where packages are installed; not by what a path is called."""
    app = tmp_path / "site-packages-demo" / "app"
    venv = app / "venv" / "lib" / ("python%d.%d" % sys.version_info[:2]) / "site-packages"
    editable = tmp_path / "src" / "dist-packages" / "checkout"
    for folder in (app, venv, editable):
        folder.mkdir(parents=True)
    (app / "shop.py").write_text("def f():\n    return 1\n")
    (venv / "installed.py").write_text("def f():\n    return 1\n")
    (editable / "develop.py").write_text("def f():\n    return 1\n")
    code = """
        import sys, json
        sys.path[:0] = sys.argv[1:4]
        import sonde.auto
        from sonde import _native
        import shop, installed, develop, json.decoder
        units = json.loads(_native.symbols_testonly(True))["units"]
        print(json.dumps({u["file"].rsplit("/", 1)[-1]: u["origin"] for u in units}))
    """
    arguments = [str(app), str(venv), str(editable)]
    origins = json.loads(run_python(code, *arguments).stdout)
    assert origins["shop.py"] == "user" and origins["develop.py"] == "user"
    assert origins["installed.py"] == "library" and origins["decoder.py"] == "standard"
    assert origins["auto.py"] == "library"
    origins = json.loads(run_python(code, *arguments, env={"SONDE_USER_PATHS": str(venv)}).stdout)
    assert origins["installed.py"] == "user" and origins["decoder.py"] == "standard"


def test_in_a_virtual_environment(tmp_path):
    """SY-06: a venv inside of the application is installed packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (site / "installed.py").write_text("x = 1\n")
    (tmp_path / "app.py").write_text(textwrap.dedent("""
        import json, sonde.auto, installed
        from sonde import _native
        units = json.loads(_native.symbols_testonly(True))["units"]
        print(json.dumps({u["file"].rsplit("/", 1)[-1]: u["origin"] for u in units}))
        """))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PYTHONPATH"] = LIB
    out = subprocess.run([str(tmp_path / "venv" / "bin" / "python"), str(tmp_path / "app.py")], env=environment,
                         capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    origins = json.loads(out.stdout)
    assert origins["installed.py"] == "library" and origins["app.py"] == "user"
    assert origins["decoder.py"] == "standard"


def test_waiting_without_a_collector():
    """SY-08: says no, and at once."""
    import sonde

    assert sonde.wait_for_symbols(60) is False


ODD = r'''# coding: utf-8
"""class InDoc:
class AtMargin:
"""
x = "class A:"; y = 'it\'s \
class Continued:'
if x:
<TAB>class Tabbed: pass
else:
        class Tabbed:
            def m(self): return 1
z = [
x, #'
"""
class InBrackets:
""", r"\\", f"{x}"]
@(lambda c: c)
# between
@(lambda c: c)

class Decorated(
        object):
    class Inner: y = 1
    async def f(self):
        class Local: pass
        return Local
    class Odd: pass
<FEED>class AfterFormFeed: pass
def f(a="""
class InDefault:
"""): class_ = 1
class Tail(Decorated): pass'''


def test_lines_of_classes_in_odd_text(importable):
    """SY-01: strings, brackets, continued lines, tabs and decorators do not mislead the reader of files."""
    text = ODD.replace("<TAB>", "\t").replace("<FEED>", "\f")
    source = importable(text, "odd_text.py")
    source.path.write_text(text)
    importlib.import_module("odd_text")
    found = symbols_oracle.listed({"units": [unit_of(listing(), source.path)]})[1]
    lines = symbols_oracle.class_lines(str(source.path))
    wanted = {"Tabbed", "Decorated", "Decorated.Inner", "Decorated.Odd", "AfterFormFeed", "Tail",
              "Decorated.f.<locals>.Local"}
    assert {name for _, name in found} == wanted
    for (_, name), line in found.items():
        assert line in lines[name], (name, line, lines[name])
