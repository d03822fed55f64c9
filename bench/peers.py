# SPDX-License-Identifier: Apache-2.0
"""The same workloads under Sonde and under what others ship: ddtrace and the AWS distro, as they
are on PyPI, installed into an environment of their own, unmodified, started as their manuals say, and
sending to a stand-in for their vendor. All run at the same time and are asked in turn; every row is the
median of the rounds."""
import collections
import gzip
import http.server
import json
import os
import statistics
import subprocess
import sys
import threading
import time

from harness import BUILD, OPEN_LIMITS, ROOT, SONDE, Collector, free_port, output, row

PEERS = {"ddtrace": "ddtrace", "aws": "aws-opentelemetry-distro"}
ROUNDS = int(os.environ.get("PEER_ROUNDS", "7"))
VERSIONS = os.environ.get("PEER_PYTHONS", "3.11 3.12 3.13").split()
SUBJECT = str(ROOT / "bench/peer_subject.py")


class Place:
    """Where a probe is set, in everybody's words."""

    def __init__(self, lines, name=None, function=None):
        self.line = lines[name] if name else None
        self.function = function

    def ours(self, rate):
        where = f"subject.py:{self.line}" if self.line else f"subject:{self.function}"
        return {"location": where, "rate": rate, "service": "bench"}

    def ddtrace(self, rate):
        where = ({"sourceFile": str(ROOT / "bench/subject.py"), "lines": [str(self.line)]} if self.line
                 else {"typeName": "subject", "methodName": self.function})
        return {"id": "bench", "version": 0, "type": "LOG_PROBE", "language": "python", "where": where,
                "captureSnapshot": True, "template": "", "segments": [], "evaluateAt": "EXIT",
                "sampling": {"snapshotsPerSecond": rate}}

    def aws(self, _rate):
        code = {"Language": "Python", "CodeUnit": "subject", "MethodName": self.function,
                "FilePath": "subject.py"}
        if self.line:
            code["LineNumber"] = self.line
        capture = {"CaptureLocals": [], "CaptureArguments": [], "CaptureReturn": True,
                   "CaptureStackTrace": True,
                   "CaptureLimits": {"MaxHits": 1000, "MaxStackFrames": 20, "MaxFieldsPerObject": 20}}
        return {"InstrumentationType": "BREAKPOINT" if self.line else "PROBE", "SignalType": "SNAPSHOT",
                "Location": {"CodeLocation": code}, "CaptureConfiguration": {"CodeCapture": capture},
                "LocationHash": "bench", "CreatedAt": "2026-01-01T00:00:00Z", "AttributeFilters": []}


