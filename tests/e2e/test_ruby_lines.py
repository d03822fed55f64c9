# Rows: CORE-01 CORE-03 CORE-04 CORE-06 CORE-07 CORE-10 RB-02 RB-04 RB-07 RB-09 RB-10
"""Line and method probes on a Rack application under Puma with two workers of four threads."""
import json
import os

import pytest

from conftest import APPS, SONDE, App, Running, get, run_program, wait_for
from hosts import line_of

RACK = APPS / "rack"
LINES, HELD = RACK / "lines.rb", RACK / "held.rb"
AGENT = os.path.join(os.path.dirname(SONDE), "lib", "sonde", "ruby")


@pytest.fixture
def rack(collector, ruby_host, tmp_path):
    it = App(collector, ruby_host, tmp_path, command=lambda port: ruby_host.puma(port, 2, RACK))
    yield it
    it.stop()


def at(text, path=LINES):
    return f"{path.name}:{line_of(path, text)}"


def run_lines(app, times=8):
    for _ in range(times):
        assert get(app.url + "/lines") == (200, b"ran")


def captured(snapshot):
    (found,) = snapshot["captures"]["lines"].values()
    return found["arguments"], found["locals"]


def integer(number):
    return {"type": "Integer", "value": str(number)}


def test_RB_09_arguments_locals_and_self(collector, rack):
    probe = rack.add(at("# LAST"), "--rate", 1000)
    run_lines(rack)
    snapshot = collector.await_snapshots(probe)[0]
    assert snapshot["stack"][0]["function"] == "Lines::Cart#total"
    arguments, variables = captured(snapshot)
    assert list(arguments) == ["self", "rate", "rest", "extra", "more", "block"]
    assert arguments["self"]["type"] == "Lines::Cart"
    assert [e["value"] for e in arguments["self"]["fields"]["@items"]["elements"]] == ["1", "2", "3"]
    assert arguments["rate"] == integer(5) and arguments["extra"] == integer(7)
    assert arguments["rest"]["elements"] == [{"type": "Symbol", "value": "more"}]
    assert arguments["more"]["entries"] == [
        {"key": {"type": "Symbol", "value": "other"}, "value": integer(1)}]
    assert arguments["block"] == {"type": "NilClass", "is_null": True}
    assert variables == {"factor": integer(10), "sum": integer(60)}
    functions = [frame["function"] for frame in snapshot["stack"]]
    assert functions[:4] == ["Lines::Cart#total", "Lines.run", "Routes.answer", "Routes.call"]
    assert [frame["line"] for frame in snapshot["stack"][:2]] == [
        line_of(LINES, "# LAST"), line_of(LINES, "cart.total(")]


def test_RB_09_blocks_see_what_is_around_them(collector, rack):
    probe = rack.add(at("# IN BLOCK"), "--rate", 1000)
    nested = rack.add(at("# NESTED"), "--rate", 1000)
    run_lines(rack)
    snapshots = collector.await_snapshots(probe, 3)
    assert snapshots[0]["stack"][0]["function"] == "block in Lines::Cart#total"
    seen = set()
    for snapshot in snapshots:
        arguments, variables = captured(snapshot)
        assert list(arguments) == ["self", "item", "index"]
        assert list(variables) == ["cost", "rate", "rest", "extra", "more", "block", "factor", "sum"]
        index, item = int(arguments["index"]["value"]), int(arguments["item"]["value"])
        assert item == index + 1
        assert variables["cost"] == integer(item * 10)
        assert variables["factor"] == integer(10) and variables["rate"] == integer(5)
        assert variables["sum"] == integer(10 * sum(range(1, item)))
        seen.add(index)
    assert seen == {0, 1, 2}
    arguments, variables = captured(collector.await_snapshots(nested)[0])
    assert list(arguments) == ["self", "third"] and arguments["third"] == integer(100)
    assert variables["inner"] == integer(101) and variables["middle"] == integer(11)
    assert variables["second"] == integer(10) and variables["outer"] == integer(2)
    assert variables["first"] == integer(1)
    assert variables["shadowed"] == {"type": "String", "value": "inner"}


