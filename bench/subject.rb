# What is measured: a program that does as it is told on standard input, one word a line, and
# answers with one number a line: nanoseconds a call, or bytes. The Ruby twin of subject.py.
#
# It runs the same with and without the agent and knows nothing of it. The plain ways of doing what
# a probe does stand here too.
require "json"

module Subject
  def self.clock
    Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
  end

  def self.hot(a, b)
    total = a + b
    total = total * 3
    if total < 0
      total = -total # NEVER
    end
    left = total - a
    right = total - b
    best = left > right ? left : right
    total = best + a
    total # HOT
  end

  # As hot, and never probed.
  def self.other(a, b)
    total = a + b
    total = total * 3
    if total < 0
      total = -total
    end
    left = total - a
    right = total - b
    best = left > right ? left : right
    total = best + a
    total
  end

  class Item
    def initialize(number)
      @number, @name, @price = number, "item #{number}", number * 1.5
      @stock, @active = number * 7, true
    end
  end

  FIRST, SECOND, THIRD = Item.new(1), Item.new(2), Item.new(3)
  NUMBERS = (0...20).to_a
  TABLE = (0...10).to_h { |i| ["key#{i}", i] }
  TEXT = "lorem ipsum " * 25

  def self.handler(first, second, third)
    numbers = NUMBERS
    table = TABLE
    text = TEXT
    count = numbers.size
    ratio = count / 3.0
    label = "handler"
    label # NINE LOCALS
  end

  # Five locals without anything in them: what a hit costs before values.
  def self.five
    first = nil
    second = nil
    third = nil
    fourth = nil
    fifth = nil
    fifth # FIVE LOCALS
  end

  def self.line_of(text)
    File.foreach(__FILE__).with_index(1) { |line, number| return number if line.rstrip.end_with?(text) }
    raise KeyError, text
  end

  SENSITIVE = %w[password token secret apikey authorization cookie ssn].to_h { |name| [name, true] }

  # What a snapshot says of a value, the way one writes it in Ruby.
  def self.tree(name, value, depth = 3)
    if SENSITIVE.key?(name.to_s.downcase.delete("_@$-"))
      return { type: value.class.name, not_captured_reason: "redacted" }
    end
    case value
    when String
      return { type: "String", value: value } if value.size <= 255
      return { type: "String", value: value[0, 255], truncated: true, size: value.size }
    when nil, true, false, Numeric, Symbol
      return { type: value.class.name, value: value.to_s }
    end
    return { type: value.class.name, not_captured_reason: "depth" } if depth == 0
    case value
    when Array
      { type: "Array", elements: value.first(100).map { |v| tree("", v, depth - 1) } }
    when Hash
      { type: "Hash", entries: value.first(100).map { |k, v|
        { key: tree("", k, depth - 1), value: tree(k, v, depth - 1) }
      } }
    else
      { type: value.class.name, fields: value.instance_variables.first(20).to_h { |ivar|
        [ivar, tree(ivar, value.instance_variable_get(ivar), depth - 1)]
      } }
    end
  end

  # The same content as a snapshot of ours.
  def self.whole(point)
    binding = point.binding
    values = binding.local_variables.to_h { |name| [name, tree(name, binding.local_variable_get(name))] }
    stack = caller_locations.map { |at| { file: at.path, function: at.label, line: at.lineno } }
    JSON.generate(stack: stack, captures: values)
  end

  # No types, limits, redaction or stack: the least that somebody might write.
  def self.bare(point)
    binding = point.binding
    JSON.generate(binding.local_variables.to_h { |name|
      value = binding.local_variable_get(name)
      value = value.instance_variables.to_h { |ivar| [ivar, value.instance_variable_get(ivar)] } if Item === value
      [name, value]
    })
  end

  # A targeted TracePoint with a Ruby block, as one writes it by hand.
  def self.plainly(serialise)
    point = TracePoint.new(:line) { |it| send(serialise, it) }
    point.enable(target: method(:handler), target_line: line_of("# NINE LOCALS")) { yield }
  end

  # The same for a method: told that it was called and that it returned.
  def self.plainly_called
    point = TracePoint.new(:call, :return) { |it| it }
    point.enable(target: method(:hot)) { yield }
  end

  def self.time_hot(calls = 200_000)
    i = 0
    began = clock
    while i < calls
      hot(i, 7)
      i += 1
    end
    (clock - began).fdiv(calls)
  end

  def self.time_other(calls = 200_000)
    i = 0
    began = clock
    while i < calls
      other(i, 7)
      i += 1
    end
    (clock - began).fdiv(calls)
  end

  def self.time_handler(calls = 50_000)
    i = 0
    began = clock
    while i < calls
      handler(FIRST, SECOND, THIRD)
      i += 1
    end
    (clock - began).fdiv(calls)
  end

  # The median of single calls that come no faster than probes may fire; busy in between.
  def self.time_spaced(calls = 400, gap_ns = 300_000)
    at = clock
    times = Array.new(calls) do
      nil while clock < at
      began = clock
      yield
      took = clock - began
      at += gap_ns
      took
    end
    times.sort[calls / 2]
  end

  def self.flood(calls = 100_000)
    calls.times { handler(FIRST, SECOND, THIRD) }
    calls
  end

  def self.resident
    GC.start
    File.read("/proc/self/smaps_rollup")[/^Rss:\s+(\d+)/, 1].to_i * 1024
  end

  BUSY = []

  # Threads that never let go of the lock by themselves.
  def self.busy(count = 4)
    count.times { BUSY << Thread.new { loop { time_other(1000) } } }
    BUSY.size
  end

  def self.calm
    BUSY.each(&:kill).each(&:join).clear
    0
  end

  TASKS = {
    "hot" => -> { time_hot },
    "other" => -> { time_other },
    "handler" => -> { time_handler },
    "spaced" => -> { time_spaced { handler(FIRST, SECOND, THIRD) } },
    "spaced-five" => -> { time_spaced { five } },
    "flood" => -> { flood },
    "resident" => -> { resident },
    "busy" => -> { busy },
    "calm" => -> { calm },
    "plain-tracepoint" => -> { plainly(:whole) { time_handler(2_000) } },
    "plain-calls" => -> { plainly_called { time_hot } },
    "bare-tracepoint" => -> { plainly(:bare) { time_handler(2_000) } }
  }.freeze

  def self.main
    time_hot
    time_other
    time_handler(1000)
    $stdout.sync = true
    puts "ready #{['# NEVER', '# HOT', '# NINE LOCALS', '# FIVE LOCALS'].map { |text| line_of(text) }.join(' ')}"
    $stdin.each_line { |line| puts TASKS.fetch(line.strip).call }
  end
end

Subject.main if $PROGRAM_NAME == __FILE__
