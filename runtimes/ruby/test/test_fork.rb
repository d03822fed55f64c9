# SPDX-License-Identifier: Apache-2.0
# CORE-13: a forked child has an agent of its own.
require "helper"

class TestFork < SondeTest
  SETUP = <<-RUBY
    require "sonde/auto"
    require "json"
    require "timeout"
    N = Sonde::Native
    load ARGV[0]
    PLACE = ARGV[1]
    def apply(*definitions)
      N.apply_testonly(JSON.generate(definitions))
    end
    def report
      JSON.parse(N.report)
    end
    def hits
      report["statuses"][0]["hits"]
    end
    def check(condition, text = "")
      return if condition
      STDERR.puts("failed: \#{text} at \#{caller[0]}")
      exit!(1)
    end
    def wait(pid)
      Process.wait(pid)
      check($?.success?, $?.inspect)
    end
    def until_true(seconds = 10)
      deadline = Process.clock_gettime(1) + seconds
      until yield
        check(Process.clock_gettime(1) < deadline, "in time")
        sleep 0.002
      end
    end
    def safe_points_come
      before = N.safe_points_testonly[0]
      N.ask_testonly
      until_true { N.safe_points_testonly[0] > before }
    end
    def vm_threads
      Thread.list.count { |thread| thread.name == "sonde-vm" }
    end
    LINE = { id: "p", revision: 1, location: PLACE, rate: 5000 }
  RUBY

  def run_forks(code, **options)
    subject = source("def work(n)\n  m = n + 1 # here\n  m\nend\n")
    ruby!(SETUP + code, subject.path, subject.at("# here"), **options)
  end

  # CORE-13
  def test_core13_child_has_its_own_instance_and_counters
    _, err = run_forks(<<-RUBY)
      apply(LINE)
      work(1); work(2)
      mine = report["instance_id"]
      pid = fork do
        check Sonde.status[:running]
        check report["instance_id"] != mine
        check hits == 0
        check N.take_testonly.nil? # nothing of the parent's is sent twice
        work(3)
        check hits == 1 # armed probes stay armed
        check N.take_testonly["line_probe"]["arguments"]["n"]["value"] == "3"
        check vm_threads == 1
      end
      wait(pid)
      check report["instance_id"] == mine && hits == 2
      check N.discard_testonly == 2
      check vm_threads == 1
    RUBY
    assert_equal "", err
  end

  # CORE-13
  # Every way to fork that Ruby has; those that pass Process._fork, and those that do not.
  def test_core13_every_way_to_fork
    { "Kernel#fork" => "fork { CHILD }",
      "Process.fork" => "Process.fork { CHILD }",
      "fork without a block" => "pid = fork; if pid.nil? then CHILD; exit end; pid",
      "popen" => "io = IO.popen('-'); if io.nil? then CHILD; exit end; io.pid",
      "_fork" => "pid = Process._fork; if pid == 0 then CHILD; exit end; pid" }.each do |name, code|
      next refute_respond_to(Process, :_fork) if name == "_fork" && RUBY_VERSION < "3.1" # no such way there
      child = "check report['instance_id'] != mine, 'instance'; safe_points_come; work(1); check hits == 1; " \
              "check vm_threads == 1, 'threads'"
      _, err = run_forks(<<-RUBY)
        apply(LINE)
        mine = report["instance_id"]
        pid = begin; #{code.sub("CHILD", child)}; end
        wait(pid)
        work(1)
        check hits == 1
        safe_points_come
      RUBY
      assert_equal "", err, name
    end
  end

  # CORE-13
  # Process.daemon forks in C, and tells nobody.
  def test_core13_daemon_is_noticed_in_the_child
    result = File.join(folder, "result")
    run_forks(<<-RUBY + "\n", env: { "RESULT" => result })
      apply(LINE)
      mine = report["instance_id"]
      Process.daemon(true, true)
      begin
        Timeout.timeout(20) { sleep 0.01 until vm_threads == 1 }
        safe_points_come
        work(1)
        said = [report["instance_id"] != mine, hits, vm_threads].inspect
      rescue Exception => error
        said = error.full_message
      end
      File.write(ENV["RESULT"] + ".new", said)
      File.rename(ENV["RESULT"] + ".new", ENV["RESULT"])
    RUBY
    wait_until(20) { File.exist?(result) }
    assert_equal "[true, 1, 1]", File.read(result)
  end

  # CORE-13
  # A child of C code that forks without Ruby's knowledge: the thread that forked is the main one, and
  # a hit or a safe point finds out.
  def test_core13_fork_in_c
    _, err = run_forks(<<-RUBY)
      require "fiddle"
      apply(LINE)
      mine = report["instance_id"]
      c_fork = Fiddle::Function.new(Fiddle.dlopen(nil)["fork"], [], Fiddle::TYPE_INT)
      pid = c_fork.call
      if pid == 0
        work(1)
        check hits == 1
        check report["instance_id"] != mine
        exit!(0)
      end
      wait(pid)
      check report["instance_id"] == mine
    RUBY
    assert_equal "", err
  end

  # CORE-13
  def test_core13_a_fork_that_fails_leaves_the_parent_as_it_was
    # Without Process._fork nobody tells of a fork, and nothing of ours is done around it.
    return assert_equal(Process.singleton_class, Process.method(:fork).owner) unless Process.respond_to?(:_fork)
    run_forks(<<-RUBY)
      apply(LINE)
      original = Process.method(:_fork).super_method # below what Sonde put before it
      Process.define_singleton_method(:_fork) { raise Errno::ENOMEM }
      3.times do
        begin
          fork { exit!(0) }
          check false, "it forked"
        rescue Errno::ENOMEM
          work(0)
        end
      end
      Process.define_singleton_method(:_fork) { original.call }
      N.discard_testonly
      work(1)
      check hits == 4
      safe_points_come
      wait(fork { safe_points_come })
    RUBY
  end

  # CORE-13
  def test_core13_fork_while_threads_hit_probes
    run_forks(<<-RUBY)
      apply(LINE)
      stop = false
      threads = Array.new(3) { Thread.new { work(1) until stop } }
      10.times do
        wait(fork do
          before = hits
          100.times { |n| work(n) }
          check hits == before + 100
          exit!(0)
        end)
      end
      stop = true
      threads.each(&:join)
    RUBY
  end

  # CORE-13
  def test_core13_forks_while_safe_points_are_asked_for
    run_forks(<<-RUBY)
      apply(LINE)
      stop = false
      asker = Thread.new { until stop; N.ask_testonly; sleep 0.0005; end }
      60.times { wait(fork { safe_points_come; exit!(0) }) }
      stop = true
      asker.join
      safe_points_come
    RUBY
  end

  # CORE-13 RB-02
  def test_core13_rb02_what_is_being_looked_for_is_looked_for_in_the_child
    _, err = run_forks(<<-RUBY)
      require "tmpdir"
      def statuses
        report["statuses"].map { |status| status["status"] }
      end
      Dir.mktmpdir do |folder|
        File.write(folder + "/other.rb", "def other_work(n)\n  n + 1\nend\n")
        load folder + "/other.rb"
      end
      apply(LINE)
      N.slice_testonly(-1) # the walk does not end before the fork
      apply(LINE, LINE.merge(id: "q", location: "other.rb:2"))
      check statuses == %w[installed received], statuses.inspect
      pid = fork do
        check statuses == %w[installed received], statuses.inspect
        work(1)
        check hits == 1 # without a gap
        N.slice_testonly(0)
        until_true(30) { statuses == %w[emitting installed] }
        other_work(1)
        check statuses == %w[emitting emitting], statuses.inspect
      end
      wait(pid)
    RUBY
    assert_equal "", err
  end

  # CORE-13
  def test_core13_storm_and_grandchildren
    run_forks(<<-RUBY)
      apply(LINE)
      pids = Array.new(200) do |n|
        fork do
          work(1)
          if n % 10 == 0
            wait(fork { work(2); check hits == 1 })
          end
          check hits == 1
        end
      end
      pids.each { |pid| wait(pid) }
      safe_points_come
    RUBY
  end

  # CORE-13
  def test_core13_children_that_only_exec
    out, err = run_forks(<<-RUBY)
      apply(LINE)
      check system("exit 0")
      check `echo 5` == "5\\n"
      wait(spawn("exit 0"))
      check IO.popen(["echo", "6"], &:read) == "6\\n"
      wait(fork { exec("true") })
      work(1)
      check hits == 1
      safe_points_come
    RUBY
    assert_equal ["", ""], [out, err]
  end

  # CORE-17
  # Exit handlers run in children too, ours among them, whether or not anything else of ours did.
  def test_core17_children_end_as_they_would
    out, err = run_forks(<<-RUBY)
      at_exit { print "x" }
      wait(fork { })
      wait(fork { exit!(0) })
      Process.wait(fork { exit 3 })
      check $?.exitstatus == 3
      Process.wait(fork { Process.kill(:TERM, $$); sleep })
      check $?.termsig == 15
      Process.wait(fork { Process.exit!(4) })
      check $?.exitstatus == 4
    RUBY
    assert_equal ["x" * 4, ""], [out, err]
  end
end
