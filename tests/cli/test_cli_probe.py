# SPDX-License-Identifier: Apache-2.0
"""`sonde probe add|list|show|rm`. CORE-02 CORE-03"""
import json
import socket
import time

import pytest
from cli_samples import ago_ns, ahead_ns, probe, process, status
from cli_support import error

PROBES = "/api/v1/probes"


def body_of(fake):
    return json.loads(fake.asked("POST", PROBES)[-1][3])


# --- add --------------------------------------------------------------------------------------

def test_add_prints_the_id_and_nothing_else(fake, sonde):
    fake.routes[("POST", PROBES)] = (201, probe("p-77"))
    done = sonde("probe", "add", "app.py:42")
    assert (done.returncode, done.stdout, done.stderr) == (0, "p-77\n", "")
    assert body_of(fake) == {"location": "app.py:42", "limits": {}}
    assert fake.requests[-1][2]["Content-Type"] == "application/json"


def test_add_sends_every_option(fake, sonde):
    fake.routes[("POST", PROBES)] = (201, probe())
    done = sonde("probe", "add", "--service", "checkout", "--env=prod", "--at", "entry", "--limit", "10",
                 "--rate", "2.5", "--expires", "1h", "--depth", "4", "--length", "500", "--elements", "0",
                 "--fields", "30", "--frames", "8", "--tag", "team=shop", "--tag", "why=a=b", "shop.pay:Card.charge")
    assert done.returncode == 0, done.stderr
    assert body_of(fake) == {
        "location": "shop.pay:Card.charge", "at": "entry", "service": "checkout", "env": "prod",
        "hit_limit": 10, "rate": 2.5, "expires_in_s": 3600,
        "limits": {"depth": 4, "length": 500, "elements": 0, "fields": 30, "frames": 8},
        "tags": {"team": "shop", "why": "a=b"},
    }


@pytest.mark.parametrize("given,seconds", [
    ("90s", 90), ("10m", 600), ("1h", 3600), ("2d", 172800), ("45", 45), ("1.5h", 5400), ("0.2", 1),
])
def test_durations(fake, sonde, given, seconds):
    fake.routes[("POST", PROBES)] = (201, probe())
    assert sonde("probe", "add", "app.py:42", "--expires", given).returncode == 0
    assert body_of(fake)["expires_in_s"] == seconds


def test_clamping_is_said_on_stderr(fake, sonde):
    fake.routes[("POST", PROBES)] = (201, probe("p-1", clamped="depth 99 → 10"))
    done = sonde("probe", "add", "app.py:42", "--depth", "99")
    assert (done.returncode, done.stdout, done.stderr) == (0, "p-1\n", "sonde: clamped: depth 99 → 10\n")


def test_add_json_prints_the_probe_as_one_line(fake, sonde):
    wanted = probe()
    fake.routes[("POST", PROBES)] = (201, wanted)
    done = sonde("probe", "add", "app.py:42", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, json.dumps(wanted, separators=(",", ":")) + "\n", "")


def test_add_refused_names_the_field(fake, sonde):
    fake.routes[("POST", PROBES)] = (400, error("invalid_argument", "must be a number", "rate"))
    done = sonde("probe", "add", "app.py:42")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "sonde: rate: must be a number\n")


def test_an_answer_without_an_id_is_refused(fake, sonde):
    fake.routes[("POST", PROBES)] = (201, {})
    done = sonde("probe", "add", "app.py:42")
    assert done.returncode == 1 and "without the probe's id" in done.stderr


# --- add --wait -------------------------------------------------------------------------------

def waiting(fake, *instance_lists, created=None):
    """Each GET of the probe answers with the next list of instances; the last one stays."""
    answers = list(instance_lists)

    def get(handler):
        instances = answers.pop(0) if len(answers) > 1 else answers[0]
        handler.reply(200, probe(instances=instances))

    fake.routes[("POST", PROBES)] = (201, created or probe())
    fake.routes[("GET", PROBES + "/p-1")] = get


