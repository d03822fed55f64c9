# SPDX-License-Identifier: Apache-2.0
"""What the parts of the benchmark share: a collector, subjects that are told what to do, rows."""
import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
SONDE = str(BUILD / "sonde")
ROUNDS = int(os.environ.get("ROUNDS", "15"))
# Enough for five thousand snapshots a second; the defaults would throttle what is measured.
OPEN_RATES = {"SONDE_MAX_RATE": "100000", "SONDE_CPU_PERCENT": "100"}
OPEN_LIMITS = {**OPEN_RATES, "SONDE_QUEUE_BYTES": str(1 << 26)}


class Runtime:
    """An interpreter, how its subject is started, and the plain ways that stand beside ours."""

    def __init__(self, name, argv, suffix, lib, ways, rejected, function):
        self.name, self.argv, self.suffix, self.lib = name, argv, suffix, lib
        self.ways, self.rejected, self.function = ways, rejected, function
        self.is_python = suffix == ".py"

    def place(self, line):
        return f"subject{self.suffix}:{line}"

    def counted(self, mode, calls):
        """The command whose instructions are counted, and its environment."""
        return ([*self.argv, str(ROOT / f"bench/instructions{self.suffix}"), mode, str(calls)],
                {**os.environ, **OPEN_LIMITS, **self.lib, "SONDE_SERVER": "", "PYTHONHASHSEED": "0"})


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def pythons():
    """One with an exception table to rewrite, and two with sys.monitoring, unless told otherwise."""
    wanted = os.environ.get("BENCH_PYTHONS", "3.11 3.12 3.13").split()
    monitoring = {"plain-monitoring": ("the same content by a Python sys.monitoring callback", "≥ 20×")}
    ways = {"plain-wrapper": ("the same content by a functools.wraps wrapper", "≥ 20×")}
    bare = {"bare-monitoring": ("json.dumps(locals) alone, no types, stack, redaction", "")}
    for line in output(str(ROOT / "tools/find-pythons"), "--supported").splitlines():
        version, python = line.split()[:2]
        if version not in wanted:
            continue
        full = output(python, "-c", "import sys; print(sys.version.split()[0])")
        has_monitoring = int(version.split(".")[1]) >= 12
        yield Runtime(f"CPython {full}", [python], ".py", {"PYTHONPATH": str(BUILD / "lib/sonde/python")},
                      {**monitoring, **ways, **bare} if has_monitoring else ways, "≤ 100 ns", "subject:hot")


def rubies():
    ways = {"plain-tracepoint": ("the same content by a targeted TracePoint's block", "≥ 10×"),
            "bare-tracepoint": ("JSON.generate(locals) alone, no types, stack, redaction", "")}
    for line in output(str(ROOT / "tools/find-rubies"), "--supported").splitlines():
        ruby = line.split()[2]
        yield Runtime("CRuby " + output(ruby, "-e", "puts RUBY_VERSION"), [ruby], ".rb",
                      {"RUBYLIB": str(BUILD / "lib/sonde/ruby")}, ways, "≤ 120 ns", "Subject.hot")


def runtimes():
    return [*pythons(), *rubies()]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def row(name, value, goal=""):
    print(f"  {name:<58} {value:>16}   {'goal ' + goal if goal else ''}".rstrip(), flush=True)


class Collector:
    def __init__(self, prefix=()):
        self.data = tempfile.TemporaryDirectory()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            [*prefix, SONDE, "serve", "--listen", self.url[7:], "--data", self.data.name],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                urllib.request.urlopen(self.url + "/healthz", timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def arm(self, **definition):
        """Adds a probe and returns its id once it is installed."""
        deadline = time.monotonic() + 20
        while not any(p["connected"] for p in self.call("GET", "/api/v1/processes")["processes"]):
            assert time.monotonic() < deadline, "no process came"
            time.sleep(0.01)
        probe = self.call("POST", "/api/v1/probes", definition)
        shown = self.call("GET", f"/api/v1/probes/{probe['id']}?wait_ms=10000")
        states = [i["status"] for i in shown["instances"]]
        assert states and states[0] in ("installed", "emitting"), shown
        return probe["id"]

    def remove(self, probe):
        self.call("DELETE", f"/api/v1/probes/{probe}")
        deadline = time.monotonic() + 10
        while any(p["probes"] for p in self.call("GET", "/api/v1/processes")["processes"]
                  if p["connected"]):
            assert time.monotonic() < deadline, "still armed"
            time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.data.cleanup()


class Subject:
    def __init__(self, runtime, collector=None, env=None):
        command = [*runtime.argv, str(ROOT / f"bench/subject{runtime.suffix}")]
        if collector is not None:
            command = [SONDE, "run", "--server", collector.url, "--service", "bench", "--", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(env or {})})
        words = self.process.stdout.readline().split()
        assert words[:1] == ["ready"], words
        self.never, self.hot, self.nine, *more = (runtime.place(int(line)) for line in words[1:])
        self.five = more[0] if more else None

    def ask(self, task):
        self.process.stdin.write(task + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


def medians(pairs):
    """Median of each side and of the ratios second/first."""
    first, second = zip(*pairs)
    return (statistics.median(first), statistics.median(second),
            statistics.median(b / a for a, b in pairs))


def compare_armed(collector, subject, task, definition):
    """Pairs of (unarmed, armed) in one process, arming and removing in turn."""
    pairs = []
    for _ in range(ROUNDS):
        unarmed = subject.ask(task)
        probe = collector.arm(service="bench", **definition)
        subject.ask(task)
        armed = subject.ask(task)
        collector.remove(probe)
        subject.ask(task)
        pairs.append(((unarmed + subject.ask(task)) / 2, armed))
    return medians(pairs)