def test_RB_09_every_kind_of_line(collector, rack):
    """Last lines, one-line methods, singleton, private and define_method methods, lambdas, rescue, ensure."""
    expected = {
        at("# END OF TOTAL"): ("Lines::Cart#total", {"sum": "60"}),
        at("# ONE LINE"): ("Lines::Cart#one_line", {"number": "1"}),
        at("# SINGLETON"): ("Lines::Cart.build", {"count": "3"}),
        at("# PRIVATE"): ("Lines::Cart#hidden", {"word": "word"}),
        at("# RESCUED"): (None, {"divisor": "0"}),
        at("# ENSURED"): (None, {"divisor": "0"}),
        at("# DEFINED", HELD): (None, {"doubled": "42", "given": "21"}),
        at("# LAMBDA", HELD): (None, {"left": "3", "right": "4"}),
        at("# END OF RUN"): ("Lines.run", {}),
    }
    probes = {rack.add(place, "--rate", 1000): place for place in expected}
    run_lines(rack)
    for probe, place in probes.items():
        function, values = expected[place]
        snapshot = collector.await_snapshots(probe)[0]
        assert snapshot["location"]["file"] == str(RACK / place.split(":")[0])
        assert snapshot["location"]["line"] == int(place.split(":")[1])
        if function:
            assert snapshot["stack"][0]["function"] == function
        arguments, variables = captured(snapshot)
        shown = {name: value.get("value") for name, value in {**arguments, **variables}.items()}
        assert values.items() <= shown.items(), place


def test_RB_04_a_line_in_several_sequences_is_armed_in_all(collector, rack):
    probe = rack.add(at("# SEVERAL"), "--rate", 1000)
    assert all(i["places"] == 2 for i in collector.instances(probe) if i["status"] == "installed")
    run_lines(rack, 4)
    wait_for("each execution, counted once", lambda: sum(
        i["hits"] for i in collector.instances(probe)) == 4 * (1 + 3))
    found = collector.await_snapshots(probe, 16)
    functions = [s["stack"][0]["function"] for s in found]
    assert functions.count("Lines::Cart#several") == 4
    assert functions.count("block in Lines::Cart#several") == 12


def test_RB_04_methods_serve_when_the_whole_file_was_collected(collector, rack):
    for _ in range(20):
        get(rack.url + "/collect")
    assert get(rack.url + "/whole")[1] == b"0"
    test_RB_09_arguments_locals_and_self(collector, rack)
    probe = collector.sonde("probe", "add", at("# COMMENT"), check=False).stdout.strip()
    told = wait_for("an answer", lambda: [
        i for i in collector.instances(probe) if i["cause"] == "line_not_executable"])
    assert set(told[0]["nearest_lines"]) & {line_of(LINES, "# LAST"), line_of(LINES, "# IN BLOCK")}


@pytest.mark.parametrize("config, extra", [("late.ru", []), ("late.ru", ["--preload"]),
                                           ("config.ru", ["--preload"])])
def test_RB_02_code_that_was_there_before_the_agent(collector, ruby_host, tmp_path, config, extra):
    """The application loads, is collected as far as it can be, and asks for the agent then; with
    Puma's preload_app! that happens once, in the master, before the fork."""
    def command(port):
        return ruby_host.puma(port, 2, RACK, [*extra, config])
    app = App(collector, ruby_host, tmp_path, command=command, run=config == "config.ru",
              env={"RUBYLIB": AGENT, "SONDE_SERVER": collector.url, "SONDE_SERVICE": "shop"})
    try:
        expected = 3 if extra else 2
        probe = collector.add(at("# LAST"), "--rate", 1000)
        block = collector.add(at("# IN BLOCK"), "--rate", 1000)
        for it in probe, block:
            wait_for("every process", lambda: sum(
                i["status"] in ("installed", "emitting")
                for i in collector.instances(it)) == expected)
        run_lines(app, 20)
        snapshots = collector.await_snapshots(probe, 10)
        assert captured(snapshots[0])[1] == {"factor": integer(10), "sum": integer(60)}
        assert captured(collector.await_snapshots(block)[0])[0]["item"]["type"] == "Integer"
        # The rest of CORE-13 for a preloaded application: each worker speaks for itself.
        pids = {s["runtime"]["pid"] for s in collector.snapshots(probe)}
        assert app.process.popen.pid not in pids
    finally:
        app.stop()


def test_RB_07_how_a_file_is_named(collector, rack, tmp_path):
    line = line_of(LINES, "# LAST")
    for name in (str(LINES), "rack/lines.rb", "lines.rb", f"/another/root/e2e/apps/rack/{LINES.name}"):
        probe = rack.add(f"{name}:{line}", "--rate", 1000)
        run_lines(rack, 2)
        assert collector.await_snapshots(probe)[0]["location"]["file"] == str(LINES)
        collector.sonde("probe", "rm", probe)
    # Not at a directory's boundary: no match.
    probe = collector.sonde("probe", "add", f"ines.rb:{line}").stdout.strip()
    assert {i["cause"] for i in wait_for("an answer", lambda: collector.instances(probe))} == {
        "file_not_loaded"}


