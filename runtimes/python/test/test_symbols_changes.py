# SPDX-License-Identifier: Apache-2.0
"""SY-02: what is loaded or made after a listing is found, and only that is listed again."""
import importlib
import json
import sys
import time
import types

import pytest
from conftest import _native


def listing(is_whole=False):
    return json.loads(_native.symbols_testonly(is_whole))


def files(listed):
    return {unit["file"] for unit in listed["units"]}


def names(listed, path):
    found = set()

    def visit(scope):
        for inner in scope.get("scopes", ()):
            found.add(inner["name"])
            visit(inner)

    for unit in listed["units"]:
        if unit["file"] == str(path):
            visit(unit["scope"])
    return found


def await_change():
    """A look has a time limit: it may take several to see every class."""
    deadline = time.monotonic() + 30
    while not _native.symbols_changed_testonly():
        assert time.monotonic() < deadline


@pytest.fixture
def watched():
    """Everything so far was listed, and what comes is told of."""
    _native.watch_symbols_testonly(True)
    listing(is_whole=True)
    listing()
    yield
    _native.watch_symbols_testonly(False)


def test_nothing_changed(watched):
    _native.symbols_changed_testonly()
    listing()
    assert _native.symbols_changed_testonly() is False
    assert files(listing()) == set()


def test_500_modules_that_come_later(watched, importable):
    """SY-02: exactly these are listed, with what is in them."""
    sources = [importable("class C%d:\n    def m(self):\n        return 1\ndef f%d():\n    return 2\n" % (n, n),
                          "late%d.py" % n) for n in range(500)]
    for n in range(500):
        importlib.import_module("late%d" % n)
    listed = listing()
    assert files(listed) == {str(source.path) for source in sources}
    for n in (0, 250, 499):
        assert names(listed, sources[n].path) == {"C%d" % n, "m", "f%d" % n}


def test_classes_made_by_a_call(watched, importable):
    """SY-02: no hook tells of type(); a look does."""
    source = importable("def f():\n    return 1\n", "maker.py")
    maker = importlib.import_module("maker")
    listing()
    assert _native.symbols_changed_testonly() is False
    made = type("MadeLate", (), {"__module__": "maker", "value": 1})
    await_change()
    listed = listing()
    assert files(listed) == {str(source.path)} and "MadeLate" in names(listed, source.path)
    assert _native.symbols_changed_testonly() is False
    # The same once more is nothing new.
    again = type("MadeLate", (), {"__module__": "maker", "value": 1})
    assert _native.symbols_changed_testonly() is False
    maker.late = maker.f
    await_change()
    assert made is not again


def test_what_comes_with_a_listing_of_other_files_stays_news(watched, importable):
    """SY-02: a class and a function that were made when a listing was about another file."""
    source = importable("def f():\n    return 1\n", "beside.py")
    beside = importlib.import_module("beside")
    listing()
    assert _native.symbols_changed_testonly() is False
    other = importable("def g():\n    return 1\n", "elsewhere.py")
    beside.Made = type("MadeBeside", (), {"__module__": "beside", "value": 1})
    importlib.import_module("elsewhere")
    assert files(listing()) == {str(other.path)}
    await_change()
    listed = listing()
    assert files(listed) == {str(source.path)} and "MadeBeside" in names(listed, source.path)
    beside.late = beside.f
    importable("def h():\n    return 1\n", "further.py")
    importlib.import_module("further")
    listing()
    await_change()
    assert files(listing()) == {str(source.path)}


def test_a_method_that_is_added(watched, importable):
    source = importable("class C:\n    pass\ndef loose(self):\n    return 1\n", "patched.py")
    patched = importlib.import_module("patched")
    listing()
    assert _native.symbols_changed_testonly() is False
    patched.C.loose = patched.loose
    await_change()
    assert files(listing()) == {str(source.path)}


def test_reload(watched, importable):
    """SY-02: what a module says now, at its new lines."""
    source = importable("class C:\n    pass\n", "again.py")
    module = importlib.import_module("again")
    listing()
    source.path.write_text("import os\nclass C:\n    def more(self):\n        return 1\nx = 1000\n")
    importlib.invalidate_caches()
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        importlib.reload(module)
    finally:
        sys.dont_write_bytecode = before
    listed = listing()
    assert names(listed, source.path) == {"C", "more"}
    unit = next(u for u in listed["units"] if u["file"] == str(source.path))
    assert unit["scope"]["scopes"][0]["start_line"] == 2


def test_a_module_that_is_still_being_imported(watched, importable):
    """SY-02: a listing in between does not hide the rest."""
    source = importable("""
        import sys
        def first(): return 1
        sys.modules["__main__"].between()
        def second(): return 2
        """, "slow_import.py")
    seen = []
    sys.modules["__main__"].between = lambda: seen.append(names(listing(), source.path))
    try:
        importlib.import_module("slow_import")
    finally:
        del sys.modules["__main__"].between
    assert seen == [{"first"}]
    await_change()
    assert names(listing(), source.path) == {"first", "second"}


def test_closures_and_local_classes_are_listed_with_their_function(watched, importable):
    source = importable("""
        def outer():
            def inner():
                class Deep:
                    def m(self): return 1
                return Deep
            return inner
        """, "nest.py")
    nest = importlib.import_module("nest")
    listed = listing()
    assert names(listed, source.path) == {"outer", "inner", "Deep", "m"}
    nest.outer()()
    _native.symbols_changed_testonly()
    assert names(listing(True), source.path) == {"outer", "inner", "Deep", "m"}


def test_a_namespace_that_grows(watched):
    """A module made by hand, as plugins are."""
    module = types.ModuleType("by_hand")
    module.__file__ = "/srv/nowhere/by_hand.py"
    sys.modules["by_hand"] = module
    try:
        await_change()
        listing()
        exec(compile("def late():\n    return 1\n", module.__file__, "exec"), module.__dict__)
        assert "late" in names(listing(), module.__file__)
    finally:
        del sys.modules["by_hand"]


def test_switched_off(watched, importable):
    """SY-08: with the hook taken away, nothing is noted any more."""
    _native.watch_symbols_testonly(False)
    importable("x = 1\n", "unheard.py")
    importlib.import_module("unheard")
    assert _native.symbols_changed_testonly() is False
