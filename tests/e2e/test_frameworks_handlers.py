# Rows: PY-02 PY-03 PY-05 PY-15
"""Handlers of web frameworks, in their own servers: the probes come when the application has
registered its routes and served requests, so that every reference to a handler is long held."""
import time

import pytest

import frameworks
from conftest import Collector, wait_for
from frameworks import SERVERS, Served, named, plain
from hosts import pythons

VERSIONS = pythons()
HANDLERS = ("plain", "later", "wrapped", "missing")
MORE = {"django": ("thing",), "fastapi": ("depends", "usual"), "starlette": ("greet", "shouted"),
        "aiohttp": ("shouted",)}
FUNCTIONS = {"thing": "Thing.get", "greet": "greeter.<locals>.greet"}
# A handler that gets the request finds the item in it: then it is a local.
GETS_REQUEST = ("starlette", "aiohttp")
THROWN = {"flask": "NotFound", "django": "Http404", "fastapi": "HTTPException",
          "starlette": "HTTPException", "aiohttp": "HTTPNotFound"}
# What it says of itself.
MESSAGES = {"flask": {"missing": {"description": "no KETTLE", "response": None}},
            "django": {"missing": "no KETTLE"},
            "fastapi": {"missing": ["404", "no KETTLE"],
                        "usual": {"status_code": "404", "detail": "no KETTLE", "headers": None}},
            "starlette": {"missing": ["404", "no KETTLE"]},
            "aiohttp": {"missing": "no KETTLE"}}
# What each handler leaves in its locals for the item "kettle".
LOCALS = {"plain": {"doubled": "1200"}, "later": {"total": "1800"}, "wrapped": {"cost": "582"},
          "thing": {"name": "Kettle"}, "depends": {"words": ["session", "of", "kettle"]},
          "greet": {"greeting": "hello", "text": "hello kettle"}, "shouted": {"text": "kettle!"},
          "missing": {"wanted": "KETTLE"}, "usual": {"wanted": "KETTLE"}}


@pytest.fixture(scope="module")
def shared_collector(tmp_path_factory):
    it = Collector(tmp_path_factory.mktemp("collector"))
    yield it
    it.stop()


@pytest.fixture(scope="module", params=[f"{kind}-{version}" for version in VERSIONS for kind in SERVERS])
def served(request, shared_collector, tmp_path_factory):
    kind, version = request.param.split("-")
    bin = frameworks.environment(version, VERSIONS[version])
    it = Served(shared_collector, kind, version, bin, tmp_path_factory.mktemp(request.param))
    it.names = HANDLERS + MORE.get(kind, ())
    it.before = {path: it.get(path) for path in paths(it)}
    yield it
    it.stop()


@pytest.fixture(autouse=True)
def nothing_stays(served):
    """A test that fails leaves no probe to the next."""
    yield
    if served.probes:
        served.remove(served.probes)


def paths(served):
    return [f"/{name}/kettle" for name in served.names] + ["/stream"]


def function(served, name):
    return f"{served.module}:{FUNCTIONS.get(name, name)}"


def given(served, name):
    """The arguments and locals that the handler works with, whichever they are."""
    has_item = name != "missing" or served.kind not in GETS_REQUEST
    return {"item": "kettle", **LOCALS[name]} if has_item else LOCALS[name]


def test_the_applications_answer(served):
    for path, (status, _, body) in served.before.items():
        wanted = 404 if path.startswith(("/missing", "/usual")) else 200
        assert status == wanted, (path, status, body)
    assert served.before["/stream"][2] == b"part 0\npart 1\npart 2\n"


def test_PY_02_PY_15_lines_of_handlers(served):
    """Whatever holds the handler, the line in it fires, and the answer is the same to the byte."""
    ids = dict(zip(served.names, served.probe(*[served.at(name) for name in served.names])))
    for name in served.names:
        path = f"/{name}/kettle"
        assert served.get(path) == served.before[path]
    for name, id in ids.items():
        line = served.captures(id)["lines"][served.at(name).rpartition(":")[2]]
        seen = {**named(line.get("arguments")), **named(line.get("locals"))}
        wanted = given(served, name)
        assert {key: seen.get(key) for key in wanted} == wanted, name
    served.remove(ids.values())


def test_PY_02_PY_03_PY_15_functions_of_handlers(served):
    """Arguments from the entry, then the value or the exception, and how long it took."""
    ids = dict(zip(served.names, served.probe(*[function(served, name) for name in served.names])))
    for name in served.names:
        path = f"/{name}/kettle"
        assert served.get(path) == served.before[path]
    for name, id in ids.items():
        snapshot = served.collector.await_snapshots(id)[0]
        captures, duration = snapshot["captures"], snapshot["duration_ns"]
        arguments = named(captures["entry"]["arguments"])
        left = captures["return"]
        if served.kind in GETS_REQUEST:
            assert captures["entry"]["arguments"]["request"]["type"] == "Request"
        else:
            assert arguments["item"] == "kettle"
        wanted = {k: v for k, v in LOCALS[name].items() if k not in arguments}
        seen = named(left.get("locals"))
        assert {key: seen.get(key) for key in wanted} == wanted, name
        assert (50e6 if name == "later" else 0) < duration < 5e9, (name, duration)
        if name == "later":  # it mostly waits, and that is told apart
            assert 45e6 < snapshot["suspended_ns"] <= duration
        if name in ("missing", "usual"):
            throwable = left["throwable"]
            assert throwable["type"] == THROWN[served.kind] and "return_value" not in left
            qualified = function(served, name).partition(":")[2]
            stack = [frame["function"] for frame in throwable["stack"]]
            assert qualified in stack, stack
        else:
            assert "throwable" not in left
            assert left["return_value"]["type"] not in ("NoneType", "coroutine"), name
    served.remove(ids.values())