def test_RB_07_several_files_that_match_are_listed(collector, rack):
    """Sinatra, Rack and Puma have files of one name."""
    probe = collector.sonde("probe", "add", "version.rb:3").stdout.strip()
    told = wait_for("an answer", lambda: [
        i for i in collector.instances(probe) if i["cause"] == "ambiguous"])
    assert told[0]["status"] == "error"
    assert told[0]["message"].count("version.rb") >= 2, told[0]["message"]


def test_CORE_03_lines_that_are_none(collector, rack):
    """Blank, comment, past the end: an error with the nearest lines that can be; never "installed"."""
    blank = line_of(LINES, "# COMMENT") - 1
    for line in (blank, line_of(LINES, "# COMMENT"), 9999):
        probe = collector.sonde("probe", "add", f"rack/lines.rb:{line}").stdout.strip()
        told = wait_for(f"line {line}", lambda: (
            lambda found: found if sum(i["cause"] == "line_not_executable" for i in found) == 2
            else None)(collector.instances(probe)))
        assert not any(i["status"] in ("installed", "emitting") for i in told)
        assert any(i["nearest_lines"] for i in told)
    probe = collector.sonde("probe", "add", "rack/nowhere.rb:1").stdout.strip()
    told = wait_for("three processes", lambda: (
        lambda found: found if len(found) == 3 else None)(collector.instances(probe)))
    assert {(i["status"], i["cause"]) for i in told} == {("pending", "file_not_loaded")}


def test_CORE_03_a_corrected_probe_replaces_the_failed_one(collector, rack):
    place = f"rack/lines.rb:{line_of(LINES, '# COMMENT')}"
    probe = collector.sonde("probe", "add", place).stdout.strip()
    wait_for("the error", lambda: [
        i for i in collector.instances(probe) if i["cause"] == "line_not_executable"])
    collector.post("/api/v1/probes", {"id": probe, "location": at("# LAST"), "rate": 1000})
    wait_for("both workers", lambda: sum(
        i["status"] == "installed" for i in collector.instances(probe)) == 2)
    run_lines(rack)
    assert collector.await_snapshots(probe)[0]["probe_revision"] == 2


def test_RB_10_a_method_in_both_workers(collector, rack):
    """Arguments as they were at the entry, locals and value at the return, how long it took."""
    probe = rack.add("Lines::Cart#total", "--rate", 1000)
    run_lines(rack)
    snapshot = collector.await_snapshots(probe)[0]
    assert snapshot["stack"][0]["function"] == "Lines::Cart#total"
    entry, left = snapshot["captures"]["entry"], snapshot["captures"]["return"]
    assert list(entry["arguments"]) == ["self", "rate", "rest", "extra", "more", "block"]
    assert entry["arguments"]["rate"] == integer(5)
    assert (snapshot["outcome"], left["return_value"]) == ("returned", integer(67))
    assert (left["locals"]["factor"], left["locals"]["sum"]) == (integer(10), integer(60))
    assert 0 < snapshot["duration_ns"] < 10**9


def test_CORE_10_probes_on_the_agents_own_files_do_no_harm(collector, rack):
    for path in ("sonde/auto.rb", "sonde.rb"):
        lines = (len(open(os.path.join(AGENT, path)).readlines()))
        for line in range(1, lines + 1):
            collector.sonde("probe", "add", f"{path}:{line}", "--rate", 1000, "--limit", 5)
    probe = rack.add(at("# LAST"), "--rate", 1000)
    run_lines(rack)
    snapshot = collector.await_snapshots(probe)[0]
    assert not any(AGENT in frame["file"] for frame in snapshot["stack"])
    assert all(p["disarmed"] == [] for p in collector.json("ps"))


