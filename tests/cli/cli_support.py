# SPDX-License-Identifier: Apache-2.0
"""The command line against a fake collector: canned answers from http.server threads.

    SONDE=/path/to/sonde python3 -m pytest tests/cli        (default: build/sonde)
    UPDATE_GOLDEN=1 ...                                     writes golden/ anew: read the diff
"""
import fcntl
import json
import os
import pathlib
import pty
import select
import struct
import subprocess
import termios
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = pathlib.Path(__file__).resolve().parent
SONDE = os.environ.get("SONDE", str(HERE.parent.parent / "build" / "sonde"))
DEADLINE_S = 20


class FakeCollector:
    """Answers what `routes` says and remembers what was asked.

    routes[(method, path without query)] is (status, object) or a function of the request's
    handler that does everything itself.
    """

    def __init__(self, port=0):
        self.routes = {}
        self.requests = []
        self.stopping = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                fake.requests.append((self.command, self.path, dict(self.headers), body))
                route = fake.routes.get((self.command, self.path.split("?")[0]))
                if callable(route):
                    route(self)
                else:
                    self.reply(*(route or (404, error("not_found", "there is no such thing"))))

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def reply(self, status, answer):
                data = answer if isinstance(answer, bytes) else json.dumps(answer, indent=1).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def stream_begin(self):
                """Server-sent events: no length, the end of the connection ends it."""
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True

            def stream_send(self, data):
                self.wfile.write(data if isinstance(data, bytes) else data.encode())
                self.wfile.flush()

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass  # a client that leaves is no news here

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def asked(self, method, path):
        return [r for r in self.requests if r[0] == method and r[1].split("?")[0] == path]


def error(code, message, field=None):
    body = {"code": code, "message": message}
    if field:
        body["field"] = field
    return {"error": body}


def environment(**more):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("SONDE", "OTEL_", "NO_COLOR", "COLUMNS", "POSIXLY_CORRECT"))}
    env.update(TZ="UTC", ASAN_OPTIONS="detect_leaks=1:exitcode=99", UBSAN_OPTIONS="halt_on_error=1")
    env.update({k: v for k, v in more.items() if v is not None})
    for key, value in more.items():
        if value is None:
            env.pop(key, None)
    return env


def on_terminal(args, env, columns=100):
    """Runs a command with a terminal of its own as standard output: (status, output)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen([SONDE, *args], stdout=slave, stderr=subprocess.PIPE,
                               env=environment(**{"TERM": "xterm-256color", **env}))
    os.close(slave)
    chunks = []
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master], [], [], 0.1)
        if ready:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            chunks.append(data)
        elif process.poll() is not None:
            break
    os.close(master)
    status = process.wait(DEADLINE_S)
    process.stderr.close()
    return status, b"".join(chunks).decode().replace("\r\n", "\n")


def wait_until(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
