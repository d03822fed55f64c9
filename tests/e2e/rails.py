"""The Rails application of apps/rails_shop, for test_rails*.py."""
import concurrent.futures
import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request

from conftest import APPS, SONDE, Process, free_port, wait_for
from hosts import RubyHost, line_of

FOLDER = APPS / "rails_shop"
SECONDS = 90  # what anything may take on a slow machine
PREPARE = """
require "./config/environment"
ActiveRecord::Migration.verbose = false
load "db/schema.rb"
load "db/seeds.rb"
puts $LOAD_PATH, "", $LOADED_FEATURES
"""
ORDER = {"customer": "ada", "kind": "student",
         "wanted": [{"item": "tea", "quantity": 2}, {"item": "kettle", "quantity": 1}]}
# Of what the requests of a round show: path → body or None, status, what is in the answer.
ROUND = [
    ("/items?below=100.50&count=7", None, 200, '<p>Kettle <strong class="price">€ 29.00</strong></p>'),
    ("/items/1?plain=1", None, 200, "Tea 4.50"),
    ("/api/orders", {"order": ORDER}, 201, '"total":"30.40"'),
    ("/orders/1", None, 200, '<p>2 Teas: <span class="price">€ 9.00</span></p>'),
    ("/api/quotes?items=tea,tea,kettle&kind=member", None, 200,
     '{"total":"34.20","kilos":1.4,"note":"for 2","words":"about 2 things"}'),
    ("/api/quotes?items=pot", None, 404, '{"error":"no pot"}'),
    ("/api/orders", {"order": {**ORDER, "wanted": [{"item": "samovar", "quantity": 3}]}}, 409,
     '{"error":"3 of Samovar are not there"}'),
]


@functools.cache
def interpreters():
    """The supported Rubies that have the packages; Debian's has."""
    asked = ["-e", 'require "rails"; require "sqlite3"; require "puma"; gem "msgpack"; require "bootsnap"']
    return {name: base for name, base in RubyHost.all().items()
            if subprocess.run([base, *asked], capture_output=True).returncode == 0}


def environment(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("RUBYOPT", "RUBYLIB", "BUNDLE_GEMFILE")}
    return {**env, **more}


