# Rows: SY-01 SY-02 SY-03 SY-05 SY-06 SY-07 SY-08 SY-10
"""Symbols of real processes, from the runtime to a search in the collector, on every interpreter."""
import gzip
import json
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import App, Running, command_of, wait_for
from symbols import (SECONDS, Between, ask, await_done, await_found, found, search, states, stored, switch)

SETTINGS = {"SONDE_SYMBOLS_DEBOUNCE_MS": "300"}

SHOP = {"python": """
    import sys, time

    class Wares:
        LIMIT = 3
        def __init__(self, name):
            self.name = name
        def price(self, quantity, *, reduced=False):
            total = quantity * 2
            return total
        @staticmethod
        def parse(text):
            return text
        @classmethod
        def make(cls):
            return cls("tea")

    def total_of(wares):
        # nothing on this line
        return sum(w.price(1) for w in wares)

    print("ready", flush=True)
    {}
    """, "ruby": """
    module Market
      class Wares
        LIMIT = 3
        attr_reader :name
        def initialize(name)
          @name = name
        end
        def price(quantity, reduced: false)
          total = quantity * 2
          total
        end
        def self.parse(text)
          text
        end
        private def hidden = 1
      end
    end

    def total_of(wares)
      # nothing on this line
      wares.sum { |w| w.price(1) }
    end

    $stdout.sync = true
    puts "ready"
    {}
    """}


def shop(host, folder, python="time.sleep(600)", ruby="sleep 600", name="wares"):
    return host.program(folder, name, python=SHOP["python"].replace("{}", python),
                        ruby=SHOP["ruby"].replace("{}", ruby))


class Symbols(Running):
    """A program under `sonde run` that uploads soon."""

    def __init__(self, collector, host, program, tmp_path, *args, env=None):
        super().__init__(collector, host, program, tmp_path, *args, env={**SETTINGS, **(env or {})})


def methods_of(host):
    """Qualified names of the program's, as a probe takes them → a text in their first line."""
    if host.language == "ruby":
        return {"Market::Wares#price": "def price", "Market::Wares.parse": "def self.parse",
                "Market::Wares#hidden": "def hidden", "Market::Wares": "class Wares",
                "Object#total_of": "def total_of"}
    return {"__main__:Wares.price": "def price", "__main__:Wares.parse": "@staticmethod", "__main__:Wares.make":
            "@classmethod", "__main__:Wares": "class Wares", "__main__:total_of": "def total_of"}


def test_SY_01_all_that_is_loaded_is_found_where_it_stands(collector, host, tmp_path):
    program = shop(host, tmp_path)
    with Symbols(collector, host, program, tmp_path):
        await_found(collector, "total_of")
        await_done(collector)
        for qualified, text in methods_of(host).items():
            it, = found(collector, qualified)
            assert (it["file"], it["line"], it["origin"], it["services"]) == \
                (str(program.path), program.line(text), "user", ["script"]), it
        limit, = [s for s in found(collector, "LIMIT") if s["file"] == str(program.path)]
        assert (limit["kind"], limit["symbol_type"]) == ("name", "STATIC_FIELD")
        name = [s for s in found(collector, {"ruby": "@name"}.get(host.language, "name"))
                if s["file"] == str(program.path)]
        assert [s["symbol_type"] for s in name] == ["FIELD"], name


def scope_of(scope, name):
    if scope["name"] == name:
        return scope
    for inner in scope.get("scopes", []):
        it = scope_of(inner, name)
        if it:
            return it
    return None


