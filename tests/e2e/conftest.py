"""Fixtures: a real collector, real applications under real servers, on every interpreter."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from hosts import KINDS, SONDE, PythonHost, RubyHost

APPS = pathlib.Path(__file__).resolve().parent / "apps"


def wait_for(what, condition, seconds=20):
    """The first true answer of `condition`, asked until the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, timeout=10):
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return response.status, response.read()


class Process:
    """A process of the test's own, with its output in a file; always ended."""

    def __init__(self, args, log, **kwargs):
        self.log = pathlib.Path(log)
        self._out = open(log, "ab")
        self.popen = subprocess.Popen(args, stdout=self._out, stderr=subprocess.STDOUT,
                                      stdin=subprocess.DEVNULL, **kwargs)

    def output(self):
        return self.log.read_text(errors="replace")

    def await_output(self, text, seconds=20):
        def there():
            for line in self.output().splitlines():
                if text in line:
                    return line
            assert self.popen.poll() is None, f"ended early:\n{self.output()}"
            return None
        return wait_for(f"«{text}» in {self.log.name}", there, seconds)

    def stop(self, sig=signal.SIGTERM, seconds=15):
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self._out.close()
        return self.popen.returncode


class Collector:
    def __init__(self, tmp_path):
        self.data = tmp_path / "data"
        self.log = tmp_path / "serve.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.start()

    def start(self):
        self.process = Process([SONDE, "serve", "--listen", f"127.0.0.1:{self.port}",
                                "--data", str(self.data)], self.log)
        wait_for("the collector", self.is_up)

    def is_up(self):
        assert self.process.popen.poll() is None, self.process.output()
        try:
            return get(self.url + "/healthz", 2)[0] == 200
        except OSError:
            return False

    def kill(self):
        self.process.stop(signal.SIGKILL)

    def stop(self):
        return self.process.stop()

    def sonde(self, *args, check=True, timeout=60):
        done = subprocess.run([SONDE, *map(str, args)], capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, "SONDE_SERVER": self.url})
        if check:
            assert done.returncode == 0, f"sonde {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def json(self, *args):
        return [json.loads(line) for line in self.sonde(*args, "--json").stdout.splitlines()]

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def add(self, *args, wait=20):
        return self.sonde("probe", "add", *args, "--wait", wait).stdout.strip()

    def instances(self, probe_id):
        return self.json("probe", "show", probe_id)[0]["instances"]

    def snapshots(self, probe_id, limit=100):
        return self.json("snapshots", "--probe", probe_id, "--limit", limit)

    def await_snapshots(self, probe_id, count=1, seconds=20):
        def there():
            found = self.snapshots(probe_id)
            return found if len(found) >= count else None
        return wait_for(f"{count} snapshots of {probe_id}", there, seconds)


@pytest.fixture
def collector(tmp_path):
    it = Collector(tmp_path)
    yield it
    it.stop()


def hosts(*kinds):
    """A fixture that gives each interpreter of these kinds in turn."""
    params = {name: (kind, base) for kind, name, base in KINDS if kind in kinds}
    missing = set(kinds) - {kind for kind, _ in params.values()}
    params.update({f"{kind.language}-missing": (kind, None) for kind in missing})

    @pytest.fixture(scope="session", params=list(params))
    def each(request):
        kind, base = params[request.param]
        assert base, f"there is no {kind.language} to run on"
        return kind.make(request.param, base)
    return each


host = hosts(PythonHost, RubyHost)
python_host = hosts(PythonHost)
ruby_host = hosts(RubyHost)


class App:
    """A web application under `sonde run`: the host's shop, or what `command` serves. With `run` off
    the application looks for the agent itself."""

    def __init__(self, collector, host, tmp_path, workers=2, env=None, extra=(), command=None,
                 run=True):
        self.collector, self.host, self.workers = collector, host, workers
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        served = command(self.port) if command else host.server(self.port, workers, extra)
        runner = [SONDE, "run", "--server", collector.url, "--service", "shop", "--env", "test",
                  "--version", "1.2.3", "--"] if run else []
        self.process = Process([*runner, *served], tmp_path / "app.log",
                               env={**os.environ, **(env or {})})
        wait_for("the application", self.is_up)

    def is_up(self):
        assert self.process.popen.poll() is None, self.process.output()
        try:
            return get(self.url + "/health", 2)[0] == 200
        except OSError:
            return False

    def add(self, *args):
        """Adds a probe and waits until every worker has it."""
        probe = self.collector.add(*args)
        wait_for("every worker", lambda: sum(
            i["status"] in ("installed", "emitting")
            for i in self.collector.instances(probe)) >= max(self.workers, 1))
        return probe

    def order(self, item="tea", quantity=1):
        status, body = get(f"{self.url}/order?item={item}&quantity={quantity}")
        assert status == 200
        return json.loads(body)

    def stop(self):
        return self.process.stop()


@pytest.fixture
def app(collector, host, tmp_path):
    it = App(collector, host, tmp_path)
    yield it
    it.stop()


@pytest.fixture
def python_app(collector, python_host, tmp_path):
    it = App(collector, python_host, tmp_path)
    yield it
    it.stop()


def command_of(collector, host, program, *args, flags=()):
    """What starts a test's own program under `sonde run`."""
    return [SONDE, "run", "--server", collector.url, "--service", "script", "--", host.interpreter,
            *flags, str(program.path), *map(str, args)]


def run_program(collector, host, program, *args, flags=(), env=None, timeout=60):
    """Runs it to its end and returns what came of it."""
    return subprocess.run(command_of(collector, host, program, *args, flags=flags),
                          capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})})


class Running:
    """A test's own program while a test looks at it; ended with the block."""

    def __init__(self, collector, host, program, tmp_path, *args, flags=(), env=None):
        self.process = Process(command_of(collector, host, program, *args, flags=flags),
                               tmp_path / "program.log",
                               env={**os.environ, **(env or {})})
        self.pid = self.process.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()

    def output(self):
        return self.process.output()