class Shop:
    """A copy of the application with its database; Bootsnap's cache is warm for the environment."""

    def __init__(self, ruby, folder, rails_env="production", source=FOLDER):
        self.ruby, self.folder, self.rails_env = ruby, folder, rails_env
        shutil.copytree(source, folder)
        self.roots, self.features = [], []
        if source is FOLDER:
            done = subprocess.run([ruby, "-e", PREPARE], cwd=folder, env=environment(RAILS_ENV=rails_env),
                                  capture_output=True, text=True, timeout=SECONDS)
            assert done.returncode == 0, done.stdout + done.stderr
            roots, features = done.stdout.split("\n\n")
            self.roots, self.features = roots.splitlines(), features.splitlines()

    def cached(self):
        """What is in Bootsnap's cache of compiled code, and since when."""
        found = (self.folder / "tmp/cache/bootsnap/compile-cache-iseq").rglob("*")
        return {str(it): it.stat().st_mtime_ns for it in found if it.is_file()}

    def path(self, name):
        """Of a file of the application, or of a gem as it is required: rack/utils.rb."""
        found = [it for it in (pathlib.Path(root, name) for root in [self.folder, *self.roots]) if it.exists()]
        assert found, name
        return found[0].resolve()

    def at(self, name, text):
        path = self.path(name)
        return f"{path}:{line_of(path, text)}"

    def marked(self):
        """The marks of the application's lines: name → FILE:LINE, by what a person would write."""
        marks = {}
        for path in sorted(self.folder.glob("*/**/*.rb")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                mark = re.search(r"# LINE (.*)$", line)
                if mark:
                    assert mark[1] not in marks, mark[1]
                    marks[mark[1]] = f"{path.relative_to(self.folder)}:{number}"
        return marks


class Served:
    """The application under Puma and `sonde run`: a master and `workers`, or one process."""

    def __init__(self, collector, shop, service, workers=2, **env):
        self.collector, self.shop, self.service, self.workers = collector, shop, service, workers
        self.serving = max(workers, 1)  # how many processes do
        self.processes = workers + 1 if workers else 1
        self.port = free_port()
        self.writing = threading.Lock()  # db/schema.rb says why
        self.process = Process(
            [SONDE, "run", "--server", collector.url, "--service", service, "--", shop.ruby, "-S", "puma",
             "-C", "config/puma.rb", "-b", f"tcp://127.0.0.1:{self.port}"],
            shop.folder.parent / f"{service}.log", cwd=shop.folder,
            env=environment(RAILS_ENV=shop.rails_env, WEB_CONCURRENCY=str(workers), SONDE_MAX_RATE="5000",
                            SONDE_CPU_PERCENT="100", **env))
        wait_for(f"{service} to serve", self.is_up, SECONDS)

    def is_up(self):
        assert self.process.popen.poll() is None, self.process.output()
        try:
            return self.get("/health", timeout=2)[0] == 200
        except OSError:
            return False

    def put(self, path):
        return self.get(path, method="PUT")

    def get(self, path, body=None, timeout=SECONDS, method=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            response = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return response.status, response.read().decode()

    def round(self):
        """Each kind of request once; the answers are what they always are."""
        for path, body, status, text in ROUND:
            with self.writing if body else contextlib.nullcontext():
                answer = self.get(path, body)
            assert answer[0] == status and text in answer[1], (path, answer)

    @contextlib.contextmanager
    def traffic(self, clients=4):
        """Rounds of several clients at once meanwhile; each answer was right."""
        done = threading.Event()

        def client():
            while not done.is_set():
                self.round()
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            running = [pool.submit(client) for _ in range(clients)]
            try:
                yield lambda: any(it.done() for it in running)
            finally:
                done.set()
            for it in running:
                it.result()

    def hit_by_all(self, ids, least=1):
        """Waits, in traffic, until every process that serves has run into each of these."""
        def missing():
            return [name for name, hits in self.hits(ids).items()
                    if len([it for it in hits if it >= least]) < self.serving]
        with self.traffic() as has_failed:
            try:
                wait_for("hits everywhere", lambda: has_failed() or not missing(), SECONDS)
            except AssertionError:
                raise AssertionError(f"not hit in every process: {missing()}") from None

    def post(self, location, **more):
        return self.collector.post("/api/v1/probes", {
            "location": location, "service": self.service, "rate": 1000,
            "limits": {"time_us": 100000}, **more})["id"]  # by the clock, on a slow machine

    def warm(self):
        """What is loaded in the first requests is loaded in every worker."""
        probe = self.probe({"it": self.shop.marked()["clock"]})
        self.hit_by_all(probe, 20)
        self.remove(probe.values())

    def probe(self, locations, **more):
        """Sets probes and waits until every process that serves has each; name → id."""
        ids = {name: self.post(location, **more) for name, location in locations.items()}
        for name, id in ids.items():
            wait_for(f"{name} at {locations[name]} in every process",
                     lambda: len(self.installed(id)) >= self.serving, SECONDS)
        return ids

    def ask(self, path):
        with urllib.request.urlopen(f"{self.collector.url}/api/v1/{path}", timeout=SECONDS) as response:
            return json.load(response)

    def running(self, serving):
        """The agents of the processes that run now; or of those alone that serve."""
        master = self.process.popen.pid if self.workers and serving else None
        return {p["instance_id"] for p in self.ask("processes")["processes"]
                if p["connected"] and p["service"] == self.service and p["pid"] != master}

    def told(self, id, serving=False, running=None):
        """What each says of the probe."""
        running = running or self.running(serving)
        return [i for i in self.ask(f"probes/{id}")["instances"] if i["instance_id"] in running]

    def installed(self, id, running=None):
        return [i for i in self.told(id, True, running) if i["status"] in ("installed", "emitting")]

    def hits(self, ids):
        """Name → hits of each process that serves and had any."""
        running = self.running(True)
        return {name: [i["hits"] for i in self.installed(id, running) if i["hits"]] for name, id in ids.items()}

    def await_hits(self, ids, expected):
        """Of these, set just now, exactly as many in all, and no process has switched a part off."""
        def all_there():
            hits = {name: sum(many) for name, many in self.hits(ids).items()}
            return hits if all(hits[name] >= count for name, count in expected.items()) else None
        try:
            found = wait_for("the hits", all_there, SECONDS)
        except AssertionError:
            found = {name: sum(many) for name, many in self.hits(ids).items()}
        assert {name: found[name] for name in expected} == expected
        assert all(p["disarmed"] == [] for p in self.ask("processes")["processes"])

    def snapshots(self, id, limit=500):
        return self.ask(f"snapshots?probe={id}&limit={limit}")["snapshots"]

    def remove(self, ids):
        for id in list(ids):
            request = urllib.request.Request(f"{self.collector.url}/api/v1/probes/{id}", method="DELETE")
            urllib.request.urlopen(request, timeout=SECONDS).close()
        wait_for("no armed probe", lambda: all(
            p["probes"] == 0 for p in self.ask("processes")["processes"] if p["service"] == self.service), SECONDS)

    def stop(self):
        return self.process.stop()