class Vendor(http.server.ThreadingHTTPServer):
    """Answers what the others ask of their vendor, and counts the snapshots that they send."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.configurations, self.snapshots, self.statuses = [], 0, collections.Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer({"version": "7.60.0", "endpoints": [
            "/v0.4/traces", "/debugger/v1/input", "/debugger/v2/input", "/debugger/v1/diagnostics"]})

    def do_POST(self):
        body = self.body()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        vendor = self.server
        if self.path.startswith("/list-instrumentation-configurations"):
            wanted = json.loads(body)["InstrumentationType"]
            self.answer({"Changed": True, "SyncedAt": time.time(), "SyncInterval": 600,
                         "LatestConfigurations": [c for c in vendor.configurations
                                                  if c["InstrumentationType"] == wanted]})
            return
        vendor.snapshots += body.count(b'"snapshot":') + body.count(b"aws.di.snapshot_id")
        for status in (b"INSTALLED", b"READY", b"ACTIVE", b"ERROR"):
            vendor.statuses[status.decode()] += body.count(b'"%s"' % status)
        self.answer({})

    do_PUT = do_POST

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Side:
    """One of those that are compared, with its subject."""

    def __init__(self, command, env, ready=None, snapshots=None, finish=()):
        self.ready, self.snapshots, self.finish = ready, snapshots, finish
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL, env={**os.environ, **env})
        line = self.process.stdout.readline()
        while line and not line.startswith("ready"):  # others print to standard output as well
            line = self.process.stdout.readline()
        assert line, command

    def ask(self, task):
        self.process.stdin.write(task + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def await_ready(self):
        """False: it never said that its probe is in place."""
        deadline = time.monotonic() + 40
        while self.ready is not None and not self.ready():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for action in self.finish:
            action()


def environment(python, version, peer):
    """A virtual environment with one of the others in it; its bin folder."""
    folder = BUILD / f"venv/peer-{peer}-{version}"
    if not (folder / "ready").exists():
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "-q", "--disable-pip-version-check", PEERS[peer],
                        *(["bytecode"] if peer == "aws" else [])], check=True)
        (folder / "ready").touch()
    return folder / "bin"


def start_none(python, _version, _place, _rate):
    return Side([python, SUBJECT], {})


def start_ours(python, _version, place, rate):
    collector = Collector()
    side = Side([SONDE, "run", "--server", collector.url, "--service", "bench", "--", python, SUBJECT],
                OPEN_LIMITS, snapshots=lambda: None, finish=(collector.stop,))
    probe = collector.arm(**place.ours(rate))
    side.snapshots = lambda: collector.call("GET", f"/api/v1/probes/{probe}")["instances"][0]["captured"]
    return side


def start_ddtrace(python, version, place, rate):
    folder = environment(python, version, "ddtrace")
    vendor = Vendor()
    probes = BUILD / f"bench/ddtrace-{free_port()}.json"
    probes.parent.mkdir(parents=True, exist_ok=True)
    probes.write_text(json.dumps([place.ddtrace(rate)]))
    env = {"DD_DYNAMIC_INSTRUMENTATION_ENABLED": "true", "DD_DYNAMIC_INSTRUMENTATION_PROBE_FILE": str(probes),
           "DD_TRACE_AGENT_URL": vendor.url, "DD_SERVICE": "bench", "DD_REMOTE_CONFIGURATION_ENABLED": "false",
           "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false"}
    return Side([str(folder / "ddtrace-run"), str(folder / "python"), SUBJECT], env,
                ready=lambda: vendor.statuses["INSTALLED"] > 0, snapshots=lambda: vendor.snapshots,
                finish=(vendor.shutdown, probes.unlink))


def start_aws(python, version, place, rate):
    folder = environment(python, version, "aws")
    vendor = Vendor()
    vendor.configurations.append(place.aws(rate))
    env = {"OTEL_AWS_DYNAMIC_INSTRUMENTATION_ENABLED": "true",
           "OTEL_AWS_DYNAMIC_INSTRUMENTATION_API_URL": vendor.url,
           "OTEL_AWS_OTLP_LOGS_ENDPOINT": vendor.url + "/v1/logs", "OTEL_SERVICE_NAME": "bench",
           "OTEL_PYTHON_DISTRO": "aws_distro", "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
           "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
           "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "AWS_EC2_METADATA_DISABLED": "true",
           "OTEL_RESOURCE_PROVIDERS_AWS_ENABLED": "false"}
    return Side([str(folder / "opentelemetry-instrument"), str(folder / "python"), SUBJECT], env,
                ready=lambda: vendor.statuses["READY"] + vendor.statuses["ACTIVE"] > 0,
                snapshots=lambda: vendor.snapshots, finish=(vendor.shutdown,))


STARTS = {"none": start_none, "Sonde": start_ours, "ddtrace": start_ddtrace, "AWS": start_aws}


def ask_all(sides, tasks):
    """Per side its answers, asked in turn."""
    answers = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            answers[name].append(side.ask(tasks[name] if isinstance(tasks, dict) else tasks))
    return answers


def measure(python, version, place, rate, tasks):
    """Starts all sides with one probe and asks each for its tasks; {task: {side: answers}}, and how many
    snapshots each sent."""
    sides = {}
    try:
        for name, start in STARTS.items():
            sides[name] = start(python, version, place, rate)
        for name, side in list(sides.items()):
            if not side.await_ready():
                row(f"  ({name}: its probe was never reported as installed)", "")
                side.stop()
                del sides[name]
        for side in sides.values():
            side.ask("hot"), side.ask("handler 200")
        time.sleep(2)  # what is queued is sent within a second
        before = {name: side.snapshots() for name, side in sides.items() if side.snapshots}
        found = {key: ask_all(sides, task) for key, task in tasks.items()}
        time.sleep(2)
        return found, {name: sides[name].snapshots() - count for name, count in before.items()}
    finally:
        for side in sides.values():
            side.stop()


def ratio_rows(answers):
    for name in [name for name in answers if name != "none"]:
        ratios = [theirs / base for theirs, base in zip(answers[name], answers["none"])]
        row(f"  {name}", f"{statistics.median(answers[name]):.1f} ns {statistics.median(ratios):.3f}×")


def added_rows(answers):
    added = {name: statistics.median(theirs - base for theirs, base in zip(answers[name], answers["none"]))
             for name in answers if name != "none"}
    for name, cost in added.items():
        times = f" {cost / added['Sonde']:.1f}×" if name != "Sonde" and added["Sonde"] > 0 else ""
        row(f"  {name}", f"{cost:.0f} ns{times}")


# Nobody's own limit is reached: five a second for AWS, a hundred for ddtrace.
SPACED = {"none": "spaced 100 20000000", "Sonde": "spaced 100 20000000", "ddtrace": "spaced 100 20000000",
          "AWS": "spaced 12 260000000"}


def compare(python, version, lines):
    names = " ".join(f"{peer} {output(str(environment(python, version, peer) / 'python'), '-c', VERSION % package)}"
                     for peer, package in PEERS.items())
    print(f"CPython {version}: beside {names} ({ROUNDS} rounds)")
    title("line probe on a line that is not executed: the function's time, to no agent")
    found, _ = measure(python, version, Place(lines, "never", "hot"), 1, {"hot": "hot"})
    ratio_rows(found["hot"])
    title("line probe, hits over the rate: added to a call")
    found, _ = measure(python, version, Place(lines, "hot", "hot"), 0.01, {"hot": "hot 50000"})
    added_rows(found["hot"])
    title("function probe, hits over the rate: added to a call")
    found, _ = measure(python, version, Place(lines, None, "hot"), 0.01,
                       {"hot": "hot 50000", "raising": "raising", "caught": "caught"})
    added_rows(found["hot"])
    title("  meanwhile, elsewhere: exceptions through six frames, to no agent")
    ratio_rows(found["raising"])
    title("  meanwhile, elsewhere: exceptions caught where they are raised, to no agent")
    ratio_rows(found["caught"])
    for what, place in (("line", Place(lines, "nine", "handler")), ("function", Place(lines, None, "handler"))):
        title(f"{what} probe, snapshot of the nine-local handler: added to a call")
        found, sent = measure(python, version, place, 1000, {"spaced": SPACED})
        added_rows(found["spaced"])
        row("  snapshots sent, of " + ", ".join(
            f"{name} {int(task.split()[1]) * ROUNDS}" for name, task in SPACED.items() if name in sent),
            " ".join(str(count) for count in sent.values()))


VERSION = "import importlib.metadata as m; print(m.version('%s'))"


def title(words):
    print(f"  {words}", flush=True)


def bench_peers():
    for line in output(str(ROOT / "tools/find-pythons"), "--supported").splitlines():
        version, python = line.split()[:2]
        if version not in VERSIONS:
            continue
        subject = Side([python, SUBJECT], {})
        subject.stop()
        words = output(python, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'bench')!r}); import subject;"
                       "print(*map(subject.line_of, ('# NEVER', '# HOT', '# NINE LOCALS')))").split()
        compare(python, version, dict(zip(("never", "hot", "nine"), map(int, words))))


if __name__ == "__main__":
    sys.exit(bench_peers())