def test_SY_01_the_tree_says_parameters_locals_and_lines(collector, host, tmp_path):
    program = shop(host, tmp_path)
    with Symbols(collector, host, program, tmp_path):
        it = await_found(collector, "price", service="script")[0]
        unit = ask(collector, f"symbols/units/{it['unit']}")
        price = scope_of(unit["scope"], "price")
        named = {kind: [s["name"] for s in price["symbols"] if s["symbol_type"] == kind] for kind in ("ARG", "LOCAL")}
        first = ["self"] if host.language == "python" else []
        assert named == {"ARG": [*first, "quantity", "reduced"], "LOCAL": ["total"]}
        lines = {n for r in price["injectible_lines"] for n in range(r["start"], r["end"] + 1)}
        assert program.line("total = quantity * 2") in lines
        comment = scope_of(unit["scope"], "total_of")
        assert program.line("# nothing on this line") not in {
            n for r in comment["injectible_lines"] for n in range(r["start"], r["end"] + 1)}
        git = subprocess.run(["git", "hash-object", program.path], capture_output=True, text=True, check=True)
        assert unit["file_hash"] == it["file_hash"] == git.stdout.strip()


def test_SY_01_what_is_found_takes_a_probe(collector, host, tmp_path):
    """Each location that a search offers for the program's functions is one that a probe is installed on."""
    program = shop(host, tmp_path)
    with Symbols(collector, host, program, tmp_path):
        await_done(collector)
        offered = [found(collector, name)[0]["location"] for name in methods_of(host)
                   if found(collector, name)[0]["kind"] == "function"]
        assert len(offered) == 4
        for location in offered:
            probe = collector.add(location, "--at", "entry")
            assert [i["status"] for i in collector.instances(probe)] == ["installed"], location


LATER = {"python": """
import importlib, sys, types
sys.path.insert(0, sys.argv[1])
sys.stdin = None
def load():
    import pathlib
    while not pathlib.Path(sys.argv[1], "go").exists():
        time.sleep(0.02)
    for i in range(500):
        importlib.import_module(f"late_{i}")
    global made
    def speak(self):
        return 1
    made = type("MadeAtRunTime", (Wares,), {"speak": speak})
    def added_later(self):
        return 2
    Wares.added_later = added_later
    importlib.import_module("lazy_one")
    print("loaded", flush=True)
    time.sleep(600)
load()
""", "ruby": """
$LOAD_PATH.unshift(ARGV[0])
autoload :LazyOne, "lazy_one"
sleep 0.02 until File.exist?(File.join(ARGV[0], "go"))
500.times { |i| require "late_#{i}" }
MadeAtRunTime = Class.new(Market::Wares) do
  def speak
    1
  end
end
class Market::Wares
  def added_later
    2
  end
end
LazyOne.new.lazily
puts "loaded"
sleep 600
"""}


def late_files(host, folder):
    for i in range(500):
        (folder / f"late_{i}{host.suffix}").write_text({
            "python": f"class Late{i}:\n    def work_{i}(self, number):\n        return number\n",
            "ruby": f"class Late{i}\n  def work_{i}(number)\n    number\n  end\nend\n"}[host.language])
    (folder / f"lazy_one{host.suffix}").write_text({
        "python": "class LazyOne:\n    def lazily(self):\n        return 1\n",
        "ruby": "class LazyOne\n  def lazily\n    1\n  end\nend\n"}[host.language])


def test_SY_02_what_loads_later_arrives(collector, host, tmp_path):
    """500 files, a class that is made, one that is reopened and one that is loaded lazily; what is sent for
    them is in proportion to them (SY-02), and in few uploads (SY-03)."""
    folder = tmp_path / "late"
    folder.mkdir()
    late_files(host, folder)
    indented = {k: v.strip().replace("\n", "\n    ") for k, v in LATER.items()}
    program = shop(host, tmp_path, **indented)
    with Symbols(collector, host, program, tmp_path, folder) as running:
        await_found(collector, "total_of")
        before = next(iter(await_done(collector).values()))
        assert not found(collector, "LazyOne") and not found(collector, "late_7")
        (folder / "go").touch()
        running.process.await_output("loaded", SECONDS)
        await_found(collector, "LazyOne", "lazily", "work_0", "work_499", "Late250", "MadeAtRunTime", "speak",
                    "added_later")
        for i in range(0, 500, 7):
            it, = found(collector, f"work_{i}")
            assert (it["file"], it["line"]) == (str(folder / f"late_{i}{host.suffix}"), 2)
        after = next(iter(await_done(collector).values()))
        assert after["sent_bytes"] - before["sent_bytes"] < 400 * 1024, (before, after)
        assert after["uploads"] - before["uploads"] <= 8, (before, after)


