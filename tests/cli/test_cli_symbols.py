# SPDX-License-Identifier: Apache-2.0
"""`sonde symbols`. SY-08: an upload can be asked for, switched on from here, and waited for."""
import json
import urllib.parse

from cli_samples import process
from cli_support import error

SEARCH = "/api/v1/symbols/search"
FILES = "/api/v1/symbols/files"
HASH = "3f" * 20
SETTING = "/api/v1/symbols/services/check%20out"


def symbol(**more):
    base = {"kind": "function", "scope_type": "METHOD", "name": "show", "qualified": "OrdersController#show",
            "file": "/srv/shop/app/orders_controller.rb", "line": 12, "end_line": 19, "origin": "user",
            "language": "ruby", "services": ["shop", "admin"], "unit": HASH, "location": "OrdersController#show"}
    return {**base, **more}


def several():
    return [
        symbol(),
        symbol(kind="class", scope_type="CLASS", name="OrdersController", qualified="OrdersController", line=3,
               services=["shop"]),
        symbol(kind="file", scope_type="FILE", name="orders.rb", qualified="/gems/a/orders.rb", line=0,
               file="/gems/a/orders.rb", origin="library", services=["shop"]),
        symbol(kind="name", symbol_type="STATIC_FIELD", name="ORDER_MAX", qualified="", services=["shop"]),
    ]


def asked_params(fake, path):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(fake.asked("GET", path)[0][1]).query))


def test_search_table(fake, sonde, golden):
    fake.routes[("GET", SEARCH)] = (200, {"symbols": several(), "total_is_more": True})
    done = sonde("symbols", "search", "or&d", "--service", "shop", "--kind", "class,file", "--origin", "user",
                 "--limit", "7")
    assert done.returncode == 0 and "--limit" in done.stderr
    golden("symbols_search.txt", done.stdout)
    assert asked_params(fake, SEARCH) == {"q": "or&d", "service": "shop", "kind": "class,file", "origin": "user",
                                          "limit": "7"}


