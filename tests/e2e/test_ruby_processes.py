# Rows: CORE-08 CORE-11 CORE-12 CORE-13 CORE-16 CORE-17 NX-05
"""Ruby processes go on as without the agent: output, exceptions, signals, exits, forks, a hung collector."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from conftest import SONDE, App, Process, Running, free_port, get, run_program, wait_for
from test_collector_loss import Traffic

PROGRAMS = {
    "uncaught": """
        def inner(n) = raise(ArgumentError, "no #{n}")
        def outer(n) = inner(n)
        begin
          outer(1)
        rescue => error
          raise "outer"
        end
        """,
    "exit in at_exit": """
        at_exit { puts "first in, last out"; exit 3 }
        at_exit { puts "last in, first out" }
        puts "body"
        """,
    "raise in at_exit": """
        at_exit { raise "in at_exit" }
        puts "body"
        """,
    "exit!": "puts 'body'; $stdout.flush; at_exit { puts 'never' }; exit!(4)",
    "abort": "abort 'aborted'",
    "throw": "throw :nothing",
    "syntax": "eval('1 +')",
    "thread dies": """
        Thread.report_on_exception = true
        begin
          Thread.new { raise "in a thread" }.join
        rescue => error
          puts error.message, error.backtrace
        end
        """,
    "killed": "Process.kill(:TERM, Process.pid); sleep",
    "interrupted": "Process.kill(:INT, Process.pid); sleep",
    "trapped": "trap(:TERM) { puts 'trapped'; exit 7 }; Process.kill(:TERM, Process.pid); sleep",
    "fork": """
        $stdout.sync = true
        pid = fork { at_exit { puts "child's" }; puts "child"; exit 5 }
        Process.wait(pid)
        puts $?.exitstatus
        """,
    "exec": "exec('ruby', '-e', 'puts 1 + 1; exit 9')",
    "spawn": "puts `ruby -e 'puts 6 * 7'`; system('exit 3'); p $?.exitstatus; IO.popen('-') { |io| io ? puts(io.read) : puts('c') }",
    "stack": "def deep(n) = deep(n + 1)\nbegin; deep(0); rescue SystemStackError => e; puts e.class; end",
    "caller": "def who = caller\nputs who\nputs caller_locations(0).map(&:to_s)",
    "warnings": "warn 'said'; $stderr.puts 'told'; puts $VERBOSE.inspect",
    "data": "puts DATA.read\n__END__\nbehind the end\n",
    "tracepoint": """
        seen = []
        tp = TracePoint.new(:call) { |t| seen << t.method_id }
        def one = 1
        tp.enable { one }
        p seen
        """,
    "objects": """
        Foo = Class.new
        p ObjectSpace.each_object(Foo).count, Object.new.frozen?, Foo.ancestors
        p ObjectSpace.each_object(Class).count { |c| c.name.nil? && c < StandardError }
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_CORE_17_CORE_16_output_status_and_signals_are_as_without_the_agent(
        collector, ruby_host, tmp_path, name):
    program = ruby_host.program(tmp_path, ruby=PROGRAMS[name])
    plain = subprocess.run([ruby_host.interpreter, str(program.path)], capture_output=True, text=True,
                           timeout=30)
    ours = run_program(collector, ruby_host, program, timeout=30)
    shown, expected = ((re.sub(r"0x[0-9a-f]{16}", "0x", it.stdout), re.sub(r"0x[0-9a-f]{16}", "0x", it.stderr))
                       for it in (ours, plain))
    assert (shown, ours.returncode) == (expected, plain.returncode)


def test_CORE_17_the_same_from_standard_input_and_options(collector, ruby_host):
    """Ruby's own switches, -e, -n, standard input, and an application's RUBYOPT."""
    ruby = ruby_host.interpreter
    for flags, stdin in ((["-e", "p __FILE__, $0"], ""), (["-ne", "puts $_.upcase"], "a\nb\n"),
                         (["-"], "p __FILE__, $0, 1\n"), (["-W0", "-e", "p $VERBOSE"], ""),
                         (["-rjson", "-e", "puts JSON.generate([1])"], ""), (["--version"], ""),
                         (["-c", "-e", "1"], ""), (["--disable-gems", "-e", "p defined?(Gem)"], "")):
        for opt in ("", "-W1 -rset"):
            env = {**os.environ, "RUBYOPT": opt, "SONDE_SERVER": collector.url}
            plain, ours = (subprocess.run([*runner, ruby, *flags], input=stdin, capture_output=True,
                                          text=True, timeout=30, env=env)
                           for runner in ([], [SONDE, "run", "--"]))
            assert (ours.stdout, ours.stderr, ours.returncode) == \
                (plain.stdout, plain.stderr, plain.returncode), flags


