# Rows: CORE-03 CORE-16 RB-01 RB-02 RB-05 RB-06 RB-07 RB-14 RB-16
"""Ruby code that comes before the agent, after it, or never."""
import os
import shutil
import subprocess

import pytest

from conftest import SONDE, Process, Running, command_of, free_port, run_program, wait_for

AGENT = os.path.join(os.path.dirname(SONDE), "lib", "sonde", "ruby")


def values(snapshot):
    (found,) = snapshot["captures"]["lines"].values()
    return {name: value.get("value") for name, value in {**found["arguments"], **found["locals"]}.items()}


def own_agent(collector):
    """For a program that asks for the agent itself."""
    return {**os.environ, "RUBYLIB": AGENT, "SONDE_SERVER": collector.url}


def test_RB_05_RB_01_a_file_that_is_loaded_later(collector, ruby_host, tmp_path):
    """The probe waits, and is armed before the file's own first line runs."""
    later = ruby_host.program(tmp_path, "later", ruby="""
        FIRST = 1 + 1 # FIRST
        class Later
          made = FIRST * 10 # IN CLASS
          def work(n)
            n + 1 # PROBE
          end
        end
        """)
    program = ruby_host.program(tmp_path, ruby="""
        sleep 0.02 until File.exist?(ARGV[0])
        require_relative "later"
        loop { Later.new.work(41); sleep 0.02 }
        """)
    with Running(collector, ruby_host, program, tmp_path, tmp_path / "go"):
        probes = {text: collector.sonde("probe", "add", later.at(text), "--rate", 1000).stdout.strip()
                  for text in ("# FIRST", "# IN CLASS", "# PROBE")}
        for probe in probes.values():
            told = wait_for("an answer", lambda: collector.instances(probe))
            assert [(i["status"], i["cause"]) for i in told] == [("pending", "file_not_loaded")]
        (tmp_path / "go").touch()
        found = {text: collector.await_snapshots(probe) for text, probe in probes.items()}
    # Lines that run once, in the moment of loading, were hit.
    assert found["# FIRST"][0]["stack"][0]["function"] == "<top (required)>"
    assert found["# IN CLASS"][0]["stack"][0]["function"] == "<class:Later>"
    assert values(found["# PROBE"][0])["n"] == "41"
    assert all(found[text][0]["location"]["file"] == str(later.path) for text in found)


def test_RB_05_the_walk_at_the_start_serves_probes_that_wait(collector, ruby_host, tmp_path):
    """Probes that the collector has before the process is there."""
    program = ruby_host.program(tmp_path, ruby="""
        require_relative "early"
        3.times { GC.start }
        require "sonde/auto"
        100.times { work(41); sleep 0.02 }
        """)
    early = ruby_host.program(tmp_path, "early", ruby="""
        def work(n)
          [n].each do |m|
            m + n # PROBE
          end
        end
        """)
    probe = collector.sonde("probe", "add", early.at()).stdout.strip()
    done = subprocess.run([ruby_host.interpreter, str(program.path)], capture_output=True, text=True,
                          timeout=60, env=own_agent(collector))
    assert (done.returncode, done.stderr) == (0, "")
    found = values(collector.await_snapshots(probe)[0])
    assert (found["m"], found["n"]) == ("41", "41")


def test_RB_01_evaluated_code_is_told_apart(collector, ruby_host, tmp_path):
    """Code that says it stands in a file, and does not."""
    program = ruby_host.program(tmp_path, ruby="""
        def real(n)
          n + 1 # REAL
        end
        eval("def false_one(n)\\n n + 1\\nend", binding, __FILE__, __LINE__ + 5)
        Object.class_eval("def false_two(n)\\n n + 1\\nend", "/srv/nowhere/views.rb", 1)
        $done = 0
        loop { real(1); false_one(1); false_two(1); sleep 0.01 }
        #
        #
        #
        """)
    eval_line = program.line("eval(") + 6
    with Running(collector, ruby_host, program, tmp_path):
        real = collector.add(program.at("# REAL"), "--rate", 1000)
        collector.await_snapshots(real, 5)
        for place, cause in ((f"program.rb:{eval_line}", "line_not_executable"),
                             ("views.rb:2", "file_not_loaded")):
            probe = collector.sonde("probe", "add", place).stdout.strip()
            told = wait_for("an answer", lambda: collector.instances(probe))
            assert [i["cause"] for i in told] == [cause]
    assert {s["stack"][0]["function"] for s in collector.snapshots(real)} == {"Object#real"}


