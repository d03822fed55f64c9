# SPDX-License-Identifier: Apache-2.0
"""The agent in this process, without a server: definitions are applied and records taken by the
test-only doors of sonde._native."""
import importlib
import itertools
import json
import os
import subprocess
import sys
import textwrap
import time
import types

import pytest

LIB = os.environ.get("SONDE_LIB") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), *[".."] * 3, "build", "lib", "sonde", "python")
LIB = os.path.abspath(LIB)
ENVIRONMENT = {"SONDE_SERVER": "", "SONDE_MAX_RATE": "100000", "SONDE_CPU_PERCENT": "100"}

os.environ.update(ENVIRONMENT)
sys.path.insert(0, LIB)
import sonde.auto  # noqa: E402
import sonde  # noqa: E402

sys.path.remove(LIB)
assert sonde.status()["running"], sonde.status()
from sonde import _native  # noqa: E402


# It is about sys.monitoring, by which probes are set from 3.12 on; before, there is none.
collect_ignore = ["test_rewriting.py" if hasattr(sys, "monitoring") else "test_monitoring.py"]


class Probes:
    """The probes of this process; the list grows with set() and is replaced as a whole."""

    def __init__(self):
        self.definitions = {}
        self.revision = 0

    def set(self, location, at=None, id="p", rate=5000, **more):
        """Sets a probe; returns its status afterwards."""
        self.revision += 1
        definition = {"id": id, "revision": self.revision, "location": str(location), "rate": rate}
        definition.update(more)
        # The machine may be busy with others: what a test looks at is not to be cut by the time limit.
        definition["limits"] = {"time_us": 100_000, **definition.get("limits", {})}
        if at:
            definition["at"] = at
        self.definitions[id] = definition
        self.apply()
        return self.status(id)

    def remove(self, id="p"):
        del self.definitions[id]
        self.apply()

    def clear(self):
        self.definitions = {}
        self.apply()
        _native.discard_testonly()

    def apply(self):
        _native.apply_testonly(json.dumps(list(self.definitions.values())))

    def status(self, id="p"):
        statuses = json.loads(_native.report())["statuses"]
        return next((s for s in statuses if s["probe_id"] == id), None)

    def hits(self, id="p"):
        return self.status(id)["hits"]

    def take(self):
        """The oldest snapshot, or None."""
        return _native.take_testonly()

    def take_all(self):
        found = []
        while (record := self.take()) is not None:
            found.append(record)
        return found

    def wait(self, state, id="p", seconds=5):
        """Until the probe has that status."""
        deadline = time.monotonic() + seconds
        while self.status(id)["status"] != state:
            assert time.monotonic() < deadline, self.status(id)
            time.sleep(0.005)
        return self.status(id)


@pytest.fixture
def probes():
    some = Probes()
    some.clear()
    yield some
    some.clear()


class Source:
    """A module in a file of its own."""

    def __init__(self, path, text):
        self.path = path
        self.text = textwrap.dedent(text).lstrip("\n")
        path.write_text(self.text)

    def line(self, text):
        """The one line in which the text stands."""
        found = [n for n, line in enumerate(self.text.split("\n"), 1) if text in line]
        assert len(found) == 1, (text, found)
        return found[0]

    def at(self, text):
        return "%s:%d" % (self.path, self.line(text))

    def run(self, **names):
        """Runs it as a module; returns the module."""
        module = types.ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        module.__dict__.update(names)
        exec(compile(self.text, str(self.path), "exec"), module.__dict__)
        return module


NUMBERS = itertools.count(1)


@pytest.fixture
def source(tmp_path):
    def make(text, name=None):
        path = tmp_path / (name or "subject%d.py" % next(NUMBERS))
        path.parent.mkdir(parents=True, exist_ok=True)
        return Source(path, text)

    return make


@pytest.fixture
def importable(tmp_path, monkeypatch):
    """Writes modules that can be imported; forgets them afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(text, name):
        importlib.invalidate_caches()
        return Source(tmp_path / name, text)

    yield make
    for name in set(sys.modules) - before:
        if not name.startswith(("sonde", "encodings")):
            del sys.modules[name]


def run_python(code, *arguments, env=None, lib=LIB, timeout=60, check=True):
    """Another process of the same interpreter with Sonde on its path; its result."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SONDE", "PYTHON"))}
    environment.update(ENVIRONMENT)
    if lib:
        environment["PYTHONPATH"] = lib
    environment.update(env or {})
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code), *arguments], env=environment,
                            capture_output=True, text=True, timeout=timeout)
    if check:
        assert result.returncode == 0, result.stderr
    return result


def captured(record):
    """The variables of a line snapshot, arguments and locals together."""
    section = record["line_probe"]
    return {**section.get("arguments", {}), **section.get("locals", {})}


def plain(value):
    """A captured value as plain data."""
    if value.get("is_null"):
        return None
    if "elements" in value:
        return [plain(v) for v in value["elements"]]
    if "entries" in value:
        return {plain(k): plain(v) for k, v in value["entries"]}
    if "fields" in value:
        return {name: plain(v) for name, v in value["fields"].items()}
    return value.get("value", value.get("not_captured_reason"))