def test_CORE_07_secrets_in_ruby(collector, ruby_host, tmp_path):
    """Locals, instance variables, string and symbol keys; names of one's own and types."""
    program = ruby_host.program(tmp_path, ruby="""
        class Account
          def initialize
            @password, @api_key, @visible = "hunter2", "hunter2", "seen"
          end
        end
        class Vault; end
        Credentials = Struct.new(:user, :secret)
        def work(token, pin)
          account, vault = Account.new, Vault.new
          table = { "Authorization" => "hunter2", passwd: "hunter2", "X-Api-Key" => "hunter2", ok: "seen" }
          row = Credentials.new("me", "hunter2")
          account.itself # PROBE
        end
        loop { work("hunter2", "hunter2"); sleep 0.02 }
        """)
    with Running(collector, ruby_host, program, tmp_path,
                 env={"SONDE_REDACT_NAMES": "pin", "SONDE_REDACT_TYPES": "Vault"}):
        probe = collector.add(program.at(), "--rate", 100)
        snapshot = collector.await_snapshots(probe)[0]
    text = json.dumps(snapshot)
    assert "hunter2" not in text
    arguments, variables = captured(snapshot)
    assert arguments["token"]["not_captured_reason"] == "redacted"
    assert arguments["pin"]["not_captured_reason"] == "redacted"
    fields = variables["account"]["fields"]
    assert fields["@password"]["not_captured_reason"] == "redacted"
    assert fields["@visible"]["value"] == "seen"
    assert variables["vault"]["not_captured_reason"] == "redacted"
    assert text.count('"redacted"') == 9


def test_CORE_04_limits_and_what_is_cut(collector, ruby_host, tmp_path):
    program = ruby_host.program(tmp_path, ruby="""
        Wide = Class.new { def initialize; 30.times { |n| instance_variable_set("@f#{n}", n) }; end }
        def deep(n)
          return work if n.zero?
          deep(n - 1)
        end
        def work
          text, list, wide = "é" * 1000, (0...500).to_a, Wide.new
          table = (0...500).to_h { |n| [n, n] }
          nest = [[[[[1]]]]]
          list.size # PROBE
        end
        loop { deep(100); sleep 0.02 }
        """)
    with Running(collector, ruby_host, program, tmp_path):
        usual = collector.add(program.at(), "--rate", 100)
        own = collector.add(program.at(), "--rate", 100, "--depth", 1, "--length", 10, "--elements", 2,
                            "--fields", 3, "--frames", 5)
        snapshots = [collector.await_snapshots(it)[0] for it in (usual, own)]
    for snapshot, (length, elements, fields, frames) in zip(
            snapshots, ((255, 100, 20, 64), (10, 2, 3, 5))):
        _, variables = captured(snapshot)
        assert len(snapshot["stack"]) == frames and snapshot["stack_truncated"] is True
        assert variables["text"] == {"type": "String", "value": "é" * length, "truncated": True,
                                     "size": 2000}  # of UTF-8 the bytes are known
        assert len(variables["list"]["elements"]) == elements and variables["list"]["size"] == 500
        assert variables["list"]["not_captured_reason"] == "collection_size"
        assert len(variables["table"]["entries"]) == elements and variables["table"]["size"] == 500
        assert len(variables["wide"]["fields"]) == fields
        assert variables["wide"]["not_captured_reason"] == "field_count"

    def depth(value):
        return 1 + depth(value["elements"][0]) if value.get("elements") else 0
    assert depth(captured(snapshots[0])[1]["nest"]) == 3
    assert depth(captured(snapshots[1])[1]["nest"]) == 1


def test_CORE_06_huge_values_are_bounded(collector, ruby_host, tmp_path):
    """A hundred million numbers in nested arrays: bounded bytes, bounded time, with markers."""
    program = ruby_host.program(tmp_path, ruby="""
        ROW = (0...100).map { |n| "text number #{n}" * 10 }
        HUGE = Array.new(100) { Array.new(100) { ROW } }
        LOOP = []
        LOOP << LOOP
        def work(huge, loop)
          huge.size # PROBE
        end
        before = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        slowest = 0
        300.times do
          began = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID)
          work(HUGE, LOOP)
          took = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) - began
          slowest = took if took > slowest
          sleep 0.01
        end
        puts slowest
        """)
    probe = collector.sonde("probe", "add", program.at(), "--rate", 100).stdout.strip()
    done = run_program(collector, ruby_host, program, env={"SONDE_CPU_PERCENT": "100"})
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.05  # 5 ms, and much for a slow machine
    snapshot = collector.await_snapshots(probe, 1)[0]
    assert len(json.dumps(snapshot)) < 4 * 65536
    assert any(f'"not_captured_reason": "{why}"' in json.dumps(snapshot)
               for why in ("budget", "timeout"))
    arguments, _ = captured(snapshot)
    assert arguments["huge"]["size"] == 100
