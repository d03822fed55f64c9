# SPDX-License-Identifier: Apache-2.0
"""CORE-03: what a probe says of itself is true, and helps."""
import importlib
import os
import sys
import threading
import time

from sonde import _native

TEXT = """
    # a comment
    import os

    def first(a):
        b = a + 1  # b
        return b

    # another comment

    def second(a):
        return first(a)  # inner
    """


def test_core03_installed_then_emitting(probes, source):
    subject = source(TEXT)
    module = subject.run()
    status = probes.set(subject.at("# b"), "line")
    assert (status["status"], status["cause"], status["hits"]) == ("installed", "", 0)
    module.second(1)
    status = probes.status()
    assert (status["status"], status["hits"], status["captured"]) == ("emitting", 1, 1)


def test_core03_line_not_executable(probes, source):
    subject = source(TEXT)
    module = subject.run()
    comment = subject.line("# another comment")
    status = probes.set("%s:%d" % (subject.path, comment), "line")
    assert (status["status"], status["cause"]) == ("error", "line_not_executable")
    # Nearest first, before and after; module-level lines have run and are not offered.
    b = subject.line("# b")
    inner = subject.line("# inner")
    assert status["nearest_lines"] == [b + 1, b, inner]
    assert all(probes.set("%s:%d" % (subject.path, n), "line", id="n%d" % n)["status"] == "installed"
               for n in status["nearest_lines"])
    assert module.second(1) == 2


def test_core03_module_level_code_that_has_run(probes, source):
    subject = source(TEXT)
    module = subject.run()
    status = probes.set("%s:%d" % (subject.path, subject.line("import os")), "line")
    assert (status["status"], status["cause"]) == ("error", "line_not_executable")
    assert "can still run" in status["message"]
    assert module


def test_core03_file_forms(probes, source):
    subject = source(TEXT, "package/part/module.py")
    module = subject.run()
    line = subject.line("# b")
    for name in ("module.py", "part/module.py", "./package/part/module.py", str(subject.path)):
        assert probes.set("%s:%d" % (name, line), "line")["status"] == "installed", name
        probes.clear()
    for name in ("odule.py", "art/module.py", "module.p", "package/module.py"):
        assert probes.set("%s:%d" % (name, line), "line")["cause"] == "file_not_loaded", name
        probes.clear()
    assert module


def test_core03_paths_with_detours(probes, source):
    """As `python ./app.py`, sys.path entries with "..", and deployments through symbolic links give them."""
    subject = source(TEXT, "real/app.py")
    root, line = subject.path.parent.parent, subject.line("# b")
    (root / "current").symlink_to(root / "real")
    names = ["%s/./real/app.py", "%s//real/app.py", "%s/real/../real/./app.py", "%s/current/app.py", "%s/real/app.py"]
    for loaded in names:
        code = compile(subject.text, loaded % root, "exec")
        space = {}
        exec(code, space)
        for given in names:
            assert probes.set("%s:%d" % (given % root, line), "line")["status"] == "installed", (loaded, given)
            probes.clear()
        if "current" not in loaded:
            assert probes.set("real/app.py:%d" % line, "line")["status"] == "installed", loaded
            probes.clear()
        del code, space


def test_core03_ambiguous_and_exact(probes, source):
    one, other = source(TEXT, "one/same.py"), source(TEXT, "other/same.py")
    modules = one.run(), other.run()
    status = probes.set("same.py:%d" % one.line("# b"), "line")
    assert (status["status"], status["cause"]) == ("error", "ambiguous")
    assert str(one.path) in status["message"] and str(other.path) in status["message"]
    status = probes.set(one.at("# b"), "line")
    assert status["status"] == "installed"
    modules[1].first(1)
    assert probes.hits() == 0
    modules[0].first(1)
    assert probes.hits() == 1


def test_core03_file_not_found_and_not_loaded(probes, tmp_path):
    status = probes.set("%s/missing.py:3" % tmp_path, "line")
    assert (status["status"], status["cause"]) == ("error", "file_not_found")
    (tmp_path / "later.py").write_text("x = 1\n")
    status = probes.set("%s/later.py:1" % tmp_path, "line", id="later")
    assert (status["status"], status["cause"]) == ("pending", "file_not_loaded")
    assert "waits" in status["message"]
    assert probes.set("nobody/has/this.py:3", "line", id="n")["status"] == "pending"


