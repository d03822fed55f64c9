# SPDX-License-Identifier: Apache-2.0
# Rows: CORE-16 CORE-17 NX-01 NX-03
"""How the agent gets into a process and out of it."""
import os
import shutil
import subprocess
import sys

import pytest

from conftest import LIB, run_python

BOOT = os.path.join(LIB, "boot")


def with_boot(code, *paths, env=None, **options):
    environment = {"PYTHONPATH": os.pathsep.join([BOOT, *map(str, paths)])}
    environment.update(env or {})
    return run_python(code, lib=None, env=environment, **options)


def test_core16_import_starts_it_once():
    run_python("""
        import sonde
        assert sonde.status() == {"running": False, "reason": "not started"}, sonde.status()
        import sonde.auto
        status = sonde.status()
        assert status["running"] and status["reason"] is None, status
        import importlib
        importlib.reload(sonde.auto)
        assert sonde.status()["running"]
        from sonde import _native
        _native.start()
        _native.stop()
        _native.stop()
        assert sonde.status()["reason"] == "stopped"
        importlib.reload(sonde.auto)
        assert not sonde.status()["running"]
        """)


def test_core16_boot_starts_it_and_leaves_no_trace():
    code = """
        import sys, json
        print(json.dumps([sys.path, sorted(m for m in sys.modules if not m.startswith("sonde")),
                          "sonde" in sys.modules and sys.modules["sonde"].status()["running"]]))
        """
    import json

    ours, theirs = json.loads(with_boot(code).stdout), json.loads(run_python(code, lib=None).stdout)
    assert ours[2] is True and theirs[2] is False
    assert ours[0] == theirs[0]
    assert set(ours[1]) - set(theirs[1]) <= {"atexit"}


def test_core16_boot_runs_the_applications_own(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.app_was_here = __file__\n")
    result = with_boot("""
        import sys, sitecustomize
        print(sys.app_was_here == sitecustomize.__file__, sys.modules["sonde"].status()["running"])
        """, tmp_path)
    assert result.stdout.split() == ["True", "True"]


@pytest.mark.parametrize("text", ["1 / 0", "import no_such_module_at_all", "raise ImportError('x')", "syntax error",
                                  "import sys; sys.exit(3)"])
def test_core16_boot_passes_on_what_the_applications_own_does(tmp_path, text):
    (tmp_path / "sitecustomize.py").write_text(text + "\n")
    ours = with_boot("print(1)", tmp_path, check=False)
    theirs = run_python("print(1)", lib=None, env={"PYTHONPATH": str(tmp_path)}, check=False)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    # An interpreter that gives up lists its extension modules, which is not for us to hide.
    said = [[line for line in r.stderr.split("\n") if line and not line.startswith("Extension modules")][-1:]
            for r in (ours, theirs)]
    assert said[0] == said[1]


def test_core16_boot_covers_child_processes():
    result = with_boot("""
        import subprocess, sys
        print(subprocess.run([sys.executable, "-c", "import sys; print(sys.modules['sonde'].status()['running'])"],
                             capture_output=True, text=True).stdout.strip())
        """)
    assert result.stdout.strip() == "True"


def other_pythons():
    """Every CPython of this machine that Sonde has no extension for."""
    found = [shutil.which("python2"), shutil.which("python2.7")]
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    versions = os.path.join(root, "versions")
    for name in sorted(os.listdir(versions)) if os.path.isdir(versions) else []:
        found.append(os.path.join(versions, name, "bin", "python"))
    supported = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
    found = [p for p in found if p and os.path.exists(p) and not any("/%s." % s in p for s in supported)]
    return [p for p in found if subprocess.run([p, "-c", ""], capture_output=True).returncode == 0]


@pytest.mark.parametrize("python", other_pythons() or [pytest.param(None, marks=pytest.mark.skip("no other Python"))])
def test_nx01_boot_does_nothing_on_other_versions(python):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SONDE", "PYTHON"))}
    code = "import sys; s = sys.modules.get('sonde'); print(s and s.status()['reason'] or 'nothing')"
    result = subprocess.run([python, "-c", code], env=dict(environment, PYTHONPATH=BOOT),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert result.returncode == 0 and result.stderr == b"", result.stderr
    reason = result.stdout.decode().strip()
    assert reason == "nothing" or "is not supported yet" in reason


def test_nx01_without_an_extension(tmp_path):
    """The package alone loads, says why it is off, and is quiet about it."""
    shutil.copytree(os.path.join(LIB, "sonde"), tmp_path / "sonde", ignore=shutil.ignore_patterns("_native*"))
    (tmp_path / "sonde" / "_build_info.py").write_text("reason = 'not compiled: no compiler'\n")
    code = "import sonde.auto\nprint(sonde.status())"
    result = run_python(code, lib=str(tmp_path))
    assert "'running': False" in result.stdout and "no compiler" in result.stdout and result.stderr == ""
    result = run_python(code, lib=str(tmp_path), env={"SONDE_LOG": "info"})
    assert result.stderr.count("\n") == 1 and "no compiler" in result.stderr


def test_nx01_damaged_extension_is_a_fault_and_no_crash(tmp_path):
    shutil.copytree(os.path.join(LIB, "sonde"), tmp_path / "sonde")
    for path in (tmp_path / "sonde").glob("_native*"):
        path.write_bytes(b"not an extension")
    result = run_python("import sonde.auto\nprint(sonde.status()['running'])", lib=str(tmp_path))
    assert result.stdout.strip() == "False" and "can not be loaded" in result.stderr


def test_core17_switched_off():
    result = run_python("import sonde.auto\nprint(sonde.status())", env={"SONDE_ENABLED": "0"})
    assert "SONDE_ENABLED" in result.stdout and result.stderr == ""


def test_nx01_sub_interpreters_are_refused():
    run_python("""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import sonde.auto
        assert sonde.status()["running"]
        code = "import sonde.auto, sonde; assert not sonde.status()['running']; assert 'interpreter' in sonde.status()['reason']"
        other = interpreters.create()
        error = interpreters.run_string(other, code)
        assert error is None, error
        interpreters.destroy(other)
        assert sonde.status()["running"]
        """)


def test_core17_probes_fire_in_exit_handlers_and_after_the_stop_nothing_does():
    """The agent's exit handler was registered first, so it runs last; whatever comes then is silent."""
    result = run_python("""
        import sonde.auto, atexit, json, threading, time
        from sonde import _native
        def late():
            return 1
        def at_exit():
            late()
            print("hits", json.loads(_native.report())["statuses"][0]["hits"], flush=True)
        atexit.register(at_exit)
        _native.apply_testonly(json.dumps([{"id": "p", "revision": 1, "at": "exit", "location": "__main__:late"}]))
        class AtTheEnd:
            def __del__(self):
                late()
        keep = AtTheEnd()
        def spin():
            while True:
                late()
                time.sleep(0)
        threading.Thread(target=spin, daemon=True).start()
        """)
    assert result.stdout.startswith("hits ") and result.stderr == ""


def test_core17_exit_status_and_output_are_the_applications():
    for code, status in (("import sys; sys.exit(7)", 7), ("raise SystemExit(3)", 3), ("1/0", 1),
                         ("import os; os._exit(4)", 4), ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15)):
        ours = with_boot(code, check=False)
        theirs = run_python(code, lib=None, check=False)
        assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)
        assert ours.returncode == status


