# Rows: CORE-03 RB-02 RB-04 RB-07 RB-08 RB-09 RB-16
"""A Rails application, eager-loaded, with a warm Bootsnap cache, under Puma with two workers of five
threads: lines of its own files and of gems, all loaded and collected long before anybody asks."""
import json
import os
import urllib.request

import pytest

from conftest import Collector, Running, wait_for
from frameworks import named, plain
from hosts import Program, RubyHost, line_of
from rails import SECONDS, Served, Shop, environment, interpreters

RUBIES = interpreters()
# The application's lines: its mark → the frame's function, executions in a round, what is seen there.
# Where a round executes it once, every snapshot shows that; else one of them.
OWN = {
    "create": ("Api::OrdersController#create", 1, {}),
    "line": ("block in Api::OrdersController#wanted", 3, {}),
    "quotes": ("Api::QuotesController#index", 1, {"names": ["tea", "tea", "kettle"]}),
    "count": ("ApplicationController#count", 3, {}),
    "rescued": ("block (2 levels) in <module:Told>", 1, {}),
    "unknown": ("Told#unknown", 1, {"name": "pot"}),
    "index": ("ItemsController#index", 1, {"below": "100.50"}),
    "show item": ("ItemsController#show", 1, {}),
    "show order": ("OrdersController#show", 1, {}),
    "price_tag": ("MoneyHelper#price_tag", 4, {"money": {"@cents": "2900"}, "bold": "true", "tag": "strong"}),
    "perform": ("ReceiptJob#perform", 1, {"customer": "ada", "address": "ada@example.org"}),
    "mail": ("ReceiptMailer#receipt", 1, {"address": "ada@example.org"}),
    "scope": ("block (2 levels) in <module:Priced>", 1, {}),
    "below": ("Priced::ClassMethods#below", 1, {"self": "Item", "text": "100.50", "limit": {"@cents": "10050"}}),
    "price": ("Priced#price", 13, {}),
    "price_for": ("Priced#price_for", 10, {"quantity": "2", "each": {"@cents": "450"}}),
    "available": ("Item#available?", 5, {"quantity": "3", "left": "-3"}),
    "weight": ("Item#weight_in_kilos", 2, {"quantity": "2"}),
    "kind": ("Order#student?", 1, {"name": "student"}),
    "wanted": ("block in Order.place", 3, {"name": "samovar", "quantity": "3", "customer": "ada"}),
    "placed": ("Order.place", 1, {"wanted": {"tea": "2", "kettle": "1"}, "kind": "student"}),
    "total": ("Order#total", 3, {}),
    "sold out": ("Order::SoldOut#initialize", 1, {"quantity": "3"}),
    "note_total": ("Order#note_total", 1, {}),
    "cost": ("block in OrderLine#cost", 8, {"each": {"@cents": "2900"}}),
    "discounted": ("Discounts#student_price", 4, {
        "amount": {"@cents": "3800"}, "factor": "4/5", "kind": "student", "percent": "20"}),
    "apply": ("Discounts#apply", 4, {
        "self": {"@kind": "member"}, "amount": {"@cents": "3800"}, "reduced": {"@cents": "3420"}}),
    "quoted": ("Quote::Line#cost", 2, {}),
    # The line of the method, and the block that begins on it.
    "quote": ("Quote.for", 2, {"names": ["tea", "tea", "kettle"], "kind": "member"}),
    "to_h": ("Quote#to_h", 1, {"total": {"@cents": "3420"}}),
    "weighed": ("block in Quote#weight", 2, {}),
    "words": ("Quote#words", 1, {"count": "2", "prefix": "about", "rest": [], "more": "things", "others": {},
                                 "block": None, "text": "about 2 things"}),
    "missing": ("Catalogue#method_missing", 5, {"self": {}, "name": "samovar", "arguments": []}),
    "clock": ("Clock#call", 7, {"status": "409"}),
    "sum": ("block in Money.sum", 8, {
        "sum": {"@cents": "900"}, "amount": {"@cents": "2900"},
        "amounts": [{"@cents": "900"}, {"@cents": "2900"}]}),
    "parse": ("Money.parse", 1, {"text": "100.50", "whole": "100", "part": "50"}),
    "initialize": ("Money#initialize", 40, {"cents": "10050"}),
    "plus": ("Money#+", 8, {"self": {"@cents": "900"}, "other": {"@cents": "2900"}}),
    "times": ("Money#*", 14, {"self": {"@cents": "3800"}, "factor": "4/5", "scaled": "3040/1"}),
    "compare": ("Money#<=>", 4, {"self": {"@cents": "3800"}, "other": {"@cents": "3420"}}),
    "to_s": ("Money#to_s", 8, {"self": {"@cents": "3420"}}),
    "grams": ("Units.grams", 2, {"name": "Tea", "quantity": "2", "each": "100"}),
    "kilos": ("Units.in_kilos", 2, {"grams": "200"}),
}
# Lines of gems: the file, the line's text, the function, and what one of its executions shows.
GEMS = [
    ("rack/query_parser.rb", "normalize_params(params, k, v, param_depth_limit)",
     "block in Rack::QueryParser#parse_nested_query", {"qs": "below=100.50&count=7", "k": "count", "v": "7"}),
    ("rack/media_type.rb", "if type = content_type.split(", "Rack::MediaType.type",
     {"content_type": "application/json"}),
    ("rack/etag.rb", "[status, headers, body]", "Rack::ETag#call", {"status": "201"}),
    ("action_dispatch/journey/router.rb", "parameters.each_pair { |key, val|",
     "block in ActionDispatch::Journey::Router#serve", {"parameters": {"id": "1"}}),
    ("action_dispatch/http/request.rb", "ActiveSupport::Dependencies.constantize(const_name)",
     "ActionDispatch::Request#controller_class_for",
     {"name": "api/quotes", "const_name": "Api::QuotesController"}),
    ("action_controller/metal/strong_parameters.rb", "if has_key?(permitted_key) && permitted_scalar?(",
     "ActionController::Parameters#permitted_scalar_filter", {"permitted_key": "customer"}),
    ("abstract_controller/base.rb", "send_action(method_name, *args)",
     "AbstractController::Base#process_action", {"method_name": "create", "args": []}),
    ("action_view/lookup_context.rb", 'parts    = name.to_s.split("/")',
     "ActionView::LookupContext::ViewPaths#normalize_name", {"name": "index", "prefixes": ["items", "application"]}),
    ("action_view/helpers/tag_helper.rb", '"<#{name}#{tag_options}>#{PRE_CONTENT_STRINGS[name]}#{content}',
     "ActionView::Helpers::TagHelper::TagBuilder#content_tag_string", {"escape": "true"}),
    ("active_support/json/decoding.rb", "data = ::JSON.parse(json", "ActiveSupport::JSON.decode", {}),
    ("active_support/inflector/methods.rb", "if uppercase_first_letter", "ActiveSupport::Inflector#camelize",
     {"term": "api/quotes", "uppercase_first_letter": "true"}),
    ("active_support/hash_with_indifferent_access.rb", "regular_writer(convert_key(key), convert_value(value))",
     "block in ActiveSupport::HashWithIndifferentAccess#update_with_single_argument",
     {"key": "below", "value": "100.50"}),
    ("active_model/type/immutable_string.rb", "else super", "ActiveModel::Type::ImmutableString#serialize",
     {"value": "Kettle"}),
    ("active_model/attribute.rb", "type.assert_valid_value(value)",
     "ActiveModel::Attribute#with_value_from_user", {"value": "student"}),
    ("active_record/core.rb", "if !columns_hash.key?(key) || StatementCache.unsupported_value?(value)",
     "block in ActiveRecord::Core::ClassMethods#find_by", {"key": "name", "value": "Samovar"}),
    ("active_record/sanitization.rb", "bound = values.dup",
     "ActiveRecord::Sanitization::ClassMethods#replace_bind_variables",
     {"statement": "price_cents < ?", "values": ["10050"]}),
    ("active_record/attribute_methods/write.rb", "@attributes.write_from_user(attr_name, value)",
     "ActiveRecord::AttributeMethods::Write#_write_attribute", {"attr_name": "customer", "value": "ada"}),
    ("active_record/connection_adapters/sqlite3/database_statements.rb", "cols = stmt.columns",
     "block (2 levels) in ActiveRecord::ConnectionAdapters::SQLite3::DatabaseStatements#exec_query",
     {"name": "Item Load"}),
    ("arel/table.rb", "name = @klass.attribute_aliases[name] || name if @klass", "Arel::Table#[]",
     {"name": "price_cents"}),
    ("global_id/uri/gid.rb", "validate_component(path)", "URI::GID#check_path", {}),
    ("i18n.rb", "self.locale = tmp_locale", "I18n::Base#with_locale", {"tmp_locale": "en"}),
    ("rails/rack/logger.rb", "body = ::Rack::BodyProxy.new(body) { finish(request) }",
     "Rails::Rack::Logger#call_app", {"status": "404"}),
    ("mail/fields/to_field.rb", "super(", "Mail::ToField#initialize", {"value": "ada@example.org"}),
    ("sqlite3/database.rb", "stmt = SQLite3::Statement.new( self, sql )", "SQLite3::Database#prepare", {}),
]


