#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs tests that are not ours with probes everywhere, and compares each test's outcome:
without Sonde (again where something differs, to know which tests waver by themselves), with a line probe
on every line of the modules, with a function probe on every function of them, and with some of each at once.

    tools/explore.py --lib build/lib/sonde/python --python 3.12=/usr/bin/python3.12 \\
        --tests "test_json unittest:my.tests pytest:tests" --modules "json.* my.thing"

A test is one of `python -m test`, or `unittest:MODULE`, or `pytest:PATH`. `package.*` is a package and
all within it. Every probe is there before the program is, and waits for its code; a module that a test
does not load gets none there. What has to differ is listed in EXPECTED with the reason. Ends with 1 where
anything else differs."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

INSIDE = pathlib.Path(__file__).resolve().parent / "explore"
sys.path.insert(0, str(INSIDE))
import compare  # noqa: E402

TESTS = ("test_generators test_coroutines test_asyncgen test_contextlib test_contextlib_async "
         "test_exceptions test_with test_scope test_functools test_dataclasses test_json "
         "test_asyncio.test_tasks")
MODULES = ("contextlib functools dataclasses types json.* asyncio.tasks asyncio.futures "
           "asyncio.base_events asyncio.events asyncio.runners asyncio.locks asyncio.queues "
           "asyncio.coroutines asyncio.timeouts asyncio.taskgroups asyncio.base_futures "
           "asyncio.base_tasks asyncio.selector_events asyncio.unix_events")
# What has to differ, as it looks at what a probe is made of and not at what the program does: expressions
# for the version, the way and the test's name, and the reason.
EXPECTED = []


def command(exe, test):
    kind, _, name = test.rpartition(":")
    if kind == "":
        return [exe, "-m", "test", name]
    if kind == "unittest":
        return [exe, "-m", "unittest", name]
    if kind == "pytest":
        return [exe, "-m", "pytest", "-q", "-p", "sonde_explore", "-p", "no:cacheprovider", name]
    raise SystemExit(f"{test}: neither a test of `python -m test` nor unittest:MODULE nor pytest:PATH")


def modules_of(test):
    """What a test is itself, as far as its name tells."""
    kind, _, name = test.rpartition(":")
    return {"": [f"test.{name}.*"], "unittest": [name + ".*"]}.get(kind, [])


class Interpreter:
    """A target: one interpreter with all the tests."""

    ways = ("line", "function", "both")

    def __init__(self, options, version, exe):
        self.options, self.label, self.exe, self.tests = options, version, exe, options.tests
        modules = list(dict.fromkeys(options.modules + [m for test in options.tests for m in modules_of(test)]))
        out = subprocess.run([exe, str(INSIDE / "places.py"), *modules], capture_output=True, text=True,
                             timeout=300, check=True).stdout
        places = json.loads(out[out.index("["):])
        self.missing = [f"{place['module']} ({place['fault']})" for place in places if "fault" in place]
        self.places = [place for place in places if "fault" not in place]
        self.loaded_ever = set()
        self.title = f"{version}: {exe}: {len(self.tests)} tests, {len(self.places)} modules"

    def start(self, test, folder):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SONDE", "PYTHON", "MAKE", "MFLAGS"))}
        env.update(PYTHONPATH=str(INSIDE), PYTHONHASHSEED="0", SONDE_EXPLORE=str(folder),
                   SONDE_EXPLORE_LIB=str(self.options.lib))
        if test.startswith("pytest:"):
            env["SONDE_EXPLORE_PYTEST"] = "1"
        return command(self.exe, test), env, None

    def every(self, way, plain):
        self.loaded_ever |= plain.modules
        return [(f"{place['file' if kind == 'line' else 'module']}:{where}",
                 "line" if kind == "line" else "exit")
                for kind in ("line", "function") if way in (kind, "both")
                for place in self.places if place["module"] in plain.modules for where in place[kind + "s"]]

    def reason(self, way, name):
        for versions, ways, names, reason in EXPECTED:
            if re.fullmatch(versions, self.label) and re.fullmatch(ways, way) and re.search(names, name):
                return reason
        return None

    def notes(self):
        if self.missing:
            yield "not looked at: " + ", ".join(self.missing)
        never = [place["module"] for place in self.places if place["module"] not in self.loaded_ever]
        if never:
            yield "loaded by no test: " + " ".join(never)


def with_packages(options, version, exe):
    """An environment of its own with the packages that were asked for."""
    venv = options.venvs / f"explore-{version}"
    ready, wanted = venv / "ready", f"{exe}\n{options.requirements}"
    if not ready.exists() or ready.read_text() != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([exe, "-m", "venv", str(venv)], check=True, timeout=120)
        subprocess.run([str(venv / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                        *options.requirements.split()], check=True, timeout=600)
        ready.write_text(wanted)
    return str(venv / "bin/python")


def interpreters(options):
    for entry in options.python:
        version, _, exe = entry.partition("=")
        if options.requirements:
            exe = with_packages(options, version, exe)
        yield Interpreter(options, version, exe)


def main():
    parser = compare.parser(__doc__)
    parser.add_argument("--python", action="append", required=True, metavar="VERSION=PATH")
    parser.add_argument("--modules", default="", type=str)
    parser.add_argument("--requirements", default="", help="packages to install beside the interpreter")
    parser.add_argument("--venvs", default=tempfile.gettempdir(), type=lambda p: pathlib.Path(p).resolve())
    options = parser.parse_args()
    options.tests = (options.tests or TESTS).split()
    options.modules = (options.modules or MODULES).split()
    compare.run(options, interpreters(options))


if __name__ == "__main__":
    main()
