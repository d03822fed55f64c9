# Rows: CORE-01 CORE-02 CORE-03 CORE-07 CORE-08 CORE-09 CORE-16
"""From a line of a running application to a person's terminal."""
import json
import subprocess
import time

from conftest import PRICING, ROOT, SONDE, line_of, wait_for

TOTAL = line_of(PRICING, "total = subtotal - discount")


def test_CORE_01_CORE_16_line_probe_on_a_running_application(collector, app):
    """An unmodified application, a probe while requests run, the values in the next request."""
    app.order()
    probe = collector.add(f"pricing.py:{TOTAL}", "--service", "shop", "--rate", 100)
    app.order("kettle", 2)
    snapshot = collector.await_snapshots(probe)[0]
    assert snapshot["probe_id"] == probe
    assert snapshot["service"] == "shop" and snapshot["env"] == "test"
    assert snapshot["location"]["line"] == TOTAL
    assert snapshot["location"]["file"].endswith("/flask_shop/pricing.py")
    assert snapshot["location"]["function"] == "quote"
    assert snapshot["duration_ns"] is None
    assert snapshot["runtime"]["language"] == "python"
    assert snapshot["thread"]["id"] > 0
    captured = snapshot["captures"]["lines"][str(TOTAL)]
    assert captured["locals"]["subtotal"] == {"type": "int", "value": "9800"}
    assert captured["locals"]["discount"] == {"type": "int", "value": "0"}
    assert "total" not in captured["locals"]
    basket = captured["arguments"]["basket"]
    assert basket["type"] == "Basket"
    assert basket["fields"]["item"] == {"type": "str", "value": "kettle"}
    assert basket["fields"]["quantity"] == {"type": "int", "value": "2"}
    functions = [frame["function"] for frame in snapshot["stack"]]
    assert functions[:2] == ["quote", "order"]
    assert not any("sonde" in frame["file"] for frame in snapshot["stack"])


def test_CORE_02_function_probe_with_return_and_throwable(collector, app):
    probe = collector.add("pricing:Basket.subtotal", "--service", "shop", "--rate", 100)
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


def test_CORE_03_statuses_are_true(collector, app):
    """A line without code, a file nobody loaded, a misspelt function: never "installed"."""
    blank = line_of(PRICING, "def quote") - 1

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

    found = settled(f"pricing.py:{blank}", "line_not_executable")
    assert {i["status"] for i in found} == {"error"}
    assert {blank - 1, blank + 2} & set(found[0]["nearest_lines"])
    found = settled("nowhere/at_all.py:3", "file_not_loaded")
    assert {i["status"] for i in found} == {"pending"}
    found = settled("pricing:quotee", "function_not_found")
    assert {i["status"] for i in found} == {"error"}
    assert "quote" in found[0]["message"]


def test_CORE_03_wait_tells_the_reason(collector, app):
    blank = line_of(PRICING, "def quote") - 1
    done = collector.sonde("probe", "add", f"pricing.py:{blank}", "--wait", 10, check=False)
    assert done.returncode == 1
    assert "line_not_executable" in done.stderr or "no code" in done.stderr


def test_CORE_09_removal_stops_it(collector, app):
    probe = collector.add(f"pricing.py:{TOTAL}", "--rate", 1000)
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
    probe = collector.add(f"pricing.py:{TOTAL}", "--rate", 1)
    for _ in range(30):
        app.order()

    def counted():
        instances = collector.instances(probe)
        return instances if sum(i["hits"] for i in instances) == 30 else None
    instances = wait_for("30 hits", counted)
    assert 1 <= sum(i["captured"] for i in instances) < 15
    limited = collector.add(f"pricing.py:{TOTAL}", "--rate", 1000, "--limit", 2)
    for _ in range(20):
        app.order()
    ended = wait_for("the limit", lambda: [
        i for i in collector.instances(limited) if i["cause"] == "hit_limit"])
    assert all(i["captured"] == 2 for i in ended)


def test_CORE_07_redaction(collector, app):
    """The card number never leaves the process."""
    shop = ROOT / "examples/flask_shop/shop.py"
    probe = collector.add(f"shop.py:{line_of(shop, 'basket = Basket(')}", "--rate", 100)
    app.order()
    text = json.dumps(collector.await_snapshots(probe)[0])
    assert "4111" not in text
    assert '"card_number": {"type": "str", "not_captured_reason": "redacted"' in text


def test_tail_is_live(collector, app):
    probe = collector.add(f"pricing.py:{TOTAL}", "--rate", 100)
    tail = subprocess.Popen([SONDE, "tail", "--server", collector.url, "--probe", probe, "--json"],
                            stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        app.order("coffee", 5)
        snapshot = json.loads(tail.stdout.readline())
        assert snapshot["captures"]["lines"][str(TOTAL)]["locals"]["subtotal"]["value"] == "3900"
    finally:
        tail.terminate()
        tail.wait()


def test_ps_names_every_process(collector, app):
    """CORE-13: master and workers report in as themselves."""
    processes = wait_for("three processes", lambda: (
        lambda found: found if len(found) == 3 else None)(collector.json("ps")))
    assert len({p["instance_id"] for p in processes}) == 3
    assert len({p["pid"] for p in processes}) == 3
    assert all(p["connected"] and p["language"] == "python" for p in processes)
    assert all(p["disarmed"] == [] for p in processes)


def test_the_example_knows_nothing_of_us():
    for path in (ROOT / "examples/flask_shop").glob("*.py"):
        text = path.read_text().lower()
        assert "import sonde" not in text and "sonde." not in text.replace("of sonde.", "")