@pytest.fixture(scope="module", params=list(RUBIES) or ["ruby-missing"])
def shop(request, tmp_path_factory):
    assert RUBIES, "no Ruby here has Rails, sqlite3, Puma and Bootsnap"
    it = Shop(RUBIES[request.param], tmp_path_factory.mktemp("rails") / "shop")
    # Not what runs: Bootsnap's cache knows a file by its size and date.
    units = it.folder / "lib/units.rb"
    since = units.stat()
    text = units.read_text()
    assert text.count("=> 1200") == 1
    units.write_text(text.replace("=> 1200", "=> 1300"))
    os.utime(units, ns=(since.st_atime_ns, since.st_mtime_ns))
    it.cache = it.cached()
    return it


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    it = Collector(tmp_path_factory.mktemp("collector"))
    yield it
    it.stop()


@pytest.fixture(scope="module")
def served(collector, shop):
    it = Served(collector, shop, "rails")
    yield it
    it.stop()


@pytest.fixture(autouse=True)
def nothing_stays(served):
    """A test that fails leaves no probe to the next."""
    yield
    served.remove([p["id"] for p in served.collector.json("probe", "list")])


def seen(snapshot):
    (at,) = snapshot["captures"]["lines"].values()
    return named({**at["arguments"], **at["locals"]})


