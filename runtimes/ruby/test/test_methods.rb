# SPDX-License-Identifier: Apache-2.0
# RB-10, RB-11, RB-12: probes on methods. What goes in, what comes out and how it ends; which method a name
# means, and what it means later; and that the program does not notice.
require_relative "helper"

class TestMethods < SondeTest
  Native = Sonde::Native

  # A class with that body, under a name of its own: [the class, its name].
  def define(body, superclass = nil, kind: "class")
    name = "Made#{@sources += 1}_#{self.name.delete_prefix("test_")}"
    file = source("#{kind} #{name}#{" < #{superclass}" if superclass}\n#{body}\nend\n", "#{name}.rb")
    file.load
    [Object.const_get(name), name, file]
  end

  def installed(location, **more)
    status = probes.set(location, **more)
    assert_equal "installed", status["status"], status.inspect
    status
  end

  # The one snapshot that there is.
  def only
    records = probes.take_all
    assert_equal 1, records.size, records.inspect
    records[0]
  end

  # How the call ends, as the snapshot has it: [outcome, value or class of what was raised].
  def ending(record)
    left = record["return"]
    left.key?("throwable") ? [left["outcome"], left["throwable"]["type"]] : [left["outcome"], left["return_value"] && plain(left["return_value"])]
  end

  def follow
    Native.follow_testonly
  end

  # --- What a snapshot shows ----------------------------------------------------------------------

  def test_rb10_entry_shows_arguments_by_their_names
    klass, name, file = define("def call(first, second = first * 2, *rest, key:, other: 5, **more, &block)\n  x = 1\n  x\nend")
    installed("#{name}#call", at: "entry")
    klass.new.call(1, key: 3, z: 9) { 1 }
    record = only
    arguments = record["entry"]["arguments"]
    assert_equal %w[self first second rest key other more block], arguments.keys
    assert_equal name, arguments["self"]["type"]
    assert_equal ["1", "2", [], "3", "5"], arguments.values_at("first", "second", "rest", "key", "other").map { |v| plain(v) }
    assert_equal({ "z" => "9" }, plain(arguments["more"]))
    assert_equal [file.path, "#{name}#call", 2], record["stack"][0]
    assert_equal [file.path, "call", 2, -1], record.values_at("file", "function", "line", "duration_ns")
    refute record.key?("return")
  end

  def test_rb10_exit_shows_locals_return_value_and_duration
    klass, name, = define("def call(a)\n  b = a + 1\n  c = [b]\n  sleep 0.01\n  a = 7\n  c\nend")
    installed("#{name}#call", at: "exit")
    assert_equal [6], klass.new.call(5)
    record = only
    assert_equal "5", plain(record["entry"]["arguments"]["a"])
    assert_equal({ "b" => "6", "c" => ["6"] }, record["return"]["locals"].transform_values { |v| plain(v) })
    assert_equal ["returned", ["6"]], ending(record)
    assert_operator record["duration_ns"], :>=, 9_000_000
  end

  # Each kind of method: its location (@ is the module), its text, what calls it (n times), how often.
  KINDS = [
    [:instance, "@::K#m", "class K\n def m; $n += 1; end\nend", "K.new.m", 1],
    [:singleton, "@::K.m", "class K\n def self.m; $n += 1; end\nend", "K.m", 1],
    [:singleton_class, "@::K.m", "class K\n class << self\n def m; $n += 1; end\n end\nend", "K.m", 1],
    [:of_module, "@.m", "def self.m; $n += 1; end", "m", 1],
    [:module_function_copy, "@.m", "module_function\ndef m; $n += 1; end", "m", 1],
    [:included, "@::I#m", "module I\n def m; $n += 1; end\nend\nclass K; include I; end\nclass L; include I; end", "K.new.m; L.new.m", 2],
    [:extended, "@::I#m", "module I\n def m; $n += 1; end\nend\nclass K; extend I; end", "K.m", 1],
    [:prepended, "@::P#m", "module P\n def m; $n += 1; super; end\nend\nclass K\n prepend P\n def m; end\nend", "K.new.m", 1],
    [:below_prepended, "@::K#m", "module P\n def m; super; super; end\nend\nclass K\n prepend P\n def m; $n += 1; end\nend", "K.new.m", 2],
    [:private_one, "@::K#m", "class K\n def go; m; end\n private def m; $n += 1; end\nend", "K.new.go", 1],
    [:protected_one, "@::K#m", "class K\n def go(o); o.m; end\n protected def m; $n += 1; end\nend", "K.new.go(K.new)", 1],
    [:private_class_method, "@::K.m", "class K\n def self.go; m; end\n private_class_method def self.m; $n += 1; end\nend", "K.go", 1],
    [:defined, "@::K#m", "class K\n define_method(:m) { |x = 1| $n += 1; x }\nend", "K.new.m; K.new.m(2)", 2],
    [:defined_in_loop, "@::K#b", "class K\n %i[a b c].each { |k| define_method(k) { $n += 1 if k == :b } }\nend", "K.new.a; K.new.b; K.new.c; K.new.b", 2],
    [:defined_singleton, "@::K.m", "class K; end\nK.define_singleton_method(:m) { $n += 1 }", "K.m", 1],
    [:defined_from_lambda, "@::K#m", "F = ->(x) { x }\nclass K\n define_method(:m, &->() { $n += 1 })\nend", "K.new.m", 1],
    [:proc_too, "@::K#m", "PR = proc { |*| 1 }\nclass K\n define_method(:m, &PR)\n def go; $n += 1; m; end\nend", "PR.call; K.new.go; PR.(2)", 1],
    [:plus, "@::K#+", "class K\n def +(o); $n += 1; end\nend", "K.new + 1", 1],
    [:index, "@::K#[]=", "class K\n def []=(a, b); $n += 1; end\nend", "K.new[1] = 2", 1],
    [:compare, "@::K#<=>", "class K\n def <=>(o); $n += 1; 0; end\n include Comparable\nend", "K.new < K.new", 1],
    [:unary, "@::K#-@", "class K\n def -@; $n += 1; end\nend", "-K.new", 1],
    [:bang, "@::K#!", "class K\n def !; $n += 1; true; end\nend", "!K.new", 1],
    [:writer, "@::K#name=", "class K\n def name=(n); $n += 1; end\nend", "K.new.name = 3", 1],
    [:question, "@::K#ok?", "class K\n def ok?; $n += 1; end\nend", "K.new.ok?", 1],
    [:missing, "@::K#method_missing", "class K\n def method_missing(name, *); $n += 1; end\n def respond_to_missing?(*); true; end\nend", "K.new.any; K.new.other(1)", 2],
    [:initializer, "@::K#initialize", "class K\n def initialize(a); $n += 1; end\nend", "K.new(1)", 1],
    [:alias_of, "@::K#other", "class K\n def m; $n += 1; end\n alias other m\nend", "K.new.other; K.new.m", 2],
    [:aliased, "@::K#m", "class K\n def m; $n += 1; end\n alias_method :other, :m\nend", "K.new.other; K.new.m", 2],
    [:recursive, "@::K#m", "class K\n def m(i); $n += 1; i == 0 ? 0 : m(i - 1); end\nend", "K.new.m(9)", 10],
    [:super_of_same_name, "@::K#m", "class B\n def m; 1; end\nend\nclass K < B\n def m; $n += 1; super; end\nend", "K.new.m; B.new.m", 1],
    [:inherited_call, "@::B#m", "class B\n def m; $n += 1; end\nend\nclass K < B; end", "K.new.m; B.new.m", 2],
    [:nested_def, "@::K#m", "class K\n def m; $n += 1; def inner; 1; end; inner; inner; end\nend", "K.new.m", 1],
    [:with_blocks, "@::K#m", "class K\n define_method(:m) { $n += 1; [1, 2].map { |x| [x].each { } } }\nend", "K.new.m", 1],
    [:yielding, "@::K#m", "class K\n def m; $n += 1; yield; yield; end\nend", "K.new.m { 1 }", 1],
    [:to_proc, "@::K#m", "class K\n def m(x = 0); $n += 1; end\nend", "[1, 2].each(&K.new.method(:m)); [K.new].each(&:m)", 3],
    [:sent, "@::K#m", "class K\n private def m; $n += 1; end\nend", "K.new.send(:m); K.new.__send__(:m); K.instance_method(:m).bind_call(K.new)", 3],
    [:made_class, "@::K#m", "K = Class.new do\n def m; $n += 1; end\nend", "K.new.m", 1],
    [:twins, "@::B#m", "def self.make; Class.new { def m; $n += 1 if B === self; end }; end\nA = make\nB = make", "A.new.m; B.new.m; A.new.m", 1],
    [:struct, "@::K#m", "K = Struct.new(:a) do\n def m; $n += 1; end\nend", "K.new(1).m", 1],
    [:basic_object, "@::K#m", "class K < BasicObject\n def m; $n += 1; end\nend", "K.new.m", 1],
    [:of_object, "@::O.m", "O = Object.new\ndef O.m; $n += 1; end", "O.m", 1],
    [:evaluated, "@::K#m", "class K\n class_eval('def m; $n += 1; end')\nend", "K.new.m", 1],
    [:empty, "@::K#m", "class K\n def m; end\n def go; $n += 1; m; end\nend", "K.new.go", 1],
    [:refined_elsewhere, "@::K#m", "class K\n def m; $n += 1; end\nend\nmodule R\n refine(K) { def m; super; end }\nend", "K.new.m", 1],
    [:in_fiber, "@::K#m", "class K\n def m; Fiber.yield 1; $n += 1; end\nend", "fs = Array.new(3) { Fiber.new { K.new.m } }; fs.each(&:resume); fs.reverse.each(&:resume)", 3],
    [:in_thread, "@::K#m", "class K\n def m; Thread.pass; $n += 1; end\nend", "Array.new(3) { Thread.new { K.new.m } }.each(&:join)", 3]
  ]
  KINDS << [:endless, "@::K#m", "class K\n def m = $n += 1\nend", "K.new.m", 1] if RUBY_VERSION >= "3.0"

  KINDS.each do |kind, location, text, call, count|
    define_method("test_rb10_kind_#{kind}") do
      mod, name, = define("#{text}\ndef self.go\n #{call}\nend", kind: "module")
      installed(location.sub("@", name), id: "in", at: "entry")
      installed(location.sub("@", name), id: "out", at: "exit")
      $n = 0
      mod.go
      assert_equal count, $n
      assert_equal [count, count], [probes.hits("in"), probes.hits("out")]
      ends = probes.take_all.map { |record| record["return"] && record["return"]["outcome"] }
      assert_equal [nil] * count + ["returned"] * count, ends.sort_by(&:to_s)
      probes.clear
      assert_equal 0, Native.armed_testonly
      mod.go
      assert_equal 2 * count, $n
    end
  end

  # --- How it ends --------------------------------------------------------------------------------

  class Loud < StandardError
    def message; raise("nobody asked"); end
    alias to_s message
    alias inspect message
    alias full_message message
    alias backtrace_locations message
  end

  def test_rb11_an_exception_is_told_without_asking_it
    klass, name, file = define("def call(n)\n  deep(n)\nend\ndef deep(n)\n  raise TestMethods::Loud, \"no \#{n}\" # here\nend")
    installed("#{name}#call", at: "exit")
    assert_raises(Loud) { klass.new.call(4) }
    throwable = only["return"]["throwable"]
    assert_equal "TestMethods::Loud", throwable["type"]
    assert_equal "no 4", throwable["message"]["value"]
    assert_equal [[file.path, "deep", file.line("# here")], [file.path, "#{name}#call", 3]], throwable["stack"].first(2)
  end

  # Before 3.1 the places in a backtrace become others when somebody asks for it.
  def test_rb11_an_exception_whose_backtrace_was_asked_for
    klass, name, file = define("def call(n)\n  deep(n)\nend\ndef deep(n)\n  raise KeyError # here\nrescue KeyError => e\n" \
                               "  e.backtrace\n  raise\nend")
    installed("#{name}#call", at: "exit")
    assert_raises(KeyError) { klass.new.call(4) }
    stack = only["return"]["throwable"]["stack"]
    assert_equal [[file.path, "deep", file.line("# here")], [file.path, "#{name}#call", 3]], stack.first(2)
  end

  # What each ends by: outcome, and the value or the class of the exception.
  ENDINGS = {
    returned: ["def call; 5; end", "new.call", "returned", "5"],
    early: ["def call; return 6 if true; 5; end", "new.call", "returned", "6"],
    implicit_nil: ["def call; end", "new.call", "returned", nil],
    raised: ["def call; raise KeyError, 'x'; end", "new.call", "raised", "KeyError"],
    raised_below: ["def call; Integer('x'); end", "new.call", "raised", "ArgumentError"],
    rescued: ["def call; raise 'x'; rescue; 7; end", "new.call", "returned", "7"],
    reraised: ["def call; raise 'x'; rescue; raise KeyError; end", "new.call", "raised", "KeyError"],
    ensured: ["def call; raise KeyError; ensure; begin; raise 'y'; rescue; end; end", "new.call", "raised", "KeyError"],
    replaced: ["def call; raise 'x'; ensure; raise KeyError; end", "new.call", "raised", "KeyError"],
    ensure_returns: ["def call; raise 'x'; ensure; return 8; end", "new.call", "returned", "8"],
    ensured_normal: ["def call; 9; ensure; 1; end", "new.call", "returned", "9"],
    from_block: ["def call; [1].each { |x| return x + 1 }; 0; end", "new.call", "returned", "2"],
    from_block_ensured: ["def call; [1].each { |x| return x + 1 }; ensure; [2].map { |y| y }; end", "new.call", "returned", "2"],
    from_made: ["define_method(:call) { |x = 3| return x }", "new.call", "returned", "3"],
    from_block_in_made: ["define_method(:call) { [4].each { |x| return x }; 0 }", "new.call", "returned", "4"],
    made_raises: ["define_method(:call) { raise KeyError }", "new.call", "raised", "KeyError"],
    made_next: ["define_method(:call) { next 5 }", "new.call", "returned", "5"],
    made_break: ["define_method(:call) { break 5 }", "new.call", "returned", "5"],
    made_break_ensured: ["define_method(:call) { begin; break 5; ensure; [1].each { |x| x }; end }", "new.call", "returned", "5"],
    made_return_in_rescue: ["define_method(:call) { begin; raise 'x'; rescue; return 5; end }", "new.call", "returned", "5"],
    made_return_in_rescue_ensured: ["define_method(:call) { begin; begin; raise 'x'; rescue; return 5; end; ensure; [1].each { |x| x }; end }", "new.call", "returned", "5"],
    made_thrown: ["define_method(:call) { throw :done, 5 }", "self.then { |k| catch(:done) { k.new.call } }", "left", nil],
    made_thrown_in_block: ["define_method(:call) { [1].each { throw :done, 5 } }", "self.then { |k| catch(:done) { k.new.call } }", "left", nil],
    made_killed: ["define_method(:call) { [1].each { Thread.current.kill } }", "self.then { |k| Thread.new { k.new.call }.join }", "cancelled", nil],
    made_return_ensured: ["define_method(:call) { begin; return 3; ensure; [1].each { |x| x }; end }", "new.call", "returned", "3"],
    made_return_deep_ensured: ["define_method(:call) { begin; [4].each { |x| begin; [x].each { |y| return y }; ensure; Integer('1'); end }; ensure; 1; end }",
                               "new.call", "returned", "4"],
    made_return_replaced: ["define_method(:call) { begin; [4].each { |x| return x }; ensure; return 6; end }", "new.call", "returned", "6"],
    made_return_of_lambda: ["define_method(:call) { -> { return 4 }.call; 6 }", "new.call", "returned", "6"],
    made_return_of_proc: ["define_method(:call) { proc { return 4 }.call; 6 }", "new.call", "returned", "4"],
    made_next_of_block: ["define_method(:call) { [4].map { |x| next x + 1 } .first }", "new.call", "returned", "5"],
    made_break_of_block: ["define_method(:call) { [4].each { |x| break x + 1 } }", "new.call", "returned", "5"],
    made_broken: ["define_method(:call) { |&b| b.call }", "self.then { |k| k.new.call { break 5 } }", "returned", "5"],
    made_returned_past: ["define_method(:call) { |&b| b.call }\n def outer; call { return 5 }; end", "new.outer", "left", nil],
    made_returned_past_block: ["define_method(:call) { |&b| [1].each { b.call } }\n def outer; call { return 5 }; end", "new.outer", "left", nil],
    made_returned_past_ensured: ["define_method(:call) { |&b| begin; [1].each { b.call }; ensure; [2].each { |x| x }; end }\n def outer; call { return 5 }; end",
                                 "new.outer", "left", nil],
    made_returned_past_own: ["define_method(:call) { |n = 0, &b| return 1 if n > 0; [2].each { |x| return x if n > 0 }; b.call }\n" \
                             "def outer; call { return 5 }; end", "new.outer", "left", nil],
    made_returned_past_made: ["define_method(:call) { |&b| b.call }\n define_method(:outer) { [1].each { call { return 5 } } }", "new.outer", "left", nil],
    made_called_by_c: ["define_method(:call) { |&b| b.call }\n def outer; public_send(:call) { return 5 }; end", "new.outer", "left", nil],
    made_own_by_c: ["define_method(:call) { [5].each { |x| return x } }\n def outer; [1].each { return public_send(:call) }; end", "new.outer", "returned", "5"],
    made_own_in_returning: ["define_method(:call) { [5].each { |x| return x } }\n def outer; [1].each { return call + 1 }; end", "new.outer", "returned", "5"],
    returned_past_c: ["def call; yield; end\n def outer; public_send(:call) { return 5 }; end", "new.outer", "left", nil],
    initializer_past: ["def initialize(&b); @b = b; end\n def call; @b.call; end\n def self.outer; new { return 5 }.call; end", "outer", "left", nil],
    from_c: ["def call; [1].each { |x| return x + 1 }; 0; end", "instance_method(:call).bind(new).unbind.bind_call(new)", "returned", "2"],
    as_to_s: ["def call; [1].each { return 'text' }; end\n alias to_s call", "self.then { |k| \"\#{k.new}\" }", "returned", "text"],
    broken: ["def call; yield; end", "self.then { |k| k.new.call { break 5 } }", "returned", "5"],
    broken_past: ["def call; yield; end\n def outer; call { yield }; end", "self.then { |k| k.new.outer { break 5 } }", "left", nil],
    returned_past: ["def call; yield; end\n def outer; call { return 5 }; end", "new.outer", "left", nil],
    thrown: ["def call; throw :done, 5; end", "self.then { |k| catch(:done) { k.new.call } }", "left", nil],
    thrown_inside: ["def call; catch(:done) { throw :done, 5 }; end", "new.call", "returned", "5"],
    killed: ["def call; Thread.current.kill; sleep; end", "self.then { |k| Thread.new { k.new.call }.join }", "cancelled", nil],
    exited: ["def call; exit 3; end", "self.then { |k| begin; k.new.call; rescue SystemExit; end }", "raised", "SystemExit"],
    timeout: ["def call; sleep 30; end", "self.then { |k| begin; Timeout.timeout(0.02, KeyError) { k.new.call }; rescue KeyError; end }", "raised", "KeyError"],
    interrupted: ["def call; $go << 1; sleep 30; end", "self.then { |k| $go = Queue.new; t = Thread.new { begin; k.new.call; rescue KeyError; end }; $go.pop; t.raise(KeyError); t.join }", "raised", "KeyError"],
    stop_iteration: ["def call; loop { raise StopIteration }; 4; end", "new.call", "returned", "4"],
    redo_retry: ["def call; n = 0; begin; n += 1; raise 'x' if n < 3; n; rescue; retry; end; end", "new.call", "returned", "3"],
    frozen_error: ["def call; 'x'.freeze << 'y'; end", "new.call", "raised", "FrozenError"],
    no_method: ["def call; nil.foo; end", "new.call", "raised", "NoMethodError"],
    in_rescue: ["def call; Integer('1'); end\n def outer; raise 'x'; rescue; call; end", "new.outer", "returned", "1"],
    wrong_arity: ["def call(a); 1; end", "self.then { |k| k.new.call rescue 0; k.new.call(1) }", "returned", "1"]
  }.freeze

  ENDINGS.each do |kind, (text, call, outcome, value)|
    define_method("test_rb11_ending_#{kind}") do
      klass, name, = define("#{text}\ndef self.go\n begin; #{call}; rescue StandardError => e; e.class; end\nend")
      without = klass.go
      installed("#{name}#call", at: "exit")
      with = klass.go
      assert_equal without.class, with.class
      assert without == with, [without, with].inspect if [Integer, String, Class].include?(with.class)
      assert_equal [outcome, value], ending(only)
    end
  end

  # Timeout throws or raises, depending on its version.
  def test_rb11_timeout_passes
    klass, name, = define("def call\n  sleep 30\nend")
    installed("#{name}#call", at: "exit")
    assert_raises(Timeout::Error) { Timeout.timeout(0.02) { klass.new.call } }
    assert_includes %w[left raised], ending(only)[0]
  end

  # The VM tells nobody: the entry is given up, and what comes later is right.
  def test_rb11_stack_too_deep
    klass, name, = define("def call(n)\n  n < 0 ? call(n - 1) : n\nend")
    installed("#{name}#call", at: "exit")
    assert_raises(SystemStackError) { klass.new.call(-1) }
    probes.take_all
    records = []
    wait_until(30) do # its rate is used up
      assert_equal 3, klass.new.call(3)
      (records = probes.take_all).any?
    end
    record = records.last
    assert_equal "3", plain(record["entry"]["arguments"]["n"])
    assert_equal %w[returned 3], ending(record)
  end


  # A part that is not as known is off, and said to be; what is shown stays true.
  def without(part)
    code = <<~RUBY
      require "json"
      require "sonde"
      require File.join(#{File.dirname(EXTENSION).dump}, "native")
      native = Sonde::Native
      native.fail_testonly(#{part.dump})
      native.start
      class Made
        def call(n)
          raise KeyError, "no" if n > 0
          n
        end
      end
      native.apply_testonly(JSON.generate([{ id: "p", revision: 1, location: "Made#call", at: "exit", rate: 5000 }]))
      [0, 1].each { |n| Made.new.call(n) rescue nil }
      records = [native.take_testonly, native.take_testonly].compact
      puts JSON.generate([JSON.parse(native.report), records])
    RUBY
    JSON.parse(ruby!(code, env: { "SONDE_MAX_RATE" => "100000" })[0].lines.last)
  end

  def test_rb11_without_knowledge_of_unwinding
    report, records = without("exceptions")
    assert_equal ["exceptions"], report["disarmed"].map { |fault| fault["part"] }
    assert_equal [["returned", "0"]], records.first(1).map { |record| ending(record) }
    next_one = records[1] || flunk("one of two: #{records}")
    assert_equal ["left", nil], ending(next_one)
  end

  # Where it was raised is not known then; where it passed is.
  def test_rb11_without_knowledge_of_backtraces
    report, records = without("backtraces")
    assert_equal ["backtraces"], report["disarmed"].map { |fault| fault["part"] }
    throwable = records.last["return"]["throwable"]
    assert_equal %w[KeyError no], [throwable["type"], throwable["message"]["value"]]
    assert_equal "Made#call", throwable["stack"][0][1]
  end

  def test_rb10_without_knowledge_of_methods
    %w[methods frames].each do |part|
      report, records = without(part)
      assert_includes report["disarmed"].map { |fault| fault["part"] }, part
      assert_equal [%w[error unsupported]], report["statuses"].map { |status| status.values_at("status", "cause") }
      assert_empty records
    end
  end

  def test_rb10_recursion_pairs
    klass, name, = define("def sum(n)\n  return 0 if n == 0\n  less = sum(n - 1)\n  less + n\nend")
    installed("#{name}#sum", at: "exit")
    assert_equal 5050, klass.new.sum(100)
    records = probes.take_all
    assert_equal (0..100).map { |n| [n.to_s, (n * (n + 1) / 2).to_s] },
                 records.map { |r| [plain(r["entry"]["arguments"]["n"]), plain(r["return"]["return_value"])] }
  end

  def test_rb10_fibers_pair
    klass, name, = define("def call(n)\n  got = Fiber.yield(n)\n  got * 10 + n\nend")
    installed("#{name}#call", at: "exit")
    fibers = Array.new(20) { |i| Fiber.new { klass.new.call(i) } }
    fibers.each(&:resume)
    fibers.each_with_index.to_a.shuffle.each { |fiber, i| assert_equal 70 + i, fiber.resume(7) }
    probes.take_all.each do |r|
      assert_equal (70 + plain(r["entry"]["arguments"]["n"]).to_i).to_s, plain(r["return"]["return_value"])
    end
    assert_equal 20, probes.hits
  end

  # --- The program does not notice ------------------------------------------------------------------

  def test_rb10_neutral
    klass, name, = define(<<~RUBY)
      def open(a, b = 1, *c, d:, e: 2, **f, &g); caller(0)[0, 2]; end
      private def hidden(x); x; end
      protected def guarded; 1; end
      define_method(:made) { |x, y = 2| [x, y] }
      def self.own(z); z; end
      def method_missing(name, *rest); name == :dynamic ? rest : super; end
      def respond_to_missing?(name, all = false); name == :dynamic || super; end
    RUBY
    look = lambda do
      o = klass.new
      methods = %i[open hidden guarded made].map do |m|
        found = klass.instance_method(m)
        [m, found.arity, found.parameters, found.owner, found.source_location, found.name, klass.public_method_defined?(m),
         klass.private_method_defined?(m), klass.protected_method_defined?(m), o.respond_to?(m)]
      end
      [methods, klass.ancestors, klass.singleton_class.ancestors, klass.instance_methods(false).sort,
       klass.private_instance_methods(false).sort, klass.singleton_methods.sort, klass.method(:own).arity, o.open(1, d: 2),
       o.method(:made).unbind.inspect, o.made(1), o.dynamic(3), klass.constants, klass.instance_variables, klass.frozen?,
       o.singleton_methods, (o.hidden(1) rescue $!.class), (o.other rescue $!.class), ObjectSpace.each_object(TracePoint).count]
    end
    before = look.call
    %w[#open #hidden #guarded #made .own #method_missing #respond_to_missing?].each_with_index do |m, i|
      installed("#{name}#{m}", id: "p#{i}", at: i.odd? ? "entry" : "exit")
    end
    assert_equal before, look.call
    assert_operator probes.report["statuses"].sum { |s| s["hits"] }, :>, 5
    probes.clear
    assert_equal before, look.call
  end

  def test_rb10_frozen_class
    klass, name, = define("def call; 1; end\ndef self.own; 2; end")
    klass.freeze
    klass.singleton_class.freeze
    installed("#{name}#call", id: "a")
    installed("#{name}.own", id: "b")
    assert_equal [1, 2], [klass.new.call, klass.own]
    assert_equal [1, 1], [probes.hits("a"), probes.hits("b")]
  end

  def test_rb10_a_class_that_bites
    klass, name, = define(<<~RUBY)
      def call; 1; end
      %i[instance_method instance_methods method_defined? name to_s inspect singleton_class const_get const_missing
         ancestors == hash public_instance_method private_instance_methods].each do |m|
        define_singleton_method(m) { |*| $bitten << m; raise "bitten" }
      end
    RUBY
    $bitten = []
    installed("#{name}#call")
    klass.allocate.call
    assert_equal 1, probes.hits
    probes.set("#{name}#cal", id: "q")
    probes.set("#{name}::Inner#call", id: "r")
    follow
    assert_equal [], $bitten
  end

  # --- What is no place -------------------------------------------------------------------------------

  def test_rb10_wrong_names
    _, name, = define(<<~RUBY)
      def total; 1; end
      def totals; 2; end
      def self.load; 3; end
      attr_accessor :size
      define_method(:up, &:upcase)
      FIVE = 5
      module Ext
        refine(String) { def shout; upcase; end }
      end
    RUBY
    define("", name)
    sub = "Made#{@sources}_#{self.name.delete_prefix("test_")}"
    {
      "#{name}#totl" => ["function_not_found", /did you mean total/],
      "#{name}.lod" => ["function_not_found", /did you mean load/],
      "#{sub}#total" => ["function_not_found", /is #{name}#total/],
      "#{sub}.load" => ["function_not_found", /is #{name}\.load/],
      "#{name}#size" => ["function_not_found", /attr_reader/],
      "#{name}#size=" => ["function_not_found", /attr_reader or attr_writer/],
      "String#upcase" => ["function_not_found", /written in C/],
      "#{name}#up" => ["function_not_found", /not written in Ruby/],
      "#{name}::FIVE#abs" => ["function_not_found", /neither a class nor a module/],
      "#{name}::FIVE.abs" => ["function_not_found", /is Integer#abs/],
      "#{name}::Nowhere#total" => ["module_not_loaded", /waits until/],
      "String#shout" => ["function_not_found", /no method/],
      "Kernel.rand" => ["function_not_found", /written in C/],
      "main:Cart.total" => ["unsupported", /Class#method/]
    }.each do |location, (cause, message)|
      status = probes.set(location)
      assert_equal cause, status["cause"], [location, status].inspect
      assert_match message, status["message"], location
      assert_equal cause == "module_not_loaded" ? "pending" : "error", status["status"]
    end
    assert_equal 0, Native.armed_testonly
  end

  def test_rb12_autoload_is_not_triggered
    file = source("$autoloaded = true\nclass AutoloadedByNobody\n  def call; 1; end\nend\n", "autoloaded_by_nobody.rb")
    Object.autoload(:AutoloadedByNobody, file.path)
    $autoloaded = false
    status = probes.set("AutoloadedByNobody#call")
    assert_equal %w[pending module_not_loaded], status.values_at("status", "cause")
    follow
    refute $autoloaded
    # The first call after it was loaded.
    assert_equal 1, AutoloadedByNobody.new.call
    assert $autoloaded
    assert_equal 1, probes.hits
    follow
    assert_equal 2, 2.times { AutoloadedByNobody.new.call }
    assert_equal 3, probes.hits
  end

  # --- What a name means later --------------------------------------------------------------------------

  # Any number on one class, in whatever form it is written; each from the first call on.
  def test_rb12_pending_install_before_the_first_call
    file = source(<<~RUBY)
      module LaterA
        class Deep
          def one; 1; end
          def self.two; 2; end
          class << self
            def three; 3; end
          end
          new.one; two; three
        end
      end
      class LaterA::Flat
        def four; 4; end
        def one; 0; end
      end
      LaterA::Flat.new.four
      LaterA::Flat.new.one
      LaterA::Made = Class.new do
        def five; 5; end
      end
      LaterA::Made.new.five
    RUBY
    names = %w[LaterA::Deep#one LaterA::Deep.two LaterA::Deep.three LaterA::Flat#four LaterA::Made#five]
    names.each { |name| assert_equal "pending", probes.set(name, id: name.gsub(/\W/, "_"))["status"] }
    file.load
    names.each { |name| assert_equal 1, probes.hits(name.gsub(/\W/, "_")), name }
    follow
    LaterA::Deep.new.one
    LaterA::Deep.two
    LaterA::Made.new.five
    assert_equal [2, 2, 1, 1, 2], names.map { |name| probes.hits(name.gsub(/\W/, "_")) }
  end

  # What is like it in an earlier file does not keep the true one from being found before it runs: [the probe, the
  # files in which it is not, the file that defines and calls it once]. REQUIRE is where the latter is loaded.
  ALIKE = {
    named_by_fewer_modules: ["LikeA::Maker::X.m", "module LikeA\nmodule X\ndef self.m; 0; end\nend\nend",
                             "module LikeA\nmodule Maker\nmodule X\ndef self.m; 1; end\nm\nend\nend\nend"],
    in_between: ["LikeB::Maker::X#m", "module LikeB\nclass X\ndef m; 0; end\nend\nREQUIRE\nend",
                 "module LikeB\nmodule Maker\nclass X\ndef m; 1; end\nnew.m\nend\nend\nend"],
    made_of_a_block: ["LikeC::Y#m", "LikeC = Module.new\nLikeC::Z = Class.new do\ndef m; 0; end\nend\nLikeC::Z.new.m",
                      "module LikeC\nclass Y\ndef m; 1; end\nnew.m\nend\nend"],
    made_of_a_block_around: ["LikeD::Y#m", "LikeD = Module.new\nLikeD::Z = Class.new do\ndef m; 0; end\nend\nREQUIRE\nLikeD::Z.new.m",
                             "module LikeD\nclass Y\ndef m; 1; end\nnew.m\nend\nend"],
    not_taken: ["LikeE::Y.m", "module LikeE\nclass Y\nif $0.nil?\ndef self.m; 0; end\nend\nend\nend",
                "module LikeE\nclass Y\ndef self.m; 1; end\nm\nend\nend"],
    deeper: ["LikeF::Y.m", "module LikeF\nmodule Deep\nclass Y\ndef self.m; 0; end\nend\nend\nend",
             "module LikeF\nclass Y\ndef self.m; 1; end\nm\nend\nend"],
    scoped: ["LikeG::Deep::Y.m", "module LikeG\nmodule Deep\nend\nend\nmodule LikeG\nclass Deep::Y\ndef self.m; 1; end\nREQUIRE\nend\nend",
             "LikeG::Deep::Y.m"],
    in_a_rescue: ["LikeH::Y.m", "", "begin\nraise LoadError\nrescue LoadError\nmodule LikeH\nclass Y\nclass << self\ndef m; 1; end\nend\nm\nend\nend\nend"]
  }.freeze

  ALIKE.each do |kind, (location, others, true_one)|
    define_method("test_rb12_not_the_one_#{kind}") do
      last = source(true_one + "\n")
      first = source(others.sub("REQUIRE", "load #{last.path.dump}") + "\n")
      assert_equal "pending", probes.set(location, at: "exit")["status"]
      first.load
      last.load unless others.include?("REQUIRE")
      assert_equal ["1"], probes.take_all.map { |r| plain(r["return"]["return_value"]) }
      assert_equal 1, probes.hits
      follow
      assert_equal ["emitting", 1], probes.status.values_at("status", "places")
    end
  end

  # RB-12: never "installed" on what turned out not to be the method.
  def test_rb12_what_has_no_code_after_all_is_not_installed
    file = source(<<~RUBY)
      class Sized
        attr_reader :size
        Inner = Struct.new(:a) do
          def size; 1; end
        end
      end
    RUBY
    assert_equal "pending", probes.set("Sized#size")["status"]
    file.load
    Sized::Inner.new(1).size
    follow
    assert_equal %w[error function_not_found], probes.status.values_at("status", "cause")
    assert_match(/attr_reader/, probes.status["message"])
    assert_equal [0, 0], [probes.hits, Native.armed_testonly]
  end

  # Methods by the thousand: each round takes its time in slices, and goes through all.
  def test_rb12_many_probes_are_followed
    body = (0...2000).map { |i| "def m#{i}; #{i}; end" }.join("\n")
    klass, name, = define(body)
    2000.times { |i| probes.set_later("#{name}#m#{i}", id: "p#{i}") }
    probes.apply
    Helper.wait_until(60) { probes.report["statuses"].all? { |s| s["status"] == "installed" } }
    silently { klass.class_eval(body.gsub(/; (\d+);/, "; -1;")) }
    Helper.wait_until(60, -> { probes.report["statuses"].map { |s| s["hits"] }.tally.inspect }) do
      [0, 777, 1999].each { |i| klass.new.public_send("m#{i}") }
      [0, 777, 1999].all? { |i| probes.hits("p#{i}") > 0 }
    end
    follow
    assert_equal 2000, Native.armed_testonly
  end

  def test_rb12_defined_later_by_other_means
    klass, name, = define("")
    assert_equal "function_not_found", probes.set("#{name}#call")["cause"]
    klass.define_method(:call) { 1 }
    probes.wait("installed", seconds: 30)
    klass.new.call
    assert_equal 1, probes.hits
    assert_equal "pending", probes.set("#{name}Later#call", id: "q")["status"]
    Object.const_set("#{name}Later", Class.new { def call; 2; end })
    probes.wait("installed", id: "q", seconds: 30)
    Object.const_get("#{name}Later").new.call
    assert_equal 1, probes.hits("q")
  end

  def test_rb12_redefinition_in_the_same_file
    klass, name, file = define("def call; 1; end")
    installed("#{name}#call", at: "exit")
    klass.new.call
    File.write(file.path, file.text.sub("; 1;", "; 2;"))
    silently { file.load }
    assert_equal 2, klass.new.call # at once
    assert_equal 2, probes.hits
    follow
    klass.new.call
    assert_equal [%w[returned 1], %w[returned 2], %w[returned 2]], probes.take_all.map { |r| ending(r) }
    assert_equal 1, probes.status["places"]
  end

  def test_rb12_redefinition_elsewhere
    klass, name, = define("def call; 1; end\nalias former call")
    installed("#{name}#call", at: "exit")
    other = source("class #{name}\n  def call; 3; end\nend\n")
    silently { other.load }
    follow
    assert_equal 3, klass.new.call
    assert_equal 1, klass.new.former # means something else by now
    assert_equal 1, probes.hits
    assert_equal other.path, only["file"]
  end

  def test_rb12_removed_and_defined_again
    klass, name, file = define("def call; 1; end")
    installed("#{name}#call")
    klass.remove_method(:call)
    follow
    assert_equal "function_not_found", probes.status["cause"]
    klass.class_eval("def call; 2; end", file.path, 50)
    follow
    klass.new.call
    assert_equal 1, probes.hits
    Object.send(:remove_const, name)
    follow
    assert_equal %w[pending module_not_loaded], probes.status.values_at("status", "cause")
    klass.new.call
    assert_equal 1, probes.hits
  end

  def test_rb12_reloading_as_zeitwerk_does
    klass, name, file = define("def call(n); n; end\ndef self.own; 1; end")
    installed("#{name}#call", id: "a")
    installed("#{name}.own", id: "b")
    3.times do |i|
      Object.send(:remove_const, name)
      Object.autoload(name, file.path)
      $LOADED_FEATURES.delete(file.path)
      follow if i == 1
      klass = Object.const_get(name)
      klass.new.call(1)
      klass.own
      assert_equal [i + 1, i + 1], [probes.hits("a"), probes.hits("b")]
      follow if i > 0
    end
  end

  # What was replaced is left, also where somebody keeps it: at once for new calls, and for good when no call of it
  # goes on. A line is where it is, in the old code and in the new.
  def test_rb12_a_replaced_class_is_left
    klass, name, file = define("def call(n)\n  yield if block_given?\n  n # here\nend\ndef self.own; 1; end")
    installed("#{name}#call", id: "a", at: "exit")
    installed("#{name}.own", id: "b")
    installed(file.at("# here"), id: "line")
    old = klass.new
    old.call(1) do
      Object.send(:remove_const, name)
      file.load
      10.times { follow }
      old.call(2) # not the method of that name any more
      old.class.own
      Object.const_get(name).new.call(3)
      assert_equal [2, 1], [probes.status("a")["places"], probes.status("b")["places"]]
    end
    follow
    assert_equal [1, 1, 2], %w[a b line].map { |id| probes.status(id)["places"] }
    old.call(4)
    old.class.own
    Object.const_get(name).own
    assert_equal [2, 1, 4], %w[a b line].map { |id| probes.hits(id) }
    ends = probes.take_all.select { |r| r["return"] && r["function"] == "call" && r["line_probe"].nil? }
    assert_equal [%w[returned 1], %w[returned 3]], ends.map { |r| ending(r) }.sort
  end

  # The new code is in another file: it is armed when the old calls are over, or when they take too long.
  def test_rb12_a_replaced_method_moves_to_another_file
    klass, name, = define("def call(n)\n  yield if block_given?\n  n\nend")
    installed("#{name}#call", at: "exit")
    other = source("class #{name}\n  def call(n); n * 2; end\nend\n")
    klass.new.call(1) do
      silently { other.load }
      follow
      assert_equal 4, klass.new.call(2)
    end
    follow
    assert_equal 6, klass.new.call(3)
    assert_equal [%w[returned 1], %w[returned 6]], probes.take_all.map { |r| ending(r) }
  end

  def test_rb12_a_running_call_ends_as_it_began
    klass, name, = define("def call(n)\n  yield\n  n\nend")
    installed("#{name}#call", at: "exit")
    klass.new.call(1) do
      silently { klass.class_eval("def call(n); n * 2; end") }
      follow
    end
    assert_equal %w[returned 1], ending(only)
    10.times { follow }
    assert_equal 4, klass.new.call(2)
    assert_equal %w[returned 4], ending(only)
  end

  # An application that does nothing at all is followed too.
  def test_rb12_follows_by_itself
    klass, name, = define("def call; 1; end")
    installed("#{name}#call", at: "exit")
    silently { klass.class_eval("def call; 2; end") }
    Helper.wait_until(30) do
      klass.new.call
      probes.take_all.any? { |r| ending(r) == %w[returned 2] }
    end
  end

  # RB-13: what is armed beforehand, confirmed, followed and left, under a collector that runs at each allocation, and
  # while objects move.
  def test_rb13_methods_under_gc_stress_and_compaction
    true_one = source("module Stressed\nmodule Deep\nclass K\ndef m(n); yield if block_given?; [n].each { |x| return x }; end\n" \
                      "define_method(:made) { |n, &b| b&.call; [n].each { |x| return x } }\nnew.m(0)\nend\nend\nend\n")
    other = source("module Stressed\nclass K\ndef m; end\nend\nOther = Class.new { def m; end; def made; end }\nend\n")
    probes.set("Stressed::Deep::K#m", id: "a", at: "exit")
    probes.set("Stressed::Deep::K#made", id: "b", at: "exit")
    other.load
    true_one.load
    3.times do |i|
      k = Stressed::Deep::K.new
      stressed do
        follow if i == 0
        k.m(1) { silently { GC.stress = false; true_one.load; follow; GC.stress = true } if i == 1 }
        k.made(2) { GC.start }
      end
      follow
      GC.compact if RUBY_VERSION >= "3.1"
      k.m(3)
    end
    Object.send(:remove_const, :Stressed)
    follow
    values = probes.take_all.map { |record| ending(record) }
    assert_equal({ %w[returned 0] => 2, %w[returned 1] => 3, %w[returned 2] => 3, %w[returned 3] => 3 }, values.tally)
    assert_equal %w[pending pending], %w[a b].map { |id| probes.status(id)["status"] }
    assert_equal 0, Native.armed_testonly
  end

  def test_rb10_many_rounds_leave_nothing
    klass, name, = define("def call; 1; end\ndefine_method(:made) { 1 }")
    before = Native.carriers_testonly
    200.times do
      probes.set("#{name}#call", id: "a")
      probes.set("#{name}#made", id: "b")
      klass.new.call
      probes.clear
    end
    assert_equal 0, Native.armed_testonly
    Helper.wait_until(30, -> { [before, Native.carriers_testonly].inspect }) do
      Thread.new { GC.start }.join
      Native.carriers_testonly <= before + 20
    end
  end

  private

  def stressed
    GC.stress = true
    yield
  ensure
    GC.stress = false
  end

  def silently
    verbose, $VERBOSE = $VERBOSE, nil
    yield
  ensure
    $VERBOSE = verbose
  end
end
