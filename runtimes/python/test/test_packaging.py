# SPDX-License-Identifier: Apache-2.0
"""NX-01, CORE-16: `pip install .` gives a package that works, or one that says why it does not."""
import os
import shutil
import subprocess
import sys

import pytest

from conftest import run_python

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 3))


@pytest.fixture
def tree(tmp_path):
    """What is needed of the sources, so that the build leaves nothing in the tree."""
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "Makefile", "LICENSE", "README.md"):
        shutil.copy(os.path.join(ROOT, name), tmp_path / name)
    for name in ("core", "include", "runtimes/python/src"):
        shutil.copytree(os.path.join(ROOT, name), tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def install(tree, **env):
    target = str(tree / "installed")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SONDE", "PYTHON"))}
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--no-index",
                    "--target", target, str(tree)], env=dict(environment, **env), check=True, timeout=600)
    return target


WORKS = """
    import sonde.auto, json
    from sonde import _native
    assert sonde.status()["running"], sonde.status()
    def f():
        return 1
    _native.apply_testonly(json.dumps([{"id": "p", "revision": 1, "at": "exit", "location": "__main__:f"}]))
    f()
    assert _native.take_testonly()["return"]["return_value"]["value"] == "1"
    """


def test_core16_pip_install_compiles_all_of_it(tree):
    run_python(WORKS, lib=install(tree))


@pytest.mark.parametrize("env,reason", [
    ({"SONDE_NO_EXTENSION": "1"}, "SONDE_NO_EXTENSION"),
    ({"CC": "/no/such/compiler"}, "could not be compiled"),
    ({"CFLAGS": "-I/no -include no_such_header.h"}, "could not be compiled"),
])
def test_nx01_pip_install_without_an_extension(tree, env, reason):
    lib = install(tree, **env)
    result = run_python("import sonde.auto; print(sonde.status())", lib=lib)
    assert "'running': False" in result.stdout and reason in result.stdout and result.stderr == ""