APPLICATIONS = {
    "script": ("", """
        Shop.open
        """),
    "rack": ("config.ru", """
        Shop.open
        run ->(_env) { [200, {}, ["ok"]] }
        """),
    "sinatra": ("config.ru", """
        require "sinatra/base"
        class Web < Sinatra::Base
          configure { set :opened, Shop.open }
          get("/") { "ok" }
        end
        run Web
        """),
    "worker": ("", """
        jobs, done = Queue.new, Queue.new
        threads = Array.new(3) { Thread.new { while (job = jobs.pop); done << job.call; end } }
        3.times { jobs << -> { Shop.open } }
        3.times { done.pop }
        jobs.close
        threads.each(&:join)
        """),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_RB_16_from_the_first_line_on(collector, ruby_host, tmp_path, name):
    """What happens once, as an application comes up, and before any request: a probe that waits for
    it sees it."""
    rackup, main = APPLICATIONS[name]
    shop = ruby_host.program(tmp_path, "shop", ruby="""
        STARTED = [1, 2].sum # FIRST
        module Shop
          LIMIT = STARTED * 2 # IN MODULE
          def self.open
            hours = LIMIT + 3
            hours # OPEN
          end
        end
        """)
    gate = "sleep 0.02 until File.exist?(ENV['GO'])\nrequire_relative 'shop'\n"
    program = ruby_host.program(tmp_path, ruby=main)
    program.path.write_text(gate + program.path.read_text())
    command = command_of(collector, ruby_host, program)
    if rackup:
        program.path.rename(tmp_path / rackup)
        command = command[:-1] + ["-S", *ruby_host.puma(free_port(), 0, tmp_path)]
    process = Process(command, tmp_path / "app.log", env={**os.environ, "GO": str(tmp_path / "go")})
    try:
        probes = {mark: collector.sonde("probe", "add", shop.at(mark), "--rate", 1000).stdout.strip()
                  for mark in ("# FIRST", "# IN MODULE", "# OPEN")}
        for probe in probes.values():
            told = wait_for("an answer", lambda: collector.instances(probe), 60)
            assert [(i["status"], i["cause"]) for i in told] == [("pending", "file_not_loaded")]
        (tmp_path / "go").touch()
        times = 3 if name == "worker" else 1
        found = {mark: collector.await_snapshots(probe, times if mark == "# OPEN" else 1, 60)
                 for mark, probe in probes.items()}
        assert [len(found[mark]) for mark in probes] == [1, 1, times]
        assert all(values(snapshot)["hours"] == "9" for snapshot in found["# OPEN"])
        assert found["# OPEN"][0]["stack"][0]["function"] == "Shop.open"
        assert {s["runtime"]["pid"] for mark in probes for s in found[mark]} == {process.popen.pid}
    finally:
        process.stop()


def test_RB_16_a_worker_loop(collector, ruby_host, tmp_path):
    """A pool of threads that take jobs from a queue: in each of them the probe sees its own job."""
    program = ruby_host.program(tmp_path, ruby="""
        Job = Struct.new(:number, :word)
        class Worker
          def initialize(jobs)
            @thread = Thread.new do
              while (job = jobs.pop)
                perform(job)
              end
            end
            @thread.name = "worker #{object_id}"
          end

          def join = @thread.join

          private

          def perform(job)
            doubled = job.number * 2
            sleep 0.001
            doubled # PROBE
          end
        end
        jobs = SizedQueue.new(10)
        workers = Array.new(5) { Worker.new(jobs) }
        sleep 0.02 until File.exist?(ARGV[0])
        200.times { |n| jobs << Job.new(n, "job #{n}") }
        jobs.close
        workers.each(&:join)
        """)
    with Running(collector, ruby_host, program, tmp_path, tmp_path / "go",
                 env={"SONDE_MAX_RATE": "5000", "SONDE_CPU_PERCENT": "100"}) as it:
        probe = collector.post("/api/v1/probes", {
            "location": program.at(), "rate": 5000, "limits": {"time_us": 100000}})["id"]
        wait_for("the probe", lambda: [i for i in collector.instances(probe) if i["status"] == "installed"], 60)
        (tmp_path / "go").touch()
        assert it.process.popen.wait(60) == 0
    snapshots = collector.snapshots(probe, 1000)
    assert len(snapshots) == 200
    seen = {}
    for snapshot in snapshots:
        (at,) = snapshot["captures"]["lines"].values()
        fields = at["arguments"]["job"]["fields"]
        assert fields["word"]["value"] == f"job {fields['number']['value']}"
        assert int(at["locals"]["doubled"]["value"]) == 2 * int(fields["number"]["value"])
        seen.setdefault(snapshot["thread"]["name"], set()).add(fields["number"]["value"])
    assert len(seen) == 5 and sum(map(len, seen.values())) == 200


def test_RB_02_what_was_only_compiled_is_no_candidate(collector, ruby_host, tmp_path):
    """A tool compiles a file to look at it: a probe there would never fire, so it waits; when the file
    is loaded too, the probe is on what runs."""
    looked_at = ruby_host.program(tmp_path, "looked_at", ruby="def work(n)\n  n + 1 # PROBE\nend\n")
    program = ruby_host.program(tmp_path, ruby="""
        KEPT = [RubyVM::InstructionSequence.compile_file(ARGV[0])]
        KEPT << RubyVM::InstructionSequence.compile(File.read(ARGV[0]), ARGV[0], ARGV[0])
        sleep 0.02 until File.exist?(ARGV[1])
        require ARGV[0]
        KEPT << RubyVM::InstructionSequence.compile_file(ARGV[0])
        loop { work(1); sleep 0.02 }
        """)
    with Running(collector, ruby_host, program, tmp_path, looked_at.path, tmp_path / "go"):
        probe = collector.sonde("probe", "add", looked_at.at(), "--rate", 100).stdout.strip()
        told = wait_for("an answer", lambda: collector.instances(probe))
        assert [(i["status"], i["cause"]) for i in told] == [("pending", "file_not_loaded")]
        (tmp_path / "go").touch()
        assert values(collector.await_snapshots(probe, 3)[0])["n"] == "1"
        (instance,) = collector.instances(probe)
        assert instance["places"] == 1


def test_RB_02_compiled_copies_before_the_agent(collector, ruby_host, tmp_path):
    looked_at = ruby_host.program(tmp_path, "looked_at",
                                  ruby="def work(n)\n  n + 1 # PROBE\nend\n").path
    program = ruby_host.program(tmp_path, ruby="""
        KEPT = [RubyVM::InstructionSequence.compile_file(ARGV[0])]
        require "sonde/auto"
        200.times { sleep 0.02 }
        """)
    app = subprocess.Popen([ruby_host.interpreter, str(program.path), str(looked_at)],
                           env=own_agent(collector))
    try:
        probe = collector.sonde("probe", "add", "looked_at.rb:2").stdout.strip()
        told = wait_for("an answer", lambda: collector.instances(probe))
        assert [(i["status"], i["cause"]) for i in told] == [("pending", "file_not_loaded")]
    finally:
        app.kill()
        app.wait()


def test_RB_07_two_files_of_one_name(collector, ruby_host, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder / "lib").mkdir(parents=True)
        ruby_host.program(tmp_path / folder / "lib", "cart", ruby=f"""
            module {folder.title()}
              def self.work(n)
                n + 1 # PROBE
              end
            end
            """)
    program = ruby_host.program(tmp_path, ruby="""
        require_relative "one/lib/cart"
        require_relative "two/lib/cart"
        File.write(ARGV[0], "up")
        loop { One.work(1); Two.work(2); sleep 0.02 }
        """)
    with Running(collector, ruby_host, program, tmp_path, tmp_path / "up"):
        wait_for("both files", (tmp_path / "up").exists)
        probe = collector.sonde("probe", "add", "cart.rb:4").stdout.strip()
        told = wait_for("an answer", lambda: collector.instances(probe))
        assert [(i["status"], i["cause"]) for i in told] == [("error", "ambiguous")]
        for folder in ("one", "two"):
            assert str(tmp_path / folder / "lib/cart.rb") in told[0]["message"]
        for name, n in (("two/lib/cart.rb", "2"), (str(tmp_path / "one/lib/cart.rb"), "1"),
                        ("/srv/app/two/lib/cart.rb", "2")):
            probe = collector.add(f"{name}:4", "--rate", 100)
            assert values(collector.await_snapshots(probe)[0])["n"] == n


def test_RB_06_without_its_extension_the_gem_loads_and_says_what_is_off(ruby_host, tmp_path):
    lib = tmp_path / "lib"
    shutil.copytree(AGENT, lib, ignore=shutil.ignore_patterns("*.so"))
    program = ruby_host.program(tmp_path, ruby="""
        require "sonde/auto"
        p Sonde.status[:running]
        puts Sonde.status[:reason]
        """)
    done = subprocess.run([ruby_host.interpreter, "-I", str(lib), str(program.path)],
                          capture_output=True, text=True, env={**os.environ, "SONDE_LOG": "off"})
    running, reason = done.stdout.splitlines()
    assert (done.returncode, done.stderr, running) == (0, "", "false")
    assert "extension" in reason


def test_CORE_16_disabled_by_a_word(collector, ruby_host, tmp_path):
    program = ruby_host.program(tmp_path, ruby="""
        p Thread.list.size
        p File.read("/proc/self/maps").include?("native.so")
        """)
    done = run_program(collector, ruby_host, program, env={"SONDE_ENABLED": "0"})
    assert (done.stdout, done.stderr) == ("1\nfalse\n", "")


def test_RB_14_yjit_is_left_alone_unless_told_otherwise(collector, ruby_host, tmp_path):
    """On 3.1 one TracePoint ruins all that YJIT has compiled, for ever: a clear refusal, or an override."""
    program = ruby_host.program(tmp_path, ruby="""
        def work(n)
          n + 1 # PROBE
        end
        loop { work(1); sleep 0.02 }
        """)
    with Running(collector, ruby_host, program, tmp_path, flags=["--yjit"]):
        probe = collector.sonde("probe", "add", program.at(), "--rate", 100).stdout.strip()
        told = wait_for("an answer", lambda: [
            i for i in collector.instances(probe) if i["status"] == "error"])
        assert told[0]["cause"] == "unsupported" and "SONDE_RUBY_YJIT" in told[0]["message"]
        collector.sonde("probe", "rm", probe)
    with Running(collector, ruby_host, program, tmp_path, flags=["--yjit"], env={"SONDE_RUBY_YJIT": "1"}):
        probe = collector.add(program.at(), "--rate", 100)
        assert values(collector.await_snapshots(probe)[0])["n"] == "1"
