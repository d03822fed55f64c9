#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Symbols in the collector: how long a service of 300,000 names takes to come in, what it weighs,
and how long a search in it takes.

Usage: bench/collector_symbols.py [names] [queries]        (default 300000 2000)

Names are put together from words as applications and their libraries do; a fifth is user code.
What is timed is the round trip on one connection that is kept."""
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
SERVICE = "shop"
VERBS = ("get set find load save create update delete build parse read write open close start stop render show "
         "index validate check compute to_s each map call run perform send receive handle process resolve format "
         "encode decode add remove apply fetch sync merge split join extract inject register initialize setup "
         "teardown assert visit compile emit escape quote sort filter reduce lookup match test is has with").split()
NOUNS = ("order user cart item price total tax invoice customer account session token request response header "
         "body cookie query filter model view controller helper mailer job worker queue cache key value index "
         "column table row record relation association schema migration field form param name path file dir "
         "stream buffer socket connection pool client server proxy route router handler middleware error "
         "exception logger config option setting type node tree graph list array hash set string number date "
         "time zone locale message event listener observer callback hook plugin template layout partial asset "
         "image style script module class method function attribute property instance object self other").split()
CONTAINERS = "Shop Api Admin Billing Core Utils Models Views Services Jobs Lib Internal Support Concern".split()
LINES_PER_NAME = 7


def camel(words):
    return "".join(w.capitalize() for w in words)


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = []

    def noun(self):
        # Some words are everywhere, most are rare.
        return NOUNS[min(int(self.random.expovariate(0.03)), len(NOUNS) - 1)]

    def method(self):
        r = self.random
        name = "_".join([r.choice(VERBS)] + [self.noun() for _ in range(r.choice((0, 1, 1, 2, 2, 3)))])
        return r.choice(("", "", "", "", "_", "__")) + name + r.choice(("", "", "", "?", "!", "="))

    def class_name(self):
        return camel([self.noun() for _ in range(self.random.choice((1, 2, 2, 3)))])

    def scope(self, kind, name, qualified, line, end, **more):
        self.names.append(name)
        return {"scope_type": kind, "name": name, "qualified": qualified, "start_line": line,
                "end_line": end, "has_injectible_lines": True,
                "injectible_lines": [{"start": line + 1, "end": max(line + 1, end - 1)}], **more}

    def unit(self, number, wanted):
        """A file with about `wanted` names."""
        r = self.random
        is_user = number % 5 == 0
        package = self.noun()
        top = f"/srv/shop/app/{package}s" if is_user else f"/usr/lib/ruby/gems/{package}-{r.randrange(9)}.2/lib"
        path = f"{top}/{self.noun()}_{self.noun()}_{number}.rb"
        self.names.append(path.rsplit("/", 1)[1])
        scopes, line, made = [], 3, 1
        while made < wanted:
            module = "::".join(r.sample(CONTAINERS, r.choice((1, 1, 2))) + [self.class_name()])
            methods, symbols, begin = [], [], line
            for _ in range(min(wanted - made, r.choice((4, 8, 16)))):
                line += LINES_PER_NAME
                made += 1
                if r.random() < 0.35:
                    name = r.choice(("@", "@", "")) + self.noun() + "_" + self.noun()
                    name = name if name[0] == "@" else name.upper()
                    self.names.append(name)
                    symbols.append({"symbol_type": "FIELD" if name[0] == "@" else "STATIC_FIELD",
                                    "name": name, "line": line})
                    continue
                name = self.method()
                methods.append(self.scope(
                    "METHOD", name, f"{module}#{name}", line, line + LINES_PER_NAME - 2,
                    symbols=[{"symbol_type": "ARG", "name": self.noun()},
                             {"symbol_type": "LOCAL", "name": self.noun(), "line": line + 1}]))
            made += 1
            scopes.append(self.scope("CLASS", module.rsplit("::", 1)[1], module, begin, line,
                                     symbols=symbols, scopes=methods))
            line += LINES_PER_NAME
        return unit_of(path, "user" if is_user else "library",
                       {"scope_type": "FILE", "name": path, "source_file": path, "scopes": scopes})


def unit_of(path, origin, scope, file_hash=""):
    text = json.dumps(scope, separators=(",", ":"))
    head = "".join(f"{part}\0" for part in (path, origin, file_hash, "0"))
    return {"hash": hashlib.sha1((head + text).encode()).hexdigest(), "file": path, "origin": origin,
            "file_hash": file_hash, "part": 0, "parts": 1, "scope": json.loads(text)}


class Collector:
    def __init__(self, data):
        self.process = subprocess.Popen([BUILD / "sonde", "serve", "--listen", "127.0.0.1:0", "--data", data],
                                        stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split("//")[1].strip()
        self.connection = http.client.HTTPConnection(self.address, timeout=300)

    def call(self, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        if body is not None:
            body = gzip.compress(json.dumps(body, separators=(",", ":")).encode(), 1)
            headers["Content-Encoding"] = "gzip"
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:300]}")
        return json.loads(data)

    def upload(self, units, instance="i-1", version="1", limit=1500000):
        batch, size = [], 0
        missing = []
        for unit in units:
            weight = len(json.dumps(unit)) if "scope" in unit else 200
            if batch and (size + weight > limit or len(batch) == 2000):
                missing += self.post(batch, instance, version)
                batch, size = [], 0
            batch.append(unit)
            size += weight
        return missing + self.post(batch, instance, version)

    def post(self, units, instance, version):
        return self.call("POST", "/v1/symbols", {
            "schema_version": 1, "instance_id": instance, "service": SERVICE, "env": "bench",
            "version": version, "language": "ruby", "upload_id": "u", "batch_num": 1, "final": True,
            "units": units})["missing"]

    def search(self, text, **more):
        query = urllib.parse.urlencode({"q": text, "service": SERVICE, **more})
        return self.call("GET", f"/api/v1/symbols/search?{query}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def size_of(data):
    """Of the file alone: its log has been moved into it when nothing came for a while."""
    return (pathlib.Path(data) / "symbols.db").stat().st_size


def queries(names, count, seed):
    r = random.Random(seed)
    made = ["e", "s", "_", ":", "#", ".", "@", "x", "q", "get", "self", "___", "::", "zz", "qx", "er", "ng", "te",
            "ing", "order", "Order", "initialize", "ordCon", "oC", "ou", "%", "_%", "'", '"', "\"'", "*", "a*", "é",
            "日本", "(", ")", "^", "getself", "zzzzzz", "getsetgetset", "Shop::", "::Order", "#get", "shop::api",
            "user_user_user_user_user_user", "orderorderorderorderorderorde"]
    while len(made) < count:
        name = r.choice(names)
        kind = r.randrange(5)
        length = r.randint(1, 30)
        at = r.randrange(len(name))
        if kind == 0:
            made.append(name[:length])
        elif kind == 1:
            made.append(name[at:at + length])
        elif kind == 2:  # a typing mistake: mostly no hit
            made.append(name[:length] + r.choice("abcdefghijklmnopqrstuvwxyz"))
        elif kind == 3:
            made.append("".join(w[:r.randint(1, 3)].capitalize() for w in name.strip("_@").split("_"))[:30])
        else:
            made.append("".join(r.choice("abcdefghijklmnopqrstuvwxyz_") for _ in range(r.randint(1, 6))))
    return [q for q in made if q.strip()][:count]


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def processor_ns(pid):
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


def timed(collector, texts, **more):
    """Milliseconds on the wall, and of processor time in the collector."""
    times, busy = [], []
    for text in texts:
        before = processor_ns(collector.process.pid)
        began = time.perf_counter()
        collector.search(text, **more)
        times.append((time.perf_counter() - began) * 1000)
        busy.append((processor_ns(collector.process.pid) - before) / 1e6)
    return times, busy


def row(name, value, goal=""):
    print(f"  {name:<58} {value:>16}   {'goal ' + goal if goal else ''}".rstrip(), flush=True)


def report(name, measured, texts, goal="< 10 ms"):
    times, busy = measured
    row(f"{name}, p50 (processor)", f"{statistics.median(times):.2f} ({statistics.median(busy):.2f}) ms")
    row(f"{name}, p99 (processor)", f"{percentile(times, .99):.2f} ({percentile(busy, .99):.2f}) ms", goal)
    worst = sorted(zip(busy, texts), reverse=True)[:8]
    print("    most work: " + ", ".join(f"{t:.1f} ms {q!r}" for t, q in worst))


def main():
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 300000
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    maker = Maker(1)
    units = [maker.unit(n, 50) for n in range(wanted // 50)]
    with tempfile.TemporaryDirectory() as data:
        data = os.environ.get("BENCH_DATA", data)  # kept, to look at
        collector = Collector(data)
        try:
            began = time.perf_counter()
            collector.upload(units)
            took = time.perf_counter() - began
            service = collector.call("GET", "/api/v1/symbols/services")["services"][0]
            row("names of one service", f"{service['symbols']:,}")
            row("taken in", f"{service['symbols'] / took:,.0f} a second")
            time.sleep(8)  # the log is moved and the index tidied
            alone = size_of(data)
            row("stored", f"{alone / 1e6:.1f} MB")
            claims = [{k: v for k, v in u.items() if k != "scope"} for u in units]
            began = time.perf_counter()
            for worker in range(8):
                assert collector.upload(claims, f"i-{worker + 2}") == []
            row("an upload of claims alone", f"{(time.perf_counter() - began) / 8:.2f} s")
            time.sleep(4)
            row("eight more workers add", f"{(size_of(data) - alone) / alone:.2%}", "< 2 %")
            texts = queries(maker.names, count, 2)
            timed(collector, texts[:50])
            report("search", timed(collector, texts), texts)
            report("search, 200 wanted", timed(collector, texts, limit=200), texts, "")
            report("search, of files alone", timed(collector, texts, kind="file"), texts, "")
            report("search, of names alone", timed(collector, texts, kind="name"), texts, "")
        finally:
            collector.stop()


if __name__ == "__main__":
    main()
