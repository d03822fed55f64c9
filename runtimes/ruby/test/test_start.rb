# SPDX-License-Identifier: Apache-2.0
# Rows: CORE-01 CORE-16 CORE-17 NX-01 NX-03 RB-06
# How the agent gets into a process and out of it, and the safe points it makes there.
require "helper"

BOOT = File.join(LIB, "boot", "sonde_boot")

class TestStart < SondeTest
  def with_boot(code, *arguments, env: {}, **more)
    run_ruby(code, *arguments, lib: nil, env: { "RUBYOPT" => "-r#{BOOT}", **env }, **more)
  end

  def with_boot!(code, *arguments, **more)
    out, err, status = with_boot(code, *arguments, **more)
    assert status.success?, "#{status}\n#{out}\n#{err}"
    [out, err]
  end

  # CORE-16
  def test_core16_require_starts_it_once
    out, err = ruby!(<<-RUBY, options: ["-w"])
      require "sonde"
      fail Sonde.status.inspect unless Sonde.status == { running: false, reason: "not started" }
      require "sonde/auto"
      fail Sonde.status.inspect unless Sonde.status[:running] && Sonde.status[:reason].nil?
      load "sonde/auto.rb"
      load "sonde.rb"
      fail unless Sonde.status[:running]
      Sonde::Native.start
      Sonde::Native.stop
      Sonde::Native.stop
      fail Sonde.status.inspect unless Sonde.status[:reason] == "stopped"
      load "sonde/auto.rb"
      fail if Sonde.status[:running]
      begin
        Sonde::Native.start
      rescue RuntimeError => error
        puts error.message
      end
    RUBY
    assert_equal "the agent was stopped in this process\n", out
    assert_equal "", err
  end

  # CORE-16
  def test_core16_a_copy_under_another_path_finds_it_running
    copy = File.join(folder, "copy")
    FileUtils.cp_r(LIB, copy)
    _, err = ruby!(<<-RUBY, copy, options: ["-w"])
      require "sonde/auto"
      first = Sonde::Native.report
      require File.join(ARGV[0], "sonde", "auto")
      fail unless Sonde.status[:running] && Thread.list.size == 2
    RUBY
    assert_equal "", err
  end

  TRACES = <<-RUBY
    p $LOAD_PATH, ObjectSpace.count_objects.class, $;, $,, $/, $0, $!, $@, $~, self.methods(false),
      self.instance_variables, local_variables, Thread.main == Thread.current, Thread.list.count(Thread.current),
      Signal.list.keys.map { |name| name }.size, Object.constants.include?(:RbConfig), Process.clock_gettime(1).class,
      ThreadGroup::Default.list.size, Thread.current.priority, GC.stress, GC.count.class, Dir.pwd,
      Object.private_method_defined?(:here), binding.local_variables, Encoding.default_internal
    p trap("INT", "DEFAULT"), trap("TERM", "DEFAULT"), trap("CHLD", "DEFAULT"), trap("USR1", "DEFAULT")
    p (Object.constants - [:Sonde]).size, $VERBOSE, $DEBUG, $stdout.sync, $stderr.sync
  RUBY

  # CORE-16
  def test_core16_boot_starts_it_and_leaves_no_trace
    [[], ["--disable-gems"], ["-w"]].each do |options|
      ours = with_boot!(TRACES, options: options)
      theirs = ruby!(TRACES, lib: nil, options: options)
      assert_equal theirs, ours, options.inspect
      assert_equal "true\n", with_boot!("puts Sonde.status[:running]", options: options)[0], options.inspect
    end
  end

  # CORE-16
  def test_core16_boot_by_rubylib
    env = { "RUBYOPT" => "-rsonde_boot", "RUBYLIB" => "#{File.dirname(BOOT)}:/nowhere" }
    ours = with_boot!(TRACES, env: env)
    assert_equal ruby!(TRACES, lib: nil, env: { "RUBYLIB" => "/nowhere" }), ours
    assert_equal "true\n", with_boot!("puts Sonde.status[:running]", env: env)[0]
  end

  # CORE-16
  def test_core16_boot_covers_child_processes
    out, = with_boot!("puts `\#{RbConfig.ruby} -e 'puts Sonde.status[:running]'`".gsub("\\#", "#"))
    assert_equal "true\n", out
  end

  # CORE-16
  def test_core16_boot_keeps_out_of_the_way_of_tools
    [["irb", "--noreadline", "-f"], ["gem", "--version"], ["rake", "--version"], ["bundle", "--version"],
     ["ruby", "-c", "-e", "1"], ["ruby", "--version"], ["erb", "--version"]].each do |command|
      next unless system("which #{command[0]} >/dev/null 2>&1")
      clean = ENV.to_h.keys.grep(/\A(SONDE|RUBY|BUNDLE|GEM)/).to_h { |name| [name, nil] }
      results = [nil, "-r#{BOOT}"].map do |option|
        out, err, status = Open3.capture3({ **clean, **ENVIRONMENT, "RUBYOPT" => option }, *command,
                                          stdin_data: "", chdir: folder)
        [out, err, status.exitstatus]
      end
      assert_equal results[0], results[1], command.inspect
    end
  end

  # CORE-17
  def test_core17_switched_off
    %w[0 false No OFF].each do |word|
      out, err = ruby!("require 'sonde/auto'; p Sonde.status.to_a, Thread.list.size", env: { "SONDE_ENABLED" => word })
      assert_equal "[[:running, false], [:reason, \"SONDE_ENABLED is off\"]]\n1\n", out
      assert_equal "", err
    end
    _, err = ruby!("require 'sonde/auto'", env: { "SONDE_ENABLED" => "0", "SONDE_LOG" => "info" })
    assert_match(/\Asonde\[\d+\] info: the agent is off: SONDE_ENABLED is off\n\z/, err)
  end

  # NX-01 RB-06
  def test_nx01_rb06_without_an_extension
    copy = File.join(folder, "gem")
    FileUtils.mkdir_p(copy)
    FileUtils.cp_r(Dir[File.join(LIB, "*.rb")] + [File.join(LIB, "sonde")], copy)
    FileUtils.rm_rf(Dir[File.join(copy, "sonde", "*/")])
    out, err = ruby!("require 'sonde/auto'; p Sonde.status.to_a", lib: copy)
    assert_match(/:running, false.*its extension can not be loaded/, out)
    assert_match(/\Asonde\[\d+\] warning: the agent is off: its extension can not be loaded: .*\n\z/, err)
    File.write(File.join(copy, "sonde", "build_info.rb"), "module Sonde; BUILD_REASON = 'no compiler'; end")
    out, err = ruby!("require 'sonde/auto'; p Sonde.status.to_a", lib: copy)
    assert_equal ["[[:running, false], [:reason, \"no compiler\"]]\n", ""], [out, err]
    _, err = ruby!("require 'sonde/auto'", lib: copy, env: { "SONDE_LOG" => "debug" })
    assert_match(/\Asonde\[\d+\] info: the agent is off: no compiler\n\z/, err)
  end

  # NX-01
  def test_nx01_damaged_extension_is_a_fault_and_no_crash
    copy = File.join(folder, "lib")
    FileUtils.cp_r(LIB, copy)
    Dir[File.join(copy, "sonde", "*", "native.*")].each { |path| File.write(path, "not an extension") }
    out, err = ruby!("require 'sonde/auto'; p Sonde.status[:running]", lib: copy)
    assert_equal "false\n", out
    assert_match(/\Asonde\[\d+\] warning: the agent is off: its extension can not be loaded: .*\n\z/, err)
  end

  # NX-01
  def test_nx01_other_rubies_are_left_alone
    [["RUBY_VERSION", "2.0.0", "Ruby 2.0 is not supported yet"], ["RUBY_VERSION", "4.0.1", "Ruby 4.0 is not supported yet"],
     ["RUBY_ENGINE", "jruby", "jruby is not supported"]].each do |name, value, reason|
      out, err = ruby!("$VERBOSE = nil; #{name} = '#{value}'; require 'sonde/auto'; p Sonde.status.to_a, Thread.list.size")
      assert_equal ["[[:running, false], [:reason, \"#{reason}\"]]\n1\n", ""], [out, err]
    end
  end

  # CORE-17
  def test_core17_a_ractor_does_not_start_it
    return refute(defined?(Ractor)) if RUBY_VERSION < "3.0" # there are none
    # RubyGems' own `require` is refused there; since 3.4 that of the VM is done by the main Ractor.
    out, = ruby!(<<-RUBY, options: ["-W0", "--disable-gems"])
      r = Ractor.new { require "sonde/auto"; :done }
      p r.#{RACTOR_VALUE}
      require "sonde"
      p Sonde.status[:running]
    RUBY
    assert_equal ":done\n#{RUBY_VERSION >= "3.4"}\n", out
    out, = ruby!(<<-RUBY, options: ["-W0"])
      require "sonde/auto"
      r = Ractor.new do
        begin
          Sonde::Native.stop
        rescue Ractor::UnsafeError
          :refused
        end
      end
      p r.#{RACTOR_VALUE}, Sonde.status[:running]
    RUBY
    assert_equal ":refused\ntrue\n", out
  end

  # CORE-17
  def test_core17_exit_status_and_output_are_the_applications
    [["exit 7", 7], ["raise SystemExit", 0], ["1/0", 1], ["exit! 4", 4], ["abort 'no'", 1],
     ["Process.kill(:TERM, $$); sleep", nil], ["at_exit { exit 5 }", 5], ["at_exit { exit! 6 }", 6],
     ["Thread.new { exit 8 }.join", 8], ["Thread.current.kill", 0], ["Thread.main.raise('x'); sleep", 1],
     ["throw :nothing", 1], ["Process.kill(:INT, $$); sleep", nil], ["Signal.trap('EXIT') { print 1 }", 0],
     ["raise Interrupt", nil], ["warn 'x'; exec 'exit 3'", 3]].each do |code, status|
      ours = with_boot(code)
      theirs = run_ruby(code, lib: nil)
      hide = ->(text) { text.gsub(/0x\h+/, "0x") }
      assert_equal theirs[0..1].map(&hide), ours[0..1].map(&hide), code
      assert_equal [theirs[2].exitstatus, theirs[2].termsig], [ours[2].exitstatus, ours[2].termsig], code
      status.nil? ? refute_nil(ours[2].termsig, code) : assert_equal(status, ours[2].exitstatus, code)
    end
  end

  # CORE-17
  def test_core17_probes_fire_in_exit_handlers
    subject = source("def late\n  1 # here\nend\n")
    out, err = with_boot!(<<-RUBY, subject.path, subject.at("# here"))
      require "json"
      load ARGV[0]
      at_exit do
        late
        puts JSON.parse(Sonde::Native.report)["statuses"][0]["hits"]
      end
      Sonde::Native.apply_testonly(JSON.generate([{ id: "p", revision: 1, location: ARGV[1] }]))
      Thread.new { loop { late; Thread.pass } }
      sleep 0.01
    RUBY
    assert_operator out.to_i, :>, 0
    assert_equal "", err
  end

  # CORE-17
  def test_core17_interrupts_reach_the_application
    ruby!(<<-RUBY)
      seen = 0
      trap(:ALRM) { seen += 1 }
      pid = Process.pid
      ticker = spawn("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do kill -ALRM \#{pid}; sleep 0.005; done")
      require "sonde/auto"
      fail Sonde.status.inspect unless Sonde.status[:running]
      Process.wait(ticker)
      fail unless seen > 0
    RUBY
  end

  # NX-03
  def test_nx03_parts_that_fail_their_check_are_off
    %w[code_walk frames locals values methods exceptions backtraces fibers enumerators interrupts].each do |part|
      out, err = ruby!(<<-RUBY, part)
        require "sonde"
        require #{EXTENSION.dump}
        Sonde::Native.fail_testonly(ARGV[0])
        require "sonde/auto"
        require "json"
        fail Sonde.status.inspect unless Sonde.status[:running]
        puts Sonde::Native.report
        before = Sonde::Native.safe_points_testonly[0]
        Sonde::Native.ask_testonly
        sleep 0.01 until Sonde::Native.safe_points_testonly[0] > before
      RUBY
      assert_includes JSON.generate(JSON.parse(out)["disarmed"]), part
      assert_match(/\Asonde\[\d+\] \w+: .*#{part}: not as known.*\n\z/, err)
    end
  end
end

# NX-02: whichever call of Ruby's fails while the agent starts, it runs or says why not, and $! is
# the application's.
class TestFailingCalls < SondeTest
  # NX-02
  def test_nx02_each_call_at_the_start
    nth = 0
    loop do
      nth += 1
      out, _, status = run_ruby(<<-RUBY, nth.to_s)
        require "sonde"
        require #{EXTENSION.dump}
        Sonde::Native.fail_call_testonly(ARGV[0].to_i, false)
        begin
          fail "mine"
        rescue => mine
          require "sonde/auto"
          fail "$!" unless $!.equal?(mine)
        end
        count = Sonde::Native.call_count_testonly
        Sonde::Native.fail_call_testonly(0, false)
        status = Sonde.status
        fail status.inspect unless status[:running] || status[:reason].size > 5
        if status[:running]
          before = Sonde::Native.safe_points_testonly[0]
          Sonde::Native.ask_testonly
          sleep 0.002 until Sonde::Native.safe_points_testonly[0] > before
        end
        puts count
      RUBY
      assert status.success?, "call #{nth}: #{status}"
      break if out.to_i < nth
    end
    assert_operator nth, :>, 4
  end
end

# When a safe point comes, and what it keeps away from the threads it may come on.
class TestSafePoints < SondeTest
  Native = Sonde::Native

  # How long the next one took to come, in milliseconds.
  def latency
    before = Native.safe_points_testonly[0]
    asked = Native.ask_testonly
    wait_until(5, -> { "no safe point came" }) { Native.safe_points_testonly[0] > before }
    (Native.safe_points_testonly[1] - asked) / 1e6
  end

  # CORE-01
  def test_core01_at_once_while_all_sleep
    assert_operator Array.new(20) { latency }.sort[10], :<, 20
  end

  # CORE-01
  # The lock is handed round every 100 ms: without the second road it took 400.
  def test_core01_within_a_time_slice_while_four_threads_run
    stop = false
    busy = Array.new(4) { Thread.new { 1 until stop } }
    assert_operator Array.new(12) { sleep(rand * 0.05); latency }.sort[-2], :<, 190
  ensure
    stop = true
    busy.each(&:join)
  end

  # CORE-01
  def test_core01_while_the_main_thread_alone_runs
    before = Native.safe_points_testonly[0]
    Native.ask_testonly
    deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 5
    until Native.safe_points_testonly[0] > before
      assert_operator Process.clock_gettime(Process::CLOCK_MONOTONIC), :<, deadline
    end
  end

  def vm_thread
    Thread.list.find { |thread| thread.name == "sonde-vm" }
  end

  # CORE-17
  def test_core17_the_thread_is_harmless_among_the_applications
    assert vm_thread
    assert_equal true, vm_thread.thread_variable_get(:fork_safe)
    assert_equal false, vm_thread.report_on_exception
    refute_includes ThreadGroup::Default.list, vm_thread
    Timeout.timeout(5) { (Thread.list - [Thread.current]).each { |thread| thread.join if thread == vm_thread } }
    assert_nil vm_thread.value
    vm_thread.kill
    vm_thread.raise("no")
    vm_thread.wakeup
    assert vm_thread.alive?
    latency
  end

  # CORE-17
  def test_core17_killed_all_the_same_it_comes_back
    first = vm_thread
    Thread.instance_method(:raise).bind_call(first, "no")
    latency
    assert_same first, vm_thread
    Thread.instance_method(:kill).bind_call(first)
    wait_until { !first.alive? }
    wait_until { vm_thread }
    latency
    refute_same first, vm_thread
  end

  # CORE-17
  def test_core17_the_process_ends_while_it_sleeps_and_without_an_exit_handler_of_ours
    _, _, status = run_ruby(<<-RUBY, timeout: 20)
      def at_exit(*); end
      require "sonde/auto"
      fail unless Sonde.status[:running]
    RUBY
    assert status.success?
  end

  # CORE-17
  # Thread#raise, Thread#kill and signals that come while we hold them back are delivered after it.
  def test_core17_what_is_sent_meanwhile_arrives_afterwards
    ruby!(<<-RUBY, timeout: 20)
      require "sonde/auto"
      N = Sonde::Native
      def busy(seconds)
        till = Process.clock_gettime(1) + seconds
        1 until Process.clock_gettime(1) > till
      end

      got = []
      victim = Thread.new do
        Thread.current.report_on_exception = false
        begin
          N.hold_testonly { busy(0.3); got << :whole }
          busy(1)
        rescue IOError => error
          got << error.message
        end
        N.hold_testonly { busy(0.3); got << :whole }
        busy(1)
        got << :not_reached
      end
      sleep 0.01
      victim.raise(IOError, "mine") # waits for the lock, which comes after the first hold
      sleep 0.01 until got.include?("mine")
      victim.kill
      victim.join
      fail got.inspect unless got == [:whole, "mine", :whole] || got == [:whole, "mine"]

      trap(:USR1) { got << :signal }
      N.hold_testonly do
        Process.kill(:USR1, $$)
        busy(0.05)
        got << :held
      end
      busy(0.01)
      fail got.inspect unless got.last(2) == [:held, :signal]
    RUBY
  end

  # CORE-17 RB-11
  # A probe is set and removed all the time while Timeout, Thread#raise and signals hit busy threads.
  def test_core17_rb11_nothing_that_is_sent_to_a_thread_is_lost
    ruby!(<<-RUBY, timeout: 50)
      require "sonde/auto"
      require "timeout"
      N = Sonde::Native
      signals = 0
      trap(:USR1) { signals += 1 }
      stop = false
      asker = Thread.new { until stop; N.ask_testonly; sleep 0.001; end }
      hits = Queue.new
      workers = Array.new(3) do
        Thread.new do
          20.times do
            begin
              Timeout.timeout(0.02) { 1 while true }
            rescue Timeout::Error
              hits << 1
            end
          end
        end
      end
      sent = 0
      until workers.none?(&:alive?)
        before = signals
        Process.kill(:USR1, $$)
        sent += 1
        till = Process.clock_gettime(1) + 5
        1 until signals > before || Process.clock_gettime(1) > till
      end
      stop = true
      asker.join
      fail [hits.size, sent, signals].inspect unless hits.size == 60 && signals == sent
      fail "no safe point came" unless N.safe_points_testonly[0] > 10
    RUBY
  end
end