def matches(snapshot, function, wanted):
    return snapshot["stack"][0]["function"] == function and wanted.items() <= seen(snapshot).items()


def test_RB_08_the_code_that_runs_is_from_bootsnaps_cache(served):
    """The file was changed behind its back; and of what was in the cache nothing was written anew."""
    before, now = served.shop.cache, served.shop.cached()
    assert len(before) > 1000 and len(now) - len(before) < 50  # of the server's own files
    assert {name: now.get(name) for name in before} == before
    assert "=> 1300" in (served.shop.folder / "lib/units.rb").read_text()
    probe = served.probe({"it": served.shop.at("lib/units.rb", "# LINE grams")})["it"]
    for _ in range(3):
        assert '"kilos":1.2' in served.get("/api/quotes?items=kettle")[1]
    for snapshot in served.collector.await_snapshots(probe, 3, SECONDS):
        assert seen(snapshot) == {"self": "Units", "name": "Kettle", "quantity": "1", "each": "1200"}
    # Puma tells of threads that do not survive its forks: ours is none of them.
    assert "booted in" in served.process.output() and "sonde" not in served.process.output()


def test_RB_16_RB_04_RB_08_RB_09_lines_of_the_application_and_of_gems(served):
    """All fire in both workers, show what was there, and as often as they were executed."""
    marks = {name: place for name, place in served.shop.marked().items() if name in OWN}
    assert len(marks) == len(OWN) and len(OWN) + len(GEMS) >= 60
    served.warm()  # Rack loads some of its own when they are first used
    places = {**marks, **{file: served.shop.at(file, text) for file, text, _, _ in GEMS}}
    with served.traffic():
        ids = served.probe(places)
    served.hit_by_all(ids)
    served.round()  # all that there is to see, once more
    wanted = {**{name: (function, values, count == 1) for name, (function, count, values) in OWN.items()},
              **{file: (function, values, False) for file, _, function, values in GEMS}}
    for name, (function, values, is_only) in wanted.items():
        def found():
            snapshots = served.snapshots(ids[name])
            return snapshots if any(matches(it, function, values) for it in snapshots) else None
        try:
            snapshots = wait_for(name, found, 10)
        except AssertionError:
            there = [(it["stack"][0]["function"], {k: v for k, v in seen(it).items() if k in values})
                     for it in served.snapshots(ids[name], 20)]
            pytest.fail(f"{name}: wanted {function} {values}, there is {there}")
        others = [it for it in snapshots if not matches(it, function, values)
                  and '"timeout"' not in json.dumps(it["captures"])]
        assert not is_only or others == [], (name, function, values, [seen(it) for it in others])

    with served.traffic():
        served.remove(ids.values())
    ids = served.probe(marks)
    for _ in range(5):
        served.round()
    served.await_hits(ids, {name: 5 * count for name, (_, count, _) in OWN.items()})


