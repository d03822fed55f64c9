# SPDX-License-Identifier: Apache-2.0
"""`sonde run`: the environment it gives, and that it becomes the command. CORE-16"""
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from cli_support import DEADLINE_S, SONDE, environment

SHOW = "import json, os; print(json.dumps({'env': dict(os.environ), 'pid': os.getpid()}))"


@pytest.fixture(params=["tree", "installed"])
def home(request, tmp_path):
    """The binary with its agents, as it lies in build/ or under a PREFIX: (binary, boot)."""
    binary = tmp_path / ("build/sonde" if request.param == "tree" else "bin/sonde")
    lib = tmp_path / ("build/lib/sonde" if request.param == "tree" else "lib/sonde")
    boot = lib / "python" / "boot"
    boot.mkdir(parents=True)
    binary.parent.mkdir(exist_ok=True)
    shutil.copy2(SONDE, binary)
    return binary, boot


def run(binary, *args, env=None, **kwargs):
    return subprocess.run([str(binary), "run", *args], env=environment(**(env or {})), text=True,
                          capture_output=True, timeout=DEADLINE_S, **kwargs)


def environment_seen(binary, *args, env=None):
    done = run(binary, *args, "--", sys.executable, "-c", SHOW, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["env"]


def python_path(seen):
    return [os.path.normpath(part) for part in seen["PYTHONPATH"].split(":")]


def test_gives_what_was_asked_and_nothing_else(home):
    binary, boot = home
    seen = environment_seen(binary, "--server", "http://collector:7077", "--service", "checkout",
                            "--env=prod", "--version", "1.4.0", env={"PYTHONPATH": None})
    assert {k: v for k, v in seen.items() if k.startswith("SONDE_")} == {
        "SONDE_SERVER": "http://collector:7077", "SONDE_SERVICE": "checkout", "SONDE_ENV": "prod",
        "SONDE_VERSION": "1.4.0"}
    assert python_path(seen) == [str(boot)]
    seen = environment_seen(binary, env={"PYTHONPATH": ""})
    assert not [k for k in seen if k.startswith("SONDE_")]
    assert python_path(seen) == [str(boot)]


def test_what_is_set_already_stays_unless_it_is_given(home):
    binary, _ = home
    already = {"SONDE_SERVER": "http://a", "SONDE_SERVICE": "b", "SONDE_TOKEN": "t", "OTEL_SERVICE_NAME": "o"}
    seen = environment_seen(binary, "--service", "c", env=already)
    assert {k: seen[k] for k in already} == {**already, "SONDE_SERVICE": "c"}


def test_comes_before_the_applications_own_path_and_once(home):
    binary, boot = home
    seen = environment_seen(binary, env={"PYTHONPATH": "/app:/lib"})
    assert python_path(seen) == [str(boot), "/app", "/lib"]
    seen = environment_seen(binary, "--", str(binary), "run", env={"PYTHONPATH": "/app"})
    assert python_path(seen) == [str(boot), "/app"]


def with_ruby(boot):
    """Puts Ruby's boot file beside Python's; its path without the ending."""
    folder = boot.parent.parent / "ruby" / "boot"
    folder.mkdir(parents=True)
    (folder / "sonde_boot.rb").write_text("")
    return str(folder / "sonde_boot")


def test_ruby_is_left_alone_without_its_boot_file(home):
    seen = environment_seen(home[0], env={"RUBYOPT": None, "RUBYLIB": None})
    assert "RUBYOPT" not in seen and "RUBYLIB" not in seen
    assert environment_seen(home[0], env={"RUBYOPT": "-w"})["RUBYOPT"] == "-w"


def ruby_options(seen):
    first, *rest = seen["RUBYOPT"].split(" ")
    assert first.startswith("-r")
    return ["-r" + os.path.normpath(first[2:]), *rest]


def test_rubys_boot_file_comes_first_and_once(home):
    binary, boot = home
    option = "-r" + with_ruby(boot)
    seen = environment_seen(binary, env={"RUBYOPT": None, "RUBYLIB": None})
    assert ruby_options(seen) == [option] and "RUBYLIB" not in seen
    assert ruby_options(environment_seen(binary, env={"RUBYOPT": ""})) == [option]
    seen = environment_seen(binary, "--", str(binary), "run", env={"RUBYOPT": "-w -rset", "RUBYLIB": "/app"})
    assert ruby_options(seen) == [option, "-w", "-rset"] and seen["RUBYLIB"] == "/app"


def test_rubys_boot_file_in_a_folder_with_a_blank(tmp_path):
    binary = tmp_path / "a b" / "sonde"
    boot = tmp_path / "a b" / "lib" / "sonde" / "python" / "boot"
    boot.mkdir(parents=True)
    shutil.copy2(SONDE, binary)
    folder = os.path.dirname(with_ruby(boot))
    seen = environment_seen(binary, "--", str(binary), "run", env={"RUBYOPT": "-w", "RUBYLIB": "/app:/lib"})
    assert seen["RUBYOPT"] == "-rsonde_boot -w"
    assert [os.path.normpath(p) for p in seen["RUBYLIB"].split(":")] == [folder, "/app", "/lib"]


def test_global_server_counts(home):
    binary, _ = home
    done = subprocess.run([str(binary), "--server", "http://x:1", "run", "--", "sh", "-c", "echo $SONDE_SERVER"],
                          env=environment(), text=True, capture_output=True)
    assert done.stdout == "http://x:1\n"


def test_is_the_same_process(home):
    binary, _ = home
    process = subprocess.Popen([str(binary), "run", sys.executable, "-c", SHOW], stdout=subprocess.PIPE,
                               env=environment(), text=True)
    assert json.loads(process.communicate(timeout=DEADLINE_S)[0])["pid"] == process.pid


@pytest.mark.parametrize("status", [0, 1, 2, 42, 126, 255])
def test_exit_status_is_the_commands(home, status):
    assert run(home[0], "--", "sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE])
def test_signal_death_is_the_commands(home, number):
    # SIGPIPE too: nothing that is ignored here may stay ignored there.
    done = run(home[0], "--", "sh", "-c", f"kill -{int(number)} $$", restore_signals=True)
    assert done.returncode == -number


def test_the_commands_options_are_its_own(home):
    done = run(home[0], "echo", "--help", "--server", "x")
    assert done.stdout in ("--help --server x\n",)
    done = run(home[0], "--service", "s", "--", "printf", "%s|", "--", "a b", "")
    assert done.stdout == "--|a b||"


def test_streams_are_the_commands(home):
    done = run(home[0], "--", "sh", "-c", "cat; echo oops >&2", input="hello")
    assert (done.stdout, done.stderr) == ("hello", "oops\n")


def test_no_descriptor_leaks_into_the_command(home):
    done = run(home[0], "--", "sh", "-c", "ls /proc/self/fd")
    assert done.stdout.split() == ["0", "1", "2", "3"]  # 3 is ls reading the folder


def test_command_that_is_not_there_is_127(home):
    done = run(home[0], "--", "no-such-command-of-ours")
    assert (done.returncode, done.stderr) == (127, "sonde: no-such-command-of-ours: command not found\n")
    assert run(home[0], "--", "/no/such/file").returncode == 127
    assert run(home[0], "--", "").returncode == 127


def test_command_that_is_not_executable_is_126(home, tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("hello")
    plain.chmod(0o644)
    done = run(home[0], "--", str(plain))
    assert done.returncode == 126 and done.stderr.startswith(f"sonde: {plain}: ")
    assert run(home[0], "--", str(tmp_path)).returncode == 126


def test_without_its_agents_it_refuses(tmp_path):
    binary = tmp_path / "bin" / "sonde"
    binary.parent.mkdir()
    shutil.copy2(SONDE, binary)
    done = run(binary, "--", "true")
    assert done.returncode == 1
    assert f"there is neither {tmp_path}/bin/lib/sonde nor {tmp_path}/bin/../lib/sonde" in done.stderr


def test_a_symbolic_link_to_the_binary_finds_them(home, tmp_path):
    link = tmp_path / "elsewhere"
    link.symlink_to(home[0])
    assert python_path(environment_seen(link, env={"PYTHONPATH": None})) == [str(home[1])]
