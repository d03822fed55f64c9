# Rows: CORE-03 CORE-10 CORE-12 CORE-13 CORE-16 CORE-17
"""Exit statuses, forks, exits: the agent in processes of every kind, on every interpreter."""
import os
import signal
import subprocess
import time

from conftest import SONDE, Running, command_of, run_program, wait_for


def test_CORE_16_exit_status_is_the_commands(collector, host, tmp_path):
    program = host.program(tmp_path, python="""
        import os, signal, sys
        if sys.argv[1] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        sys.exit(int(sys.argv[1]))
        """, ruby="""
        Process.kill(:KILL, Process.pid) if ARGV[0] == "kill"
        exit(ARGV[0].to_i)
        """)
    assert run_program(collector, host, program, 0).returncode == 0
    assert run_program(collector, host, program, 37).returncode == 37
    assert run_program(collector, host, program, "kill").returncode == -signal.SIGKILL
    silent = run_program(collector, host, program, 0)
    assert silent.stdout == silent.stderr == ""


def test_CORE_16_the_application_asks_for_it(collector, host, tmp_path):
    """The package or gem gives the agent to an application that says so itself."""
    lib = os.path.join(os.path.dirname(SONDE), "lib", "sonde", host.language)
    program = host.program(tmp_path, python="""
        import sonde.auto, sonde
        print(sonde.status()["running"])
        """, ruby="""
        require "sonde/auto"
        puts(Sonde.status[:running] ? "True" : Sonde.status)
        """)
    way = {"python": ([], {"PYTHONPATH": lib}), "ruby": (["-I", lib], {})}
    flags, env = way[host.language]
    done = subprocess.run([host.interpreter, *flags, str(program.path)], capture_output=True, text=True,
                          env={**os.environ, **env, "SONDE_SERVER": collector.url})
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_load_path_is_left_as_it_was(collector, host, tmp_path):
    """And all else that an application may see of how it was started."""
    program = host.program(tmp_path, python="""
        import sys
        print(sys.path, sys.flags, sorted(sys.warnoptions), __name__)
        """, ruby="""
        p $LOAD_PATH, $VERBOSE, $DEBUG, $0, ARGV, $PROGRAM_NAME, Warning[:deprecated]
        p defined?(DidYouMean), defined?(Gem), Thread.list.size, trap(:TERM, "DEFAULT")
        p Object.constants.size - (defined?(Sonde) ? 1 : 0)
        p Process.method(:fork).arity, Kernel.method(:fork).owner
        """)
    if host.language == "python":
        plain = subprocess.run([host.interpreter, str(program.path)], capture_output=True, text=True)
        assert run_program(collector, host, program).stdout == plain.stdout
        return
    plain = subprocess.run([host.interpreter, str(program.path)], capture_output=True, text=True)
    ours = run_program(collector, host, program)
    assert ours.stderr == plain.stderr == ""
    told, expected = ours.stdout.splitlines(), plain.stdout.splitlines()
    # The one thing that shows: the thread that brings safe points is Ruby's, and listed.
    threads = expected.index("1")
    assert told[threads] in ("1", "2")
    assert told[:threads] == expected[:threads]
    assert told[threads + 1] == expected[threads + 1]


def test_CORE_12_what_is_queued_is_flushed_at_exit(collector, host, tmp_path):
    """A program that ends right after its first hit; the probe was there before it began."""
    program = host.program(tmp_path, python="""
        import sys, time
        def work(n):
            result = n * 2
            return result  # PROBE
        time.sleep(float(sys.argv[1]))
        work(21)
        """, ruby="""
        def work(n)
          result = n * 2
          result # PROBE
        end
        sleep(ARGV[0].to_f)
        work(21)
        """)
    probe = collector.sonde("probe", "add", program.at()).stdout.strip()
    assert run_program(collector, host, program, 1.5).returncode == 0
    snapshot = collector.await_snapshots(probe, 1, 5)[0]
    assert snapshot["captures"]["lines"][str(program.line())]["locals"]["result"]["value"] == "42"


def test_CORE_13_fork_children_are_agents_of_their_own(collector, host, tmp_path):
    program = host.program(tmp_path, python="""
        import os, time
        def work(n):
            return n + 1  # PROBE
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
        """, ruby="""
        def work(n)
          n + 1 # PROBE
        end
        children = Array.new(4) do |i|
          fork do
            40.times { work(i); sleep 0.05 }
            exit!(0)
          end
        end
        60.times { work(100); sleep 0.05 }
        children.each { |pid| Process.wait(pid); raise "child" unless $?.success? }
        """)
    probe = collector.sonde("probe", "add", program.at(), "--rate", 5).stdout.strip()
    done = run_program(collector, host, program)
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


