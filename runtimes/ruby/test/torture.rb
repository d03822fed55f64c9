# SPDX-License-Identifier: Apache-2.0
# CORE-09, NX-02, RB-09, RB-10, RB-11: probes that fire, come and go in a process whose collector runs at every
# allocation, and then compacts, among threads, fibers, exceptions and code that is loaded again. What the
# program computes and what the records show must be right, and the heap sound at the end.
#
#     SONDE_LIB=build/lib/sonde/ruby ruby runtimes/ruby/test/torture.rb
#
# SECONDS=10 for both phases together. `make ruby-asan` and `make ruby-valgrind` run it too.
SECONDS = Float(ENV["SECONDS"] || 10)
ENV.update("SONDE_SERVER" => "", "SONDE_MAX_RATE" => "100000", "SONDE_CPU_PERCENT" => "100")
LIB = File.expand_path(ENV["SONDE_LIB"] || "../../../build/lib/sonde/ruby", ENV["SONDE_LIB"] ? Dir.pwd : __dir__)
require File.join(LIB, "sonde", "auto")
require "fiber"
require "json"
require "set"
require "timeout"
require "tmpdir"
raise Sonde.status.inspect unless Sonde.status[:running]

# Each kind of code is a method of n that returns something that is known. PROBE stands for lines that
# make three variables of n and then tell; the last of them bears the probe.
KINDS = {
  plain: "out = []\nPROBE\nout",
  block: "out = []\n[n, n + 1].each do |m|\n  n = m\n  PROBE\nend\nout",
  inner_block: "out = []\n2.times { |i| [n].map { |m|\n  PROBE\n  m + i } }\nout",
  turning: "out = []\ni = 0\nwhile i < 3\n  PROBE\n  i += 1\nend\nout",
  rescued: "out = []\nbegin\n  raise ArgumentError, \"no \#{n}\"\nrescue ArgumentError => error\n  PROBE\n" \
           "  out << error.message\nensure\n  out << :ensured\nend\nout",
  ensured: "out = []\nbegin\n  out << Integer(n.to_s)\nensure\n  PROBE\nend\nout",
  retried: "out = []\ntries = 0\nbegin\n  tries += 1\n  PROBE\n  raise 'again' if tries < 3\nrescue\n  retry\nend\nout",
  arrow: "out = []\ndouble = ->(m) {\n  PROBE\n  m * 2\n}\n[double.(n), double.call(n), *out]",
  fiber: "out = []\nfiber = Fiber.new do |given|\n  3.times do |i|\n    PROBE\n    given += Fiber.yield(given + i)\n  end\n" \
         "  given\nend\n[fiber.resume(n), fiber.resume(1), fiber.resume(2), fiber.resume(3), out]",
  enumerator: "out = []\nlist = Enumerator.new { |y| 3.times { |i|\n  PROBE\n  y << n + i } }\n[list.next, list.next, list.next, out]",
  lazy: "out = []\n(1..Float::INFINITY).lazy.map { |i|\n  PROBE\n  i * n }.first(3) + out",
  caught: "out = []\ncatch(:found) do\n  3.times { |i|\n    PROBE\n    throw :found if i == 1\n  }\nend\nout",
  missing: "out = []\nobject = Class.new(BasicObject) {\n  define_method(:method_missing) do |name, *rest|\n    PROBE\n" \
           "    [name, rest]\n  end\n}.new\n[object.anything(n), object.other, out]",
  keywords: "inner = lambda do |first, *rest, key: n, **more|\n  out = []\n  PROBE\n  [first, rest, key, more, out]\nend\n" \
            "inner.(1, 2, key: 3, other: n)",
  sorted: "out = []\n[3, 1, 2].sort_by { |m|\n  PROBE\n  -m\n} + out",
  replaced: "out = []\n'a-b'.gsub(/[ab]/) { |found|\n  PROBE\n  found + n.to_s\n} + out.join",
  matched: "out = []\ncase { name: \"x\#{n}\", list: [n, [n]] }\nin { name: String => name, list: [Integer => m, [^m]] }\n" \
           "  PROBE\n  [name, m, out]\nend",
  evaluated: "out = []\nObject.new.instance_eval do\n  @own = n\n  PROBE\n  [@own, out]\nend",
  hashed: "out = []\nh = Hash.new { |hash, key|\n  PROBE\n  hash[key] = n.to_s * 3\n}\n[h[:a], h[:b], h[:a], h.size, out]",
  recursive: "out = []\nPROBE\nn > 0 ? KIND(n - 1) + out : out",
  broken: "out = []\nfound = [1, 2, 3].each { |i|\n  PROBE\n  break i * n if i == 2\n}\n[found, out]"
}.freeze

