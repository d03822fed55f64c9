#!/usr/bin/env python3
"""Every figure that Sonde claims, measured here and now, beside the plain way of doing it.

Usage: bench/run.py [python] [ruby] [instructions] [latency] [memory] [ingest] [peers]  (all without arguments)

The machine may be noisy: each figure is the median over rounds in which the two sides of a ratio
are measured in turn, and the ratio is the median of the rounds' own ratios. Rows that begin with
"goal" say what was aimed at."""
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from harness import (BUILD, OPEN_LIMITS, OPEN_RATES, ROOT, ROUNDS, SONDE, Collector, Subject, compare_armed,
                     free_port, medians, pythons, row, rubies, runtimes)
from peers import bench_peers


def bench_python():
    for runtime in pythons():
        hot_path(runtime)


def bench_ruby():
    for runtime in rubies():
        hot_path(runtime)
        subprocess.run([*runtime.argv, ROOT / "bench/ruby_index.rb"], check=True,
                       env={**os.environ, "SONDE_LIB": str(BUILD / "lib/sonde/ruby")})


def bench_jit():
    """What a probe costs compiled code, in every mode that a Ruby has: a bare TracePoint's, then ours."""
    for runtime in rubies():
        for ours in ({}, {"SONDE_LIB": str(BUILD / "lib/sonde/ruby")}):
            subprocess.run([*runtime.argv, ROOT / "bench/jit.rb"], check=True, env={**os.environ, **ours})


def hot_path(runtime):
    print(f"{runtime.name}: hot path ({ROUNDS} paired rounds)")
    collector = Collector()
    try:
        without_a_probe(collector, runtime)
        with_a_probe(collector, runtime)
    finally:
        collector.stop()