def test_wait_ends_when_a_process_has_installed_it(fake, sonde):
    waiting(fake, [], [status(state="received")], [status(state="installed"), status("i-2", "pending")])
    done = sonde("probe", "add", "app.py:42", "--wait", "10")
    assert (done.returncode, done.stdout, done.stderr) == (0, "p-1\n", "sonde: 1 installed, 1 pending\n")
    asked = fake.asked("GET", PROBES + "/p-1")
    assert len(asked) == 3
    assert 9000 <= int(asked[0][1].split("wait_ms=")[1]) <= 10000


def test_wait_json_prints_the_last_state_only(fake, sonde):
    waiting(fake, [], [status(state="emitting")])
    done = sonde("probe", "add", "app.py:42", "--wait", "10", "--json")
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["instances"][0]["status"] == "emitting"
    assert done.stderr == "sonde: 1 emitting\n"


def failed(instance="i-1", **more):
    return status(instance, "error", **{**dict(cause="line_not_executable", message="line 42 holds no code",
                                               nearest_lines=[41, 44]), **more})


def test_wait_fails_when_every_process_says_error(fake, sonde):
    waiting(fake, [failed(), failed("i-2"), failed("i-3", cause="tool_conflict", message="", nearest_lines=[])])
    done = sonde("probe", "add", "app.py:42", "--wait", "10")
    assert (done.returncode, done.stdout) == (1, "p-1\n")
    assert done.stderr == ("sonde: 3 error\n"
                           "sonde: error: line_not_executable: line 42 holds no code; nearest lines 41, 44\n"
                           "sonde: error: tool_conflict\n")


def test_wait_json_prints_the_probe_on_failure_too(fake, sonde):
    waiting(fake, [failed()])
    done = sonde("probe", "add", "app.py:42", "--wait", "10", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["instances"][0]["nearest_lines"] == [41, 44]


def test_wait_gives_slower_processes_a_chance_after_an_error(fake, sonde):
    waiting(fake, [failed()], [failed(), status("i-2", "installed")])
    done = sonde("probe", "add", "app.py:42", "--wait", "10")
    assert done.returncode == 0
    assert done.stderr.startswith("sonde: 1 installed, 1 error\nsonde: error: line_not_executable")


def test_wait_tells_an_error_though_another_process_waits(fake, sonde):
    """A server's master never loads the application: it would wait for ever."""
    waiting(fake, [failed(), status("i-2", "pending")])
    done = sonde("probe", "add", "app.py:42", "--wait", "10")
    assert done.returncode == 1
    assert done.stderr.startswith("sonde: 1 pending, 1 error\nsonde: error: line_not_executable")


def test_wait_ignores_an_older_revisions_status(fake, sonde):
    old = probe(revision=2, instances=[status(state="installed")])
    fake.routes[("POST", PROBES)] = (201, old)
    fake.routes[("GET", PROBES + "/p-1")] = (200, old)
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": []})
    done = sonde("probe", "add", "app.py:42", "--wait", "0.2")
    assert done.returncode == 1
    assert "not installed after 0s: no process" in done.stderr


def test_wait_takes_a_reached_hit_limit_for_success(fake, sonde):
    waiting(fake, [status(state="error", cause="hit_limit", message="took 1", captured=1)])
    assert sonde("probe", "add", "app.py:42", "--wait", "10", "--limit", "1").returncode == 0


def test_wait_times_out_with_the_state(fake, sonde):
    waiting(fake, [status(state="pending", cause="file_not_loaded", message="app.py is not loaded")])
    started = time.monotonic()
    done = sonde("probe", "add", "app.py:42", "--wait", "1")
    assert 0.9 < time.monotonic() - started < 5
    assert (done.returncode, done.stdout) == (1, "p-1\n")
    assert done.stderr == ("sonde: not installed after 1s: 1 pending\n"
                           "sonde: pending: file_not_loaded: app.py is not loaded\n")


@pytest.mark.parametrize("processes,message", [
    ([], "no process is connected; `sonde run -- COMMAND` starts one"),
    ([process(connected=False)], "no process is connected; `sonde run -- COMMAND` starts one"),
    ([process(service="other"), process(env="test")],
     "no process matches: 2 connected, none of that service and environment (see sonde ps)"),
    ([process(), process(service="other")], "no process has answered yet: 1 that match are connected"),
])
def test_wait_times_out_with_nobody_there(fake, sonde, processes, message):
    waiting(fake, [])
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": processes})
    done = sonde("probe", "add", "app.py:42", "--wait", "0.1", "--service", "checkout", "--env", "prod")
    assert done.returncode == 1
    assert done.stderr == f"sonde: not installed after 0s: no process\nsonde: {message}\n"


def test_wait_says_when_the_collector_goes_away(fake, sonde):
    fake.routes[("POST", PROBES)] = (201, probe())
    fake.routes[("GET", PROBES + "/p-1")] = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    done = sonde("probe", "add", "app.py:42", "--wait", "5")
    assert (done.returncode, done.stdout) == (1, "p-1\n")
    assert "no collector answers" in done.stderr
    assert "the probe p-1 is set; how the processes took it is not known" in done.stderr


# --- list, show, rm ---------------------------------------------------------------------------

def several():
    return [
        probe("checkout-7", service="checkout", env="prod", expires_at_ns=ahead_ns(3500),
              instances=[status(hits=120, captured=7), status("i-2", "installed"), failed("i-3")]),
        probe("p-2", location="shop.pay:Card.charge", at="exit", created_at_ns=ago_ns(90_000),
              instances=[status(state="pending", cause="module_not_loaded")]),
        probe("p-3", location="a/very/long/path/to/some/file.py:12345", expires_at_ns=ago_ns(5)),
    ]


def test_list(fake, sonde, golden):
    fake.routes[("GET", PROBES)] = (200, {"probes": several()})
    done = sonde("probe", "list")
    assert (done.returncode, done.stderr) == (0, "")
    golden("probe_list.txt", done.stdout)


def test_list_json(fake, sonde):
    wanted = several()
    fake.routes[("GET", PROBES)] = (200, {"probes": wanted})
    assert [json.loads(line) for line in sonde("probe", "list", "--json").stdout.splitlines()] == wanted


def test_list_of_none(fake, sonde):
    fake.routes[("GET", PROBES)] = (200, {"probes": []})
    done = sonde("probe", "list")
    assert (done.returncode, done.stdout) == (0, "") and "sonde probe add" in done.stderr


def test_show(fake, sonde, golden):
    fake.routes[("GET", PROBES + "/p-1")] = (200, probe(
        revision=2, service="checkout", env="prod", hit_limit=10, rate=0.5, expires_at_ns=ahead_ns(3500),
        tags={"team": "shop", "n": 3}, clamped="depth 99 → 10",
        capture={"arguments": True, "locals": False, "return": True, "stack": True},
        instances=[
            status(revision=2, hits=120, captured=7, dropped={"rate": 113, "queue_full": 0}, places=2),
            failed("i-2", revision=2), status("i-9", "pending", revision=1, cause="file_not_loaded"),
        ]))
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": [
        process(), process(instance_id="i-2", pid=4712, host="web-2")]})
    done = sonde("probe", "show", "p-1")
    assert (done.returncode, done.stderr) == (0, "")
    golden("probe_show.txt", done.stdout)


