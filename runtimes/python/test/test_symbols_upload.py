# SPDX-License-Identifier: Apache-2.0
"""SY-02, SY-05, SY-08: what is loaded arrives at a collector (a small one, here), later loads alone, and a child's
own without being sent twice."""
import gzip
import http.server
import json
import threading

import pytest
from conftest import run_python


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        answer = {}
        if self.path.endswith("/poll"):
            self.server.stopped.wait(0.2)
            answer = {"generation": "1", "probes": [],
                      "symbols": {"upload": "default", "round": 1, "store": "one"}}
        elif self.path.endswith("/symbols"):
            answer = self.server.take(json.loads(body))
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Collector)
        self.stopped = threading.Event()
        self.kept, self.sent, self.by_instance = {}, [], {}

    def handle_error(self, request, client_address):
        pass  # a process that ended

    def take(self, call):
        missing = []
        for unit in call["units"]:
            self.by_instance.setdefault(call["instance_id"], set()).add(unit["hash"])
            if "scope" in unit:
                self.kept[unit["hash"]] = unit
                self.sent.append(unit["hash"])
            elif unit["hash"] not in self.kept:
                missing.append(unit["hash"])
        return {"missing": missing, "missing_sources": []}


@pytest.fixture
def collector():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()


def test_first_what_is_there_then_what_comes(collector, tmp_path):
    """SY-02, SY-05, SY-08: waiting says when all has arrived; a child sends no unit again that is there."""
    for n in range(20):
        (tmp_path / ("later%d.py" % n)).write_text("class C%d:\n    def m(self):\n        return 1\n" % n)
    run_python("""
        import os, sys, time
        sys.path.insert(0, sys.argv[1])
        import sonde.auto, sonde
        assert sonde.wait_for_symbols(60)
        for n in range(20):
            __import__("later%d" % n)
        assert sonde.wait_for_symbols(60)
        pid = os.fork()
        if pid == 0:
            os._exit(0 if sonde.wait_for_symbols(60) else 1)
        assert os.waitpid(pid, 0)[1] == 0
        """, str(tmp_path), timeout=250,
        env={"SONDE_SERVER": "http://127.0.0.1:%d" % collector.server_port, "SONDE_SYMBOLS_DEBOUNCE_MS": "100"})
    later = {unit["file"] for unit in collector.kept.values() if str(tmp_path) in unit["file"]}
    assert later == {str(tmp_path / ("later%d.py" % n)) for n in range(20)}
    assert len(collector.sent) == len(set(collector.sent)), "a unit was sent twice"
    parent, child = collector.by_instance.values()
    # What a module's names hold may have changed since: None is another type than what came later.
    changed = [collector.kept[hash]["file"] for hash in child - parent]
    assert len(child) > 30 and len(changed) <= 2, changed
    files = [unit["file"] for unit in collector.kept.values()]
    assert len(files) - len(set(files)) <= 2, [file for file in files if files.count(file) > 1]
