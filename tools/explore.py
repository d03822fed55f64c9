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
import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
INSIDE = HERE / "explore"
TESTS = ("test_generators test_coroutines test_asyncgen test_contextlib test_contextlib_async "
         "test_exceptions test_with test_scope test_functools test_dataclasses test_json "
         "test_asyncio.test_tasks")
MODULES = ("contextlib functools dataclasses types json.* asyncio.tasks asyncio.futures "
           "asyncio.base_events asyncio.events asyncio.runners asyncio.locks asyncio.queues "
           "asyncio.coroutines asyncio.timeouts asyncio.taskgroups asyncio.base_futures "
           "asyncio.base_tasks asyncio.selector_events asyncio.unix_events")
QUEUE_BYTES = 64 * 1024 * 1024
BAD_CAUSES = ("internal", "tool_conflict", "unsupported")
WAYS = ("line", "function", "both")
SHOWN = 20  # differences of one run that are printed
# What has to differ, as it looks at what a probe is made of and not at what the program does: expressions
# for the version, the way and the test's name, and the reason.
EXPECTED = []


def reason_for(version, way, name):
    for versions, ways, names, reason in EXPECTED:
        if re.fullmatch(versions, version) and re.fullmatch(ways, way) and re.search(names, name):
            return reason
    return None


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


