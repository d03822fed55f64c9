# Rows: CORE-13 RB-16
"""Children of Ruby processes: each that lives long enough reports in as itself."""
import json
import os
import signal

from conftest import SONDE, Process, Running, wait_for

SECONDS = 120  # 200 processes on a slow machine


def values(snapshot):
    (at,) = snapshot["captures"]["lines"].values()
    return {name: value.get("value") for name, value in {**at["arguments"], **at["locals"]}.items()}


def one_each(collector, probe, children):
    """None until each of these has a snapshot; then they are its own, and of an agent of its own."""
    by_pid = {}
    for snapshot in collector.snapshots(probe, 1000):
        if '"timeout"' in json.dumps(snapshot["captures"]):
            continue  # a process that had to wait for the processor in the middle of it
        by_pid.setdefault(snapshot["runtime"]["pid"], []).append(snapshot)
    if not set(children) <= set(by_pid):
        return None
    agents = {}
    for pid, snapshots in by_pid.items():
        for snapshot in snapshots:
            assert values(snapshot)["pid"] == str(pid)  # nothing of the parent's is sent by a child
            assert pid not in children or values(snapshot)["word"] == children[pid]
        agents[pid] = {snapshot["runtime"]["instance_id"] for snapshot in snapshots}
        assert len(agents[pid]) == 1, (pid, agents[pid])
    assert len(set.union(*agents.values())) == len(agents)
    return agents


def test_CORE_13_a_fork_storm(collector, ruby_host, tmp_path):
    """200 children as fast as they can be had, while other threads run into the probe."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(word, pid)
          word.size # PROBE
        end
        work("warm", Process.pid) until File.exist?(ARGV[0])
        stop = false
        busy = Array.new(2) { Thread.new { until stop; work("parent", Process.pid); sleep 0.01; end } }
        pids = Array.new(200) do |n|
          fork do
            until File.exist?(ARGV[1])
              work("child #{n}", Process.pid)
              sleep 0.5
            end
          end
        end
        File.write(ARGV[2], pids.join(" "))
        statuses = pids.map { |pid| Process.wait2(pid)[1] }
        stop = true
        busy.each(&:join)
        exit(statuses.all?(&:success?) ? 6 : 7)
        """)
    go, enough, told = tmp_path / "go", tmp_path / "enough", tmp_path / "told"
    with Running(collector, ruby_host, program, tmp_path, go, enough, told) as it:
        try:
            probe = collector.post("/api/v1/probes", {
                "location": program.at(), "rate": 1, "limits": {"time_us": 100000}})["id"]
            collector.await_snapshots(probe, 1, SECONDS)
            go.touch()
            pids = wait_for("the children", lambda: told.exists() and told.read_text(), SECONDS).split()
            children = {int(pid): f"child {n}" for n, pid in enumerate(pids)}
            assert len(children) == 200

            def all_there():
                known = {p["pid"]: p for p in collector.json("ps")}
                return known if set(children) <= set(known) else None
            known = wait_for("every child", all_there, SECONDS)
            assert len({known[pid]["instance_id"] for pid in children}) == 200
            wait_for("a snapshot of every child", lambda: one_each(collector, probe, children), SECONDS)
        finally:
            enough.touch()
        assert it.process.popen.wait(SECONDS) == 6, it.output()


def test_CORE_13_RB_16_a_daemon(collector, ruby_host, tmp_path):
    """Process.daemon forks without telling Ruby's own hook: the process that stays is another one."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(word, pid)
          word.size # PROBE
        end
        work("before", Process.pid) until File.exist?(ARGV[0])
        first = Process.pid
        Process.daemon(true, true)
        File.write(ARGV[2], "#{first} #{Process.pid}")
        until File.exist?(ARGV[1])
          work("daemon", Process.pid)
          sleep 0.05
        end
        """)
    go, enough, told = tmp_path / "go", tmp_path / "enough", tmp_path / "told"
    with Running(collector, ruby_host, program, tmp_path, go, enough, told) as it:
        try:
            probe = collector.add(program.at(), "--rate", "100", wait=60)
            collector.await_snapshots(probe, 1, SECONDS)
            go.touch()
            first, second = map(int, wait_for("the daemon", lambda: (
                told.exists() and told.read_text()), SECONDS).split())
            assert first != second and it.process.popen.wait(SECONDS) == 0
            wait_for("a snapshot of it", lambda: one_each(collector, probe, {second: "daemon"}), SECONDS)

            def ended():
                states = {p["pid"]: p["connected"] for p in collector.json("ps")}
                return states.get(second) is True and states.get(first) is False
            wait_for("the first to be gone", ended, SECONDS)
            # A probe that comes now finds it too.
            later = collector.add(program.at(), "--rate", "100", wait=60)
            wait_for("a later probe", lambda: one_each(collector, later, {second: "daemon"}), SECONDS)
        finally:
            enough.touch()


