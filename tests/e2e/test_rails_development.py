# Rows: RB-05 RB-12 RB-16
"""The Rails application as one develops it: nothing is loaded before it is needed, and Zeitwerk
loads anew what was edited."""
import json
import re
import time

import pytest

from conftest import Collector, wait_for
from frameworks import named, plain
from hosts import line_of
from rails import SECONDS, Served, Shop, interpreters

RUBIES = interpreters()
QUOTE = "/api/quotes?items=tea,tea,kettle&kind=member"


@pytest.fixture(autouse=True)
def nothing_stays(served):
    """A test that fails leaves no probe to the next."""
    yield
    served.remove([p["id"] for p in served.collector.json("probe", "list")])


@pytest.fixture(scope="module", params=list(RUBIES) or ["ruby-missing"])
def served(request, tmp_path_factory):
    assert RUBIES, "no Ruby here has Rails, sqlite3, Puma and Bootsnap"
    folder = tmp_path_factory.mktemp("rails")
    shop = Shop(RUBIES[request.param], folder / "shop", "development")
    collector = Collector(folder)
    it = Served(collector, shop, "rails", workers=0)
    yield it
    it.stop()
    collector.stop()


def rewrite(path, text):
    """A second later than before: by its date in seconds and its size Bootsnap's cache knows a file."""
    wait_for("another second", lambda: int(time.time()) > path.stat().st_mtime, SECONDS)
    path.write_text(text)


def edit(path, *replacements):
    text = path.read_text()
    for old, new in replacements:
        assert text.count(old) == 1, (path, old)
        text = text.replace(old, new)
    rewrite(path, text)


def seen(snapshot):
    (at,) = snapshot["captures"]["lines"].values()
    return named({**at["arguments"], **at["locals"]})


def newest(served, id, wanted):
    """The newest snapshot, when it is as wanted."""
    def found():
        snapshots = served.snapshots(id, 1)
        return snapshots[0] if snapshots and wanted(snapshots[0]) else None
    return wait_for(f"the snapshot of {id}", found, SECONDS)


def status(served, id):
    (said,) = served.told(id)
    return said["status"], said["cause"], said["places"]


def test_RB_16_RB_05_the_first_request_is_seen(served):
    """Before it the application's classes are not there; the probes wait for them, a class body's too."""
    marks = served.shop.marked()
    controller = served.shop.path("app/controllers/api/quotes_controller.rb")
    places = {name: marks[name] for name in ("quotes", "to_h", "weighed", "grams", "missing")}
    places["body"] = f"{controller}:{line_of(controller, 'include Told')}"
    ids = {name: served.post(place) for name, place in places.items()}
    for name, id in ids.items():
        wait_for(name, lambda: served.told(id) and status(served, id) == ("pending", "file_not_loaded", 0), SECONDS)
    assert served.get(QUOTE)[0] == 200
    found = {name: served.collector.await_snapshots(id, 1, SECONDS) for name, id in ids.items()}
    assert found["body"][0]["stack"][0]["function"] == "<class:QuotesController>"
    assert seen(found["to_h"][0])["total"] == {"@cents": "3420"}
    assert {(seen(s)["name"], seen(s)["each"]) for s in served.collector.await_snapshots(ids["grams"], 2)} == {
        ("Tea", "100"), ("Kettle", "1200")}
    assert [len(found[name]) for name in ("body", "quotes", "to_h")] == [1, 1, 1]
    served.remove(ids.values())


def test_RB_12_lines_follow_the_edits(served):
    """Each edit makes new classes of the same names; the line fires in the newest."""
    file = served.shop.path("app/services/quote.rb")
    assert served.get(QUOTE)[0] == 200
    ids = served.probe({name: served.shop.marked()[name] for name in ("to_h", "words", "apply")})
    served.get(QUOTE)
    assert newest(served, ids["words"], lambda s: seen(s)["more"] == "things")
    for n in range(1, 4):
        old = "things" if n == 1 else f"pieces {n - 1}"
        edit(file, (f'more: "{old}"', f'more: "pieces {n}"'),
             ("    total = Discounts" if n == 1 else f"    edits, total = {n - 1}, Discounts",
              f"    edits, total = {n}, Discounts"))
        assert f'"words":"about 2 pieces {n}"' in served.get(QUOTE)[1]
        assert newest(served, ids["words"], lambda s: seen(s)["more"] == f"pieces {n}")
        assert newest(served, ids["to_h"], lambda s: seen(s)["edits"] == str(n))
        # A file that nobody edited was loaded anew with the rest.
        assert newest(served, ids["apply"], lambda s: seen(s)["reduced"] == {"@cents": "3420"})
        for id in ids.values():
            assert status(served, id)[:2] == ("emitting", "")
    served.remove(ids.values())
    # Once for each execution, however often it was loaded.
    ids = served.probe({name: served.shop.marked()[name] for name in ("to_h", "words", "apply")})
    for _ in range(5):
        served.get(QUOTE)
    served.await_hits(ids, {name: 5 for name in ids})
    served.remove(ids.values())


def test_RB_12_a_line_that_moves_away_and_back(served):
    """The number is what was asked for: what stands there now is what fires, if it is anything."""
    file = served.shop.path("app/services/discounts.rb")
    text = file.read_text()
    mark = "    [reduced, amount].min # LINE apply"
    line = line_of(file, mark)
    assert served.get(QUOTE)[0] == 200
    ids = served.probe({"apply": f"app/services/discounts.rb:{line}", "to_h": served.shop.marked()["to_h"]})
    served.get(QUOTE)
    assert newest(served, ids["apply"], lambda s: seen(s)["reduced"] == {"@cents": "3420"})
    edit(file, (mark, f"    twice = [reduced, reduced]\n{mark}"))
    served.get(QUOTE)
    assert newest(served, ids["apply"], lambda s: seen(s).get("twice", 0) is None)
    # A comment is nothing. Old code may be alive still (Rails keeps some), but nobody calls it.
    rewrite(file, text.replace(mark, f"    # A remark.\n{mark}"))
    for _ in range(3):
        served.get(QUOTE)
    served.await_hits(ids, {"apply": 2, "to_h": 5})
    rewrite(file, text)
    served.get(QUOTE)
    served.await_hits(ids, {"apply": 3, "to_h": 6})
    assert newest(served, ids["apply"], lambda s: "twice" not in seen(s))
    served.remove(ids.values())


def test_RB_12_methods_follow_the_edits(served):
    """The same by name: wherever the method is now."""
    file = served.shop.path("app/services/quote.rb")
    served.get(QUOTE)
    ids = served.probe({name: name for name in ("Quote#words", "Quote.for", "Money#*")})
    served.get(QUOTE)
    assert newest(served, ids["Quote#words"], lambda s: s["outcome"] == "returned")
    for n in range(1, 4):
        edit(file, ("class Quote\n", f"class Quote\n  # edit {n}\n"),
             ('    text = "#{prefix} ', '    text = "#{prefix} more than ')
             if n == 1 else (" more than ", " more than or about "))
        words = json.loads(served.get(QUOTE)[1])["words"]
        assert re.match("about more than ", words)
        snapshot = newest(served, ids["Quote#words"], lambda s: plain(
            s["captures"]["return"]["return_value"]) == words)
        assert named(snapshot["captures"]["entry"]["arguments"])["prefix"] == "about"
        assert snapshot["location"]["line"] == line_of(file, "def words(")
        for id in ids.values():
            assert status(served, id)[:2] == ("emitting", "")
    served.remove(ids.values())