def test_core17_interrupts_reach_the_application():
    """A signal that comes while the agent starts is the application's."""
    run_python("""
        import signal, os, threading, time
        seen = []
        signal.signal(signal.SIGALRM, lambda *a: seen.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        import sonde.auto
        signal.setitimer(signal.ITIMER_REAL, 0)
        import sonde
        assert sonde.status()["running"], sonde.status()
        assert seen
        """)


def test_nx03_parts_that_fail_their_check_are_off():
    """Each part alone: the rest goes on, and the report names it."""
    code = """
        import sys, json, os
        from sonde import _native
        part = sys.argv[1]
        _native.fail_testonly(part)
        import sonde.auto, sonde
        assert sonde.status()["running"], sonde.status()
        report = json.loads(_native.report())
        assert part in json.dumps(report["disarmed"]), report
        class P:
            def __init__(self):
                self.a = 1
        def f(value, big):
            b = value  # line 13
            return b
        names = {}
        source = "def f(value, big):\\n    b = value\\n    return b\\n"
        exec(compile(source, "/tmp/nx03.py", "exec"), names)
        _native.apply_testonly(json.dumps([
            {"id": "l", "revision": 1, "at": "line", "location": "/tmp/nx03.py:3", "rate": 100},
            {"id": "e", "revision": 1, "at": "exit", "location": "nx03:f", "rate": 100}]))
        for n in range(100):
            assert names["f"](P(), 2**100).a == 1
        found = []
        while (r := _native.take_testonly()) is not None:
            found.append(r)
        print(json.dumps([{s["probe_id"]: [s["status"], s["hits"]] for s in json.loads(_native.report())["statuses"]},
                          [r["line_probe"] for r in found if "line_probe" in r][:1]]))
        """
    import json

    engine = ("trim", "pairs") if hasattr(sys, "monitoring") else ("rewriting",)
    for part in ("frames", "inline_values", "ints", "lines", *engine):
        result = run_python(code, part)
        assert "%s: not as known" % part in result.stderr and result.stderr.count("\n") == 1
        statuses, lines = json.loads(result.stdout)
        if part == "rewriting":  # nothing else could set a probe
            assert statuses == {"l": ["error", 0], "e": ["error", 0]} and lines == []
            continue
        assert statuses["e"][0] in ("installed", "emitting"), (part, statuses)
        if part == "lines":
            assert statuses["l"][0] == "error"
            continue
        assert statuses["l"][1] == 100, (part, statuses)
        if part == "frames":
            assert lines == []
            continue
        values = {**lines[0]["arguments"], **lines[0]["locals"]}
        if part == "inline_values" and sys.version_info >= (3, 11):  # before, there are none
            assert "fields" not in values["value"]
        else:
            assert values["value"]["fields"]["a"]["value"] == "1"
        assert ("value" in values["big"]) == (part != "ints")


def test_core17_interpreter_without_site():
    result = subprocess.run([sys.executable, "-S", "-c", "print(1)"], env=dict(os.environ, PYTHONPATH=BOOT),
                            capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("1\n", "")
