"""Fixtures: a real collector, real applications under real servers, on every supported CPython."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
APPS = pathlib.Path(__file__).resolve().parent / "apps"
SONDE = os.environ.get("SONDE", str(ROOT / "build" / "sonde"))


def supported_pythons():
    out = subprocess.run([str(ROOT / "tools" / "find-pythons"), "--supported"],
                         capture_output=True, text=True, check=True).stdout
    return dict(line.split()[:2] for line in out.splitlines())


PYTHONS = supported_pythons()
assert PYTHONS, "no supported CPython found"


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


@pytest.fixture(scope="session", params=sorted(PYTHONS))
def python(request):
    """An environment with the applications' packages, one per supported CPython."""
    base = PYTHONS[request.param]
    venv = ROOT / "build" / "venv" / f"app-{request.param}"
    wanted = (ROOT / "examples/flask_shop/requirements.txt").read_text()
    ready = venv / "ready"
    if not ready.exists() or ready.read_text() != base + wanted:
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([base, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check", "-r",
                        str(ROOT / "examples/flask_shop/requirements.txt")], check=True)
        ready.write_text(base + wanted)
    return venv / "bin" / "python"


class App:
    """The Flask shop under gunicorn, under `sonde run`."""

    def __init__(self, collector, python, tmp_path, workers=2, env=None, extra=()):
        self.collector = collector
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = Process(
            [SONDE, "run", "--server", collector.url, "--service", "shop", "--env", "test",
             "--version", "1.2.3", "--", str(python.parent / "gunicorn"), "--workers", str(workers),
             "--threads", "4", "--bind", f"127.0.0.1:{self.port}",
             "--chdir", str(ROOT / "examples/flask_shop"), *extra, "shop:app"],
            tmp_path / "app.log", env={**os.environ, **(env or {})})
        wait_for("the application", self.is_up)

    def is_up(self):
        assert self.process.popen.poll() is None, self.process.output()
        try:
            return get(self.url + "/health", 2)[0] == 200
        except OSError:
            return False

    def order(self, item="tea", quantity=1):
        status, body = get(f"{self.url}/order?item={item}&quantity={quantity}")
        assert status == 200
        return json.loads(body)

    def stop(self):
        return self.process.stop()


@pytest.fixture
def app(collector, python, tmp_path):
    it = App(collector, python, tmp_path)
    yield it
    it.stop()


def run_script(collector, python, source, *args, env=None, timeout=60, service="script"):
    """Runs a program of the test's own under `sonde run` and returns what came of it."""
    return subprocess.run([SONDE, "run", "--server", collector.url, "--service", service, "--",
                           str(python), str(source), *map(str, args)],
                          capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})})


def line_of(path, text):
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        if text in line:
            return number
    raise AssertionError(f"{text!r} is not in {path}")


PRICING = ROOT / "examples/flask_shop/pricing.py"
sys.path.insert(0, str(pathlib.Path(__file__).parent))