PROBE = ["pair = [n, n * 2]; text = \"v\#{n}\"; bag = { n => text, 'list' => pair, set: Set[n] }",
         "out << [n, text.size] # KIND", "bag.size == 3 && pair.sum == n * 3 or raise 'lost'"].freeze

FOLDER = File.realpath(Dir.mktmpdir("sonde-torture-"))
END { require "fileutils"; FileUtils.rm_rf(FOLDER) }
PATH = File.join(FOLDER, "kinds.rb")
File.write(PATH, KINDS.map { |name, body|
  body = body.gsub(/^( *)PROBE$/) { PROBE.map { |line| $1 + line }.join("\n") }
  "def Kinds.#{name}(n)\n#{body.gsub("KIND", name.to_s).gsub("#{name}(n - 1)", "Kinds.#{name}(n - 1)")}\nend\n"
}.join)
Kinds = Module.new
load PATH
LINES = File.readlines(PATH).each_with_index.filter_map { |line, i| [line[/# (\w+)$/, 1].to_sym, i + 1] if line =~ /# \w+$/ }.to_h
raise LINES.inspect unless LINES.keys == KINDS.keys
NUMBERS = (0..7).freeze
EXPECTED = KINDS.keys.to_h { |name| [name, NUMBERS.map { |n| Kinds.public_send(name, n) }] }.freeze

Native = Sonde::Native
COUNTS = Hash.new(0)

def now; Process.clock_gettime(Process::CLOCK_MONOTONIC); end

def check(what, is_right, *more)
  raise "#{what}: #{more.inspect}" unless is_right
end

def run(name, n)
  found = Kinds.public_send(name, n)
  COUNTS[:calls] += 1
  check(name, found == EXPECTED[name][n], n, found)
end

def probe(name, revision, id = name)
  { id: id, revision: revision, location: "#{PATH}:#{LINES[name]}", rate: 500, limits: { time_us: 100_000 } }
end

# Of the method itself.
METHODS = %i[plain block rescued ensured retried fiber caught keywords recursive broken].freeze

def method_probe(name, revision, id = "m_#{name}")
  { id: id, revision: revision, location: "Kinds.#{name}", at: "exit", rate: 500, limits: { time_us: 100_000 } }
end

def apply(probes)
  Native.apply_testonly(JSON.generate(probes))
end

def plain(value)
  raise value.inspect if value["truncated"] || value["not_captured_reason"]
  return value["elements"].map { |element| plain(element) } if value.key?("elements")
  return value["entries"].to_h { |key, element| [plain(key), plain(element)] } if value.key?("entries")
  value.fetch("value")
end

def check_call(record)
  name = record["probe_id"][/\Am_([a-z_]+)/, 1].to_sym
  n = record["entry"]["arguments"]["n"]
  left = record["return"]
  COUNTS[:ends] += 1
  COUNTS[left["outcome"]] += 1
  return COUNTS[:cut] += 1 if n.nil? || n["value"].nil? || record.to_s.include?("timeout")
  check(name, record["function"] == name.to_s && record["stack"][0][1] == "Kinds.#{name}", record)
  check(name, %w[returned raised].include?(left["outcome"]), left)
  check(name, left["throwable"] && %w[Nudge Timeout::Error].include?(left["throwable"]["type"]), left) if left["outcome"] == "raised"
  return unless left["outcome"] == "returned" && name == :plain
  check(name, plain(left["return_value"]) == EXPECTED[:plain][Integer(n["value"])].map { |pair| pair.map(&:to_s) }, left)
end

def check_record(record)
  return check_call(record) if record["probe_id"].start_with?("m_")
  name = LINES.key(record["line"])
  section = record["line_probe"]
  seen = section["locals"].merge(section["arguments"])
  COUNTS[:records] += 1
  COUNTS[name] += 1
  # A thread that waits for a core may use up the time that its capture has; then it is cut short.
  return COUNTS[:cut] += 1 if %w[n pair text bag].any? { |key| seen[key].nil? } || section.to_s.include?("timeout")
  n = Integer(seen["n"]["value"])
  check(name, name && record["file"] == PATH && record["stack"][0].values_at(0, 2) == [PATH, record["line"]], record)
  check(name, plain(seen["pair"]) == [n.to_s, (n * 2).to_s], n, seen["pair"])
  check(name, plain(seen["text"]) == "v#{n}", n, seen["text"])
  check(name, plain(seen["bag"]) == { n.to_s => "v#{n}", "list" => [n.to_s, (n * 2).to_s], "set" => [n.to_s] }, n, seen["bag"])
end

def check_records(most = 1_000_000)
  while most > 0 && (record = Native.take_testonly)
    check_record(record)
    most -= 1
  end
end

# The collector runs at every allocation; also while a probe is set, code is loaded, and a file of which a
# probe knows is compiled.
def stressed(seconds)
  till = now + seconds
  revision = 0
  apply(KINDS.keys.map { |name| probe(name, 1) } + METHODS.map { |name| method_probe(name, 1) })
  while now < till
    KINDS.each_key do |name|
      break if now > till
      n = rand(NUMBERS)
      GC.stress = true
      run(name, n)
      GC.stress = false
      check_records
    end
    name = KINDS.keys.sample
    json = JSON.generate([probe(name, revision += 1, "one"), method_probe(METHODS.sample, revision)])
    small = File.join(FOLDER, "small.rb")
    File.write(small, "def Kinds.small(n)\n  n + 1\nend\n")
    GC.stress = true
    Native.apply_testonly(json)
    run(name, 3)
    load small
    GC.stress = false
    check(:small, Kinds.small(1) == 2)
    check_records
    apply(KINDS.keys.map { |kind| probe(kind, revision += 1) } + METHODS.map { |kind| method_probe(kind, revision) })
  end
ensure
  GC.stress = false
end

Nudge = Class.new(StandardError)

# Calls until told to stop, and is nudged by exceptions from outside meanwhile.
def worker(stop, is_nudged)
  # Inherited by the thread.
  Thread.handle_interrupt(Nudge => :never) do
    Thread.new do
      Thread.current.report_on_exception = false
      work(stop, is_nudged)
    end
  end
end

def work(stop, is_nudged)
  until stop[0]
    begin
      Thread.handle_interrupt(Nudge => :immediate) do
        run(KINDS.keys.sample, rand(NUMBERS))
        Timeout.timeout(0.0005) { run(:sorted, 1) while true } if is_nudged && rand < 0.02
      end
    rescue Nudge, Timeout::Error => error
      COUNTS[error.class] += 1
    end
    Thread.pass if rand < 0.1 # a time slice is 100 ms: the others are to have more turns
  end
end

# Everything at once: compaction, threads, fibers of theirs, Thread#raise, Timeout, code loaded again, and
# probes set and removed.
def shaken(seconds)
  till = now + seconds
  stop = [false]
  revision = 1_000_000
  GC.auto_compact = true if GC.respond_to?(:auto_compact=)
  workers = Array.new(4) { |i| worker(stop, i < 2) }
  while now < till
    apply(KINDS.keys.sample(rand(KINDS.size)).map { |name| probe(name, revision += 1, "#{name}#{rand(2)}") } +
          METHODS.sample(rand(METHODS.size)).map { |name| method_probe(name, revision += 1, "m_#{name}#{rand(2)}") })
    check_records(200)
    workers[rand(2)].raise(Nudge, "now")
    case rand(12)
    when 0 then GC.compact
    when 1 then GC.start(full_mark: true, immediate_sweep: false)
    when 2 then Thread.new { load PATH }.join
    when 3 then Native.ask_testonly
    when 4 then Thread.new { 50.times { Kinds.plain(1) } }.join
    when 5 then Native.safe_point_testonly
    when 6 then Native.follow_testonly
    else sleep 0.002
    end
    workers.each { |thread| thread.join unless thread.alive? } # raises what it died of
    COUNTS[:rounds] += 1
  end
ensure
  stop[0] = true
  workers.each do |thread|
    thread.join
  rescue Nudge
    next # it came when the thread ended
  end
  GC.auto_compact = false if GC.respond_to?(:auto_compact=)
end

stressed(SECONDS * 0.4)
shaken(SECONDS * 0.6)
Native.discard_testonly
revision = 10_000_000
KINDS.each_key do |name|
  apply([probe(name, revision += 1)])
  run(name, 2)
  before = COUNTS[name]
  check_records
  check(name, COUNTS[name] > before, Native.report)
end
apply([])
check(:armed, Native.armed_testonly == 0, Native.armed_testonly)
report = JSON.parse(Native.report)
check(:cut, COUNTS[:cut] <= COUNTS[:records] / 100, COUNTS)
check(:disarmed, report["disarmed"].empty?, report)
GC.start
GC.verify_internal_consistency
KINDS.each_key { |name| NUMBERS.each { |n| run(name, n) } }
puts "torture: #{SECONDS.round} s, #{COUNTS[:calls]} calls, #{COUNTS[:records]} records and #{COUNTS[:ends]} ends checked, #{COUNTS[:rounds]} rounds, " \
     "#{COUNTS[Nudge]} exceptions and #{COUNTS[Timeout::Error]} timeouts from outside"
