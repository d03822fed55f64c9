# Rows: CORE-01 CORE-02 CORE-03 CORE-07 CORE-08 CORE-09 CORE-13 CORE-16
"""From a line of a running application to a person's terminal."""
import json
import subprocess
import time

from conftest import SONDE, wait_for
from hosts import line_of


def test_CORE_01_CORE_16_line_probe_on_a_running_application(collector, app):
    """An unmodified application, a probe while requests run, the values in the next request."""
    host = app.host
    app.order()
    probe = app.add(host.place, "--service", "shop", "--rate", 100)
    app.order("kettle", 2)
    snapshot = collector.await_snapshots(probe)[0]
    assert snapshot["probe_id"] == probe
    assert snapshot["service"] == "shop" and snapshot["env"] == "test"
    assert snapshot["location"]["line"] == host.total
    assert snapshot["location"]["file"] == str(host.pricing)
    assert snapshot["location"]["function"] == host.quoting[0]
    assert snapshot["duration_ns"] is None
    assert snapshot["runtime"]["language"] == host.language
    assert snapshot["thread"]["id"] > 0
    captured = snapshot["captures"]["lines"][str(host.total)]
    assert captured["locals"]["subtotal"] == {"type": host.integer, "value": "9800"}
    assert captured["locals"]["discount"] == {"type": host.integer, "value": "0"}
    if host.language == "python":
        assert "total" not in captured["locals"]
    else:  # in Ruby a variable is there, and nil, from the method's beginning
        assert captured["locals"]["total"] == {"type": "NilClass", "is_null": True}
    basket = captured["arguments"]["basket"]
    assert basket["type"] == "Basket"
    assert basket["fields"][host.field("item")] == {"type": host.string, "value": "kettle"}
    assert basket["fields"][host.field("quantity")] == {"type": host.integer, "value": "2"}
    functions = [frame["function"] for frame in snapshot["stack"]]
    assert functions[:2] == host.quoting
    assert not any("sonde/auto" in frame["file"] or "_native" in frame["file"]
                   for frame in snapshot["stack"])


def test_CORE_02_one_definition_for_both_runtimes(collector, app):
    """Every member of a definition means the same wherever it lands."""
    host = app.host
    definition = {
        "id": "p-one", "location": host.place, "at": "line", "service": "shop", "env": "test",
        "limits": {"depth": 1, "elements": 5, "length": 4, "fields": 2, "frames": 3},
        "rate": 1000, "hit_limit": 3, "expires_in_s": 600, "tags": {"why": "test"},
        "capture": {"arguments": True, "locals": False, "return": False, "stack": True}}
    collector.post("/api/v1/probes", definition)
    collector.post("/api/v1/probes", {**definition, "id": "p-elsewhere", "env": "prod"})
    wait_for("both workers", lambda: [
        i["status"] for i in collector.instances("p-one")].count("installed") == 2)
    for _ in range(30):
        app.order("kettle")
    ended = wait_for("the limit", lambda: [
        i for i in collector.instances("p-one") if i["cause"] == "hit_limit"])
    assert all(i["captured"] == 3 and i["revision"] == 1 for i in ended)
    snapshot = collector.await_snapshots("p-one", 3)[0]
    assert snapshot["probe_revision"] == 1
    assert len(snapshot["stack"]) == 3 and snapshot["stack_truncated"] is True
    captured = snapshot["captures"]["lines"][str(host.total)]
    assert not captured.get("locals")
    basket = captured["arguments"]["basket"]
    assert list(basket["fields"]) == [host.field("number"), host.field("item")]
    assert basket["not_captured_reason"] == "field_count"
    assert basket["fields"][host.field("item")] == {
        "type": host.string, "value": "kett", "truncated": True, "size": 6}
    assert collector.json("probe", "show", "p-one")[0]["tags"] == {"why": "test"}
    assert collector.instances("p-elsewhere") == []


def test_CORE_02_function_probe_with_return_and_throwable(collector, python_app):
    app = python_app
    probe = app.add("pricing:Basket.subtotal", "--service", "shop", "--rate", 100)
    app.order("mug", 3)
    snapshot = collector.await_snapshots(probe)[0]
    assert snapshot["duration_ns"] > 0
    assert snapshot["captures"]["entry"]["arguments"]["self"]["fields"]["quantity"]["value"] == "3"
    assert snapshot["captures"]["return"]["return_value"] == {"type": "int", "value": "3870"}
    try:
        app.order("mug", 2000)
    except OSError:
        pass  # a 500, as without us
    found = wait_for("the throwable", lambda: [
        s for s in collector.snapshots(probe) if "throwable" in s["captures"]["return"]])
    throwable = found[0]["captures"]["return"]["throwable"]
    assert throwable["type"] == "OutOfRange"
    assert throwable["message"]["value"] == "2000 is more than we have"
    assert throwable["stack"][0]["function"] == "Basket.subtotal" or \
        throwable["stack"][0]["function"] == "subtotal"


