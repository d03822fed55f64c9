"""Applications of real frameworks under their real servers, for test_frameworks_*.py."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

from conftest import APPS, SONDE, Process, free_port, wait_for
from hosts import VENVS, line_of

FOLDER = APPS / "frameworks"
WANTED = pathlib.Path(__file__).resolve().parent / "frameworks.txt"
RATE = 1000


def environment(version, base):
    """An interpreter with the frameworks; made once."""
    venv = VENVS / f"frameworks-{version}"
    ready, wanted = venv / "ready", base + "\n" + WANTED.read_text()
    if not ready.exists() or ready.read_text() != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([base, "-m", "venv", str(venv)], check=True, timeout=120)
        subprocess.run([str(venv / "bin/python"), "-m", "pip", "install", "-q",
                        "--disable-pip-version-check", "-r", str(WANTED)], check=True, timeout=600)
        ready.write_text(wanted)
    return venv / "bin"


def gunicorn(bin, port, module, *extra):
    return [bin / "gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}", "--chdir", FOLDER,
            "--graceful-timeout", "3", *extra, f"{module}:app"]


def threads(bin, port, module):
    return gunicorn(bin, port, module, "--threads", "3")


def uvicorn_workers(bin, port, module):
    return gunicorn(bin, port, module, "-k", "uvicorn_worker.UvicornWorker")


def uvicorn(bin, port, module):
    return [bin / "uvicorn", "--host", "127.0.0.1", "--port", port, "--app-dir", FOLDER,
            "--timeout-graceful-shutdown", "3", f"{module}:app"]


def own(bin, port, module):
    return [bin / "python", FOLDER / f"{module}.py", port]


# Name → the application's module, its server, and how many processes run its code.
SERVERS = {
    "flask": ("flask_app", threads, 2),
    "django": ("django_app", threads, 2),
    "fastapi": ("fastapi_app", uvicorn, 1),
    "starlette": ("starlette_app", uvicorn_workers, 2),
    "aiohttp": ("aiohttp_app", own, 1),
}


class Served:
    """One application, unmodified, under `sonde run`."""

    def __init__(self, collector, kind, version, bin, folder):
        self.module, server, self.workers = SERVERS[kind]
        self.collector, self.kind, self.service = collector, kind, f"{kind}-{version}"
        self.file = FOLDER / f"{self.module}.py"
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.probes = []  # the ids of those that are set
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        self.process = Process(
            [SONDE, "run", "--server", collector.url, "--service", self.service, "--",
             *map(str, server(bin, self.port, self.module))], folder / f"{self.service}.log",
            env={**env, "SONDE_MAX_RATE": "5000", "SONDE_CPU_PERCENT": "50"}, cwd=folder)
        wait_for(f"{self.service} to serve", self.is_up)

    def is_up(self):
        assert self.process.popen.poll() is None, self.process.output()
        try:
            return self.get("/health")[0] == 200
        except OSError:
            return False

    def get(self, path):
        """Status, headers and body, as far as they do not change by themselves."""
        try:
            response = urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            headers = sorted((k.lower(), v) for k, v in response.headers.items() if k.lower() != "date")
            return response.status, headers, response.read()

    def leave_early(self, path, wanted=b"data: 10\n"):
        """Reads the beginning of what never ends, and hangs up; returns what came of the body."""
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(b"GET %s HTTP/1.1\r\nHost: here\r\n\r\n" % path.encode())
            got = b""
            while wanted not in got:
                more = connection.recv(4096)
                assert more, got
                got += more
        return re.findall(rb"data: \d+\n", got)

    def at(self, name, file=None):
        """The place of a line's mark."""
        path = FOLDER / file if file else self.file
        return f"{path.name}:{line_of(path, '# LINE ' + name)}"

    def probe(self, *locations):
        """Sets these probes and waits until every process that has the code has them; their ids."""
        probes = [self.collector.post("/api/v1/probes", {
            "location": location, "service": self.service, "rate": RATE}) for location in locations]
        ids = [probe["id"] for probe in probes]
        self.probes += ids
        for id, location in zip(ids, locations):
            wait_for(f"{location} in every worker", lambda: self.installed(id) >= self.workers)
        return ids

    def installed(self, id):
        return sum(i["status"] in ("installed", "emitting") for i in self.collector.instances(id))

    def hits(self, id):
        """By process; of those that have the code."""
        return {i["instance_id"]: i["hits"] for i in self.collector.instances(id)
                if i["status"] in ("installed", "emitting")}

    def remove(self, ids):
        """And waits until nothing of it is armed any more."""
        for id in list(ids):
            self.collector.sonde("probe", "rm", id)
            self.probes.remove(id)
        wait_for("no armed probe", lambda: all(
            p["probes"] == 0 for p in self.collector.json("ps") if p["service"] == self.service))

    def captures(self, id, seconds=20):
        """Of the newest snapshot."""
        return self.collector.await_snapshots(id, 1, seconds)[0]["captures"]

    def stop(self):
        self.process.stop()


def plain(value):
    """A captured value as plain data."""
    if value.get("is_null"):
        return None
    if "elements" in value:
        return [plain(v) for v in value["elements"]]
    if "entries" in value:
        return {plain(entry["key"]): plain(entry["value"]) for entry in value["entries"]}
    if "fields" in value:
        return {name: plain(v) for name, v in value["fields"].items()}
    return value.get("value", value.get("not_captured_reason"))


def named(values):
    return {name: plain(value) for name, value in (values or {}).items()}
