"""CORE-05: capture runs nothing of the application's."""
from conftest import APPS, SONDE, Process, line_of


def test_CORE_05_tripwires_are_captured_whole(collector, python, tmp_path):
    line = line_of(APPS / "tripwire.py", "# PROBE")
    app = Process([SONDE, "run", "--server", collector.url, "--", str(python),
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