def blank_line(host):
    """The line without code above the method that computes prices."""
    return line_of(host.pricing, "def quote" if host.language == "python" else "module Pricing") - 1


def test_CORE_03_statuses_are_true(collector, app):
    """A line without code, a file nobody loaded, a misspelt function: never "installed"."""
    host = app.host
    blank = blank_line(host)

    def settled(location, cause):
        """What the workers say. The master never loads the application: there it waits."""
        probe = collector.sonde("probe", "add", location, "--service", "shop").stdout.strip()

        def there():
            found = collector.instances(probe)
            told = [i for i in found if i["cause"] == cause]
            return found if len(found) == 3 and len(told) >= 2 else None
        found = wait_for(f"the statuses of {location}", there)
        assert not any(i["status"] in ("installed", "emitting") for i in found)
        return [i for i in found if i["cause"] == cause]

    found = settled(f"{host.pricing.name}:{blank}", "line_not_executable")
    assert {i["status"] for i in found} == {"error"}
    near = found[0]["nearest_lines"]
    code = [n for n, line in enumerate(host.pricing.read_text().splitlines(), 1) if line.strip()]
    assert near and set(near) <= set(code)
    assert all(abs(n - blank) < 8 for n in near), near
    found = settled(f"nowhere/at_all{host.suffix}:3", "file_not_loaded")
    assert {i["status"] for i in found} == {"pending"}
    if host.language == "python":
        found = settled("pricing:quotee", "function_not_found")
        assert {i["status"] for i in found} == {"error"}
        assert "quote" in found[0]["message"]


def test_CORE_03_wait_tells_the_reason(collector, app):
    place = f"{app.host.pricing.name}:{blank_line(app.host)}"
    done = collector.sonde("probe", "add", place, "--wait", 10, check=False)
    assert done.returncode == 1
    assert "line_not_executable" in done.stderr or "no code" in done.stderr


def test_CORE_09_removal_stops_it(collector, app):
    probe = app.add(app.host.place, "--rate", 1000)
    app.order()
    collector.await_snapshots(probe)
    collector.sonde("probe", "rm", probe)
    wait_for("no armed probe", lambda: all(
        p["probes"] == 0 for p in collector.json("ps")))
    before = len(collector.snapshots(probe))
    for _ in range(10):
        app.order()
    time.sleep(0.5)
    assert len(collector.snapshots(probe)) == before


def test_CORE_08_rate_and_limit(collector, app):
    """Every execution is counted; snapshots follow the rate; the limit ends the probe."""
    probe = app.add(app.host.place, "--rate", 1)
    for _ in range(30):
        app.order()

    def counted():
        instances = collector.instances(probe)
        return instances if sum(i["hits"] for i in instances) == 30 else None
    instances = wait_for("30 hits", counted)
    assert 1 <= sum(i["captured"] for i in instances) < 15
    limited = app.add(app.host.place, "--rate", 1000, "--limit", 2)
    for _ in range(20):
        app.order()
    ended = wait_for("the limit", lambda: [
        i for i in collector.instances(limited) if i["cause"] == "hit_limit"])
    assert all(i["captured"] == 2 for i in ended)


def test_CORE_07_redaction(collector, app):
    """The card number never leaves the process."""
    host = app.host
    shop = host.shop / ("shop" + host.suffix)
    constructed = "basket = Basket(" if host.language == "python" else "basket = Basket.new("
    probe = app.add(f"{shop.name}:{line_of(shop, constructed)}", "--rate", 100)
    app.order()
    text = json.dumps(collector.await_snapshots(probe)[0])
    assert "4111" not in text
    assert f'"card_number": {{"type": "{host.string}", "not_captured_reason": "redacted"' in text


def test_tail_is_live(collector, app):
    probe = app.add(app.host.place, "--rate", 100)
    tail = subprocess.Popen([SONDE, "tail", "--server", collector.url, "--probe", probe, "--json"],
                            stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        app.order("coffee", 5)
        snapshot = json.loads(tail.stdout.readline())
        locals_ = snapshot["captures"]["lines"][str(app.host.total)]["locals"]
        assert locals_["subtotal"]["value"] == "3900"
    finally:
        tail.terminate()
        tail.wait()


def test_CORE_13_ps_names_every_process(collector, app):
    """Master and workers report in as themselves."""
    processes = wait_for("three processes", lambda: (
        lambda found: found if len(found) == 3 else None)(collector.json("ps")))
    assert len({p["instance_id"] for p in processes}) == 3
    assert len({p["pid"] for p in processes}) == 3
    assert all(p["connected"] and p["language"] == app.host.language for p in processes)
    assert all(p["disarmed"] == [] for p in processes)


def test_the_examples_know_nothing_of_us(host):
    for path in host.shop.iterdir():
        if path.is_file():
            text = path.read_text().lower()
            assert "import sonde" not in text and 'require "sonde' not in text
            assert "sonde" not in text.replace("of sonde.", "")