def test_search_json_is_the_collectors_object_one_a_line(fake, sonde):
    fake.routes[("GET", SEARCH)] = (200, {"symbols": several(), "total_is_more": True})
    done = sonde("symbols", "search", "ord", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == several()


def test_nothing_found_is_said_and_done(fake, sonde):
    fake.routes[("GET", SEARCH)] = (200, {"symbols": [], "total_is_more": False})
    done = sonde("symbols", "search", "zz")
    assert (done.returncode, done.stdout) == (0, "") and "'zz'" in done.stderr
    done = sonde("symbols", "search", "zz", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_refusal_is_told(fake, sonde):
    fake.routes[("GET", SEARCH)] = (400, error("invalid_argument", "kind has to be class", "kind"))
    done = sonde("symbols", "search", "zz", "--kind", "x")
    assert done.returncode == 1 and "kind has to be class" in done.stderr


UNIT = {
    "hash": HASH, "file": "/srv/shop/app/orders.rb", "origin": "user", "part": 0, "parts": 1,
    "scope": {"scope_type": "FILE", "name": "/srv/shop/app/orders.rb", "injectible_lines": [{"start": 1, "end": 1}],
              "symbols": [{"symbol_type": "STATIC_FIELD", "name": "LIMIT", "line": 1}],
              "scopes": [{"scope_type": "CLASS", "name": "Order", "start_line": 3, "end_line": 40, "scopes": [
                  {"scope_type": "METHOD", "name": "total", "start_line": 4, "end_line": 9,
                   "injectible_lines": [{"start": 5, "end": 6}, {"start": 8, "end": 8}],
                   "symbols": [{"symbol_type": "ARG", "name": "rate", "type": "Float"},
                               {"symbol_type": "ARG", "name": "evil\x1b[2J"},
                               {"symbol_type": "LOCAL", "name": "sum", "line": 5}]}]}]},
}


def test_show_by_file_and_by_hash(fake, sonde, golden):
    fake.routes[("GET", FILES)] = (200, {"files": [
        {"file": "/gems/x/border.rb", "units": ["00" * 20]},
        {"file": "/srv/shop/app/orders.rb", "units": [HASH]}]})
    fake.routes[("GET", f"/api/v1/symbols/units/{HASH}")] = (200, UNIT)
    done = sonde("symbols", "show", "app/orders.rb", "--service", "shop")
    assert (done.returncode, done.stderr) == (0, "")
    golden("symbols_show.txt", done.stdout)
    assert asked_params(fake, FILES)["service"] == "shop"
    assert sonde("symbols", "show", HASH).stdout == done.stdout
    assert json.loads(sonde("symbols", "show", HASH, "--json").stdout) == UNIT


def test_show_does_not_guess(fake, sonde):
    fake.routes[("GET", FILES)] = (200, {"files": [{"file": "/a/orders.rb", "units": []},
                                                   {"file": "/b/orders.rb", "units": []}]})
    done = sonde("symbols", "show", "orders.rb")
    assert (done.returncode, done.stdout) == (1, "") and "/a/orders.rb" in done.stderr
    done = sonde("symbols", "show", "rders.rb")
    assert (done.returncode, done.stdout) == (1, "") and "'rders.rb'" in done.stderr


def setting(fake, answer_round=4):
    fake.routes[("PUT", SETTING)] = (200, {"service": "check out", "upload": "on", "round": answer_round})


def body_of(request):
    return json.loads(request[3])


def test_upload_switches_and_asks_anew(fake, sonde):
    setting(fake)
    for option, wanted in (("--on", {"upload": "on", "now": True}), ("--off", {"upload": "off", "now": False}),
                           ("--default", {"upload": "default", "now": True}), (None, {"now": True})):
        done = sonde("symbols", "upload", "--service", "check out", *([option] if option else []))
        assert (done.returncode, done.stdout) == (0, "")
        assert body_of(fake.asked("PUT", SETTING)[-1]) == wanted


def test_upload_without_a_service_asks_all_that_are_connected(fake, sonde):
    setting(fake)
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": [
        process(service="check out"), process(service="check out"), process(service="gone", connected=False)]})
    assert sonde("symbols", "upload").returncode == 0
    assert len(fake.asked("PUT", SETTING)) == 1
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": []})
    assert sonde("symbols", "upload").returncode == 1


def test_sy_08_upload_waits_until_every_connected_process_is_done(fake, sonde):
    setting(fake)
    looks = []

    def processes(handler):
        looks.append(1)
        late = {"state": "done", "rounds": [3, 4]} if len(looks) > 2 else {"state": "done", "rounds": [3]}
        handler.reply(200, {"processes": [
            process(service="check out", symbols={"state": "done", "rounds": [4]}),
            process(service="check out", symbols=late),
            process(service="check out", connected=False, symbols={"state": "sending", "rounds": [1]}),
            process(service="other", symbols={"state": "listing"})]})

    fake.routes[("GET", "/api/v1/processes")] = processes
    done = sonde("symbols", "upload", "--service", "check out", "--wait", "15")
    assert done.returncode == 0 and "2 done, 0 under way, 0 off" in done.stderr
    assert len(looks) == 3


def test_upload_that_does_not_end_is_refused_with_the_state(fake, sonde):
    setting(fake)
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": [
        process(service="check out", symbols={"state": "listing"}), process(service="check out"),
        process(service="check out", symbols={"state": "off"})]})
    done = sonde("symbols", "upload", "--service", "check out", "--wait", "0.3")
    assert done.returncode == 1 and "0 done, 2 under way, 1 off" in done.stderr
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": []})
    done = sonde("symbols", "upload", "--service", "check out", "--wait", "0.1")
    assert done.returncode == 1 and "connected" in done.stderr