def told(served, id, cause):
    """What the processes say of it when each says that."""
    def all_say():
        found = served.told(id)
        return found if len(found) == served.processes and {i["cause"] for i in found} == {cause} else None
    try:
        return wait_for(f"{cause} everywhere", all_say, SECONDS)
    except AssertionError:
        pytest.fail(f"{id}: wanted {cause}, there is {served.told(id)}")


def test_CORE_03_RB_16_wrong_locations(served, shop):
    """Blank, comment, an `end` in the middle, what ran once, evaluated code, files that are not there."""
    money, order = shop.path("lib/money.rb"), shop.path("app/models/order.rb")
    after = line_of(money, "# LINE sum")
    wrong = {
        "blank": (f"lib/money.rb:{line_of(money, 'include Comparable') + 1}", "error", "line_not_executable"),
        "comment": (f"{money}:{line_of(money, '# An amount')}", "error", "line_not_executable"),
        "end in the middle": (shop.at("app/models/item.rb", "# END"), "error", "line_not_executable"),
        "end of a class": (f"lib/money.rb:{len(money.read_text().splitlines())}", "error",
                           "line_not_executable"),
        "past the end": (f"lib/money.rb:{after + 1000}", "error", "line_not_executable"),
        "ran once": (f"{order}:{line_of(order, 'has_many')}", "error", "line_not_executable"),
        # The method that `delegate` makes says that it stands here.
        "evaluated": (shop.at("app/models/order_line.rb", "delegate :name"), "error", "line_not_executable"),
        "view": (f"{shop.folder}/app/views/orders/show.html.erb:3", "pending", "file_not_loaded"),
        "only compiled": (f"{shop.folder}/db/seeds.rb:1", "pending", "file_not_loaded"),
        "not there": (f"{shop.folder}/app/models/nothing.rb:3", "error", "file_not_found"),
        "never heard of": ("models/nothing.rb:3", "pending", "file_not_loaded"),
        "several": ("base.rb:10", "error", "ambiguous"),
    }
    ids = {name: served.post(place) for name, (place, _, _) in wrong.items()}
    served.round()
    for name, (place, status, cause) in wrong.items():
        said = told(served, ids[name], cause)
        assert {i["status"] for i in said} == {status}, name
        assert all(i["message"] and i["places"] == 0 for i in said), (name, said)
        if cause == "line_not_executable":
            assert all(i["nearest_lines"] for i in said), (name, said)
        if cause == "ambiguous":
            assert all(i["message"].count("base.rb") > 2 for i in said), said
    # The nearest lines are lines that can be.
    near = told(served, ids["blank"], "line_not_executable")[0]["nearest_lines"]
    served.probe({line: f"lib/money.rb:{line}" for line in near})


