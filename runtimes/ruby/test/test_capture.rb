# SPDX-License-Identifier: Apache-2.0
# RB-09: a line probe captures self, the arguments, the locals and those of the scopes around a block; CORE-10: no stack
# shows a frame of the agent; NX-03: what does not hold of the VM's insides is off, and only that.
require "helper"

class TestCapture < SondeTest
  # The snapshot of the line marked "here" while `CaptureSubject.new.run(...)` runs.
  def capture(body, *arguments, id: "p", limits: {}, **more, &block)
    subject = source("class CaptureSubject\n#{body}\nend\n")
    Object.send(:remove_const, :CaptureSubject) if defined?(CaptureSubject)
    subject.load
    status = @probes.set(subject.at("# here"), id: id, limits: { time_us: 100_000, **limits })
    assert_equal "installed", status["status"], status.inspect
    CaptureSubject.new.run(*arguments, **more, &block)
    @file = subject.path
    record = @probes.take
    refute_nil record, "the line was not run"
    assert_nil @probes.take
    record
  end

  def values(record, group)
    record["line_probe"][group].transform_values { |value| plain(value) }
  end

  def assert_captured(arguments, locals, record)
    assert_equal "CaptureSubject", record["line_probe"]["arguments"]["self"]["type"]
    found = values(record, "arguments")
    found.delete("self")
    assert_equal arguments.to_a, found.to_a
    assert_equal locals.to_a, values(record, "locals").to_a
  end

  # The functions of a stack inside the subject's file, with their lines.
  def own(record)
    record["stack"].select { |file, _, _| file == @file }.map { |_, function, line| "#{function}:#{line}" }
  end

  # --- Arguments and locals ---------------------------------------------------------------------

  # RB-09
  def test_rb09_every_kind_of_parameter
    record = capture(<<~RUBY, 1, [2, 3], 4, 5, 6, key: 7, other: 8, more: 9)
      def run(a, (b, c), d = 0, *rest, last, key:, other: 0, **more, &block)
        x = 1
        x # here
      end
    RUBY
    assert_captured({ "a" => "1", "d" => "4", "rest" => ["5"], "last" => "6", "key" => "7", "other" => "8",
                      "more" => { "more" => "9" }, "block" => nil },
                    { "b" => "2", "c" => "3", "x" => "1" }, record)
  end

  # RB-09
  def test_rb09_parameters_without_a_name_are_left_out
    if RUBY_VERSION >= "3.1" # no such syntax before
      record = capture("def run(*, **, &)\n  x = proc(&) # here\nend", 1, key: 2) {}
      assert_captured({}, { "x" => nil }, record)
    end
    record = capture("def run(...)\n  x = 1 # here\nend", 1, key: 2)
    assert_captured({}, { "x" => nil }, record)
    record = capture("def run(_, _a, _, b)\n  b # here\nend", 1, 2, 3, 4)
    assert_captured({ "_" => "1", "_a" => "2", "b" => "4" }, {}, record)
  end

  # RB-09
  def test_rb09_defaults_while_they_are_computed
    record = capture("def run(a,\n        b = begin\n          c = a + 1\n          c * 2 # here\n        end, key: b)\n  b\nend", 1)
    assert_equal({ "a" => "1", "b" => nil }, values(record, "arguments").slice("a", "b"))
    assert_equal "2", values(record, "locals")["c"]
  end

  # RB-09
  def test_rb09_blocks_that_no_object_was_made_of
    body = "def run(&block)\n  x = 1 # here\n  block\nend"
    line = __LINE__ + 1
    record = capture(body) { 1 }
    assert_equal({ "type" => "Proc", "value" => "#<Proc #{__FILE__}:#{line}>" }, record["line_probe"]["arguments"]["block"])
    assert_nil values(capture(body), "arguments")["block"]
    record = capture("def run; inner(&:upcase); end\ndef inner(&block)\n  1.to_s # here\nend")
    assert_equal "#<Proc(&:upcase)>", values(record, "arguments")["block"]
    made = proc { 1 }
    assert_equal "#<Proc #{__FILE__}:#{__LINE__ - 1}>", values(capture(body, &made), "arguments")["block"]
    record = capture("def run(&block)\n  x = block\n  x # here\nend") { 1 }
    assert_match(/\A#<Proc .*test_capture.rb:\d+>\z/, values(record, "arguments")["block"])
    assert_equal values(record, "arguments")["block"], values(record, "locals")["x"]
  end

  # RB-09
  def test_rb09_block_parent_scopes
    record = capture(<<~RUBY, 9)
      def run(a)
        x = 1
        [2].each do |a; own|
          y = 3
          own = 4
          [5].each do |z|
            z # here
          end
        end
      end
    RUBY
    assert_captured({ "z" => "5" }, { "a" => "2", "own" => "4", "y" => "3", "x" => "1" }, record)
    assert_equal ["block (2 levels) in CaptureSubject#run:8", "Array#each:7", "block in CaptureSubject#run:7", "Array#each:4",
                  "CaptureSubject#run:4"], own(record)
  end

  # RB-09
  def test_rb09_numbered_and_destructured_block_parameters
    record = capture("def run\n  [[1, 2]].each do\n    _1 + _2 # here\n  end\nend")
    assert_captured({ "_1" => "1", "_2" => "2" }, {}, record)
    record = capture("def run\n  [[1, [2, 3]]].each do |a, (b, c), *d, e: 4|\n    a # here\n  end\nend")
    assert_captured({ "a" => "1", "d" => [], "e" => "4" }, { "b" => "2", "c" => "3" }, record)
  end

  # RB-09
  def test_rb09_closures_on_the_heap
    record = capture(<<~RUBY, 1)
      def run(a)
        b = 2
        change = -> { b += 1 }
        change.call
        b # here
      end
    RUBY
    assert_equal({ "a" => "1" }, values(record, "arguments").slice("a"))
    assert_equal "3", values(record, "locals")["b"]
    # The method returned long before its block runs.
    record = capture(<<~RUBY, 1)
      def run(a)
        make(a).call(2)
      end
      def make(a)
        b = 3
        proc do |c|
          c # here
        end
      end
    RUBY
    assert_captured({ "c" => "2" }, { "a" => "1", "b" => "3" }, record)
    assert_equal ["block in CaptureSubject#make:8", "CaptureSubject#run:3"], own(record)
  end

  # RB-09
  def test_rb09_methods_made_of_blocks
    record = capture(<<~RUBY, 2, 3, key: 4)
      outer = 1
      define_method(:run) do |a, *rest, key: 0, &block|
        b = outer # here
      end
    RUBY
    assert_captured({ "a" => "2", "rest" => ["3"], "key" => "4", "block" => nil }, { "b" => nil, "outer" => "1" }, record)
    assert_equal "CaptureSubject#run:4", own(record).first
    record = capture("define_method(:run) do |a|\n  [1].each do |b|\n    b # here\n  end\nend", 5)
    assert_captured({ "b" => "1" }, { "a" => "5" }, record)
    assert_equal ["block in CaptureSubject#run:4", "Array#each:3", "CaptureSubject#run:3"], own(record)
  end

  # RB-09
  def test_rb09_rescue_and_ensure
    record = capture("def run(a)\n  raise 'x'\nrescue => e\n  e # here\nend", 1)
    assert_captured({ "a" => "1" }, { "e" => { "message" => "x" } }, record)
    assert_equal ["rescue in CaptureSubject#run:5", "CaptureSubject#run:2"], own(record)
    record = capture("def run(a)\n  raise 'x'\nensure\n  b = 2\n  return b # here\nend", 1)
    assert_captured({ "a" => "1" }, { "b" => "2" }, record)
    record = capture("def run(a)\n  [1].each do |b|\n    raise 'x'\n  rescue\n    b # here\n  end\nend", 1)
    assert_captured({ "b" => "1" }, { "a" => "1" }, record)
  end

  # RB-09
  def test_rb09_ends_of_methods_and_blocks
    record = capture("def run(a)\n  b = a + 1\nend # here", 1)
    assert_captured({ "a" => "1" }, { "b" => "2" }, record)
    record = capture("def run(a)\n  [2].each do |b|\n    c = a + b\n  end # here\nend", 1)
    assert_captured({ "b" => "2" }, { "c" => "3", "a" => "1" }, record)
  end

  # RB-09
  def test_rb09_pattern_matching_for_and_lambdas
    record = capture("def run(v)\n  case v\n  in { a: Integer => n, **rest }\n    n # here\n  end\nend", { a: 1, b: 2 })
    assert_equal({ "n" => "1", "rest" => { "b" => "2" } }, values(record, "locals"))
    record = capture("def run\n  for i in [1]\n    j = i # here\n  end\nend")
    assert_captured({}, { "i" => "1", "j" => nil }, record)
    record = capture("def run\n  ->(x, y = 2) do\n    x # here\n  end.call(1)\nend")
    assert_captured({ "x" => "1", "y" => "2" }, {}, record)
  end

  # RB-09
  def test_rb09_self_where_it_was_changed
    record = capture("def run\n  'text'.instance_exec(1) do |a|\n    a # here\n  end\nend")
    assert_equal ["String", "text"], record["line_probe"]["arguments"]["self"].values_at("type", "value")
    assert_equal ["block in CaptureSubject#run:4", "BasicObject#instance_exec:3", "CaptureSubject#run:3"], own(record)
  end

  # RB-09
  def test_rb09_bodies_of_classes_and_evaluated_code_outside
    record = capture(<<~RUBY, 1)
      def run(a)
        b = 2
        eval("c = 3; inner { c }", binding, "(evaluated)", 70)
      end
      def inner
        d = yield # here
      end
    RUBY
    assert_captured({}, { "d" => nil }, record)
    stack = record["stack"].map { |file, function, line| [file == @file ? "file" : file, function, line] }
    assert_equal [["file", "CaptureSubject#inner", 7], ["(evaluated)", "CaptureSubject#run", 70], ["file", "Kernel#eval", 4],
                  ["file", "CaptureSubject#run", 4]], stack.first(4)
  end

  # --- Stacks -------------------------------------------------------------------------------------

  def test_stack_names
    record = capture(<<~RUBY)
      module Mixed
        def mixed; yield; end
      end
      include Mixed
      class << self
        def single
          stop # here
        end
        def stop; nil; end
      end
      def run; mixed { self.class.through }; end
      def self.through; send(:single); end
      alias_method :another, :run
    RUBY
    assert_equal ["CaptureSubject.single:8", "CaptureSubject.through:13", "block in CaptureSubject#run:12",
                  "CaptureSubject::Mixed#mixed:3", "CaptureSubject#run:12"], own(record)
  end

  # CORE-10
  def test_core10_the_stack_is_rubys_own
    record = capture(<<~RUBY)
      def run
        [[2], [1]].sort_by { |a| a.map { |b| Array(inner(b)) } }
      end
      def inner(b)
        return b if b == 1
        $capture_expected = caller_locations(0); b # here
      end
    RUBY
    expected = $capture_expected.map { |frame| [frame.path, frame.lineno] }
    assert_equal expected, record["stack"].map { |file, _, line| [file, line] }
    labels = $capture_expected.map(&:base_label).zip(record["stack"].map { |_, function, _| function })
    labels.each { |label, function| assert_includes function, label }
    assert_empty record["stack"].grep(/sonde/i).reject { |file, _, _| file == @file }
    refute_empty record["stack"].select { |file, _, _| file == __FILE__ }
  end

  def test_stack_of_threads_and_fibers
    body = "def run(by)\n  by.call { inner }\nend\ndef inner\n  1.to_s # here\nend"
    record = capture(body, ->(&block) { Thread.new { Thread.current.name = "worker 7"; block.call }.join })
    assert_equal ["CaptureSubject#inner:6", "block in CaptureSubject#run:3"], own(record)
    assert_equal "worker 7", record["thread_name"]
    assert_match(/\Ablock .*in TestCapture#test_stack_of_threads_and_fibers\z/, record["stack"].last[1])
    record = capture(body, ->(&block) { Fiber.new { block.call }.resume })
    assert_equal ["CaptureSubject#inner:6", "block in CaptureSubject#run:3"], own(record)
    record = capture(body, ->(&block) { Enumerator.new { |y| y << block.call }.next })
    assert_equal "CaptureSubject#inner:6", own(record).first
  end

  def test_thread_ids_are_the_systems
    record = capture("def run\n  1.to_s # here\nend")
    assert_equal Process.pid, record["thread_id"]
    reader, writer = IO.pipe
    pid = fork do
      Sonde::Native.after_fork_child
      CaptureSubject.new.run
      found = @probes.take
      writer.write(found && found["thread_id"].to_s)
      exit!(0)
    end
    writer.close
    Process.wait(pid)
    assert_equal pid.to_s, reader.read
  end

  # CORE-04
  def test_core04_frames
    body = "def run(n = 100)\n  return run(n - 1) if n > 0\n  n.to_s # here\nend"
    record = capture(body)
    assert_equal ["CaptureSubject#run:4"] + ["CaptureSubject#run:3"] * 63, own(record)
    record = capture(body, limits: { frames: 3 })
    assert_equal 3, record["stack"].size
  end

  # --- Hard times -----------------------------------------------------------------------------------

  # RB-13
  def test_rb13_under_gc_stress_and_compaction
    body = <<~RUBY
      def run(given, &block)
        GC.stress = true
        local = { list: [given], text: "x" * 30 }
        [given].each do |inner|
          inner.to_s # here
        end
        GC.compact if GC.respond_to?(:compact)
        local
      ensure
        GC.stress = false
      end
    RUBY
    3.times do
      record = capture(body, Object.new) { 1 }
      assert_equal({ "list" => [{}], "text" => "x" * 30 }, values(record, "locals")["local"])
    end
  ensure
    GC.stress = false
  end

  # Each part that is said to fail is off and told; what does not need it is captured all the same.
  PROGRAM = <<~'RUBY'
    require "json"
    require ARGV[0]
    file = ARGV[1]
    load file
    definition = { id: "p", revision: 1, location: "#{file}:4", rate: 5000 }
    Sonde::Native.apply_testonly(JSON.generate([definition]))
    PartSubject.run(Time.at(0).utc)
    off = JSON.parse(Sonde::Native.report).fetch("disarmed", []).map { |part| part["part"] }
    print JSON.generate([off, Sonde::Native.take_testonly])
  RUBY

  # NX-03
  def test_nx03_a_part_that_fails_is_off_alone
    subject = source("module PartSubject\n  def self.run(time)\n    local = 1\n    local.to_s # here\n  end\nend\n")
    start = source(<<~RUBY, "start.rb")
      require #{File.join(LIB, "sonde", RbConfig::CONFIG["ruby_version"], "native").dump}
      Sonde::Native.fail_testonly(ENV["PART"]) if ENV["PART"]
      Sonde::Native.start
    RUBY
    found = [nil, "locals", "values", "frames"].to_h do |part|
      out, = ruby!(PROGRAM, start.path, subject.path, env: { "PART" => part })
      [part, JSON.parse(out)]
    end
    shown = found.transform_values { |_, record| record && captured(record).transform_values { |value| plain(value) } }
    assert_equal({ "self" => "PartSubject", "time" => "1970-01-01T00:00:00Z", "local" => "1" }, shown[nil])
    assert_equal({ "self" => "PartSubject" }, shown["locals"])
    assert_match(/\A#<Time:0x\h+>\z/, shown["values"]["time"])
    assert_equal [{}, nil], [shown["frames"], found["frames"][1]["stack"]]
    found.each { |part, (off, _)| assert_equal [part].compact, off }
  end
end
