# SPDX-License-Identifier: Apache-2.0
"""`sonde tail`: the stream, its breaks, its end."""
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time

import pytest
from cli_samples import line_snapshot, return_snapshot, snapshot
from cli_support import DEADLINE_S, SONDE, FakeCollector, environment, error, wait_until

TAIL = "/api/v1/tail"


class Tail:
    """A running `sonde tail`, read line by line."""

    def __init__(self, *args, server, **env):
        self.process = subprocess.Popen(
            [SONDE, "tail", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(SONDE_SERVER=server, **env))
        self.out, self.err = [], []
        self.threads = [threading.Thread(target=self.read, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def end(self, number=signal.SIGTERM):
        if number:
            self.process.send_signal(number)
        status = self.process.wait(DEADLINE_S)
        for thread in self.threads:
            thread.join(DEADLINE_S)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


class Stream:
    """Feeds every tail that is connected; None ends the connections."""

    def __init__(self, collector):
        self.collector = collector
        self.readers = []
        self.lock = threading.Lock()
        collector.routes[("GET", TAIL)] = self.serve

    def serve(self, handler):
        feed = queue.Queue()
        handler.stream_begin()
        handler.stream_send(": hello\n\n")
        with self.lock:
            self.readers.append(feed)
        while not self.collector.stopping.is_set():
            try:
                piece = feed.get(timeout=0.02)
            except queue.Empty:
                continue
            if piece is None:
                return
            handler.stream_send(piece)

    def send(self, data):
        with self.lock:
            for feed in self.readers:
                feed.put(data)

    def send_snapshot(self, object_):
        self.send(f"event: snapshot\ndata: {json.dumps(object_)}\n\n")

    def wait_for_reader(self, count=1):
        wait_until(lambda: len(self.readers) >= count, "the tail to connect")


@pytest.fixture
def stream(fake):
    return Stream(fake)


def test_json_line_per_snapshot_flushed_at_once(fake, stream):
    tail = Tail("--json", "--probe", "p-1", "--service", "a b", server=fake.url)
    stream.wait_for_reader()
    assert fake.requests[-1][1] == TAIL + "?probe=p-1&service=a%20b"
    for wanted in (line_snapshot(), return_snapshot()):
        before = len(tail.out)
        stream.send_snapshot(wanted)
        wait_until(lambda n=before: len(tail.out) > n, "the snapshot")
        assert json.loads(tail.out[-1]) == wanted
    assert tail.end() == 0 and tail.err == []


def test_human_text_is_that_of_snapshots(fake, stream, golden):
    tail = Tail(server=fake.url)
    stream.wait_for_reader()
    stream.send_snapshot(line_snapshot())
    stream.send_snapshot(return_snapshot())
    wait_until(lambda: sum("thread MainThread" in line for line in tail.out) == 2, "both")
    assert tail.end() == 0
    golden("tail.txt", "\n".join(tail.out) + "\n")


PIECES = [
    'event: snapshot\ndata: {"id": "a"}\n\n',
    'event: snapshot\r\ndata: {"id": "b"}\r\n\r\n',
    'event: snapshot\rdata: {"id": "c"}\r\r',
    'event:snapshot\ndata:{"id":\ndata: "d"}\nid: 7\nretry: 5\nnonsense\n\n',
    ': a comment\nevent: other\ndata: {"id": "no"}\n\n',
    'data: {"id": "no"}\n\n', 'event: snapshot\n\n',
    'event: ' + 'x' * 100 + '\ndata: {"id": "no"}\n\n',
    '\n\n\nevent: snapshot\ndata: {"id": "e"}\n\n',
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10000])
def test_event_stream_in_pieces_of_any_size(fake, size):
    everything = ("\ufeff" + "".join(PIECES)).encode()

    def serve(handler):
        handler.stream_begin()
        for at in range(0, len(everything), size):
            handler.stream_send(everything[at:at + size])
        fake.stopping.wait(DEADLINE_S)

    fake.routes[("GET", TAIL)] = serve
    tail = Tail("--json", server=fake.url)
    wait_until(lambda: len(tail.out) >= 5, "five snapshots")
    assert tail.end() == 0
    assert tail.out == ['{"id":"%s"}' % letter for letter in "abcde"]


def test_lagging_and_unreadable_events_are_said(fake, stream):
    tail = Tail("--json", server=fake.url)
    stream.wait_for_reader()
    stream.send('event: lagged\ndata: {"count": 12}\n\nevent: snapshot\ndata: {"id": \n\n')
    stream.send_snapshot({"id": "after"})
    wait_until(lambda: tail.out, "the one after")
    assert tail.end() == 0
    assert tail.out == ['{"id":"after"}']
    assert tail.err[0].startswith("sonde: 12 snapshots came too fast")
    assert tail.err[1].startswith("sonde: an event that can not be read was left out")


def test_an_event_beyond_all_bounds_is_given_up(fake):
    def serve(handler):
        handler.stream_begin()
        handler.stream_send("event: snapshot\ndata: ")
        for _ in range(17):
            handler.stream_send("x" * (1 << 20))
        fake.stopping.wait(DEADLINE_S)

    fake.routes[("GET", TAIL)] = serve
    tail = Tail(server=fake.url)
    wait_until(lambda: any("too big" in line for line in tail.err), "the notice")
    assert tail.end() == 0 and tail.out == []


def test_hostile_values_in_the_stream(fake, stream):
    evil = "\x1b[2J\x9b\u202e\u2028"
    object_ = snapshot({"lines": {"1": {"locals": {evil: {"type": evil, "value": evil}}}}}, service=evil)
    for args in ([], ["--json"]):
        tail = Tail(*args, server=fake.url)
        stream.wait_for_reader(1 + len(args))
        stream.send("event: snapshot\ndata: " + json.dumps(object_, ensure_ascii=False).replace("\x1b", "\\u001b") + "\n\n")
        wait_until(lambda t=tail: t.out, "the snapshot")
        assert tail.end() == 0
        assert not set(evil) & set("".join(tail.out)) - set("[2J")


def test_reconnects_while_the_collector_restarts_and_says_so_once(fake, stream):
    tail = Tail("--json", server=fake.url)
    stream.wait_for_reader()
    stream.send_snapshot({"id": "before"})
    wait_until(lambda: tail.out == ['{"id":"before"}'], "the first snapshot")
    fake.stop()
    wait_until(lambda: tail.err, "the notice")
    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started > 1.5, "several attempts in vain")
    assert tail.process.poll() is None
    again = FakeCollector(fake.port)
    try:
        stream = Stream(again)
        stream.wait_for_reader()
        stream.send_snapshot({"id": "after"})
        wait_until(lambda: len(tail.out) == 2, "the snapshot after the restart")
        assert tail.end() == 0
    finally:
        again.stop()
    assert tail.out[1] == '{"id":"after"}'
    assert tail.err == [f"sonde: lost the collector at {fake.url}; waiting for it to come back",
                        "sonde: the collector is back"]


def test_a_stream_that_breaks_before_its_first_byte_was_one(fake, stream):
    def serve(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        fake.routes[("GET", TAIL)] = stream.serve
        handler.connection.shutdown(socket.SHUT_RDWR)

    fake.routes[("GET", TAIL)] = serve
    tail = Tail("--json", server=fake.url)
    stream.wait_for_reader()
    stream.send_snapshot({"id": "x"})
    wait_until(lambda: tail.out, "the snapshot")
    assert tail.end() == 0


def test_half_an_event_of_a_broken_stream_is_forgotten(fake, stream):
    tail = Tail("--json", server=fake.url)
    stream.wait_for_reader()
    stream.send('event: snapshot\ndata: {"id": "half')
    stream.send(None)
    stream.wait_for_reader(2)
    stream.send('"}\n\n')
    stream.send_snapshot({"id": "whole"})
    wait_until(lambda: tail.out, "the whole one")
    assert tail.end() == 0
    assert tail.out == ['{"id":"whole"}']


def test_a_collector_that_is_starting_is_waited_for_once_known(fake, stream):
    tail = Tail("--json", server=fake.url)
    stream.wait_for_reader()
    fake.routes[("GET", TAIL)] = (503, error("unavailable", "starting"))
    stream.send(None)
    wait_until(lambda: len(fake.asked("GET", TAIL)) >= 3, "attempts that are answered 503")
    fake.routes[("GET", TAIL)] = stream.serve
    stream.wait_for_reader(2)
    stream.send_snapshot({"id": "x"})
    wait_until(lambda: tail.out, "the snapshot")
    assert tail.end() == 0
    assert len(tail.err) == 2


def test_refusals_end_it_with_the_reason(fake, sonde):
    fake.routes[("GET", TAIL)] = (401, error("unauthorized", "no"))
    done = sonde("tail")
    assert (done.returncode, done.stdout) == (1, "") and "wants its token" in done.stderr
    fake.routes[("GET", TAIL)] = (400, error("invalid_argument", "is unknown", "probe"))
    done = sonde("tail")
    assert (done.returncode, done.stderr) == (1, "sonde: probe: is unknown\n")
    fake.routes[("GET", TAIL)] = (503, error("unavailable", "too many readers"))
    done = sonde("tail")
    assert (done.returncode, done.stderr) == (1, "sonde: too many readers\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_cleanly_on_a_signal_connected_or_not(fake, stream, number):
    tail = Tail(server=fake.url)
    stream.wait_for_reader()
    started = time.monotonic()
    assert tail.end(number) == 0 and tail.out == tail.err == []
    assert time.monotonic() - started < 5
    tail = Tail(server=fake.url)
    stream.wait_for_reader(2)
    fake.stop()
    wait_until(lambda: tail.err, "the notice")
    assert tail.end(number) == 0


def test_ends_cleanly_when_its_reader_leaves_even_while_nothing_comes(fake, stream):
    read_end, write_end = os.pipe()
    process = subprocess.Popen([SONDE, "tail"], stdout=write_end, stderr=subprocess.PIPE,
                               env=environment(SONDE_SERVER=fake.url))
    os.close(write_end)
    stream.wait_for_reader()
    os.close(read_end)
    assert process.wait(DEADLINE_S) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
