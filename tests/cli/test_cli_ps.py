# SPDX-License-Identifier: Apache-2.0
"""`sonde ps`."""
import json

from cli_samples import ago_ns, probe, process
from cli_support import on_terminal

PROCESSES = "/api/v1/processes"


def several():
    return [
        process(),
        process(instance_id="i-2", pid=12, service="webshop-frontend", env="", version="", probes=0,
                dropped={"rate": 113, "queue_full": 2}),
        process(instance_id="i-3", pid=4713, connected=False, seen_at_ns=ago_ns(600), probes=0,
                disarmed=[{"part": "redact", "message": "out of memory", "count": 2},
                          {"part": "trace", "message": "", "count": 1}]),
    ]


def test_table(fake, sonde, golden):
    fake.routes[("GET", PROCESSES)] = (200, {"processes": several()})
    done = sonde("ps")
    assert (done.returncode, done.stderr) == (0, "")
    golden("ps.txt", done.stdout)


def test_columns_that_are_empty_everywhere_are_left_out(fake, sonde, golden):
    fake.routes[("GET", PROCESSES)] = (200, {"processes": [process(env="", version="")]})
    golden("ps_narrow.txt", sonde("ps").stdout)


def test_state_of_symbols_is_shown_where_there_is_one(fake, sonde):
    fake.routes[("GET", PROCESSES)] = (200, {"processes": [process(symbols={"state": "sending"}), process()]})
    lines = sonde("ps").stdout.splitlines()
    assert "SYMBOLS" in lines[0] and "sending" in lines[1] and "sending" not in lines[2]


def test_json_is_the_collectors_object_one_a_line(fake, sonde):
    wanted = several()
    fake.routes[("GET", PROCESSES)] = (200, {"processes": wanted})
    done = sonde("ps", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [json.loads(line) for line in lines] == wanted
    assert list(json.loads(lines[0])) == list(wanted[0])
    assert lines[0] == json.dumps(wanted[0], separators=(",", ":"))


def test_nobody_there_is_said_on_stderr_and_done(fake, sonde):
    fake.routes[("GET", PROCESSES)] = (200, {"processes": []})
    done = sonde("ps")
    assert (done.returncode, done.stdout) == (0, "")
    assert "sonde run" in done.stderr
    done = sonde("ps", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_a_process_says_of_itself_can_not_drive_the_terminal(fake, sonde):
    evil = "x\x1b[2J\x9b31m\r\n‮y"
    fake.routes[("GET", PROCESSES)] = (200, {"processes": [process(
        service=evil, host=evil, env=evil, version=evil, runtime_version=evil, language=evil,
        disarmed=[{"part": evil, "message": evil, "count": 1}])]})
    out = sonde("ps").stdout
    assert out.count("\n") == 2
    assert not set("\x1b\x9b\r‮") & set(out)
    assert r"x\x1b[2J\u009b31m\r\n\u202ey" in out
    out = sonde("ps", "--json").stdout
    assert out.count("\n") == 1 and not set("\x1b\x9b\r‮") & set(out)
    assert json.loads(out)["host"] == evil


def test_colour_only_on_a_terminal_and_without_no_color(fake, sonde):
    fake.routes[("GET", PROCESSES)] = (200, {"processes": several()})
    env = {"SONDE_SERVER": fake.url}
    plain = sonde("ps").stdout
    status, coloured = on_terminal(["ps"], env)
    assert status == 0 and "\x1b[32mconnected\x1b[0m" in coloured
    assert on_terminal(["ps"], {**env, "NO_COLOR": "1"}) == (0, plain)
    assert on_terminal(["ps"], {**env, "TERM": "dumb"}) == (0, plain)
    assert "\x1b" not in plain


def test_times_that_no_clock_shows_are_survived(fake, sonde):
    for time_ns in (-(2**63), -1, 0, 2**63 - 1):
        gone = process(connected=False, seen_at_ns=time_ns, started_at_ns=time_ns, pid=2**63 - 1)
        odd = probe(created_at_ns=time_ns, expires_at_ns=time_ns)
        fake.routes[("GET", PROCESSES)] = (200, {"processes": [gone]})
        fake.routes[("GET", "/api/v1/probes")] = (200, {"probes": [odd]})
        fake.routes[("GET", "/api/v1/probes/p-1")] = (200, odd)
        for args in (["ps"], ["probe", "list"], ["probe", "show", "p-1"]):
            done = sonde(*args)
            assert (done.returncode, done.stderr) == (0, "")
