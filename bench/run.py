#!/usr/bin/env python3
"""Every figure that Sonde claims, measured here and now, beside the plain way of doing it.

Usage: bench/run.py [python] [instructions] [latency] [memory] [ingest]     (all without arguments)

The machine may be noisy: each figure is the median over rounds in which the two sides of a ratio
are measured in turn, and the ratio is the median of the rounds' own ratios. Rows that begin with
"goal" say what was aimed at."""
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
SONDE = str(BUILD / "sonde")
ROUNDS = int(os.environ.get("ROUNDS", "15"))
# Enough for five thousand snapshots a second; the defaults would throttle what is measured.
OPEN_LIMITS = {"SONDE_MAX_RATE": "100000", "SONDE_CPU_PERCENT": "100", "SONDE_QUEUE_BYTES": str(1 << 26)}


def pythons():
    out = subprocess.run([str(ROOT / "tools/find-pythons"), "--supported"],
                         capture_output=True, text=True, check=True).stdout
    return [line.split()[:2] for line in out.splitlines()]


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
    def __init__(self, python, collector=None, env=None):
        command = [python, str(ROOT / "bench/subject.py")]
        if collector is not None:
            command = [SONDE, "run", "--server", collector.url, "--service", "bench", "--", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(env or {})})
        words = self.process.stdout.readline().split()
        assert words[:1] == ["ready"], words
        self.never, self.hot, self.nine = map(int, words[1:])

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


def bench_python():
    for version, python in pythons():
        full = subprocess.run([python, "-c", "import sys; print(sys.version.split()[0])"],
                              capture_output=True, text=True, check=True).stdout.strip()
        print(f"CPython {full}: hot path ({ROUNDS} paired rounds)")
        collector = Collector()
        try:
            bench_one_python(collector, python)
        finally:
            collector.stop()


def bench_one_python(collector, python):
    pairs = []
    for _ in range(max(3, ROUNDS // 3)):  # processes differ in layout: several of each
        plain, ours = Subject(python), Subject(python, collector, OPEN_LIMITS)
        pairs += [(plain.ask("hot"), ours.ask("hot")) for _ in range(5)]
        plain.stop(), ours.stop()
    base, agent, ratio = medians(pairs)
    row("10-line function, no agent", f"{base:.1f} ns")
    row("10-line function, agent and no probe", f"{agent:.1f} ns {ratio:.3f}×", "1.00×")

    subject = Subject(python, collector, OPEN_LIMITS)
    base, armed, ratio = compare_armed(
        collector, subject, "hot", {"location": f"subject.py:{subject.never}"})
    row("  probe on a line that is not executed", f"{armed:.1f} ns {ratio:.3f}×", "≤ 1.02×")
    base, armed, _ = compare_armed(
        collector, subject, "hot", {"location": f"subject.py:{subject.hot}", "rate": 0.001})
    row("  rejected hit, added to the call", f"{armed - base:.1f} ns", "≤ 100 ns")
    base, armed, _ = compare_armed(
        collector, subject, "hot", {"location": "subject:hot", "rate": 0.001})
    row("  rejected function probe, added to the call", f"{armed - base:.1f} ns")
    base, armed, _ = compare_armed(
        collector, subject, "spaced", {"location": f"subject.py:{subject.nine}", "rate": 5000})
    snapshot = armed - base
    row("snapshot of 9 locals, on the application's thread", f"{snapshot / 1000:.2f} µs", "≤ 10 µs")
    base = statistics.median(subject.ask("handler") for _ in range(ROUNDS))
    ways = {"plain-monitoring": "the same content by a Python sys.monitoring callback",
            "plain-wrapper": "the same content by a functools.wraps wrapper",
            "bare-monitoring": "json.dumps(locals) alone, no types, stack, redaction"}
    for way, words in ways.items():
        cost = statistics.median(subject.ask(way) for _ in range(ROUNDS)) - base
        row(f"  {words}", f"{cost / 1000:.2f} µs {cost / snapshot:.1f}×",
            "" if way == "bare-monitoring" else "≥ 20×")
    pairs = []
    for _ in range(ROUNDS):
        before = subject.ask("hot")
        probe = collector.arm(service="bench", location=f"subject.py:{subject.hot}", rate=0.001)
        subject.ask("hot")
        collector.remove(probe)
        subject.ask("hot")
        pairs.append((before, subject.ask("hot")))
    row("10-line function, after removal, to before", f"{medians(pairs)[2]:.3f}×", "1.00×")
    subject.stop()


def instructions(python, mode, calls):
    """Instructions of one call: two runs that differ in nothing but the number of calls."""
    counts = []
    for n in (calls, 2 * calls):
        with tempfile.NamedTemporaryFile() as out:
            subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
                            python, str(ROOT / "bench/instructions.py"), mode, str(n)],
                           check=True, capture_output=True, env={
                               **os.environ, **OPEN_LIMITS, "SONDE_SERVER": "", "PYTHONHASHSEED": "0",
                               "PYTHONPATH": str(BUILD / "lib/sonde/python")})
            text = pathlib.Path(out.name).read_text()
        counts.append(int(text.rsplit("\ntotals: ", 1)[1].split()[0]))
    return (counts[1] - counts[0]) / calls


