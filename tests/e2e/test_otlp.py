"""CORE-15: snapshots are OTLP log records that any backend reads; the judge is OpenTelemetry's own schema."""
import gzip
import http.server
import json
import os
import subprocess
import threading
import urllib.error
import urllib.request

from google.protobuf import json_format
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from conftest import SONDE, get, wait_for
from test_collector_loss import export_request


class Backend(http.server.BaseHTTPRequestHandler):
    """An OTLP/HTTP backend that is not ours."""
    requests = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        Backend.requests.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def has_unknown_fields(message):
    if len(UnknownFieldSet(message)):
        return True
    return any(has_unknown_fields(item)
               for field, value in message.ListFields() if field.message_type
               for item in (value if field.is_repeated else [value]))


def plain(value):
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {kv.key: plain(kv.value) for kv in value.kvlist_value.values}
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    return getattr(value, kind)


def attributes(holder):
    return {kv.key: plain(kv.value) for kv in holder.attributes}


def test_CORE_15_another_backend_reads_it(collector, host, tmp_path):
    program = host.program(tmp_path, python="""
        import time
        def work(n):
            made = {"n": n, "none": None, "many": list(range(200))}
            return made  # PROBE
        while True:
            work(7)
            time.sleep(0.05)
        """, ruby="""
        def work(n)
          made = { "n" => n, "none" => nil, "many" => (0...200).to_a }
          made # PROBE
        end
        loop { work(7); sleep 0.05 }
        """)
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    Backend.requests.clear()
    app = subprocess.Popen(
        [SONDE, "run", "--server", collector.url, "--service", "billing", "--env", "prod", "--version",
         "9.1", "--", host.interpreter, str(program.path)],
        env={**os.environ, "OTEL_RESOURCE_ATTRIBUTES": "team=red%20team,service.name=other",
             "SONDE_OTLP_ENDPOINT": f"http://127.0.0.1:{backend.server_port}"})
    try:
        probe = collector.add("program:work" if host.language == "python" else program.at())
        wait_for("a request", lambda: Backend.requests)
    finally:
        app.terminate()
        app.wait()
        backend.shutdown()
    path, content_type, body = Backend.requests[0]
    assert (path, content_type) == ("/v1/logs", "application/x-protobuf")
    request = ExportLogsServiceRequest.FromString(body)
    assert not has_unknown_fields(request)
    resource = attributes(request.resource_logs[0].resource)
    assert resource["service.name"] == "billing" and resource["service.version"] == "9.1"
    assert resource["deployment.environment.name"] == resource["deployment.environment"] == "prod"
    assert resource["team"] == "red team"
    assert resource["telemetry.sdk.language"] == host.language and resource["process.pid"] == app.pid
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    assert record.event_name == "sonde.snapshot" and record.time_unix_nano > 0
    assert attributes(record)["sonde.probe.id"] == probe
    captures = plain(record.body)["captures"]
    if host.language == "python":
        function, arguments = "work", captures["entry"]["arguments"]
        made = captures["return"]["return_value"]
    else:
        function, captured = "Object#work", captures["lines"][str(program.line())]
        arguments, made = captured["arguments"], captured["locals"]["made"]
    assert attributes(record)["code.function.name"] == function
    assert arguments["n"] == {"type": host.integer, "value": "7"}
    pairs = {e["key"]["value"]: e["value"] for e in made["entries"]}
    assert pairs["none"] == {"type": host.null, "is_null": True}
    assert pairs["many"]["truncated"] is True and pairs["many"]["size"] == 200
    assert pairs["many"]["not_captured_reason"] == "collection_size"


def test_CORE_15_json_is_taken_as_well(collector):
    """OTLP/JSON as OpenTelemetry's own library writes it, and an error in the request's own type."""
    message = ExportLogsServiceRequest.FromString(export_request(["json-1"]))
    text = json_format.MessageToJson(message).encode()
    call = urllib.request.Request(collector.url + "/v1/logs", text, {"Content-Type": "application/json"})
    with urllib.request.urlopen(call, timeout=10) as response:
        assert json.load(response) == {}
    assert json.loads(get(collector.url + "/api/v1/snapshots/json-1")[1])["service"] == "peer"
    call = urllib.request.Request(collector.url + "/v1/logs", b'{"resourceLogs": 3}',
                                  {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(call, timeout=10)
        raise AssertionError("accepted")
    except urllib.error.HTTPError as error:
        assert error.code == 400 and "message" in json.load(error)