def puma(collector, host, tmp_path, workers, with_agent, name):
    port = free_port()
    runner = [SONDE, "run", "--server", collector.url, "--"] if with_agent else []
    process = Process([*runner, *host.server(port, workers)], tmp_path / f"{name}.log")
    url = f"http://127.0.0.1:{port}"

    def up():
        try:
            return get(url + "/health", 2)[0] == 200
        except OSError:
            return False
    wait_for("Puma", up)
    wait_for("its workers", lambda: process.output().count(" booted in ") == workers)
    return process, url


def plain_log(process):
    """Puma's log without what differs from run to run: process ids, ports, times."""
    text = re.sub(r"\[\d+\]|PID: +\d+|:\d{4,5}\b|\d+\.\d+s|\d{4}-\d\d-\d\d [\d:]+ \S+", "·", process.output())
    return sorted(text.splitlines())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_CORE_17_pumas_own_signals_work_as_before(collector, ruby_host, tmp_path, workers, sig):
    ended = []
    for with_agent in (False, True):
        process, url = puma(collector, ruby_host, tmp_path, workers, with_agent, f"puma{with_agent}")
        assert json.loads(get(url + "/order?item=mug")[1])["total"] == 1290
        began = time.monotonic()
        status = process.stop(sig)
        assert time.monotonic() - began < 10
        ended.append((status, plain_log(process)))
    assert ended[0] == ended[1]


def test_CORE_13_a_phased_restart_brings_new_agents(collector, ruby_host, tmp_path):
    """Puma's SIGUSR1 replaces its workers one by one; the probe is in each new one."""
    app = App(collector, ruby_host, tmp_path)
    try:
        probe = app.add(ruby_host.place, "--rate", 1000)
        app.order()
        collector.await_snapshots(probe)
        before = {p["pid"] for p in collector.json("ps") if p["connected"]}
        app.process.popen.send_signal(signal.SIGUSR1)

        def replaced():
            now = [p for p in collector.json("ps") if p["connected"] and p["pid"] not in before]
            return len(now) == 2 and all(p["probes"] == 1 for p in now) and {p["pid"] for p in now}
        fresh = wait_for("two new workers", replaced, 40)

        def seen():
            app.order()
            return any(s["runtime"]["pid"] in fresh for s in collector.snapshots(probe, 10))
        wait_for("a snapshot from a new worker", seen)
    finally:
        app.stop()


def sockets_to(pid, port):
    """The inodes of this process's connections to a loopback port."""
    remote = f"0100007F:{port:04X}"
    connected = set()
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[2] == remote and fields[3] == "01":
                connected.add(fields[9])
    held = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            held.add(target[8:-1])
    return connected & held


def test_NX_05_CORE_13_a_child_makes_connections_of_its_own(collector, ruby_host, tmp_path):
    """After the fork parent and child talk to the collector through sockets that they do not share."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(n)
          n + 1 # PROBE
        end
        20.times { work(0); sleep 0.05 } # connected by then
        pid = fork { loop { work(1); sleep 0.05 } }
        trap(:TERM) { Process.kill(:KILL, pid); Process.wait(pid); exit }
        puts pid
        $stdout.flush
        loop { work(2); sleep 0.05 }
        """)
    probe = collector.sonde("probe", "add", program.at(), "--rate", 100).stdout.strip()
    with Running(collector, ruby_host, program, tmp_path) as it:
        child = int(wait_for("the child", lambda: it.output().strip()))

        def both():
            return {child, it.pid} <= {s["runtime"]["pid"] for s in collector.snapshots(probe, 200)}
        wait_for("snapshots of both", both)
        own = wait_for("connections of both", lambda: (
            lambda a, b: (a, b) if a - b and b - a else None)(
                sockets_to(it.pid, collector.port), sockets_to(child, collector.port)))
        assert own
        n = {s["runtime"]["pid"]: s for s in collector.snapshots(probe, 200)}
        for pid, allowed in ((child, {"1"}), (it.pid, {"0", "2"})):
            for s in collector.snapshots(probe, 200):
                if s["runtime"]["pid"] == pid:
                    (at,) = s["captures"]["lines"].values()
                    assert at["arguments"]["n"]["value"] in allowed  # nothing of the parent's sent twice
        assert len(n) == 2


