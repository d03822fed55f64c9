# Rows: CORE-03 CORE-10 CORE-12 CORE-13 CORE-16 CORE-17
"""Exit statuses, forks, exits: the agent in processes of every kind."""
import os
import signal
import subprocess
import textwrap
import time

from conftest import SONDE, run_script, wait_for


def write(tmp_path, text, name="program.py"):
    path = tmp_path / name
    path.write_text(textwrap.dedent(text))
    return path


def test_CORE_16_exit_status_is_the_commands(collector, python, tmp_path):
    program = write(tmp_path, """
        import os, signal, sys
        if sys.argv[1] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        sys.exit(int(sys.argv[1]))
        """)
    assert run_script(collector, python, program, 0).returncode == 0
    assert run_script(collector, python, program, 37).returncode == 37
    assert run_script(collector, python, program, "kill").returncode == -signal.SIGKILL
    silent = run_script(collector, python, program, 0)
    assert silent.stdout == silent.stderr == ""


def test_CORE_16_import_sonde_auto(collector, python, tmp_path):
    """The package gives the agent to an application that asks for it."""
    lib = os.path.join(os.path.dirname(SONDE), "lib", "sonde", "python")
    program = write(tmp_path, """
        import sonde.auto, sonde
        print(sonde.status()["running"])
        """)
    done = subprocess.run([str(python), str(program)], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": lib, "SONDE_SERVER": collector.url})
    assert done.stdout == "True\n", done.stderr


def test_sys_path_is_left_as_it_was(collector, python, tmp_path):
    program = write(tmp_path, "import sys; print(sys.path, sys.flags, sorted(sys.warnoptions))")
    plain = subprocess.run([str(python), str(program)], capture_output=True, text=True).stdout
    assert run_script(collector, python, program).stdout == plain


def test_CORE_12_what_is_queued_is_flushed_at_exit(collector, python, tmp_path):
    """A program that ends right after its first hit; the probe was there before it began."""
    program = write(tmp_path, """
        import sys, time
        def work(n):
            result = n * 2
            return result
        time.sleep(float(sys.argv[1]))
        work(21)
        """)
    line = 4
    probe = collector.sonde("probe", "add", f"program.py:{line + 1}").stdout.strip()
    assert run_script(collector, python, program, 1.5).returncode == 0
    snapshot = collector.await_snapshots(probe, 1, 5)[0]
    assert snapshot["captures"]["lines"]["5"]["locals"]["result"]["value"] == "42"


def test_CORE_13_fork_children_are_agents_of_their_own(collector, python, tmp_path):
    program = write(tmp_path, """
        import os, time
        def work(n):
            return n + 1
        children = []
        for i in range(4):
            pid = os.fork()
            if pid == 0:
                for _ in range(40):
                    work(i)
                    time.sleep(0.05)
                os._exit(0)
            children.append(pid)
        for _ in range(60):
            work(100)
            time.sleep(0.05)
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        """)
    probe = collector.sonde("probe", "add", "program.py:4", "--rate", 5).stdout.strip()
    done = run_script(collector, python, program)
    assert done.returncode == 0, done.stderr
    snapshots = wait_for("five processes", lambda: (
        lambda found: found if len({s["runtime"]["pid"] for s in found}) == 5 else None)(
            collector.snapshots(probe)))
    by_pid = {}
    for s in snapshots:
        by_pid.setdefault(s["runtime"]["pid"], set()).add(s["runtime"]["instance_id"])
    assert len(by_pid) == 5 and all(len(ids) == 1 for ids in by_pid.values())
    assert len(set.union(*by_pid.values())) == 5
    assert len({s["id"] for s in snapshots}) == len(snapshots)


def test_CORE_13_fork_storm(collector, python, tmp_path):
    """200 children from four threads while a probe fires; nobody hangs, nobody crashes."""
    program = write(tmp_path, """
        import os, threading, sys
        def work(n):
            return n + 1
        bad = []
        def storm():
            for _ in range(50):
                pid = os.fork()
                if pid == 0:
                    work(1)
                    os._exit(0)
                work(2)
                status = os.waitpid(pid, 0)[1]
                if status:
                    bad.append(status)
        threads = [threading.Thread(target=storm) for _ in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        sys.exit(1 if bad else 0)
        """)
    collector.sonde("probe", "add", "program.py:4", "--rate", 1000)
    done = run_script(collector, python, program, timeout=120)
    assert done.returncode == 0, done.stderr


def test_CORE_13_daemonised(collector, python, tmp_path):
    program = write(tmp_path, """
        import os, time
        def work(n):
            return n + 1
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        for i in range(200):
            work(i)
            time.sleep(0.05)
        """)
    probe = collector.sonde("probe", "add", "program.py:4", "--rate", 10).stdout.strip()
    subprocess.run([SONDE, "run", "--server", collector.url, "--", str(python), str(program)],
                   stdout=subprocess.DEVNULL, check=True, timeout=30)
    snapshot = collector.await_snapshots(probe)[0]
    os.kill(snapshot["runtime"]["pid"], signal.SIGTERM)


def test_CORE_13_forking_brings_no_warning(collector, python, tmp_path):
    """CPython warns of forking with threads; ours rest meanwhile, and go on in the parent."""
    program = write(tmp_path, """
        import os, time, sys, threading
        def work(n):
            return n + 1
        def fork():
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        for _ in range(20):
            fork()
        before = time.monotonic()
        while time.monotonic() < before + 3:
            work(1)
            time.sleep(0.02)
        """)
    probe = collector.sonde("probe", "add", "program.py:4").stdout.strip()
    done = subprocess.run([SONDE, "run", "--server", collector.url, "--", str(python), "-W", "error",
                           str(program)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert collector.await_snapshots(probe)


def test_CORE_17_a_broken_agent_is_not_felt(collector, python, tmp_path):
    """Nonsense in every setting: the application runs as without us."""
    program = write(tmp_path, "print('fine')")
    done = run_script(collector, python, program, env={
        "SONDE_QUEUE_BYTES": "nonsense", "SONDE_MAX_RATE": "-1", "SONDE_CPU_PERCENT": "x",
        "SONDE_FLUSH_MS": "never", "SONDE_REDACT_NAMES": ",,,", "OTEL_RESOURCE_ATTRIBUTES": "=%zz,,=",
        "SONDE_LOG": "off"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_CORE_10_signals_stay_the_applications(collector, python, tmp_path):
    """No handler is replaced and no signal reaches our threads instead of the program's."""
    program = write(tmp_path, """
        import os, signal, time, select
        seen = []
        for name in ("SIGUSR1", "SIGALRM", "SIGPROF", "SIGVTALRM", "SIGCHLD"):
            number = getattr(signal, name)
            assert signal.getsignal(number) == signal.SIG_DFL, name
            signal.signal(number, lambda n, f: seen.append(n))
        for _ in range(50):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.005)
        assert len(seen) == 50, len(seen)
        print("fine")
        """)
    done = run_script(collector, python, program)
    assert done.stdout == "fine\n", done.stderr


def test_CORE_03_expiry(collector, python, tmp_path):
    program = write(tmp_path, """
        import time
        def work(n):
            return n + 1
        for i in range(400):
            work(i)
            time.sleep(0.02)
        """)
    probe = collector.sonde("probe", "add", "program.py:4", "--expires", "2s").stdout.strip()
    began = time.monotonic()
    app = subprocess.Popen([SONDE, "run", "--server", collector.url, "--", str(python), str(program)])
    try:
        collector.await_snapshots(probe, 1, 10)
        expired = wait_for("expiry", lambda: [
            i for i in collector.instances(probe) if i["cause"] == "expired"], 10)
        assert expired[0]["status"] == "error"
        assert time.monotonic() - began < 9
    finally:
        app.terminate()
        app.wait()
