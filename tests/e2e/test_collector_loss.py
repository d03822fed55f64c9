"""CORE-12: the collector goes away and comes back; CORE-11: nothing of it is felt."""
import gzip
import threading
import time
import urllib.error
import urllib.request
import uuid

from conftest import App, Collector, get, wait_for


class Traffic(threading.Thread):
    """Requests without pause until stopped."""

    def __init__(self, url):
        super().__init__()
        self.url, self.over = url, threading.Event()
        self.answered, self.failures = 0, []

    def run(self):
        while not self.over.is_set():
            try:
                assert get(self.url)[0] == 200
                self.answered += 1
            except Exception as error:  # whatever it was, the test tells
                self.failures.append(error)

    def finish(self):
        self.over.set()
        self.join()


def test_CORE_12_collector_killed_and_started_again(collector, host, tmp_path):
    app = App(collector, host, tmp_path, env={"SONDE_QUEUE_BYTES": "262144", "SONDE_MAX_RATE": "5000",
                                              "SONDE_CPU_PERCENT": "50"})
    traffic = Traffic(app.url + "/order?item=tea&quantity=2")
    try:
        probe = collector.add(host.place, "--rate", 5000)
        traffic.start()
        collector.await_snapshots(probe)
        collector.kill()
        at_kill = traffic.answered
        wait_for("traffic without a collector", lambda: traffic.answered > at_kill + 1000, 60)
        collector.start()
        # Armed again without being asked, counting on, and what was lost is told.
        wait_for("the agents", lambda: [
            p for p in collector.json("ps") if p["connected"] and p["probes"] == 1], 30)
        newest = collector.snapshots(probe, 1)[0]["timestamp_ns"]
        wait_for("new snapshots", lambda: collector.snapshots(probe, 1)[0]["timestamp_ns"] > newest)
        wait_for("the count of drops", lambda: sum(
            i["dropped"].get("queue_full", 0) for i in collector.instances(probe)) > 0)
    finally:
        traffic.finish()
        app.stop()
    assert traffic.failures == []


def export_request(ids):
    """An OTLP request made by OpenTelemetry's own classes."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    logs.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="peer")))
    scope = logs.scope_logs.add()
    for snapshot_id in ids:
        record = scope.log_records.add()
        record.time_unix_nano = time.time_ns()
        record.event_name = "sonde.snapshot"
        for key, value in ("sonde.snapshot.id", snapshot_id), ("sonde.probe.id", "p-durable"):
            record.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
        record.body.kvlist_value.values.append(
            KeyValue(key="captures", value=AnyValue(string_value="x" * 1000)))
    return request.SerializeToString()


def test_kill_9_right_after_the_acknowledgement_loses_nothing(tmp_path):
    collector = Collector(tmp_path)
    acknowledged = []
    for _ in range(5):
        over = threading.Event()

        def send():
            while not over.is_set():
                ids = [uuid.uuid4().hex for _ in range(5)]
                call = urllib.request.Request(
                    collector.url + "/v1/logs", gzip.compress(export_request(ids)),
                    {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"})
                try:
                    with urllib.request.urlopen(call, timeout=10) as response:
                        assert response.status == 200
                    acknowledged.extend(ids)
                except OSError:
                    return
        before = len(acknowledged)
        senders = [threading.Thread(target=send) for _ in range(4)]
        for sender in senders:
            sender.start()
        wait_for("acknowledgements", lambda: len(acknowledged) > before + 50, 30)
        collector.kill()
        over.set()
        for sender in senders:
            sender.join()
        collector.start()
    try:
        assert len(acknowledged) == len(set(acknowledged)) > 250
        missing = []
        for snapshot_id in acknowledged:
            try:
                get(f"{collector.url}/api/v1/snapshots/{snapshot_id}")
            except urllib.error.HTTPError:
                missing.append(snapshot_id)
        assert missing == []
    finally:
        collector.stop()


def test_the_first_snapshot_of_a_day_is_read_while_its_file_is_made(tmp_path):
    """Readers that ask without pause get an answer, with the snapshot in it or not yet."""
    failures = []

    def read_until(over, url):
        while not over.is_set():
            try:
                get(url + "/api/v1/snapshots?probe=p-durable")
            except urllib.error.HTTPError as error:
                failures.append(error.read())

    for i in range(15):
        (tmp_path / str(i)).mkdir()
        collector, over = Collector(tmp_path / str(i)), threading.Event()
        readers = [threading.Thread(target=read_until, args=(over, collector.url)) for _ in range(3)]
        for reader in readers:
            reader.start()
        call = urllib.request.Request(collector.url + "/v1/logs", export_request([f"first-{i}"]),
                                      {"Content-Type": "application/x-protobuf"})
        try:
            urllib.request.urlopen(call, timeout=10).close()
            get(f"{collector.url}/api/v1/snapshots/first-{i}")
        finally:
            over.set()
            for reader in readers:
                reader.join()
            collector.stop()
    assert failures == []


def test_CORE_12_no_collector_at_all(host, tmp_path, collector):
    """The application starts, serves and ends as without us."""
    collector.stop()
    app = App(collector, host, tmp_path)
    try:
        for _ in range(20):
            app.order()
    finally:
        began = time.monotonic()
        status = app.stop()
    assert status == host.ends_with
    assert time.monotonic() - began < 10