def test_PY_03_PY_15_the_message_of_what_was_thrown(served):
    """What stands in the exception's args; where nothing does, as werkzeug's and as FastAPI's that is
    made with keywords, the fields of its own."""
    for name, wanted in MESSAGES[served.kind].items():
        id, = served.probe(function(served, name))
        served.get(f"/{name}/kettle")
        throwable = served.captures(id)["return"]["throwable"]
        frame = throwable["stack"][0]
        if served.kind == "flask":  # abort raises it further in
            assert "werkzeug" in frame["file"]
        else:
            assert frame["file"] == str(served.file)
            assert frame["line"] == int(served.at(name).rpartition(":")[2])
        assert plain(throwable["message"]) == wanted, name
        if isinstance(wanted, dict):
            assert throwable["message"]["type"] == THROWN[served.kind]
            assert "no KETTLE" in served.collector.sonde("snapshots", "--probe", id).stdout
        served.remove([id])


def test_PY_02_every_way_a_function_is_held(served):
    """`from m import f`, a table, a partial: shared by all handlers, and probed where it is written."""
    names = ("quote", "shipped", "discounted")
    lines = served.probe(*[served.at(name, "wares.py") for name in names])
    functions = served.probe(*[f"wares:{name}" for name in names])
    for path in ("/plain/kettle", "/wrapped/kettle"):
        assert served.get(path) == served.before[path]
    wanted = {"quote": ({"item": "kettle", "quantity": "2"}, {"unit": "600", "total": "1200"}, "1200"),
              "shipped": ({"item": "kettle"}, {"weight": "6"}, "42"),
              "discounted": ({"percent": "10", "item": "kettle"}, {"price": "600", "reduced": "540"}, "540")}
    for name, line, whole in zip(names, lines, functions):
        arguments, locals_, returned = wanted[name]
        at_line, = served.captures(line)["lines"].values()
        assert (named(at_line["arguments"]), named(at_line["locals"])) == (arguments, locals_)
        captures = served.captures(whole)
        assert named(captures["entry"]["arguments"]) == arguments
        assert named(captures["return"]["locals"]) == locals_
        assert plain(captures["return"]["return_value"]) == returned
    served.remove([*lines, *functions])


def test_PY_05_PY_15_a_streaming_body(served):
    """Each chunk is one hit of the line; the generator's body begins and ends once."""
    line, whole = served.probe(served.at("chunks"), f"{served.module}:chunks")
    assert served.get("/stream") == served.before["/stream"]
    found = served.collector.await_snapshots(line, 3)
    lines = [next(iter(s["captures"]["lines"].values())) for s in found]
    assert sorted(plain(at["locals"]["text"]) for at in lines) == ["part 0\n", "part 1\n", "part 2\n"]
    ended, = served.collector.await_snapshots(whole)
    assert plain(ended["captures"]["entry"]["arguments"]["count"]) == "3"
    assert "throwable" not in ended["captures"]["return"] and ended["outcome"] == "returned"
    served.remove([line, whole])


def test_PY_05_PY_15_events_that_the_client_leaves(served):
    """Hanging up closes or cancels the generator, and that is no failure."""
    line, whole = served.probe(served.at("ticks"), f"{served.module}:ticks")
    assert served.leave_early("/events")[:2] == [b"data: 5\n", b"data: 10\n"]
    at_line, = served.captures(line)["lines"].values()
    assert int(plain(at_line["locals"]["number"])) % 5 == 0
    ended, = served.collector.await_snapshots(whole)
    captures = ended["captures"]
    assert plain(captures["entry"]["arguments"]["step"]) == "5"
    assert "throwable" not in captures.get("return", {})
    assert ended["outcome"] in ("closed", "cancelled")
    assert 20e6 < ended["duration_ns"] < 10e9
    served.remove([line, whole])
    assert served.get("/plain/kettle") == served.before["/plain/kettle"]


def test_PY_15_every_worker_has_it_and_removal_ends_it(served):
    line, whole = served.probe(served.at("plain"), function(served, "plain"))

    def asked():
        served.get("/plain/kettle")
        return all(sum(hits > 0 for hits in served.hits(id).values()) == served.workers
                   for id in (line, whole))
    wait_for("a hit in every worker", asked, 30)
    pids = {s["runtime"]["pid"] for s in served.collector.snapshots(line, 1000)}
    assert len(pids) == served.workers
    served.remove([line, whole])
    time.sleep(0.5)  # what was on its way
    counts = [len(served.collector.snapshots(id, 1000)) for id in (line, whole)]
    for _ in range(10):
        assert served.get("/plain/kettle") == served.before["/plain/kettle"]
    time.sleep(0.5)
    assert counts == [len(served.collector.snapshots(id, 1000)) for id in (line, whole)]
    assert all(p["disarmed"] == [] for p in served.collector.json("ps") if p["service"] == served.service)


@pytest.mark.parametrize("served", [f"fastapi-{version}" for version in VERSIONS], indirect=True)
def test_PY_05_PY_15_a_dependency_that_yields(served):
    line, whole = served.probe(served.at("session"), "fastapi_app:session")
    assert served.get("/depends/kettle") == served.before["/depends/kettle"]
    at_line, = served.captures(line)["lines"].values()
    assert plain(at_line["locals"]["opened"]) == "session of kettle"
    ended, = served.collector.await_snapshots(whole)
    assert "throwable" not in ended["captures"]["return"]
    assert plain(ended["captures"]["return"]["locals"]["opened"]) == "closed"
    served.remove([line, whole])