def bench_instructions():
    for version, python in pythons():
        print(f"CPython {version}: instructions a call (callgrind)")
        none = instructions(python, "none", 5000)
        row("10-line function, no agent", f"{none:.0f}")
        for mode, words in {"unarmed": "agent and no probe", "never": "probe on a line that is not executed",
                            "rejected": "rejected hit", "function": "rejected function probe"}.items():
            count = instructions(python, mode, 5000)
            row(f"  {words}", f"{count:.0f} {count / none:.3f}×")
        base = instructions(python, "handler", 500)
        snapshot = instructions(python, "snapshot", 500) - base
        plain = instructions(python, "plain", 200) - base
        row("snapshot of 9 locals", f"{snapshot:.0f}")
        row("  the same content by a Python sys.monitoring callback", f"{plain:.0f} {plain / snapshot:.1f}×", "≥ 20×")


def bench_latency():
    version, python = pythons()[-1]
    print(f"From `probe add` to installed (CPython {version}, 100 times)")
    collector = Collector()
    subject = Subject(python, collector)
    times = []
    try:
        for _ in range(100):
            began = time.perf_counter()
            added = subprocess.run([SONDE, "probe", "add", f"subject.py:{subject.hot}", "--wait", "10",
                                    "--server", collector.url], capture_output=True, text=True, check=True)
            times.append((time.perf_counter() - began) * 1000)
            collector.remove(added.stdout.strip())
    finally:
        subject.stop()
        collector.stop()
    times.sort()
    row("p50, the command's own start included", f"{times[49]:.1f} ms")
    row("p99", f"{times[98]:.1f} ms", "< 200 ms")


def bench_memory():
    for version, python in pythons():
        print(f"Memory (CPython {version})")
        collector = Collector()
        more = []
        for _ in range(5):
            plain, ours = Subject(python), Subject(python, collector)
            time.sleep(0.5)
            more.append(ours.ask("resident") - plain.ask("resident"))
            plain.stop(), ours.stop()
        row("agent idle, more RSS than without", f"{statistics.median(more) / 2**20:.2f} MiB", "≤ 8 MB")
        subject = Subject(python, collector, {"SONDE_MAX_RATE": "100000", "SONDE_CPU_PERCENT": "100"})
        probe = collector.arm(service="bench", location=f"subject.py:{subject.nine}", rate=5000)
        before = subject.ask("resident")
        collector.process.send_signal(signal.SIGSTOP)  # alive, and answering nobody
        subject.ask("flood")
        flooded = subject.ask("resident")
        for _ in range(30):
            subject.ask("spaced")
        row("flood of 100,000 hits, collector hung", f"+{(flooded - before) / 2**20:.2f} MiB")
        row("and 12,000 snapshots more", f"+{(subject.ask('resident') - before) / 2**20:.2f} MiB", "≤ 4 MiB + one batch")
        collector.process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            shown = collector.call("GET", f"/api/v1/probes/{probe}")["instances"]
            if shown and shown[0]["dropped"].get("queue_full"):
                row("  dropped and counted, queue_full", f"{shown[0]['dropped']['queue_full']}")
                break
            time.sleep(0.2)
        subject.stop()
        collector.stop()


def bench_ingest():
    print("Collector: durable snapshots of 4 KB, acknowledged after the commit, server on one core")
    collector = Collector(prefix=("taskset", "-c", "0"))
    try:
        out = subprocess.run(["taskset", "-c", "1", str(BUILD / "bench/collector_ingest"), collector.url],
                             capture_output=True, text=True, check=True).stdout
        for line in out.strip().splitlines():
            print("  " + line)
    finally:
        collector.stop()


def main():
    parts = {"python": bench_python, "instructions": bench_instructions, "latency": bench_latency, "memory": bench_memory,
             "ingest": bench_ingest}
    wanted = sys.argv[1:] or list(parts)
    for name in wanted:
        if name not in parts:
            sys.exit(f"bench: no part {name}; there are {', '.join(parts)}")
    for name in wanted:
        parts[name]()


if __name__ == "__main__":
    main()
