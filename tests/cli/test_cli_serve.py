# SPDX-License-Identifier: Apache-2.0
"""`sonde serve` as a command: what it prints, where its data goes, what it refuses."""
import signal
import subprocess

import pytest
from cli_support import DEADLINE_S, SONDE, environment


def start(*args, **env):
    return subprocess.Popen([SONDE, "serve", "--listen", "127.0.0.1:0", *args], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment(**env))


def stop(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_says_where_it_listens_and_answers_there(sonde, tmp_path, number):
    process = start("--data", str(tmp_path / "deep" / "down"), "--keep-days", "3")
    line = process.stdout.readline()
    assert line.startswith("listening on http://127.0.0.1:")
    done = sonde("ps", "--server", line.split()[-1])
    assert (done.returncode, done.stdout) == (0, "")
    assert stop(process, number) == (0, "", "")
    assert (tmp_path / "deep" / "down").is_dir()


@pytest.mark.parametrize("env,folder", [
    ({"XDG_DATA_HOME": "{}/xdg", "HOME": "{}/home"}, "xdg/sonde"),
    ({"XDG_DATA_HOME": None, "HOME": "{}/home"}, "home/.local/share/sonde"),
    ({"XDG_DATA_HOME": "relative", "HOME": "{}/home"}, "home/.local/share/sonde"),
])
def test_data_goes_where_xdg_says(tmp_path, env, folder):
    process = start(**{k: v and v.format(tmp_path) for k, v in env.items()})
    assert process.stdout.readline().startswith("listening on ")
    assert stop(process)[0] == 0
    assert any((tmp_path / folder).iterdir())


def test_without_a_home_it_asks_for_one():
    process = start(XDG_DATA_HOME=None, HOME=None)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (2, "")
    assert "--data" in err and err.count("\n") == 1


def test_a_token_from_option_or_environment_is_asked_for(sonde, tmp_path):
    for args, env in ((["--token", "t0ken"], {}), ([], {"SONDE_TOKEN": "t0ken"})):
        process = start("--data", str(tmp_path), *args, **env)
        url = process.stdout.readline().split()[-1]
        refused = sonde("ps", "--server", url)
        assert refused.returncode == 1 and "wants its token: set SONDE_TOKEN" in refused.stderr
        assert sonde("ps", "--server", url, env={"SONDE_TOKEN": "t0ken"}).returncode == 0
        assert stop(process)[0] == 0


@pytest.mark.parametrize("args", [
    ["--listen", "0.0.0.0:0"], ["--listen", "nonsense"], ["--listen", "127.0.0.1:http"],
    ["--data", "/proc/no/such"],
])
def test_what_it_refuses_is_one_line_and_exit_1(sonde, tmp_path, args):
    done = sonde("serve", "--data", str(tmp_path), *args)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sonde: ") and done.stderr.count("\n") == 1


def test_a_port_or_a_folder_that_is_taken_is_said(sonde, tmp_path):
    process = start("--data", str(tmp_path / "a"))
    address = process.stdout.readline().split("//")[-1].strip()
    for args in (["--listen", address, "--data", str(tmp_path / "b")],
                 ["--listen", "127.0.0.1:0", "--data", str(tmp_path / "a")]):
        done = sonde("serve", *args)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert stop(process)[0] == 0