def test_CORE_13_fork_storm(collector, host, tmp_path):
    """200 children from four threads while a probe fires; nobody hangs, nobody crashes."""
    program = host.program(tmp_path, python="""
        import os, threading, sys
        def work(n):
            return n + 1  # PROBE
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
        """, ruby="""
        def work(n)
          n + 1 # PROBE
        end
        bad = []
        threads = Array.new(4) do
          Thread.new do
            50.times do
              pid = fork { work(1); exit!(0) }
              work(2)
              Process.wait(pid)
              bad << $? unless $?.success?
            end
          end
        end
        threads.each(&:join)
        warn bad.inspect unless bad.empty?
        exit(bad.empty?)
        """)
    collector.sonde("probe", "add", program.at(), "--rate", 1000)
    done = run_program(collector, host, program, timeout=120)
    assert done.returncode == 0, done.stderr


def test_CORE_13_daemonised(collector, host, tmp_path):
    program = host.program(tmp_path, python="""
        import os, time
        def work(n):
            return n + 1  # PROBE
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        for i in range(200):
            work(i)
            time.sleep(0.05)
        """, ruby="""
        def work(n)
          n + 1 # PROBE
        end
        Process.daemon(true)
        200.times { |i| work(i); sleep 0.05 }
        """)
    probe = collector.sonde("probe", "add", program.at(), "--rate", 10).stdout.strip()
    started = subprocess.Popen(command_of(collector, host, program), stdout=subprocess.DEVNULL)
    assert started.wait(30) == 0
    snapshot = collector.await_snapshots(probe)[0]
    assert snapshot["runtime"]["pid"] != started.pid
    os.kill(snapshot["runtime"]["pid"], signal.SIGTERM)


def test_CORE_13_forking_brings_no_warning(collector, host, tmp_path):
    """CPython warns of forking with threads; ours rest meanwhile, and go on in the parent."""
    program = host.program(tmp_path, python="""
        import os, time, sys, threading
        def work(n):
            return n + 1  # PROBE
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
        """, ruby="""
        def work(n)
          n + 1 # PROBE
        end
        20.times { Process.wait(fork { exit!(0) }) }
        150.times { work(1); sleep 0.02 }
        """)
    probe = collector.sonde("probe", "add", program.at()).stdout.strip()
    flags = {"python": ["-W", "error"], "ruby": ["-w"]}[host.language]
    done = run_program(collector, host, program, flags=flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert collector.await_snapshots(probe)


def test_CORE_17_a_broken_agent_is_not_felt(collector, host, tmp_path):
    """Nonsense in every setting: the application runs as without us."""
    program = host.program(tmp_path, python="print('fine')", ruby="puts 'fine'")
    done = run_program(collector, host, program, env={
        "SONDE_QUEUE_BYTES": "nonsense", "SONDE_MAX_RATE": "-1", "SONDE_CPU_PERCENT": "x",
        "SONDE_FLUSH_MS": "never", "SONDE_REDACT_NAMES": ",,,", "OTEL_RESOURCE_ATTRIBUTES": "=%zz,,=",
        "SONDE_LOG": "off"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_CORE_10_signals_stay_the_applications(collector, host, tmp_path):
    """No handler is replaced and no signal reaches our threads instead of the program's."""
    program = host.program(tmp_path, python="""
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
        """, ruby="""
        seen = []
        %w[USR1 USR2 ALRM PROF HUP WINCH TERM CHLD].each do |name|
          before = trap(name) { |number| seen << number }
          raise "#{name} #{before.inspect}" unless %w[DEFAULT SYSTEM_DEFAULT].include?(before)
        end
        50.times do |i|
          Process.kill(:USR1, Process.pid)
          sleep 0.005
          raise "late" unless seen.size == i + 1
        end
        puts "fine"
        """)
    done = run_program(collector, host, program)
    assert done.stdout == "fine\n", done.stderr


def test_CORE_03_expiry(collector, host, tmp_path):
    program = host.program(tmp_path, python="""
        import time
        def work(n):
            return n + 1  # PROBE
        for i in range(400):
            work(i)
            time.sleep(0.02)
        """, ruby="""
        def work(n)
          n + 1 # PROBE
        end
        400.times { |i| work(i); sleep 0.02 }
        """)
    probe = collector.sonde("probe", "add", program.at(), "--expires", "2s").stdout.strip()
    began = time.monotonic()
    with Running(collector, host, program, tmp_path):
        collector.await_snapshots(probe, 1, 10)
        expired = wait_for("expiry", lambda: [
            i for i in collector.instances(probe) if i["cause"] == "expired"], 10)
        assert expired[0]["status"] == "error"
        assert time.monotonic() - began < 9