def test_RB_12_CORE_03_redefined_later(served, shop):
    """A patch replaces the method: nothing can execute the line any more, and that is said. The
    patch's own line is a place like any other."""
    legacy, patch = shop.path("lib/legacy.rb"), shop.folder / "config/patches/legacy.rb"
    own = served.probe({"own": shop.at("lib/legacy.rb", "# LINE legacy")})["own"]
    later = served.post(f"config/patches/legacy.rb:{line_of(patch, '# PATCHED')}")
    assert {i["cause"] for i in told(served, later, "file_not_loaded")} == {"file_not_loaded"}
    assert '"rate":1900' in served.get("/api/legacy")[1]
    patched = set()

    def in_every_worker():
        status, body = served.put("/api/legacy")
        assert status == 200 and '"rate":2100' in body
        patched.add(body)
        return len(patched) == served.workers
    wait_for("every worker", in_every_worker, SECONDS)
    wait_for("the patch", lambda: len([i for i in served.installed(later) if i["hits"]]) == served.workers,
             SECONDS)
    snapshot = served.collector.await_snapshots(later, 1, SECONDS)[0]
    assert seen(snapshot) == {"self": "Legacy", "amount": "100", "percent": "21"}
    assert snapshot["location"]["file"] == str(patch)

    def gone():
        served.put("/api/legacy")  # collects
        said = [i for i in served.told(own) if i["status"] not in ("installed", "emitting")]
        return said if len(said) == served.workers else None
    said = wait_for("no place in the workers", gone, SECONDS)
    assert {i["cause"] for i in said} == {"line_not_executable"}, said
    assert all(str(legacy) in i["message"] or "legacy.rb" in i["message"] for i in said)


def test_RB_04_how_many_files_can_take_a_probe(collector, shop, tmp_path):
    """After three collections, of all files that the application has loaded: those in which some line
    can take a probe, and those whose whole-file sequence is left, which is all that tracking of
    files alone would know. Asked from outside, by a line behind the end of each."""
    program = Program(tmp_path / "files.rb", """
        WHOLE = ObjectSpace::WeakMap.new
        TracePoint.new(:script_compiled) { |t| WHOLE[t.instruction_sequence] = true unless t.eval_script }.enable
        Dir.chdir(ARGV[0])
        require "./config/environment"
        3.times { GC.start }
        whole = WHOLE.keys.map(&:absolute_path) & $LOADED_FEATURES
        File.write("#{ARGV[1]}.new", JSON.generate(files: $LOADED_FEATURES.grep(/\\.rb$/), whole: whole))
        File.rename("#{ARGV[1]}.new", ARGV[1])
        sleep 0.02 until File.exist?(ARGV[2])
        """)
    told, done = tmp_path / "told", tmp_path / "done"
    with Running(collector, RubyHost(shop.ruby, shop.ruby), program, tmp_path, shop.folder, told, done,
                 env=environment(RAILS_ENV="production")) as it:
        wait_for("the application", lambda: told.exists() or it.process.popen.poll() is not None, SECONDS)
        loaded = json.loads(told.read_text())
        files = [path for path in loaded["files"] if os.path.exists(path)]
        ids = {path: collector.post("/api/v1/probes", {"location": f"{path}:1000000", "service": "script"})["id"]
               for path in files}

        def answers():
            found = {}
            for path, id in ids.items():
                with urllib.request.urlopen(f"{collector.url}/api/v1/probes/{id}", timeout=SECONDS) as response:
                    found[path] = [i for i in json.load(response)["instances"] if i["status"] == "error"]
            return found if all(found.values()) else None
        found = wait_for("an answer to each", answers, SECONDS)
        done.touch()
    able = [path for path, said in found.items() if said[0]["nearest_lines"]]
    count = len(files)
    print(f"\n{count} files loaded: a line probe can be in {len(able)} ({len(able) / count:.0%}); "
          f"whole-file sequences are left of {len(loaded['whole'])} ({len(loaded['whole']) / count:.0%})")
    assert count > 1000 and len(able) > 0.8 * count and len(able) > 4 * len(loaded["whole"])
