# SPDX-License-Identifier: Apache-2.0
"""Help, version, usage errors (exit 2) and refusals (exit 1)."""
import subprocess

import pytest
from cli_support import SONDE, environment, error

COMMANDS = [
    ["serve"], ["run"], ["ps"], ["probe"], ["probe", "add"], ["probe", "list"], ["probe", "show"],
    ["probe", "rm"], ["symbols"], ["symbols", "search"], ["symbols", "show"], ["symbols", "upload"], ["tail"],
    ["snapshots"],
]


@pytest.mark.parametrize("words", [[], *COMMANDS], ids=" ".join)
def test_help_is_the_documented_text(sonde, golden, words):
    done = sonde(*words, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(" ".join(["Usage: sonde", *words]))
    golden("help_" + "_".join(words or ["sonde"]) + ".txt", done.stdout)
    assert sonde(*words, "-h").stdout == done.stdout


def test_version(sonde):
    done = sonde("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == "sonde" and done.stdout.count("\n") == 1


USAGE_ERRORS = [
    ([], "sonde needs a command"),
    (["explode"], "sonde has no command 'explode'"),
    (["--frobnicate"], "option --frobnicate is unknown here"),
    (["--server"], "option --server needs a value"),
    (["--server", "", "ps"], "option --server needs a value"),
    (["--version-of-what"], "is unknown here"),
    (["probe"], "sonde probe needs a command"),
    (["probe", "frob"], "sonde probe has no command 'frob'"),
    (["ps", "--frob"], "unknown option --frob"),
    (["ps", "-x"], "unknown option -x"),
    (["ps", "more"], "unexpected argument 'more'"),
    (["ps", "--json=yes"], "--json takes no value"),
    (["ps", "--help=yes"], "--help takes no value"),
    (["ps", "--server"], "--server needs a value"),
    (["ps", "--server", ""], "--server needs a value that is not empty"),
    (["ps", "--server", "localhost:7077"], "'localhost:7077' is no collector's address"),
    (["ps", "--server", "ftp://x"], "'ftp://x' is no collector's address"),
    (["ps", "--server", "http://"], "is no collector's address"),
    (["serve", "extra"], "unexpected argument 'extra'"),
    (["serve", "--keep-days", "0"], "--keep-days needs 1 to 36500"),
    (["serve", "--keep-days", "x"], "--keep-days needs a whole number, not 'x'"),
    (["serve", "--data", ""], "--data needs a value that is not empty"),
    (["symbols"], "sonde symbols needs a command"),
    (["symbols", "search"], "sonde symbols search needs TEXT"),
    (["symbols", "search", "a", "--limit", "0"], "--limit needs 1 to 200"),
    (["symbols", "search", "a", "--limit", "201"], "--limit needs 1 to 200"),
    (["symbols", "show"], "sonde symbols show needs FILE|HASH"),
    (["symbols", "upload", "--on", "--off"], "--on, --off and --default exclude each other"),
    (["symbols", "upload", "--off", "--wait", "1"], "--wait has nothing to wait for with --off"),
    (["run"], "sonde run needs -- COMMAND…"),
    (["run", "--"], "sonde run needs -- COMMAND…"),
    (["run", "--frob", "--", "true"], "unknown option --frob"),
    (["run", "--service"], "--service needs a value"),
    (["run", "--server", "nowhere", "--", "true"], "--server needs an address such as"),
    (["probe", "add"], "sonde probe add needs LOCATION"),
    (["probe", "add", "a.py:1", "b.py:2"], "unexpected argument 'b.py:2'"),
    (["probe", "add", "app.py"], "'app.py': "),
    (["probe", "add", ""], "'': "),
    (["probe", "add", "app.py:0"], "'app.py:0': "),
    (["probe", "add", "app.py:1", "--at", "noon"], "--at needs entry, exit or line, not 'noon'"),
    (["probe", "add", "app.py:1", "--at", "entry"], "--at entry does not go with the line app.py:1"),
    (["probe", "add", "m.f", "--at", "line"], "--at line does not go with the function m.f"),
    (["probe", "add", "app.py:1", "--limit", "-1"], "--limit needs a whole number, not '-1'"),
    (["probe", "add", "app.py:1", "--limit", "1.5"], "--limit needs a whole number, not '1.5'"),
    (["probe", "add", "app.py:1", "--limit", "99999999999999999999"], "--limit needs a whole number"),
    (["probe", "add", "app.py:1", "--rate", "fast"], "--rate needs a number, not 'fast'"),
    (["probe", "add", "app.py:1", "--rate", "1.2.3"], "--rate needs a number"),
    (["probe", "add", "app.py:1", "--rate", "inf"], "--rate needs a number"),
    (["probe", "add", "app.py:1", "--expires", "soon"], "--expires needs a time such as"),
    (["probe", "add", "app.py:1", "--expires", "0"], "--expires needs a time such as"),
    (["probe", "add", "app.py:1", "--expires", "1w"], "--expires needs a time such as"),
    (["probe", "add", "app.py:1", "--expires", "h"], "--expires needs a time such as"),
    (["probe", "add", "app.py:1", "--expires", "36501d"], "--expires needs a time such as"),
    (["probe", "add", "app.py:1", "--expires", "-5m"], "--expires needs a time such as"),
    (["probe", "add", "app.py:1", "--wait", ""], "--wait needs a time such as"),
    (["probe", "add", "app.py:1", "--depth", "deep"], "--depth needs a whole number"),
    (["probe", "add", "app.py:1", "--length", "x"], "--length needs a whole number"),
    (["probe", "add", "app.py:1", "--elements", "x"], "--elements needs a whole number"),
    (["probe", "add", "app.py:1", "--fields", "x"], "--fields needs a whole number"),
    (["probe", "add", "app.py:1", "--frames", "x"], "--frames needs a whole number"),
    (["probe", "add", "app.py:1", "--tag", "novalue"], "--tag needs NAME=VALUE, not 'novalue'"),
    (["probe", "add", "app.py:1", "--tag", "=v"], "--tag needs NAME=VALUE, not '=v'"),
    (["probe", "add", "app.py:1", "--tag", "a=1", "--tag", "a=2"], "--tag a is given twice"),
    (["probe", "add", "app.py:1", *["--tag", "a=1"] * 33], "--tag needs fewer repetitions"),
    (["probe", "add", "app.py:1", "--service", ""], "--service needs a value that is not empty"),
    (["probe", "show"], "sonde probe show needs ID"),
    (["probe", "show", "a/b"], "'a/b' is no probe's id"),
    (["probe", "show", ".."], "'..' is no probe's id"),
    (["probe", "show", "x" * 64], "is no probe's id"),
    (["probe", "show", "a", "b"], "unexpected argument 'b'"),
    (["probe", "rm"], "sonde probe rm needs ID"),
    (["probe", "rm", ""], "'' is no probe's id"),
    (["probe", "list", "x"], "unexpected argument 'x'"),
    (["snapshots", "--limit", "0"], "--limit needs 1 to 1000"),
    (["snapshots", "--limit", "1001"], "--limit needs 1 to 1000"),
    (["snapshots", "--probe", "a b"], "'a b' is no probe's id"),
    (["tail", "--probe", "a b"], "'a b' is no probe's id"),
    (["tail", "x"], "unexpected argument 'x'"),
]


@pytest.mark.parametrize("args,message", USAGE_ERRORS, ids=lambda v: " ".join(v)[:60] if isinstance(v, list) else "")
def test_usage_error_is_one_line_and_exit_2(fake, sonde, args, message):
    done = sonde(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.startswith("sonde: ") and done.stderr.count("\n") == 1
    assert fake.requests == []


def test_options_may_follow_operands_whatever_posix_says(fake, sonde):
    fake.routes[("DELETE", "/api/v1/probes/p-1")] = (200, {"id": "p-1", "location": "a.py:1"})
    for env in ({}, {"POSIXLY_CORRECT": "1"}):
        assert sonde("probe", "rm", "p-1", "--json", env=env).stdout == '{"id":"p-1","location":"a.py:1"}\n'


def test_unreachable_collector_names_the_address_and_the_way_out(sonde):
    for args in (["ps"], ["probe", "list"], ["snapshots"], ["tail"], ["probe", "rm", "x"],
                 ["probe", "add", "app.py:1"]):
        done = sonde(*args, "--server", "http://127.0.0.1:1")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("sonde: no collector answers at http://127.0.0.1:1 (")
        assert "sonde serve" in done.stderr and "--server" in done.stderr
        assert done.stderr.count("\n") == 1


def test_server_comes_from_option_then_word_before_then_environment(fake, sonde):
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": []})
    nowhere = "http://127.0.0.1:1"
    assert sonde("ps").returncode == 0
    assert sonde("--server", fake.url, "ps", env={"SONDE_SERVER": nowhere}).returncode == 0
    assert sonde(f"--server={fake.url}", "ps", env={"SONDE_SERVER": nowhere}).returncode == 0
    assert sonde("--server", nowhere, "ps", "--server", fake.url + "/").returncode == 0
    assert sonde("ps", "--server", nowhere).returncode == 1
    assert "127.0.0.1:7077" in sonde("ps", "--help", env={"SONDE_SERVER": None}).stdout


def test_refusals_say_the_collectors_reason(fake, sonde):
    cases = [
        ((400, error("invalid_argument", "is not a place", "location")), "location: is not a place"),
        ((404, error("not_found", "there is no probe p-1")), "there is no probe p-1"),
        ((401, error("unauthorized", "no")), "wants its token: set SONDE_TOKEN"),
        ((502, b"<html>bad gateway</html>"), "does not answer as a collector does (HTTP status 502)"),
        ((200, b"<html>welcome</html>"), "does not answer as a collector does ("),
        ((200, b"[]"), "does not answer as a collector does (not an object)"),
        ((400, error("x", "one\ntwo \x1b]0;three\x07")), r"one\ntwo \x1b]0;three\x07"),
    ]
    for answer, message in cases:
        fake.routes[("GET", "/api/v1/probes/p-1")] = answer
        done = sonde("probe", "show", "p-1")
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr


def test_token_travels_and_a_wrong_one_is_named(fake, sonde):
    fake.routes[("GET", "/api/v1/processes")] = (200, {"processes": []})
    assert sonde("ps", env={"SONDE_TOKEN": "s3cret"}).returncode == 0
    assert fake.requests[-1][2]["Authorization"] == "Bearer s3cret"
    fake.routes[("GET", "/api/v1/processes")] = (401, error("unauthorized", "no"))
    assert "check SONDE_TOKEN" in sonde("ps", env={"SONDE_TOKEN": "wrong"}).stderr


def test_a_result_that_can_not_be_written_is_exit_1(fake, sonde):
    with open("/dev/full", "w") as full:
        done = subprocess.run([SONDE, "--help"], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=environment())
    assert done.returncode == 1
    assert "can not write the result" in done.stderr
