# SPDX-License-Identifier: Apache-2.0
# CORE-05, CORE-17, NX-02: what the agent takes it gives back, and what is not its own it leaves alone.
require_relative "tracking"

class TestHarmless < SondeTest
  include Tracking

  NINE = "def nine(a, b, c)\n  d = a + 1\n  e = [a, b]\n  f = { a: a }\n  g = b.to_s\n  h = d * 2\n  i = nil\n" \
         "  [d, e, f, g, h, i, c] # here\nend\n"

  MEASURES = <<~RUBY
    def rss
      GC.start
      File.read("/proc/self/smaps_rollup")[/^Anonymous: +(\\d+) kB/, 1].to_i * 1024
    end
    # In use by malloc, once what the collector can free is freed.
    def malloced
      3.times { collect }
      native.malloced_testonly
    end
    # What one call leaves in bytes, by three times `count`: the least, since the VM's own tables grow now
    # and then. A leak is there every time, and as much for each call: where the least is more than `most`, it is
    # looked at longer.
    def growth(count = 40, most: nil)
      count.times { yield }
      grown = []
      while grown.size < 3 || (most && grown.min >= most && grown.size < 12)
        count *= 4 if grown.size > 3 && count < 400
        before = malloced
        count.times { yield }
        grown << (malloced - before) / count
      end
      grown.min
    end
  RUBY

  # CORE-05
  def test_a_hundred_thousand_snapshots_take_no_memory
    File.write("#{folder}/nine.rb", NINE)
    said = told(<<~RUBY, timeout: 120)
      #{MEASURES}
      load "nine.rb"
      agent!
      def calls(count)
        before = GC.stat(:total_allocated_objects)
        count.times { nine(1, "two", 3.5) }
        GC.stat(:total_allocated_objects) - before
      end
      calls(100)
      bare = calls(100)
      probes = (1..24).map { |n| { id: "p\#{n}", revision: 1, location: "nine.rb:8", rate: 5000, limits: { time_us: 100_000 } } }
      native.apply_testonly(JSON.generate(probes))
      taken, objects, marks = 0, [], {}
      until taken >= 100_000
        objects << calls(100)
        taken += native.discard_testonly
        marks[20_000] ||= rss if taken >= 20_000
        sleep 0.002
      end
      say rss - marks[20_000]
      say objects.uniq - [bare]
      say report["statuses"].sum { |s| s["captured"] } >= 100_000
    RUBY
    assert_operator said[0], :<, 1 << 20
    assert_equal [[], true], said[1..]
  end

  # --- NX-02: every call that may raise does, over and over; nothing is left of it -----------------------

  # NX-02
  def test_nx02_a_start_that_fails_leaves_nothing
    said = told(<<~RUBY, complains: true, timeout: 120)
      #{MEASURES}
      require File.join(#{LIB.dump}, "sonde")
      extension!
      def fails(n)
        native.fail_call_testonly(n, false)
        native.start
        false
      rescue RuntimeError => error
        error.message.include?("a test makes this call fail")
      end
      def in_child
        reader, writer = IO.pipe
        pid = fork { writer.puts(JSON.generate([yield])); writer.close; exit!(0) }
        writer.close
        line = reader.read
        fail "it died" unless Process.wait2(pid)[1].success?
        JSON.parse(line)[0]
      end
      # A first start does some things once; the last one to fail is one that has done all of these.
      last = (1..40).select { |n| in_child { fails(n) } }.max
      say (1..40).filter_map { |n|
        in_child do
          fails(last)
          next unless fails(n)
          grown = growth do
            fails(n)
            Thread.pass until Thread.list.size == 1
          end
          [n, grown, native.carriers_testonly]
        end
      }
    RUBY
    failed = said[0]
    assert_operator failed.size, :>=, 2 # the thread, the TracePoint
    failed.each do |n, grown, carriers|
      # CRuby loses 8 to 10 kB for each sample of code that the start compiles, runs and lets go of.
      assert_operator grown, :<, 16_384, "call #{n}"
      assert_equal 0, carriers, "call #{n}"
    end
  end

  TROUBLE = "def trouble(a)\n  begin\n    Integer(a); rescue ArgumentError; 0; end # here\n  while (b = a) > 0 # loop\n" \
            "    a = b - 1\n  end\n  a\nend\n"

  # What a round may leave. CRuby 2.7 itself loses 130 bytes for a targeted TracePoint that comes and goes, and
  # 700 for two that do so on one method; each of ours loses no more.
  LOST = RUBY_VERSION < "3.0" ? 512 : 64

  # name, what is done with call n failing, how it is set up and undone around that
  CASES = {
    "arming" => ["set_both", "", "clear"],
    "disarming" => ["clear", "set_both", "clear"],
    "loading" => ["load 'trouble.rb'", "set_both", "clear"]
  }.freeze

  CASES.each do |name, (work, before, after)|
    define_method("test_nx02_#{name}_that_fails_leaves_nothing") do
      File.write("#{folder}/trouble.rb", TROUBLE)
      said = told(<<~RUBY, complains: true, timeout: 120)
        #{MEASURES}
        load "trouble.rb"
        agent!
        def set_both
          probes = [3, 4].map { |line| { id: "p\#{line}", revision: $revision += 1, location: "trouble.rb:\#{line}", rate: 0.001 } }
          native.apply_testonly(JSON.generate(probes))
        end
        def clear
          native.apply_testonly("[]")
        end
        def once(n, goes_on)
          #{before}
          native.fail_call_testonly(n, goes_on)
          #{work}
          count = native.call_count_testonly
          native.fail_call_testonly(0, false)
          fail unless trouble(2) == 0
          states = report["statuses"].map { |s| [s["status"], s["cause"], s["message"].size > 5] }
          #{after}
          native.safe_point_testonly # what could not be disabled is, now
          [count, states]
        end
        calls = once(0, false)[0]
        say calls
        [false, true].each do |goes_on|
          (1..calls).each do |n|
            _, states = once(n, goes_on)
            grown = growth(#{name == "loading" ? "8, most: 16_384" : "40, most: #{LOST}"}) { once(n, goes_on) }
            say [n, goes_on, grown, native.armed_testonly, native.carriers_testonly, states]
          end
        end
        say report["disarmed"].map { |d| d["part"] }.uniq - %w[disarm code_walk code_tracking]
        set_both
        trouble(1)
        say report["statuses"].map { |s| [s["status"], s["hits"]] }
      RUBY
      assert_operator said.shift, :>=, 2
      assert_equal [["emitting", 1], ["emitting", 2]], said.pop
      assert_empty said.pop
      said.each do |n, goes_on, grown, armed, carriers, states|
        call = "call #{n}#{" and all after it" if goes_on}"
        # CRuby itself loses some hundred bytes for each armed sequence that is freed (docs/decisions/0008).
        assert_operator grown, :<, name == "loading" ? 16_384 : LOST, call
        assert_equal 0, armed, call
        assert_operator carriers, :<=, 4, call # which a stack may seem to hold
        states.each { |state, cause, tells| assert state != "error" || (cause == "internal" && tells), [call, states].inspect }
      end
    end
  end

  # --- The application's own -----------------------------------------------------------------------

  # CORE-17
  # Methods that are told when somebody defines one are the application's: the start defines some of its
  # own, and must not have them called.
  def test_core17_hooks_for_new_methods_are_not_called
    said = told(<<~RUBY)
      require File.join(#{LIB.dump}, "sonde")
      $heard = nil
      def heard(what)
        return unless $heard
        $heard << what
        raise "heard of \#{what}"
      end
      class BasicObject
        private def singleton_method_added(name); ::TOPLEVEL_BINDING.receiver.__send__(:heard, name); end
      end
      class Module
        def method_added(name); heard(name); end
      end
      class Class
        def inherited(name); heard(name); end
      end
      $heard = []
      extension!
      native.start
      said, $heard = $heard, nil
      say said
      say report["disarmed"]
      thread = Thread.list.find { |t| t.name == "sonde-vm" }
      say [thread.join(0.1).equal?(thread), thread.value]
    RUBY
    assert_equal [[], [], [true, nil]], said
  end

  # --- Ractors -------------------------------------------------------------------------------------

  # Since 4.0 a TracePoint with a target tells of its own Ractor only: nothing comes from the others.
  IS_TOLD_BY_RACTORS = RUBY_VERSION < "4.0"

  RACTOR = <<~RUBY
    $VERBOSE = nil
    File.write("shared.rb", "def shared(a)\\n  b = a + 1 # here\\n  b\\nend\\n")
    File.write("other.rb", "def other(a)\n  b = a + 1\n  b\nend\n")
    load "shared.rb"
    agent!
    set("shared.rb:2")
    # What does not end in time would have to be killed.
    def spin(seconds)
      Ractor.new(seconds) do |s|
        n, till = 0, Process.clock_gettime(Process::CLOCK_MONOTONIC) + s
        100.times { n = shared(n) } while Process.clock_gettime(Process::CLOCK_MONOTONIC) < till
        n
      end
    end
    def alone
      deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 10
      Thread.pass until Ractor.count == 1 || Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
    end
  RUBY

  # CORE-17
  # They run beside the VM lock: nothing of ours may be touched there.
  def test_core17_probed_code_in_a_ractor_is_left_alone
    return refute(defined?(Ractor)) if RUBY_VERSION < "3.0" # there are none
    said = told(<<~RUBY, complains: true)
      #{RACTOR}
      ractors = Array.new(2) { spin(0.5) }
      sum = 1000.times.sum { shared(1) }
      say [sum, ractors.map(&:#{RACTOR_VALUE}).min > 0]
      alone
      say status["hits"]
      native.safe_point_testonly
      say report["disarmed"].map { |d| [d["part"], d["message"].include?("Ractor")] }
      set("shared.rb:2", "q")
      shared(1)
      say status.values_at("status", "hits")
    RUBY
    assert_equal [[2000, true], 1000, IS_TOLD_BY_RACTORS ? [["ractors", true]] : [], ["emitting", 1]], said
  end

  # CORE-17
  # The VM itself goes through the hooks of code without a lock: taking one away under a Ractor that
  # executes it crashed.
  def test_core17_probes_come_and_go_while_ractors_run_the_code
    return refute(defined?(Ractor)) if RUBY_VERSION < "3.0" # there are none
    said = told(<<~RUBY, complains: true)
      #{RACTOR}
      ractors = Array.new(2) { spin(2) }
      native.apply_testonly("[]")
      shared(1)
      till = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 1.5
      causes = {}
      while Process.clock_gettime(Process::CLOCK_MONOTONIC) < till
        set("shared.rb:2")
        causes[status.values_at("status", "cause")] = true
        load "other.rb" if rand < 0.01
        native.apply_testonly("[]")
      end
      say causes.keys
      say [native.armed_testonly, ractors.map(&:#{RACTOR_VALUE}).min > 0]
      alone
      native.safe_point_testonly
      say native.armed_testonly
      set("shared.rb:2")
      shared(1)
      say status["hits"]
    RUBY
    assert_equal [[%w[error unsupported]], [1, true], 0, 1], said
  end
end