def test_core03_functions_not_found(probes, source, importable):
    importable("""
        def compute_total(a):
            return a
        class Order:
            def total(self):
                return 1
        """, "shop_statuses.py")
    module = importlib.import_module("shop_statuses")
    status = probes.set("shop_statuses:compute_totl", "entry")
    assert (status["status"], status["cause"]) == ("error", "function_not_found")
    assert "compute_total" in status["message"]
    assert probes.set("shop_statuses:Order.totl", "entry", id="m")["message"].count("Order.total") == 1
    assert "Order.total" in probes.set("shop_statuses:total", "entry", id="t")["message"]
    # A class is no function.
    assert probes.set("shop_statuses:Order", "entry", id="c")["cause"] == "function_not_found"
    status = probes.set("shop_of_nobody:compute", "entry", id="s")
    assert (status["status"], status["cause"]) == ("pending", "module_not_loaded")
    assert module


def test_core03_pending_until_imported(probes, importable):
    subject = importable("""
        first = 1  # module level
        def f(a):
            return a  # in f
        result = f(2)
        """, "later_statuses.py")
    waiting = {"top": subject.at("# module level"), "line": "later_statuses.py:%d" % subject.line("# in f")}
    for id, location in waiting.items():
        assert probes.set(location, "line", id=id)["status"] == "pending"
    assert probes.set("later_statuses:f", "exit", id="function")["status"] == "pending"
    importlib.import_module("later_statuses")
    # Armed before the module's first line: nothing was missed.
    assert {id: probes.hits(id) for id in ("top", "line", "function")} == {"top": 1, "line": 1, "function": 1}


def test_core03_pending_from_bytecode_with_another_name(probes, importable, tmp_path):
    """importlib sets the file of code from a .pyc after it was made."""
    subject = importable("def f(a):\n    return a  # in f\n", "moved_statuses.py")
    import py_compile

    py_compile.compile(str(subject.path), dfile="/somewhere/else.py",
                       cfile=importlib.util.cache_from_source(str(subject.path)), doraise=True)
    assert probes.set(subject.at("# in f"), "line")["status"] == "pending"
    module = importlib.import_module("moved_statuses")
    assert module.f.__code__.co_filename == str(subject.path)
    probes.wait("installed")
    module.f(1)
    assert probes.hits() == 1


def test_core03_code_made_from_code(probes, source):
    """A code object that stands alone: a decorator replaced the function's."""
    subject = source("def f(a):\n    return a  # in f\n")
    module = subject.run()
    assert probes.set(subject.at("# in f"), "line")["status"] == "installed"
    other = subject.run()
    other.f.__code__ = other.f.__code__.replace(co_filename="/nowhere/made.py", co_firstlineno=101)
    assert probes.set("/nowhere/made.py:102", "line", id="made")["status"] in ("installed", "error")
    if probes.status("made")["status"] == "error":  # not there on disk, and known only a moment later
        probes.wait("installed", id="made")
    other.f(1)
    assert probes.hits("made") == 1
    assert module


def test_core03_reload_keeps_firing(probes, importable):
    subject = importable("def f(a):\n    return a  # in f\n", "reloaded_statuses.py")
    module = importlib.import_module("reloaded_statuses")
    assert probes.set(subject.at("# in f"), "line")["status"] == "installed"
    old = module.f
    importlib.reload(module)
    module.f(1)
    old(1)
    assert probes.hits() == 2


def test_core03_code_that_vanishes(probes, source):
    subject = source("def f(a):\n    return a  # in f\n")
    module = subject.run()
    assert probes.set(subject.at("# in f"), "line")["status"] == "installed"
    assert _native.status()["armed"] == 1
    del module
    import gc

    gc.collect()
    assert _native.status()["armed"] == 0
    assert probes.status()["status"] == "pending"
    module = subject.run()
    module.f(1)
    assert probes.hits() == 1


def test_core03_new_revision_without_a_gap(probes, source):
    subject = source("def f(a):\n    return a  # in f\n")
    module = subject.run()
    probes.set(subject.at("# in f"), "line", rate=0.001)
    stop = threading.Event()
    calls = [0]

    def work():
        while not stop.is_set():
            module.f(1)
            calls[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(20):
        assert probes.set(subject.at("# in f"), "line", rate=0.001)["status"] in ("installed", "emitting")
        time.sleep(0.002)
    stop.set()
    thread.join()
    probes.set(subject.at("# in f"), "line", rate=0.001)
    module.f(1)
    assert probes.hits() == 1


def test_core03_hit_limit(probes, source):
    subject = source("def f(a):\n    return a  # in f\n")
    module = subject.run()
    probes.set(subject.at("# in f"), "line", hit_limit=3)
    for _ in range(10):
        module.f(1)
    assert len(probes.take_all()) == 3
    probes.wait("error")
    assert probes.status()["cause"] == "hit_limit"
    assert _native.armed_testonly(module.f.__code__) == 0


def test_core03_main_module(probes):
    main = sys.modules["__main__"]
    assert os.path.basename(main.__file__) == "__main__.py"  # python -m pytest
    status = probes.set("__main__:nothing_of_the_kind", "entry")
    assert status["cause"] in ("function_not_found", "module_not_loaded")