def resident(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Rss:")) * 1024


def test_CORE_11_CORE_12_a_flood_while_the_collector_hangs(collector, ruby_host, tmp_path):
    """100,000 hits with a collector that accepts and never answers: bounded memory, counted drops, and
    the application does not wait."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(n, list, table)
          text = "x" * 200
          n + 1 # PROBE
        end
        LIST, TABLE = (0...50).to_a, (0...50).to_h { |n| [n, n.to_s] }
        def flood(count) = count.times { |n| work(n, LIST, TABLE) }
        $stdout.sync = true
        flood(20_000)
        puts "warm"
        while (count = $stdin.gets)
          began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
          flood(count.to_i)
          puts Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
        end
        """)
    queue = 1 << 20
    app = subprocess.Popen(
        [SONDE, "run", "--server", collector.url, "--", ruby_host.interpreter, str(program.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env={
            **os.environ, "SONDE_QUEUE_BYTES": str(queue), "SONDE_MAX_RATE": "100000",
            "SONDE_CPU_PERCENT": "100"})

    def flood(count):
        app.stdin.write(f"{count}\n")
        return float(app.stdout.readline())
    try:
        assert app.stdout.readline() == "warm\n"
        probe = collector.add(program.at(), "--rate", 5000)
        flood(1000)
        collector.await_snapshots(probe)
        before = resident(app.pid)
        collector.process.popen.send_signal(signal.SIGSTOP)
        took = [flood(20_000) for _ in range(5)]
        assert resident(app.pid) - before < queue + (8 << 20)
        assert max(took) < 10
        collector.process.popen.send_signal(signal.SIGCONT)
        wait_for("the hits", lambda: [
            i for i in collector.instances(probe) if i["hits"] == 101_000], 40)
        print(collector.instances(probe), took)
        (instance,) = collector.instances(probe)
        assert instance["dropped"]["queue_full"] > 0
        assert instance["captured"] < instance["hits"]
        newest = collector.snapshots(probe, 1)[0]["timestamp_ns"]
        flood(1000)
        wait_for("new snapshots", lambda: collector.snapshots(probe, 1)[0]["timestamp_ns"] > newest, 40)
    finally:
        collector.process.popen.send_signal(signal.SIGCONT)
        app.kill()
        app.wait()


def test_CORE_12_a_slow_collector_slows_nobody(collector, ruby_host, tmp_path):
    """Stopped for seconds while requests run with a probe in them: none fails, none waits."""
    app = App(collector, ruby_host, tmp_path)
    traffic = Traffic(app.url + "/order?item=tea&quantity=2")
    try:
        probe = app.add(ruby_host.place, "--rate", 100)
        traffic.start()
        collector.await_snapshots(probe)
        collector.process.popen.send_signal(signal.SIGSTOP)
        slowest = 0
        for _ in range(200):
            began = time.monotonic()
            app.order()
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 2
    finally:
        collector.process.popen.send_signal(signal.SIGCONT)
        traffic.finish()
        app.stop()
    assert traffic.failures == []


def test_CORE_12_the_exit_waits_no_longer_than_it_may(collector, ruby_host, tmp_path):
    """A collector that hangs: the program ends within its flush time, with its own status."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(n)
          n + 1 # PROBE
        end
        File.write(ARGV[0], "up")
        sleep 0.02 until File.exist?(ARGV[1])
        work(1)
        exit 6
        """)
    collector.sonde("probe", "add", program.at())
    up, go = tmp_path / "up", tmp_path / "go"
    with Running(collector, ruby_host, program, tmp_path, up, go,
                 env={"SONDE_FLUSH_MS": "1000"}) as it:
        wait_for("the probe", lambda: [p for p in collector.json("ps") if p["probes"] == 1])
        collector.process.popen.send_signal(signal.SIGSTOP)
        try:
            go.touch()
            began = time.monotonic()
            assert it.process.popen.wait(20) == 6
            assert time.monotonic() - began < 5
        finally:
            collector.process.popen.send_signal(signal.SIGCONT)


def test_CORE_08_the_cpu_budget_suspends_and_says_so(collector, ruby_host, tmp_path):
    program = ruby_host.program(tmp_path, ruby="""
        ROWS = Array.new(100) { |n| { "id" => n, "name" => "row #{n}", "tags" => %w[a b c] } }
        def work(rows)
          rows.size # PROBE
        end
        loop { work(ROWS); sleep 0.0005 }
        """)
    with Running(collector, ruby_host, program, tmp_path,
                 env={"SONDE_CPU_PERCENT": "0.01", "SONDE_MAX_RATE": "100000"}):
        # Not awaited: it may be suspended before anybody has seen it installed.
        probe = collector.sonde("probe", "add", program.at(), "--rate", 5000).stdout.strip()
        told = wait_for("the budget", lambda: [
            i for i in collector.instances(probe) if i["cause"] == "over_budget"])
        assert told[0]["hits"] >= told[0]["captured"] > 0


def test_CORE_13_a_fork_without_the_block_and_in_threads(collector, ruby_host, tmp_path):
    """fork with and without a block, Process.fork, IO.popen("-"), a fork in a thread, in a child."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(word)
          word # PROBE
        end
        def alive(word) = 60.times { work(word); sleep 0.03 }
        pids = []
        pids << fork { alive("block"); exit!(0) }
        pid = fork
        unless pid
          alive("plain")
          exit!(0)
        end
        pids << pid
        pids << Process.fork { alive("Process"); exit!(0) }
        pids << Thread.new { fork { alive("thread"); exit!(0) } }.value
        pids << fork { inner = fork { alive("grandchild"); exit!(0) }; Process.wait(inner); exit!($?.exitstatus) }
        io = IO.popen("-")
        unless io
          alive("popen")
          exit!(0)
        end
        pids.each { |it| Process.wait(it); exit(1) unless $?.success? }
        io.close
        exit($?.exitstatus)
        """)
    probe = collector.sonde("probe", "add", program.at(), "--rate", 10).stdout.strip()
    done = run_program(collector, ruby_host, program)
    assert (done.returncode, done.stderr) == (0, "")

    def words():
        found = set()
        for snapshot in collector.snapshots(probe, 1000):
            (at,) = snapshot["captures"]["lines"].values()
            found.add(at["arguments"]["word"]["value"])
        return found == {"block", "plain", "Process", "thread", "grandchild", "popen"}
    wait_for("a snapshot of every child", words)


