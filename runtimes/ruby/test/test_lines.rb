# SPDX-License-Identifier: Apache-2.0
# RB-09: a line probe fires exactly once per execution of its line, whatever stands on it.
require_relative "tracking"

class TestLines < SondeTest
  include Tracking

  # name, program (a module function `run` does the work), executions of the line marked "here". The
  # program is loaded before the probe is set: the execution of a `def` itself is not among them.
  TABLE = [
    [:statement, "def run\n  a = 1 # here\n  a\nend", 1],
    [:several_statements, "def run\n  a = 1; b = 2; a + b # here\n  3\nend", 1],
    [:one_line_method, "def one; 1 + 1; end # here\ndef run; one; one; end", 2],
    [:one_line_method_with_rescue, "def one(a); Integer(a); rescue; 0; end # here\ndef run; one(1); one('x'); end", 2],
    [:endless_method, "def one = 1 + 1 # here\ndef run = [one, one]", 2],
    [:endless_method_with_rescue, "def one(a) = Integer(a) rescue 0 # here\ndef run = [one(1), one('x')]", 2],
    [:empty_method, "def one; end # here\ndef run; one; one; end", 2],
    [:end_of_method, "def one(a)\n  return 1 if a\n  2\nend # here\ndef run; one(false); one(false); end", 2],
    [:end_of_method_not_reached, "def one\n  if true\n    return 1\n  end\n  2\nend # here\ndef run; one; end", 0],
    [:end_of_method_that_raised, "def one\n  raise 'x'\nend # here\ndef run; 2.times { begin; one; rescue; end }; end", 0],
    [:end_of_empty_method, "def one\nend # here\ndef run; one; end", 1],
    [:end_of_block, "def run\n  3.times do |i|\n    i\n  end # here\nend", 3],
    [:end_of_two_blocks, "def run\n  2.times do |i|\n    3.times do\n      i end end # here\nend", 6 + 2],
    [:ends_of_block_and_method, "def run\n  3.times do |i|\n    i\n  end end # here", 3 + 1],
    [:line_in_block, "def run\n  3.times do |i|\n    i + 1 # here\n  end\nend", 3],
    # The call is one execution, and each execution of the block's own line is one.
    [:one_line_block, "def run\n  3.times { |i| i + 1 } # here\nend", 1 + 3],
    [:numbered_parameter, "def run\n  [1, 2].map do\n    _1 + 1 # here\n  end\nend", 2],
    [:lambda, "L = ->(x) {\n  x + 1 # here\n}\ndef run; L.(1); L.(2); end", 2],
    [:one_line_lambda, "L = ->(x) { x + 1 } # here\ndef run; L.(1); L.(2); end", 2],
    [:while_header, "def run\n  n = 5\n  while n > 0 # here\n    n -= 1\n  end\nend", 1],
    [:while_header_in_parentheses, "def run\n  n = 5\n  while (m = n) > 0 # here\n    n = m - 1\n  end\nend", 6],
    [:while_body, "def run\n  n = 5\n  while n > 0\n    n -= 1 # here\n  end\nend", 5],
    [:until_body, "def run\n  n = 5\n  until n == 0\n    n -= 1 # here\n  end\nend", 5],
    [:one_line_while, "def run\n  n = 5\n  while n > 0; n -= 1; end # here\nend", 1],
    [:while_modifier, "def run\n  n = 5\n  n -= 1 while n > 0 # here\nend", 1],
    [:if_modifier, "def run\n  2.times do |n|\n    n += 1 if n > 0 # here\n  end\nend", 2],
    [:one_line_if, "def run\n  if rand < 2 then a = 1; b = a else b = 0 end # here\n  b\nend", 1],
    [:case, "def run\n  [1, 2, 9].each do |x|\n    case x # here\n    when 1 then :a\n    when 2\n      :b\n    else :c\n" \
            "    end\n  end\nend", 3],
    [:when_then, "def run\n  [1, 2, 9].each do |x|\n    case x\n    when 1 then :a # here\n    when 2\n      :b\n" \
                 "    else :c\n    end\n  end\nend", 1],
    [:case_in, "def run\n  [[1], {a: 2}].each do |x|\n    case x\n    in [a]\n      a # here\n    in {a:}\n" \
               "      a\n    end\n  end\nend", 1],
    [:rescue_modifier, "def run\n  a = Integer('x') rescue 0 # here\n  a\nend", 1],
    [:one_line_rescue, "def run\n  begin; Integer('x'); rescue ArgumentError; 1 + 1; ensure; 2 + 2; end # here\nend", 1],
    [:one_line_ensure, "def one(a)\n  begin; Integer(a); ensure; 2 + 2; end # here\nend\n" \
                       "def run; one(1); begin; one('x'); rescue; end; end", 2],
    [:rescue_body, "def run\n  Integer('x')\nrescue ArgumentError => e\n  e # here\nend", 1],
    [:rescue_of_rescue, "def run\n  begin\n    Integer('x')\n  rescue\n    Integer('y')\n  end\nrescue => e\n  e # here\nend", 1],
    [:ensure_after_value, "def run\n  1\nensure\n  2 + 2 # here\nend", 1],
    [:ensure_after_return, "def run\n  return 1 if rand < 2\n  2\nensure\n  2 + 2 # here\nend", 1],
    [:ensure_after_error, "def one\n  raise 'x'\nensure\n  2 + 2 # here\nend\ndef run; one; rescue; end", 1],
    [:retry, "def run\n  n = 0\n  begin\n    n += 1 # here\n    raise 'x' if n < 3\n  rescue\n    retry\n  end\nend", 3],
    [:multi_line_call, "def run\n  [1,\n   2].max( # here\n     1)\nend", 0],
    [:begin_of_multi_line_call, "def run\n  [ # here\n    1,\n    2\n  ].max\nend", 1],
    [:multi_line_hash, "def run\n  { # here\n    a: 1,\n    b: 2,\n  }\nend", 1],
    [:heredoc, "def run\n  a = <<~X # here\n    text \#{1 + 1}\n  X\n  a\nend", 1],
    [:ternary, "def run\n  2.times do |x|\n    x == 0 ? 1 : 2 # here\n  end\nend", 2],
    [:yield, "def each2\n  yield 1 # here\n  yield 2\nend\ndef run; each2 { |x| x }; end", 1],
    [:define_method, "define_method(:made) do |x = 1|\n  x + 1 # here\nend\ndef run; made; made; end", 2],
    [:default_argument, "def one(a = 1 + 1, # here\n        b = 2)\n  a + b\nend\ndef run; one; end", 0],
    [:break_out_of_block, "def run\n  10.times do |i|\n    break if i == 2 # here\n  end\nend", 3],
    [:next_in_block, "def run\n  3.times do |i|\n    next if i == 1 # here\n    i\n  end\nend", 3],
    [:recursion, "def down(n)\n  n == 0 ? 0 : down(n - 1) # here\nend\ndef run; down(9); end", 10],
    [:fiber, "def run\n  f = Fiber.new do\n    3.times { |i|\n      Fiber.yield i # here\n    }\n  end\n  3.times { f.resume }\nend", 3],
    [:method_missing, "def run\n  o = Class.new {\n    def method_missing(n)\n      n # here\n    end\n  }.new\n  o.a; o.b\nend", 2],
    [:catch_throw, "def run\n  catch(:x) do\n    throw :x # here\n  end\nend", 1],
    [:string_over_lines, "def run\n  \"a\#{\n    1 + 1 # here\n  }b\"\nend", 0],
    [:safe_navigation_chain, "def run\n  [3, 1]\n    .sort # here\n    .first\nend", 0],
  ].reject { |name,| name.start_with?("endless_") && RUBY_VERSION < "3.0" }.freeze # no such syntax there

  # What the VM has no event for can not be counted: then it must say so.
  TABLE.each do |name, text, count|
    define_method("test_rb09_#{name}") do
      file = source("module TL_#{name}\nclass << self\n#{text}\nend\nend\n__END__\nnothing here is code\n",
                     "#{name}.rb")
      file.load
      status = probes.set("#{file.path}:#{file.text.lines.index { |l| l.include?("# here") } + 1}")
      mod = Object.const_get("TL_#{name}")
      if status["status"] == "installed"
        mod.run
        assert_equal count, probes.hits
        assert_equal count, probes.take_all.size
      else
        assert_equal "line_not_executable", status["cause"], status
        assert_equal 0, count
        refute_empty status["nearest_lines"]
      end
    end
  end

  # RB-09
  def test_rb09_captures_arguments_self_and_the_scopes_around_a_block
    file = loaded(<<~RUBY)
      class TLCart
        def initialize; @discount = 2; end
        def total(items, rate: 3)
          sum = 0
          items.each do |item|
            inner = item * rate
            [1].each { |one|
              sum += inner # here
            }
          end
          sum
        end # end
      end
    RUBY
    assert_installed probes.set(file.at("# here"))
    assert_installed probes.set(file.at("# end"), id: "end")
    assert_equal 9, TLCart.new.total([1, 2])
    here, _, last = probes.take_all
    group = here["line_probe"]
    assert_equal %w[self one], group["arguments"].keys
    assert_equal({ "type" => "Integer", "value" => "2" }, group["arguments"]["self"]["fields"]["@discount"])
    assert_equal %w[inner item items rate sum], group["locals"].keys.sort
    assert_equal %w[3 1 3 0], %w[inner item rate sum].map { |name| group["locals"][name]["value"] }
    assert_equal "9", last["line_probe"]["locals"]["sum"]["value"]
    assert_equal file.line("# end"), last["stack"][0][2]
  end

  # RB-09
  def test_rb09_lines_outside_of_methods_as_a_file_is_loaded
    file = source(<<~RUBY)
      BEGIN { $tl = [] # begin
      }
      class TLBody # class
        $tl << 1 # body
        def self.a; $tl << 2; end # def
        a
      end # end of class
      END { $tl << 3 # end
      }
      [1, 2].each { |x|
        $tl << x # block
      }
      __END__
      text # data
    RUBY
    names = ["begin", "class", "body", "def", "end of class", "block", "data"]
    # Prism tells of no line for a BEGIN as a file is loaded.
    told = []
    TracePoint.new(:line) { |event| told << event.lineno if event.path == file.path }.enable { file.load }
    names.each { |name| probes.set(file.at("# #{name}\n"), id: name.tr(" ", "_")) }
    file.load
    found = names.to_h { |name| [name, probes.status(name.tr(" ", "_"))] }
    # The line of `def` is run as the method is made, and again as the method's own.
    assert_equal({ "begin" => told.count(1), "class" => 1, "body" => 1, "def" => 2, "end of class" => 0, "block" => 2, "data" => 0 },
                 found.transform_values { |s| s["hits"] })
    assert_equal %w[line_not_executable] * 2, found.values_at("end of class", "data").map { |s| s["cause"] }
  end

  # RB-09
  def test_rb09_frames_that_began_before
    file = loaded("def tl_spin(state)\n  until state[:stop]\n    state[:turns] += 1 # here\n  end\nend\n")
    state = { stop: false, turns: 0 }
    thread = Thread.new { tl_spin(state) }
    Thread.pass until state[:turns] > 0
    probes.set(file.at("# here"), rate: 0.001)
    deadline = Time.now + 10
    Thread.pass until probes.hits > 10 || Time.now > deadline
    assert_operator probes.hits, :>, 10
  ensure
    state[:stop] = true
    thread.join
  end

  # RB-09
  def test_rb09_several_probes_on_one_line_and_threads
    file = loaded("def tl_threads(n)\n  n + 1 # here\nend\n")
    5.times { |i| assert_installed probes.set(file.at("# here"), id: "p#{i}", rate: 0.001) }
    8.times.map { Thread.new { 50.times { tl_threads(1) } } }.each(&:join)
    assert_equal [400] * 5, 5.times.map { |i| probes.hits("p#{i}") }
    probes.remove("p2")
    tl_threads(1)
    assert_equal [401] * 4, [0, 1, 3, 4].map { |i| probes.hits("p#{i}") }
  end

  # RB-09
  # No untargeted line tracing, ever: other lines are not slowed down, no other TracePoint hears of it.
  def test_rb09_beside_other_trace_points_and_coverage
    said = told(<<~RUBY)
      require "coverage"
      Coverage.start(lines: true)
      File.write("cov.rb", "def cov(a)\\n  b = a + 1 # here\\n  b * 2\\nend\\n")
      require File.expand_path("cov.rb")
      agent!
      lines = []
      other = TracePoint.new(:line) { |t| lines << t.lineno if t.path.end_with?("cov.rb") }
      mine = RubyVM::InstructionSequence.of(method(:cov))
      before = mine.to_a
      in_sight = ObjectSpace.each_object(TracePoint).count
      set("cov.rb:2")
      other.enable { cov(1) }
      targeted = TracePoint.new(:line) { lines << :targeted }
      targeted.enable(target: method(:cov), target_line: 2)
      cov(1)
      say ObjectSpace.each_object(TracePoint).count - in_sight
      ObjectSpace.each_object(TracePoint).to_a.each(&:disable)
      cov(1)
      say status["hits"]
      say lines
      native.apply_testonly("[]")
      say before == mine.to_a
      say Coverage.result.values_at(File.expand_path("cov.rb"))[0]
    RUBY
    # Theirs can be found by a program; ours can not, so that none switches it off.
    assert_equal [1, 3, [2, 3, "targeted"], true, { "lines" => [1, 3, 3, nil] }], said
  end

  # RB-09
  def test_rb09_a_probe_in_a_trace_points_own_block_is_silent_and_harmless
    file = loaded("def tl_inner(a)\n  a + 1 # here\nend\ndef tl_outer\n  1\nend\n")
    assert_installed probes.set(file.at("# here"))
    TracePoint.new(:line) { |t| tl_inner(1) if t.path == file.path }.enable { tl_outer }
    tl_inner(1)
    assert_equal 1, probes.hits
  end

  # The VM's own untargeted events are the other count: every line of some of Ruby's own files, in
  # all that they do.
  LIBRARY = {
    "optparse" => lambda {
      parser = OptionParser.new { |o| o.on("-a", "--all [X]", Integer) {}; o.on("--[no-]b") {} }
      parser.parse(%w[-a 3 --no-b z])
      parser.help
      parser.parse(%w[--zz]) rescue 0
    },
    "shellwords" => -> { "a 'b c' \"d\"".shellsplit; Shellwords.escape("a b") },
    "set" => -> { (Set[1, 2] | [3]).subset?(Set[1, 2, 3]); Set[1, 2].group_by(&:odd?).inspect },
    "erb" => -> { ERB.new("<% 3.times do |i| %>a<%= i %>\n<% end %>", trim_mode: "-").result; ERB::Util.h("<a>") },
    "ostruct" => -> { o = OpenStruct.new(a: 1); o.b = 2; o.to_h; o.inspect; o == o.dup },
    "uri/generic" => -> { URI.parse("http://a.b/c?d=e#f").to_s; URI.join("http://a/b/", "../c") },
    "tempfile" => -> { Tempfile.create("x") { |f| f.write "1" } },
  }.freeze

  def set_all(file, lines)
    @revision = (@revision || 1000) + 1
    Sonde::Native.apply_testonly(JSON.generate(lines.map do |line|
      { id: "l#{line}", revision: @revision, location: "#{file}:#{line}", rate: 0.001 }
    end))
  end

  # RB-09 RB-04
  def test_rb09_rb04_every_line_of_a_library
    require "uri"
    LIBRARY.each_key { |name| require name }
    LIBRARY.each_value(&:call)
    wrong, told = [], 0
    LIBRARY.each do |name, work|
      file = $LOADED_FEATURES.find { |feature| feature.end_with?("/#{name}.rb") }
      count = Hash.new(0)
      trace = TracePoint.new(:line, :return, :b_return) { |t| count[[t.event == :line, t.lineno]] += 1 if t.path == file }
      trace.enable { work.call }
      text = File.readlines(file)
      (1..text.size).each_slice(250) do |lines|
        set_all(file, lines)
        work.call
        probes.report["statuses"].each do |status|
          line = status["probe_id"][1..].to_i
          # A line's own event, or where it has none, that of the end that stands on it.
          wanted = count.fetch([true, line]) { status["status"] == "error" ? 0 : count[[false, line]] }
          told += status["hits"]
          wrong << [name, line, wanted, status["hits"], text[line - 1].strip] if wanted != status["hits"]
        end
      end
    end
    # The one line with more events than executions: the condition is a `begin` of its own.
    assert_equal ["while begin l = left.shift; r = right.shift; l or r end"], wrong.map(&:last), wrong
    assert_operator told, :>, 1000
  end

  # CORE-09
  # In a process of its own: where an untargeted TracePoint was ever used, all code has the traced form.
  def test_core09_disarming_leaves_the_instructions_as_they_were
    File.write("#{folder}/same.rb", "def same(a)\n  [a].each { |x|\n    x + 1\n  }\nend\ndef other(a)\n  a\nend\n")
    said = told(<<~RUBY)
      load "same.rb"
      agent!
      same(1)
      mine = RubyVM::InstructionSequence.of(method(:same))
      inner = mine.enum_for(:each_child).to_a[0]
      others = RubyVM::InstructionSequence.of(method(:other))
      look = -> { [mine, inner, others].map { |s| native.words_testonly(s) } + [mine.disasm, mine.to_a] }
      before = look.call
      20.times do
        probe = ->(line) { { id: "p\#{line}", revision: $revision += 1, location: "same.rb:\#{line}" } }
        both = [probe.(3), probe.(5)]
        native.apply_testonly(JSON.generate(both))
        armed = look.call
        same(1)
        hits = report["statuses"].map { |s| s["hits"] }
        native.apply_testonly(JSON.generate(both[0, 1]))
        one = look.call
        native.apply_testonly("[]")
        say [hits, [0, 1, 2].map { |i| armed[i] == before[i] }, [0, 1, 2].map { |i| one[i] == before[i] },
             before == look.call, native.armed_testonly]
      end
    RUBY
    assert_equal [[[1, 1], [false, false, true], [true, false, true], true, 0]] * 20, said
  end

  # CORE-09 CORE-17
  # Others' targeted TracePoints on the same code: nothing of ours switches them off, nor stays behind in their
  # list. On 2.7 they switch ours off, as they do each other's (docs/ruby.md).
  def test_core09_core17_beside_others_that_target_the_same_code
    File.write("#{folder}/beside.rb", "def beside(a)\n  b = a + 1\n  c = b + 1\n  c\nend\n")
    said = told(<<~RUBY)
      load "beside.rb"
      agent!
      mine = RubyVM::InstructionSequence.of(method(:beside))
      before = native.words_testonly(mine)
      heard = []
      theirs = ->(line) { TracePoint.new(:line) { heard << line }.tap { |t| t.enable(target: method(:beside), target_line: line) } }
      20.times do |i|
        first = theirs.(2)
        set("beside.rb:3", "p\#{i}")
        beside(1) if i.odd?
        hits = status["hits"]
        native.apply_testonly("[]")
        beside(1) if i.odd?
        first.disable
        say [i.odd?, hits, heard.size, before == native.words_testonly(mine)]
        heard.clear
      end
      set("beside.rb:3", "late")
      last = theirs.(2)
      beside(1)
      say [status["hits"], heard]
      last.disable
      native.apply_testonly("[]")
      say [before == native.words_testonly(mine), native.armed_testonly]
    RUBY
    assert_equal [[RUBY_VERSION < "3.0" ? 0 : 1, [2]], [true, 0]], said.pop(2)
    assert_equal [[false, 0, 0, true], [true, 1, 2, true]] * 10, said
  end

  def test_tools_that_look_at_the_whole_heap_get_on_with_what_is_armed
    said = told(<<~RUBY)
      require "objspace"
      agent!
      File.write("heap.rb", "def heap\\n  1\\nend\\n")
      load "heap.rb"
      set("heap.rb:2")
      ObjectSpace.dump_all(output: File.open("heap.json", "w")).close
      ObjectSpace.memsize_of_all
      ObjectSpace.count_objects_size
      ObjectSpace.each_object(BasicObject) { |o| ObjectSpace.reachable_objects_from(o) }
      ObjectSpace.reachable_objects_from_root
      GC.verify_internal_consistency
      GC.compact
      heap
      say status["hits"]
    RUBY
    assert_equal [1], said
  end
end