def test_show_before_any_report(fake, sonde, golden):
    fake.routes[("GET", PROBES + "/p-1")] = (200, probe())
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": []})
    golden("probe_show_new.txt", sonde("probe", "show", "p-1").stdout)


def test_show_json_is_one_call_and_one_line(fake, sonde):
    wanted = probe(instances=[failed()])
    fake.routes[("GET", PROBES + "/p-1")] = (200, wanted)
    done = sonde("probe", "show", "p-1", "--json")
    assert done.stdout == json.dumps(wanted, separators=(",", ":")) + "\n"
    assert len(fake.requests) == 1


def test_show_of_one_that_is_not_there(fake, sonde):
    fake.routes[("GET", PROBES + "/nope")] = (404, error("not_found", "there is no probe nope"))
    done = sonde("probe", "show", "nope")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "sonde: there is no probe nope\n")


def test_rm(fake, sonde):
    fake.routes[("DELETE", PROBES + "/p-1")] = (200, probe())
    done = sonde("probe", "rm", "p-1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "removed p-1 app.py:42\n", "")
    assert json.loads(sonde("probe", "rm", "p-1", "--json").stdout)["id"] == "p-1"
    fake.routes[("DELETE", PROBES + "/p-1")] = (404, error("not_found", "there is no probe p-1"))
    done = sonde("probe", "rm", "p-1")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "sonde: there is no probe p-1\n")
