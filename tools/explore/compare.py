# SPDX-License-Identifier: Apache-2.0
"""What exploring is in any language: a target's tests are run in each way, every test's outcome is
compared by its name, and a table says what came of it.

A target (tools/explore.py and tools/explore-ruby.py have one each) has `label`, `title`, `tests` and `ways`, and:
    start(test, folder)     (command, environment, working folder); the process writes `outcomes` into
                            the folder, lines of a kind, a tab and a name, and reads its probes in `probes.json`
                            and leaves `report.json`, both only where there are to be any
    every(way, plain)       (location, "line", "entry" or "exit") of each probe, for what a plain run loaded
    reason(way, name)       why a test has to come out otherwise, or None
    notes()                 lines to print above the table"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

QUEUE_BYTES = 64 * 1024 * 1024
BAD_CAUSES = ("internal", "tool_conflict", "unsupported")
SHOWN = 20  # differences of one run that are printed


def agent_environment(options):
    """A quiet agent that is not to be the bottleneck."""
    return {"SONDE_SERVER": "", "SONDE_CPU_PERCENT": "100", "SONDE_MAX_RATE": str(options.max_rate),
            "SONDE_QUEUE_BYTES": str(QUEUE_BYTES)}


class Run:
    """One test once, in one way."""

    def __init__(self, options, target, test, definitions):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=options.work))
        if definitions is not None:
            (self.folder / "probes.json").write_text(json.dumps(definitions))
        (self.folder / "tmp").mkdir()
        command, env, cwd = target.start(test, self.folder)
        env = {**env, **agent_environment(options), "TMPDIR": str(self.folder / "tmp")}
        began = time.monotonic()
        with open(self.folder / "log", "wb") as log:
            # In a session of its own, so that all of it can be ended.
            process = subprocess.Popen(command, env=env, cwd=cwd, stdout=log, stderr=log,
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


def definitions(every, way, options):
    """`every` probe's (location, "line" or another word for where it sits) as the agent takes them."""
    if way == "both":
        every = every[::max(len(every) // max(options.both, 1), 1)]
    return [{"id": f"p{number}", "revision": 1, "rate": options.rate, "location": location, "at": at}
            for number, (location, at) in enumerate(every)]


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


def tell(target, test, way, found, run, plain):
    print(f"    {target.label} {test}, {way} probes: {len(found)} differ", flush=True)
    for name, before, after in found[:SHOWN]:
        print(f"      {name}: without {'+'.join(before)}, with {'+'.join(after)}")
    if len(found) > SHOWN:
        print(f"      … and {len(found) - SHOWN} more")
    if found:
        print(f"      without: {plain.folder}/log; with: {run.folder}/log, which ends:\n{run.tail()}")


class Exploring:
    """One target."""

    def __init__(self, options, target):
        self.options, self.target = options, target
        self.ways = [way for way in target.ways if not options.ways or way in options.ways.split()]
        self.rows = {way: Sum(way) for way in ("plain", "again", *self.ways)}
        self.reasons, self.is_same = {}, True

    def again(self, test, plain):
        """Which tests waver by themselves."""
        again = Run(self.options, self.target, test, None)
        wavering = {name for name, _, _ in differences(plain, again, ())}
        self.rows["again"].add(again, (), wavering)
        again.clean()
        for name in sorted(wavering):
            print(f"    {self.target.label} {test}: {name} wavers by itself and is left out")
        return wavering

    def explore_test(self, test):
        options, target, rows = self.options, self.target, self.rows
        plain = Run(options, target, test, None)
        if plain.test_count == 0 and plain.status != "0":
            rows["plain"].bad.append(f"{test}: ran no test, status {plain.status}:\n{plain.tail()}")
        rows["plain"].add(plain, (), ())
        wavering, keeps = None, False
        for way in self.ways:
            wanted = definitions(target.every(way, plain), way, options)
            run = Run(options, target, test, wanted)
            if wavering is None and differences(plain, run, ()):
                wavering = self.again(test, plain)
            found, expected = [], {}
            for entry in differences(plain, run, wavering or ()):
                reason = target.reason(way, entry[0])
                if reason:
                    expected[entry[0]] = reason
                else:
                    found.append(entry)
            rows[way].add(run, wanted, found, len(expected))
            self.reasons.update(expected)
            keeps = keeps or bool(found)
            self.is_same = self.is_same and not found
            if found:
                tell(target, test, way, found, run, plain)
            else:
                run.clean()
        if not keeps:
            plain.clean()
        if options.verbose:
            print(f"    {target.label} {test}: {plain.test_count} tests, {plain.seconds:.1f} s; so far "
                  + ", ".join(f"{way} {rows[way].seconds:.1f} s" for way in self.ways), flush=True)

    def tell(self):
        print(HEAD)
        for row in self.rows.values():
            print(row.row())
        for name, reason in self.reasons.items():
            print(f"  expected: {name}: {reason}")
        for note in self.target.notes():
            print(f"  {note}")
        for row in self.rows.values():
            if row.causes:
                print(f"  {row.way}: not installed: "
                      + ", ".join(f"{count} {cause or 'no cause'}"
                                  for cause, count in row.causes.most_common()))
            if self.options.verbose:
                for cause, place in sorted(row.left):
                    print(f"    {row.way}: {cause}: {place}")
            for text in list(dict.fromkeys(row.bad))[:SHOWN]:
                print(f"  {row.way}: FAULT {text}")
                self.is_same = False
        for way in self.ways:
            if self.rows[way].captured == 0:
                print(f"  {way}: FAULT nothing was captured")
                self.is_same = False
        sys.stdout.flush()


def explore(options, target):
    """True when nothing differs."""
    print(target.title, flush=True)
    exploring = Exploring(options, target)
    for test in target.tests:
        exploring.explore_test(test)
    exploring.tell()
    return exploring.is_same


def parser(doc):
    """The options that every language has."""
    found = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--lib", required=True, type=lambda p: pathlib.Path(p).resolve())
    found.add_argument("--tests", default="", type=str)
    found.add_argument("--rate", default=2.0, type=float, help="snapshots a second of one probe")
    found.add_argument("--max-rate", default=1000.0, type=float, help="and of the process")
    found.add_argument("--both", default=1000, type=int, help="about how many probes the last way has")
    found.add_argument("--timeout", default=600.0, type=float, help="seconds for one test in one way")
    found.add_argument("--ways", default="", type=str, help="only these of the ways")
    found.add_argument("--verbose", action="store_true")
    return found


def run(options, targets):
    """All of them, each made as its turn comes; ends the process."""
    options.work = tempfile.mkdtemp(prefix="sonde-explore-")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    is_same = True
    for target in targets:
        is_same = explore(options, target) and is_same
    if is_same:
        shutil.rmtree(options.work, ignore_errors=True)
    print("every test came out the same" if is_same else "DIFFERENT; see above")
    sys.exit(0 if is_same else 1)
