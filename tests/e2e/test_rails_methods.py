# Rows: CORE-03 RB-10 RB-11 RB-12 RB-16
"""Methods of the Rails application and of gems under Puma with two workers: entry, exit and what was
thrown; class methods, private ones, define_method, module functions, operators, method_missing."""
import collections

import pytest

from conftest import Collector, wait_for
from frameworks import named, plain
from rails import ROUND, SECONDS, Served, Shop, interpreters

RUBIES = interpreters()
# Method → what one of its calls shows: arguments, locals at the end, and what it returned.
Shown = collections.namedtuple("Shown", "arguments locals returned", defaults=({}, {}, None))
METHODS = {
    "Item#available?": Shown({"quantity": "3"}, {"left": "-3"}, "false"),
    "Money.sum": Shown({"amounts": [{"@cents": "900"}, {"@cents": "2900"}]}, {}, {"@cents": "3800"}),
    "Money.parse": Shown({"text": "100.50"}, {"whole": "100", "part": "50"}, {"@cents": "10050"}),  # private
    "Money.[]": Shown({"value": "100.50"}, {}, {"@cents": "10050"}),
    "Money#initialize": Shown({"cents": "10050"}, {}, "10050"),
    "Money#+": Shown({"self": {"@cents": "900"}, "other": {"@cents": "2900"}}, {}, {"@cents": "3800"}),
    "Money#*": Shown({"factor": "4/5"}, {"scaled": "3040/1"}, {"@cents": "3040"}),
    "Money#<=>": Shown({"other": {"@cents": "3420"}}, {}, "1"),
    "Discounts#student_price": Shown({"amount": {"@cents": "3800"}}, {"factor": "4/5"}, {"@cents": "3040"}),
    "Discounts#apply": Shown({"self": {"@kind": "member"}}, {"reduced": {"@cents": "3420"}}, {"@cents": "3420"}),
    "Order#student?": Shown({}, {}, "true"),
    "Order#note_total": Shown({}, {}, "3040"),  # private
    "Units.grams": Shown({"name": "Tea", "quantity": "2"}, {"each": "100"}, "200"),
    "Units.in_kilos": Shown({"grams": "200"}, {}, "0.2"),
    "Priced#price_for": Shown({"quantity": "2"}, {"each": {"@cents": "450"}}, {"@cents": "900"}),
    "Priced::ClassMethods#below": Shown({"self": "Item", "text": "100.50"}, {"limit": {"@cents": "10050"}}),
    "Quote::Line#cost": Shown({}, {}, {"@cents": "900"}),
    "Quote#words": Shown({"count": "2", "prefix": "about", "rest": [], "more": "things", "others": {}, "block": None},
                         {"text": "about 2 things"}, "about 2 things"),  # private
    "ApplicationController#count": Shown({}, {}, "7"),
    "MoneyHelper#price_tag": Shown({"money": {"@cents": "2900"}, "bold": "true"}, {"tag": "strong"}),
    "ReceiptJob#perform": Shown({"customer": "ada"}, {"address": "ada@example.org"}),
    "ReceiptMailer#receipt": Shown({"address": "ada@example.org"}),
    "Told#unknown": Shown({}, {"name": "pot"}),
    "OrderLine#item_name": Shown({}, {}, "Tea"),  # by `delegate`: evaluated
    "Clock#call": Shown({}, {"status": "201"}),
    # Of gems.
    "Rack::MediaType.type": Shown({"content_type": "application/json"}, {}, "application/json"),
    "Rack::QueryParser#parse_nested_query": Shown({"qs": "below=100.50&count=7"}),
    "ActiveRecord::Sanitization::ClassMethods#replace_bind_variables": Shown(
        {"statement": "price_cents < ?", "values": ["10050"]}, {}, "price_cents < 10050"),  # private
    "ActiveSupport::Inflector#camelize": Shown({"term": "api/quotes", "uppercase_first_letter": "true"}, {},
                                               "Api::Quotes"),
    "ActiveModel::Type::ImmutableString#serialize": Shown({"value": "Kettle"}, {}, "Kettle"),
    "I18n::Base#with_locale": Shown({"tmp_locale": "en"}),
    "URI::GID#check_path": Shown(),
}
# Method → the class of what left it, a word of its message, and the class of what it returned else.
THROWN = {
    "Order.place": ("Order::SoldOut", "3 of Samovar are not there", "Order"),
    "Catalogue#method_missing": ("NoMethodError", "pot", "Item"),
    "Quote.for": ("NoMethodError", "pot", "Quote"),
}
# Executions in a round.
COUNTS = {"Item#available?": 5, "Money.parse": 1, "Money#initialize": 40, "Discounts#student_price": 3,
          "Order#student?": 1, "Order#note_total": 1, "Units.grams": 2, "Priced#price_for": 10, "Quote#words": 1,
          "Quote.for": 2, "Clock#call": len(ROUND), "Order.place": 2, "Catalogue#method_missing": 6,
          "ApplicationController#count": 3}


@pytest.fixture(scope="module", params=list(RUBIES) or ["ruby-missing"])
def served(request, tmp_path_factory):
    assert RUBIES, "no Ruby here has Rails, sqlite3, Puma and Bootsnap"
    folder = tmp_path_factory.mktemp("rails")
    collector = Collector(folder)
    it = Served(collector, Shop(RUBIES[request.param], folder / "shop"), "rails")
    it.warm()
    yield it
    it.stop()
    collector.stop()