def test_SY_05_workers_share_what_is_stored(collector, host, tmp_path):
    """Eight more processes of the same application add less than 2 %."""
    one = App(collector, host, tmp_path, workers=1, env=SETTINGS)
    try:
        await_done(collector, 2)
        checkpoint(collector)
        alone = stored(collector)
        units = ask(collector, "symbols/services")["services"][0]["units"]
    finally:
        one.stop()
    (tmp_path / "app.log").rename(tmp_path / "one.log")
    many = App(collector, host, tmp_path, workers=8, env=SETTINGS)
    try:
        await_done(collector, 9)
        checkpoint(collector)
        assert ask(collector, "symbols/services")["services"][0]["units"] <= units * 1.02
        assert stored(collector) <= alone * 1.02
    finally:
        many.stop()


def checkpoint(collector):
    """The log of writes goes into the store's file when it is closed."""
    collector.stop()
    collector.start()
    wait_for("the processes", lambda: states(collector))


def test_SY_06_user_code_and_libraries(collector, host, tmp_path):
    program = host.program(tmp_path, "mine", python="""
        import json, decimal, time
        def mine_alone(): return json.dumps({})
        time.sleep(600)
        """, ruby="""
        require "json"
        require "set"
        def mine_alone = JSON.generate({})
        sleep 600
        """)
    with Symbols(collector, host, program, tmp_path):
        mine, = await_found(collector, "mine_alone")
        await_done(collector)
        assert mine["origin"] == "user"
        library = {"python": "json:dumps", "ruby": "JSON::Ext::Generator::State"}
        name = {"python": "dumps", "ruby": "generate"}[host.language]
        theirs = found(collector, name)
        assert theirs and all(s["origin"] in ("standard", "library") for s in theirs), (library, theirs)
        assert found(collector, name, origin="user") == []


def test_SY_07_another_version_of_the_file_takes_no_probe(collector, host, tmp_path):
    program = shop(host, tmp_path)
    with Symbols(collector, host, program, tmp_path):
        await_done(collector)
        it = found(collector, "price")[0]
        right = collector.post("/api/v1/probes", {
            "location": program.at("total = quantity * 2"), "source_hash": it["file_hash"]})["id"]
        wait_for("the probe", lambda: [i["status"] for i in collector.instances(right)] == ["installed"], SECONDS)
        wrong = collector.post("/api/v1/probes", {
            "location": program.at("total = quantity * 2"), "source_hash": "0" * 40})["id"]
        wait_for("the refusal", lambda: [i["status"] for i in collector.instances(wrong)] == ["error"], SECONDS)
        told, = collector.instances(wrong)
        assert told["cause"] == "other_version"
        assert it["file_hash"][:10] in told["message"] and "0000000000" in told["message"]


def test_SY_08_off_until_the_collector_says_so(collector, host, tmp_path):
    program = shop(host, tmp_path)
    with Symbols(collector, host, program, tmp_path, env={"SONDE_SYMBOLS": "0"}) as running:
        running.process.await_output("ready")
        wait_for("the process", lambda: states(collector))
        assert [s["state"] for s in states(collector).values()] == ["off"]
        assert search(collector, "total_of") == []
        switch(collector, "script", upload="on")
        await_found(collector, "total_of")
        switch(collector, "script", upload="off")
        wait_for("off", lambda: [s["state"] for s in states(collector).values()] == ["off"], SECONDS)