def test_CORE_12_what_runs_at_the_exit_is_still_seen(collector, ruby_host, tmp_path):
    program = ruby_host.program(tmp_path, ruby="""
        at_exit { last = 42; last + 1 } # PROBE
        File.write(ARGV[0], "up")
        sleep 0.02 until File.exist?(ARGV[1])
        """)
    up, go = tmp_path / "up", tmp_path / "go"
    with Running(collector, ruby_host, program, tmp_path, up, go) as it:
        wait_for("the program", up.exists)
        probe = collector.add(program.at())
        go.touch()
        assert it.process.popen.wait(20) == 0
    collector.await_snapshots(probe, 1, 5)


def test_CORE_17_an_application_that_ends_all_other_threads(collector, ruby_host, tmp_path):
    """Some servers kill, or wait for, every thread they find: neither hangs, and probes work on."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(n)
          n + 1 # PROBE
        end
        own = Thread.new { sleep }
        own.report_on_exception = false
        others = Thread.list - [Thread.current]
        others.each { |it| it.raise("away") }
        others.each(&:kill)
        others.each { |it| it.join(5) rescue nil }
        others.each { |it| it.wakeup rescue nil }
        puts own.alive?
        $stdout.flush
        loop { work(1); sleep 0.02 }
        """)
    with Running(collector, ruby_host, program, tmp_path) as it:
        wait_for("the program", lambda: it.output().endswith("false\n"))
        for _ in range(3):
            probe = collector.add(program.at(), "--rate", 100)
            collector.await_snapshots(probe)
            collector.sonde("probe", "rm", probe)
        assert "sonde" not in it.output()