@pytest.fixture(autouse=True)
def nothing_stays(served):
    """A test that fails leaves no probe to the next."""
    yield
    served.remove([p["id"] for p in served.collector.json("probe", "list")])


def parts(snapshot):
    captures = snapshot["captures"]
    left = captures.get("return", {})
    return (named(captures.get("entry", {}).get("arguments")), named(left.get("locals")),
            plain(left["return_value"]) if "return_value" in left else None)


def shows(snapshot, wanted):
    arguments, variables, returned = parts(snapshot)
    return (wanted.arguments.items() <= arguments.items() and wanted.locals.items() <= variables.items()
            and (wanted.returned is None or wanted.returned == returned))


def test_RB_10_RB_16_methods_of_the_application_and_of_gems(served):
    assert len(METHODS) + len(THROWN) >= 20
    with served.traffic():
        ids = served.probe({name: name for name in [*METHODS, *THROWN]})
    served.hit_by_all(ids)
    served.round()  # all that there is to see, once more
    for name, wanted in METHODS.items():
        def found():
            snapshots = served.snapshots(ids[name])
            return snapshots if any(shows(it, wanted) for it in snapshots) else None
        try:
            snapshots = wait_for(name, found, 10)
        except AssertionError:
            pytest.fail(f"{name}: wanted {wanted}, there is {[parts(it) for it in served.snapshots(ids[name], 5)]}")
        for it in snapshots:
            assert it["outcome"] == "returned" and 0 <= it["duration_ns"] < 60e9, (name, it["captures"])
            assert "throwable" not in it["captures"]["return"] and it["stack"]
    with served.traffic():
        served.remove(ids.values())


def test_RB_10_as_often_as_they_are_called(served):
    ids = served.probe({name: name for name in COUNTS})
    for _ in range(5):
        served.round()
    served.await_hits(ids, {name: 5 * count for name, count in COUNTS.items()})


def test_RB_11_what_was_thrown(served):
    """An exception that leaves a method, caught further out by Rails itself."""
    ids = served.probe({name: name for name in THROWN})
    served.hit_by_all(ids)
    served.round()
    for name, (type, text, returned) in THROWN.items():
        snapshots = wait_for(name, lambda: (lambda found: found if len(
            {it["outcome"] for it in found}) == 2 else None)(served.snapshots(ids[name])), SECONDS)
        for it in snapshots:
            left = it["captures"]["return"]
            if it["outcome"] == "raised":
                assert left["throwable"]["type"] == type and "return_value" not in left
                assert text in str(left["throwable"]["message"])
                assert left["throwable"]["stack"][0]["file"].endswith(".rb")
            else:
                assert it["outcome"] == "returned" and "throwable" not in left
                assert left["return_value"]["type"] == returned


def test_RB_10_at_the_entry(served):
    ids = served.probe({name: name for name in ("Quote#words", "Money.parse", "Discounts#member_price")}, at="entry")
    served.hit_by_all(ids)
    served.round()
    for name, wanted in (("Quote#words", {"more": "things"}), ("Money.parse", {"text": "100.50"}),
                         ("Discounts#member_price", {"amount": {"@cents": "3800"}})):
        for it in served.collector.await_snapshots(ids[name], 1, SECONDS):
            assert wanted.items() <= named(it["captures"]["entry"]["arguments"]).items()
            assert "return" not in it["captures"]


def test_CORE_03_RB_10_methods_that_are_none(served):
    """Missing, written in C, inherited, of a class that is not there: and why."""
    wrong = {
        "Item#nothing": ("error", "function_not_found", ""),
        "Item.available?": ("error", "function_not_found", ""),
        "Item#price_for": ("error", "function_not_found", "Priced#price_for"),
        "Array#each": ("error", None, " C"),
        "Money#cents": ("error", None, ""),
        "Nowhere#at_all": ("pending", "module_not_loaded", ""),
        "Order::Nowhere.at_all": ("pending", "module_not_loaded", ""),
    }
    ids = {name: served.post(name) for name in wrong}
    for name, (status, cause, text) in wrong.items():
        def all_say():
            found = served.told(ids[name])
            return found if len(found) == served.processes and {i["status"] for i in found} == {status} else None
        try:
            said = wait_for(name, all_say, 30)
        except AssertionError:
            pytest.fail(f"{name}: {served.told(ids[name])}")
        assert {i["cause"] for i in said} == {cause} or (
            cause is None and {i["cause"] for i in said} <= {"unsupported", "function_not_found"}), said
        assert all(text in i["message"] and i["message"] and i["places"] == 0 for i in said), said


def test_RB_12_a_method_that_is_redefined_later(served):
    """The patch replaces the method, and the probe is in the new one."""
    id = served.probe({"it": "Legacy.rate"})["it"]
    assert '"rate":1900' in served.get("/api/legacy")[1]
    old = served.collector.await_snapshots(id, 1, SECONDS)[0]
    assert old["location"]["file"] == str(served.shop.path("lib/legacy.rb"))
    assert plain(old["captures"]["return"]["return_value"]) == "1900"

    def in_the_new_one():
        assert '"rate":2100' in served.put("/api/legacy")[1]
        found = [it for it in served.snapshots(id) if it["location"]["file"].endswith("patches/legacy.rb")]
        pids = {it["runtime"]["pid"] for it in found}
        return found if len(pids) == served.workers else None
    for it in wait_for("the new method in every worker", in_the_new_one, SECONDS):
        assert parts(it) == ({"self": "Legacy", "amount": "100"}, {"percent": "21"}, "2100")
    assert len(served.installed(id)) == served.workers