def without_a_probe(collector, runtime):
    pairs = []
    for _ in range(max(3, ROUNDS // 3)):  # processes differ in layout: several of each
        plain, ours = Subject(runtime), Subject(runtime, collector, OPEN_LIMITS)
        pairs += [(plain.ask("hot"), ours.ask("hot")) for _ in range(5)]
        plain.stop(), ours.stop()
    base, agent, ratio = medians(pairs)
    row("10-line function, no agent", f"{base:.1f} ns")
    row("10-line function, agent and no probe", f"{agent:.1f} ns {ratio:.3f}×", "1.00×")


def exceptions(collector, runtime, subject):
    for task, words in (("raising", "exceptions through six frames elsewhere"),
                        ("caught", "exceptions caught where they are raised")):
        for place, kind, goal in ((subject.hot, "line", "1.00×"), (runtime.function, "function", "≤ 1.15×")):
            _, armed, ratio = compare_armed(collector, subject, task, {"location": place, "rate": 0.001})
            row(f"  {words}, a {kind} probe", f"{armed:.0f} ns {ratio:.3f}×", goal)


def with_a_probe(collector, runtime):
    subject = Subject(runtime, collector, OPEN_LIMITS)
    rejected = {"location": subject.hot, "rate": 0.001}
    base, armed, ratio = compare_armed(collector, subject, "hot", {"location": subject.never})
    row("  probe on a line that is not executed", f"{armed:.1f} ns {ratio:.3f}×", "≤ 1.02×")
    base, armed, ratio = compare_armed(collector, subject, "other", rejected)
    row("  another function, while that one has a probe", f"{armed:.1f} ns {ratio:.3f}×", "1.00×")
    base, armed, _ = compare_armed(collector, subject, "hot", rejected)
    row("  rejected hit, added to the call", f"{armed - base:.1f} ns", runtime.rejected)
    for at in ("entry", "exit"):
        base, armed, _ = compare_armed(
            collector, subject, "hot", {"location": runtime.function, "at": at, "rate": 0.001})
        row(f"  rejected function probe ({at}), added to the call", f"{armed - base:.1f} ns")
    if runtime.is_python:
        exceptions(collector, runtime, subject)
        row("arming a line of a 1,000-line function, in the safe point",
            f"{subject.ask('arming') / 1000:.0f} µs", "≤ 500 µs")
    else:
        plain = statistics.median(subject.ask("plain-calls") - subject.ask("hot") for _ in range(ROUNDS))
        row("  an empty targeted TracePoint block on :call, :return", f"{plain:.1f} ns")
        base, armed, _ = compare_armed(collector, subject, "spaced-five", {
            "location": subject.five, "rate": 5000, "capture": {"stack": False, "arguments": False}})
        row("hit with 5 locals before values (each is nil; no stack)", f"{armed - base:.0f} ns", "≤ 1 µs")
    base, armed, _ = compare_armed(
        collector, subject, "spaced", {"location": subject.nine, "rate": 5000})
    snapshot = armed - base
    row("snapshot of 9 locals, on the application's thread", f"{snapshot / 1000:.2f} µs", "≤ 10 µs")
    base = statistics.median(subject.ask("handler") for _ in range(ROUNDS))
    for way, (words, goal) in runtime.ways.items():
        cost = statistics.median(subject.ask(way) for _ in range(ROUNDS)) - base
        row(f"  {words}", f"{cost / 1000:.2f} µs {cost / snapshot:.1f}×", goal)
    pairs = []
    for _ in range(ROUNDS):
        before = subject.ask("hot")
        probe = collector.arm(service="bench", **rejected)
        subject.ask("hot")
        collector.remove(probe)
        subject.ask("hot")
        pairs.append((before, subject.ask("hot")))
    row("10-line function, after removal, to before", f"{medians(pairs)[2]:.3f}×", "1.00×")
    subject.stop()


def instructions(runtime, mode, calls):
    """Instructions of one call: two runs that differ in nothing but the number of calls."""
    counts = []
    for n in (calls, 2 * calls):
        with tempfile.NamedTemporaryFile() as out:
            command, env = runtime.counted(mode, n)
            subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", *command],
                           check=True, capture_output=True, env=env)
            text = pathlib.Path(out.name).read_text()
        counts.append(int(text.rsplit("\ntotals: ", 1)[1].split()[0]))
    return (counts[1] - counts[0]) / calls


def bench_instructions():
    for runtime in runtimes():
        print(f"{runtime.name}: instructions a call (callgrind)")
        none = instructions(runtime, "none", 5000)
        row("10-line function, no agent", f"{none:.0f}")
        modes = {"unarmed": "agent and no probe", "never": "probe on a line that is not executed",
                 "other": "another function, while that one has a probe", "rejected": "rejected hit",
                 "entry": "rejected function probe (entry)", "exit": "rejected function probe (exit)"}
        if not runtime.is_python:
            modes["plain-calls"] = "an empty targeted TracePoint block on :call, :return"
        for mode, words in modes.items():
            count = instructions(runtime, mode, 5000)
            row(f"  {words}", f"{count:.0f} {count / none:.3f}×")
        base = instructions(runtime, "handler", 500)
        snapshot = instructions(runtime, "snapshot", 500) - base
        plain = instructions(runtime, "plain", 200) - base
        if not runtime.is_python:
            five = instructions(runtime, "five-locals", 500) - instructions(runtime, "five", 500)
            row("hit with 5 locals before values (each is nil; no stack)", f"{five:.0f}")
        row("snapshot of 9 locals", f"{snapshot:.0f}")
        words, goal = next(iter(runtime.ways.values()))
        row(f"  {words}", f"{plain:.0f} {plain / snapshot:.1f}×", goal)


def time_adding(collector, place, count=100):
    """Milliseconds from the start of `sonde probe add --wait` to its end; each probe is removed."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        added = subprocess.run([SONDE, "probe", "add", place, "--wait", "10", "--server", collector.url],
                               capture_output=True, text=True, check=True)
        times.append((time.perf_counter() - began) * 1000)
        collector.remove(added.stdout.strip())
    times.sort()
    return times[count // 2 - 1], times[count * 99 // 100 - 1]


def latency_rows(words, times):
    row(f"{words}: p50, the command's own start included", f"{times[0]:.1f} ms")
    row(f"{words}: p99", f"{times[1]:.1f} ms", "< 200 ms")


class BusyPuma:
    """Puma whose four threads are kept computing by four clients."""

    def __init__(self, collector):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            [SONDE, "run", "--server", collector.url, "--service", "bench", "--", "puma", "-C", "-", "-e",
             "production", "-b", self.url.replace("http", "tcp"), "-t", "4:4", str(ROOT / "bench/busy.ru")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.over = threading.Event()
        self.clients = [threading.Thread(target=self.keep_asking) for _ in range(4)]
        for client in self.clients:
            client.start()

    def keep_asking(self):
        while not self.over.is_set():
            urllib.request.urlopen(self.url, timeout=30).close()

    def stop(self):
        self.over.set()
        for client in self.clients:
            client.join()
        self.process.terminate()
        self.process.wait()


def bench_latency():
    for runtime in (list(pythons())[-1], *rubies()):
        print(f"From `probe add` to installed ({runtime.name}, 100 times each)")
        collector = Collector()
        subject = Subject(runtime, collector)
        try:
            latency_rows("idle", time_adding(collector, subject.hot))
            subject.ask("busy")
            latency_rows("4 busy threads", time_adding(collector, subject.hot))
            subject.ask("calm")
        finally:
            subject.stop()
            collector.stop()
        if runtime.suffix == ".rb":
            collector = Collector()
            puma = BusyPuma(collector)
            try:
                latency_rows("Puma, 4 busy threads", time_adding(collector, subject.hot))
            finally:
                puma.stop()
                collector.stop()


def bench_memory():
    for runtime in runtimes():
        print(f"Memory ({runtime.name})")
        collector = Collector()
        more = []
        for _ in range(5):
            plain, ours = Subject(runtime), Subject(runtime, collector)
            time.sleep(0.5)
            more.append(ours.ask("resident") - plain.ask("resident"))
            plain.stop(), ours.stop()
        row("agent idle, more RSS than without", f"{statistics.median(more) / 2**20:.2f} MiB", "≤ 8 MB")
        flat_memory(collector, runtime)
        flooded_memory(collector, runtime)
        collector.stop()


def flat_memory(collector, runtime, snapshots=100_000):
    """As many snapshots as that, with the queue that an application has."""
    subject = Subject(runtime, collector, OPEN_RATES)
    probe = collector.arm(service="bench", location=subject.nine, rate=5000)

    def take(count):
        goal = captured() + count
        while captured() < goal:
            for _ in range(10):
                subject.ask("spaced")

    def captured():
        (shown,) = [i for i in collector.call("GET", f"/api/v1/probes/{probe}")["instances"]
                    if i["status"] in ("installed", "emitting")]
        return shown["captured"]
    take(10_000)  # what is allocated once
    before = subject.ask("resident")
    take(snapshots)
    row(f"after {snapshots:,} snapshots, to after the first 10,000",
        f"{(subject.ask('resident') - before) / 2**20:+.2f} MiB", "flat")
    collector.remove(probe)
    subject.stop()


def flooded_memory(collector, runtime):
    subject = Subject(runtime, collector, OPEN_RATES)
    probe = collector.arm(service="bench", location=subject.nine, rate=5000)
    before = subject.ask("resident")
    collector.process.send_signal(signal.SIGSTOP)  # alive, and answering nobody
    subject.ask("flood")
    flooded = subject.ask("resident")
    for _ in range(30):
        subject.ask("spaced")
    row("flood of 100,000 hits, collector hung", f"+{(flooded - before) / 2**20:.2f} MiB")
    row("and 12,000 snapshots more", f"+{(subject.ask('resident') - before) / 2**20:.2f} MiB",
        "≤ 4 MiB + one batch")
    collector.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        shown = [i for i in collector.call("GET", f"/api/v1/probes/{probe}")["instances"]
                 if i["dropped"].get("queue_full")]
        if shown:
            row("  dropped and counted, queue_full", f"{shown[0]['dropped']['queue_full']}")
            break
        time.sleep(0.2)
    subject.stop()


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
    parts = {"python": bench_python, "ruby": bench_ruby, "instructions": bench_instructions,
             "latency": bench_latency, "memory": bench_memory, "ingest": bench_ingest, "peers": bench_peers, "jit": bench_jit}
    wanted = sys.argv[1:] or list(parts)
    for name in wanted:
        if name not in parts:
            sys.exit(f"bench: no part {name}; there are {', '.join(parts)}")
    for name in wanted:
        parts[name]()


if __name__ == "__main__":
    main()