class Run:
    """One test once, in one way."""

    def __init__(self, options, exe, test, definitions):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=options.work))
        if definitions is not None:
            (self.folder / "probes.json").write_text(json.dumps(definitions))
        (self.folder / "tmp").mkdir()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SONDE", "PYTHON", "MAKE", "MFLAGS"))}
        env.update(PYTHONPATH=str(INSIDE), PYTHONHASHSEED="0", SONDE_EXPLORE=str(self.folder),
                   SONDE_EXPLORE_LIB=str(options.lib), SONDE_SERVER="", SONDE_CPU_PERCENT="100",
                   SONDE_MAX_RATE=str(options.max_rate), SONDE_QUEUE_BYTES=str(QUEUE_BYTES),
                   TMPDIR=str(self.folder / "tmp"))
        if test.startswith("pytest:"):
            env["SONDE_EXPLORE_PYTEST"] = "1"
        began = time.monotonic()
        with open(self.folder / "log", "wb") as log:
            # In a session of its own, so that all of it can be ended.
            process = subprocess.Popen(command(exe, test), env=env, stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                self.status = str(process.wait(options.timeout))
            except subprocess.TimeoutExpired:
                self.status = f"still running after {options.timeout} s"
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        self.seconds = time.monotonic() - began
        self.read()

    def read(self):
        self.outcomes = collections.defaultdict(list)
        self.modules, self.faults, begun = set(), [], None
        notes = self.folder / "outcomes"
        for line in notes.read_text(errors="replace").splitlines() if notes.exists() else []:
            kind, _, name = line.partition("\t")
            if kind == "module":
                self.modules.add(name)
            elif kind == "fault":
                self.faults.append(name)
            elif kind == "start":
                begun = name
            else:
                self.outcomes[name].append(kind)
                begun = None if begun == name else begun
        self.test_count = sum(map(len, self.outcomes.values()))
        if begun is not None and self.status not in ("0", "1", "2"):
            self.outcomes[begun].append("did not end")
        self.outcomes["<the process's exit status>"] = [self.status]
        report = self.folder / "report.json"
        self.report = json.loads(report.read_text()) if report.exists() else {}
        for part in self.report.get("disarmed", []):
            self.faults.append(f"switched off: {json.dumps(part)}")

    def count(self, *kinds):
        return sum(kind in kinds for kinds_of_one in self.outcomes.values() for kind in kinds_of_one)

    def tail(self, lines=25):
        text = (self.folder / "log").read_text(errors="replace").splitlines()
        return "\n".join("        | " + line for line in text[-lines:])

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def differences(plain, other, wavering):
    return [(name, plain.outcomes.get(name, ["absent"]), other.outcomes.get(name, ["absent"]))
            for name in sorted(set(plain.outcomes) | set(other.outcomes))
            if name not in wavering
            and sorted(plain.outcomes.get(name, [])) != sorted(other.outcomes.get(name, []))]


def definitions(places, way, loaded, options):
    """The probes for what this test loads."""
    every = [(place, kind, where) for kind in ("line", "function") if way in (kind, "both")
             for place in places if place["module"] in loaded for where in place[kind + "s"]]
    if way == "both":
        every = every[::max(len(every) // max(options.both, 1), 1)]
    return [{"id": f"p{number}", "revision": 1, "rate": options.rate,
             "location": f"{place['file' if kind == 'line' else 'module']}:{where}",
             "at": "line" if kind == "line" else "exit"}
            for number, (place, kind, where) in enumerate(every)]


class Sum:
    """One row of the table."""

    def __init__(self, way):
        self.way = way
        self.tests = self.failed = self.differ = self.expected = self.probes = self.took = self.hits = 0
        self.captured = self.dropped = 0
        self.seconds = 0.0
        self.causes = collections.Counter()
        self.bad, self.left = [], set()

    def add(self, run, wanted, differ, expected=0):
        self.tests += run.test_count
        self.failed += run.count("failed", "error", "unexpected success", "did not end")
        self.differ += len(differ)
        self.expected += expected
        self.seconds += run.seconds
        self.bad += run.faults
        statuses = run.report.get("statuses", [])
        self.probes += len(wanted)
        if wanted and len(statuses) != len(wanted):
            self.bad.append(f"{len(wanted)} probes were given, {len(statuses)} reported")
        location = {probe["id"]: probe["location"] for probe in wanted}
        for status in statuses:
            took = (status["status"] in ("installed", "emitting") or status["hits"] > 0
                    or "unloaded" in status["message"])
            self.took += took
            self.hits += status["hits"]
            self.captured += status["captured"]
            self.dropped += sum(status["dropped"].values())
            if not took:
                self.causes[status["cause"]] += 1
                self.left.add((status["cause"], location[status["probe_id"]]))
            if status["cause"] in BAD_CAUSES:
                self.bad.append(f"{location[status['probe_id']]}: {status['cause']}: {status['message']}")

    def row(self):
        return (f"  {self.way:<10}{self.tests:>7}{self.failed:>8}{self.differ:>8}{self.expected:>9}"
                f"{self.probes:>8}"
                f"{self.took:>10}{self.hits:>13,}{self.captured:>11,}{self.dropped:>9,}"
                f"{self.seconds:>9.1f}")


HEAD = (f"  {'way':<10}{'tests':>7}{'failed':>8}{'differ':>8}{'expected':>9}{'probes':>8}{'installed':>10}"
        f"{'hits':>13}{'captured':>11}{'dropped':>9}{'seconds':>9}")


def tell(version, test, way, found, run, plain):
    print(f"    {version} {test}, {way} probes: {len(found)} differ", flush=True)
    for name, before, after in found[:SHOWN]:
        print(f"      {name}: without {'+'.join(before)}, with {'+'.join(after)}")
    if len(found) > SHOWN:
        print(f"      … and {len(found) - SHOWN} more")
    if found:
        print(f"      without: {plain.folder}/log; with: {run.folder}/log, which ends:\n{run.tail()}")


def explore(options, version, exe):
    """One interpreter; True when nothing differs."""
    modules = list(dict.fromkeys(options.modules + [m for test in options.tests for m in modules_of(test)]))
    out = subprocess.run([exe, str(INSIDE / "places.py"), *modules], capture_output=True, text=True,
                         timeout=300, check=True).stdout
    places = json.loads(out[out.index("["):])
    missing = [f"{place['module']} ({place['fault']})" for place in places if "fault" in place]
    places = [place for place in places if "fault" not in place]
    print(f"{version}: {exe}: {len(options.tests)} tests, {len(places)} modules", flush=True)
    if missing:
        print("  not looked at: " + ", ".join(missing))
    rows = {way: Sum(way) for way in ("plain", "again", *WAYS)}
    loaded_ever, reasons, is_same = set(), {}, True
    for test in options.tests:
        plain = Run(options, exe, test, None)
        again, wavering = None, ()
        if plain.test_count == 0 and plain.status != "0":
            rows["plain"].bad.append(f"{test}: ran no test, status {plain.status}:\n{plain.tail()}")
        rows["plain"].add(plain, (), ())
        loaded_ever |= plain.modules
        keeps = False
        for way in WAYS:
            wanted = definitions(places, way, plain.modules, options)
            run = Run(options, exe, test, wanted)
            if again is None and differences(plain, run, ()):
                again = Run(options, exe, test, None)
                wavering = {name for name, _, _ in differences(plain, again, ())}
                rows["again"].add(again, (), wavering)
                again.clean()
                for name in sorted(wavering):
                    print(f"    {version} {test}: {name} wavers by itself and is left out")
            found, expected = [], {}
            for entry in differences(plain, run, wavering):
                reason = reason_for(version, way, entry[0])
                if reason:
                    expected[entry[0]] = reason
                else:
                    found.append(entry)
            rows[way].add(run, wanted, found, len(expected))
            reasons.update(expected)
            keeps = keeps or bool(found)
            is_same = is_same and not found
            if found:
                tell(version, test, way, found, run, plain)
            else:
                run.clean()
        if not keeps:
            plain.clean()
        if options.verbose:
            print(f"    {version} {test}: {plain.test_count} tests, {plain.seconds:.1f} s, "
                  f"line {rows['line'].seconds:.1f} s, function {rows['function'].seconds:.1f} s so far",
                  flush=True)
    print(HEAD)
    for row in rows.values():
        print(row.row())
    for name, reason in reasons.items():
        print(f"  expected: {name}: {reason}")
    never = [place["module"] for place in places if place["module"] not in loaded_ever]
    if never:
        print("  loaded by no test: " + " ".join(never))
    for row in rows.values():
        if row.causes:
            print(f"  {row.way}: not installed: "
                  + ", ".join(f"{count} {cause or 'no cause'}" for cause, count in row.causes.most_common()))
        if options.verbose:
            for cause, place in sorted(row.left):
                print(f"    {row.way}: {cause}: {place}")
        for text in list(dict.fromkeys(row.bad))[:SHOWN]:
            print(f"  {row.way}: FAULT {text}")
            is_same = False
    for way in WAYS:
        if rows[way].captured == 0:
            print(f"  {way}: FAULT nothing was captured")
            is_same = False
    return is_same


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lib", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--python", action="append", required=True, metavar="VERSION=PATH")
    parser.add_argument("--tests", default="", type=str)
    parser.add_argument("--modules", default="", type=str)
    parser.add_argument("--requirements", default="", help="packages to install beside the interpreter")
    parser.add_argument("--venvs", default=tempfile.gettempdir(), type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--rate", default=2.0, type=float, help="snapshots a second of one probe")
    parser.add_argument("--max-rate", default=1000.0, type=float, help="and of the process")
    parser.add_argument("--both", default=1000, type=int, help="about how many probes the last way has")
    parser.add_argument("--timeout", default=600.0, type=float, help="seconds for one test in one way")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    options.tests = (options.tests or TESTS).split()
    options.modules = (options.modules or MODULES).split()
    options.work = tempfile.mkdtemp(prefix="sonde-explore-")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    is_same = True
    for entry in options.python:
        version, _, exe = entry.partition("=")
        if options.requirements:
            exe = with_packages(options, version, exe)
        is_same = explore(options, version, exe) and is_same
    if is_same:
        shutil.rmtree(options.work, ignore_errors=True)
    print("every test came out the same" if is_same else "DIFFERENT; see above")
    sys.exit(0 if is_same else 1)


if __name__ == "__main__":
    main()