def test_SY_08_everything_anew_when_asked(collector, host, tmp_path):
    program = shop(host, tmp_path)
    with Symbols(collector, host, program, tmp_path):
        await_found(collector, "total_of")
        before = next(iter(await_done(collector).values()))
        collector.sonde("symbols", "upload", "--service", "script", "--wait", SECONDS, timeout=2 * SECONDS)
        after = next(iter(states(collector).values()))
        assert after["state"] == "done" and after["uploads"] == before["uploads"] + 1
        assert after["sent_bytes"] - before["sent_bytes"] < before["sent_bytes"] / 2  # claims alone


def test_SY_08_waiting_and_forcing_at_start(collector, host, tmp_path):
    """A program that ends right away has sent all when it waited for it."""
    program = shop(host, tmp_path, python="import sonde; print(sonde.wait_for_symbols(30), flush=True)",
                   ruby="p Sonde.wait_for_symbols(30)")
    done = subprocess.run(
        ["env", "SONDE_SYMBOLS=now", *command_of(collector, host, program)], capture_output=True, text=True,
        timeout=SECONDS)
    assert done.stdout.split()[-1].lower() == "true", done
    assert found(collector, "total_of") and found(collector, "Wares")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_SY_10_refused_uploads_are_tried_again(collector, host, tmp_path, status):
    program = shop(host, tmp_path)
    tries = iter(range(1000))
    with Between(collector, lambda length: status if next(tries) < 3 else None) as between:
        with Symbols(between, host, program, tmp_path):
            await_found(collector, "total_of")
            await_done(collector)
            assert len(between.refused) == 3
    assert len(found(collector, "total_of")) == 1


def test_SY_10_too_large_is_sent_in_smaller_pieces(collector, host, tmp_path):
    """The limit is far below what one call would carry."""
    program = shop(host, tmp_path)
    with Between(collector, lambda length: 413 if length > 5000 else None) as between:
        with Symbols(between, host, program, tmp_path):
            await_found(collector, "total_of")
            told = next(iter(await_done(collector).values()))
            assert between.refused and len(between.passed) > 4
            units = ask(collector, "symbols/services")["services"][0]["units"]
            # What alone is larger than that is left out, and counted.
            assert units + told["dropped"] >= told["units"] > units * 0.9, told


def test_SY_10_the_collector_goes_away_meanwhile(collector, host, tmp_path):
    """Killed at the first piece; all is there in the end, and once."""
    program = shop(host, tmp_path)
    seen = []

    def kill_once(length):
        seen.append(length)
        if len(seen) == 2:
            collector.kill()
        return None

    with Between(collector, kill_once) as between:
        with Symbols(between, host, program, tmp_path) as running:
            running.process.await_output("ready")
            wait_for("the second call", lambda: len(seen) >= 2, SECONDS)
            collector.start()
            await_found(collector, "total_of")
            await_done(collector)
            for name in ("total_of", "price"):
                assert len([s for s in found(collector, name) if s["file"] == str(program.path)]) == 1


def test_bad_uploads_are_refused_and_hurt_nobody(collector):
    def post(body, **headers):
        request = urllib.request.Request(collector.url + "/v1/symbols", body,
                                         {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]

    who = {"schema_version": 1, "instance_id": "i", "service": "s", "env": "", "version": "", "language": "python",
           "runtime_version": "3", "upload_id": "u", "batch_num": 1, "final": True}
    status, error = post(b"{")
    assert (status, error["code"]) == (400, "invalid_argument")
    scope = {"scope_type": "MODULE", "name": "m", "source_file": "/m.py"}
    unit = {"hash": "0" * 40, "file": "/m.py", "origin": "user", "part": 0, "parts": 1, "scope": scope}
    status, error = post(json.dumps({**who, "units": [unit]}).encode())
    assert (status, error["field"]) == (400, "units[0].hash")
    status, error = post(gzip.compress(b" " * (64 << 20)), **{"Content-Encoding": "gzip"})
    assert status == 413
    status, answer = post(json.dumps({**who, "units": [{k: v for k, v in unit.items() if k != "scope"}]}).encode())
    assert (status, answer["missing"]) == (200, ["0" * 40])
    assert ask(collector, "symbols/search", q="m")["symbols"] == []