def test_CORE_13_forks_in_threads_and_in_their_children(collector, ruby_host, tmp_path):
    """Each from a thread that is not the main one and ends; the child's own threads run the code."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(word, pid)
          word.size # PROBE
        end
        work("before", Process.pid) until File.exist?(ARGV[0])
        live = lambda do |word|
          Thread.new { until File.exist?(ARGV[1]); work(word, Process.pid); sleep 0.1; end }.join
          exit!(0)
        end
        children = Queue.new
        8.times.map do |n|
          Thread.new do
            pid = fork do
              inner = Thread.new { fork { live.call("inner #{n}") } }.value
              File.write("#{ARGV[2]}.#{n}.new", "#{inner} inner #{n}")
              File.rename("#{ARGV[2]}.#{n}.new", "#{ARGV[2]}.#{n}")
              until File.exist?(ARGV[1])
                work("outer #{n}", Process.pid)
                sleep 0.1
              end
              Process.wait(inner)
              exit!($?.exitstatus)
            end
            children << [pid, "outer #{n}"]
          end
        end.each(&:join)
        outer = Array.new(8) { children.pop }
        File.write("#{ARGV[2]}.new", outer.map { |pid, word| "#{pid} #{word}" }.join("\\n"))
        File.rename("#{ARGV[2]}.new", ARGV[2])
        exit(outer.all? { |pid, _| Process.wait2(pid)[1].success? } ? 6 : 7)
        """)
    go, enough, told = tmp_path / "go", tmp_path / "enough", tmp_path / "told"
    with Running(collector, ruby_host, program, tmp_path, go, enough, told) as it:
        try:
            probe = collector.add(program.at(), "--rate", "10", wait=60)
            go.touch()
            files = [told, *(tmp_path / f"told.{n}" for n in range(8))]
            wait_for("all of them", lambda: all(file.exists() for file in files), SECONDS)
            lines = [line.split(" ", 1) for file in files for line in file.read_text().splitlines()]
            children = {int(pid): word for pid, word in lines}
            assert len(children) == 16
            wait_for("a snapshot of every child", lambda: one_each(collector, probe, children), SECONDS)
        finally:
            enough.touch()
        assert it.process.popen.wait(SECONDS) == 6, it.output()


def test_CORE_13_a_worker_that_is_killed_is_replaced(collector, ruby_host, tmp_path):
    """A pre-forking server of a person's own: who was killed is gone, who replaces it reports in."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(word, pid)
          word.size # PROBE
        end
        start = ->(n) { fork { loop { work("worker #{n}", Process.pid); sleep 0.05 } } }
        workers = Array.new(3) { |n| start.call(n) }
        stopping = false
        trap(:TERM) { stopping = true; workers.each { |pid| Process.kill(:KILL, pid) } }
        until workers.empty?
          n = workers.index(Process.wait)
          stopping ? workers.delete_at(n) : workers[n] = start.call(n)
        end
        """)
    log = tmp_path / "server.log"
    server = Process([SONDE, "run", "--server", collector.url, "--service", "script", "--", ruby_host.interpreter,
                      program.path], log)
    try:
        probe = collector.add(program.at(), "--rate", "100", wait=60)

        def workers(but=()):
            return {values(s)["word"]: s["runtime"]["pid"] for s in collector.snapshots(probe, 1000)
                    if s["runtime"]["pid"] not in but}
        old = wait_for("three workers", lambda: (
            lambda found: found if len(found) == 3 else None)(workers()), SECONDS)
        killed = old["worker 1"]
        os.kill(killed, signal.SIGKILL)
        fresh = wait_for("its successor", lambda: workers({killed}).get("worker 1"), SECONDS)
        assert fresh != killed and one_each(collector, probe, {fresh: "worker 1"})
        wait_for("the loss to be seen", lambda: not any(
            p["connected"] for p in collector.json("ps") if p["pid"] == killed), SECONDS)
    finally:
        server.stop()
