"""CORE-05: capture runs nothing of the application's."""
import json

from conftest import APPS, SONDE, App, Process, get
from hosts import line_of


def test_CORE_05_tripwires_are_captured_whole(collector, python_host, tmp_path):
    line = line_of(APPS / "tripwire.py", "# PROBE")
    app = Process([SONDE, "run", "--server", collector.url, "--", python_host.interpreter,
                   str(APPS / "tripwire.py")], tmp_path / "app.log")
    try:
        at_line = collector.add(f"tripwire.py:{line}", "--rate", 100)
        found = collector.await_snapshots(at_line, 3)
    finally:
        app.stop()
    assert "TRIPPED" not in app.output(), app.output()
    values = found[0]["captures"]["lines"][str(line)]["locals"]
    assert values["plain"]["type"] == "Plain"
    assert values["plain"]["fields"]["number"] == {"type": "int", "value": "1"}
    assert values["mapping"]["entries"][0]["value"] == {"type": "int", "value": "1"}
    assert [e["value"] for e in values["items"]["elements"]] == ["1", "2"]
    assert values["text"]["value"] == "text" and values["text"]["type"] == "Str"
    assert values["whole"]["value"] == "7"
    assert [e["value"] for e in values["pair"]["elements"]] == ["1", "2"]
    assert [e["value"] for e in values["group"]["elements"]] == ["5"]
    assert values["raw"]["value"] == "raw"
    assert values["real"]["value"] == "1.5"
    assert values["error"]["type"] == "Error"
    assert values["strange"]["fields"]["number"]["value"] == "2"
    assert all("not_captured_reason" not in v for v in values.values()), values


def test_CORE_05_tripwires_over_http(collector, ruby_host, tmp_path):
    """Every method of the objects and of their classes raises; a request shows them to a probe."""
    rack = APPS / "rack"
    line = line_of(rack / "tripwire.rb", "# PROBE")
    app = App(collector, ruby_host, tmp_path, command=lambda port: ruby_host.puma(port, 2, rack))
    try:
        probe = app.add(f"rack/tripwire.rb:{line}", "--rate", 100)
        for _ in range(10):
            assert json.loads(get(app.url + "/tripwire")[1]) == []
        found = collector.await_snapshots(probe, 3)
        assert json.loads(get(app.url + "/tripwire")[1]) == []
    finally:
        app.stop()
    values = found[0]["captures"]["lines"][str(line)]["locals"]
    assert {name: v["type"].removeprefix("Tripwire::") for name, v in values.items()} == {
        "plain": "Plain", "bare": "Bare", "table": "Table", "list": "List", "text": "Text",
        "pair": "Pair", "group": "Group", "span": "Span", "mistake": "Mistake", "act": "Act",
        "pattern": "Pattern", "single": "Object", "kind": "Class"}
    assert values["plain"]["fields"]["@number"] == {"type": "Integer", "value": "1"}
    assert values["plain"]["fields"]["@word"] == {"type": "String", "value": "one"}
    assert values["table"]["entries"][0]["value"] == {"type": "Integer", "value": "1"}
    assert [e["value"] for e in values["list"]["elements"]] == ["1", "2"]
    assert values["text"]["value"] == "text"
    assert "two" in json.dumps(values["pair"])
    assert [e["value"] for e in values["group"]["elements"]] == ["5"]
    assert "message" in json.dumps(values["mistake"])
    assert "a+b" in json.dumps(values["pattern"])
    assert values["kind"]["value"] == "Tripwire::Plain"
    assert all("not_captured_reason" not in v for v in values.values()), values
