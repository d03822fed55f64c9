# SPDX-License-Identifier: Apache-2.0
# What looking for code costs: the walk through the heap, its longest slice, and many probes at once.
#
#     SONDE_LIB=build/lib/sonde/ruby ruby bench/ruby_index.rb
#
# All in CPU time of the thread, since the machine may be noisy. What a safe point takes is what it holds the GVL
# for. SLOTS=5000000 (the large heap), PROBES=2000.
ENV.update("SONDE_SERVER" => "", "SONDE_MAX_RATE" => "100000", "SONDE_CPU_PERCENT" => "100")
require File.join(File.expand_path(ENV["SONDE_LIB"] || "build/lib/sonde/ruby"), "sonde", "auto")
require "fileutils"
require "json"
require "tmpdir"
raise Sonde.status.inspect unless Sonde.status[:running]

Native = Sonde::Native
SLOTS = Integer(ENV["SLOTS"] || 5_000_000)
PROBES = Integer(ENV["PROBES"] || 2000)
ROUNDS = 15
FOLDER = File.realpath(Dir.mktmpdir("sonde-bench-"))
END { FileUtils.rm_rf(FOLDER) }
$revision = 0

def row(what, figure, goal = "")
  puts format("  %-68s %-28s%s", what, figure, goal.empty? ? "" : "goal #{goal}")
end

def ms
  began = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID)
  yield
  (Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) - began) * 1e3
end

def set(locations)
  $revision += 1
  json = JSON.generate(locations.each_with_index.map { |at, i| { id: "p#{i}", revision: $revision, location: at, rate: 1 } })
  ms { Native.apply_testonly(json) }
end

def median(list)
  list.sort[list.size / 2]
end

def statuses
  JSON.parse(Native.report)["statuses"].map { |status| status["status"] }.tally
end

# Figures of walks, each asked for by a probe of its own; [milliseconds, ms for 100,000 slots, longest slice].
def walks(file)
  Array.new(ROUNDS) do
    set(["#{file}:2"])
    walk = Native.walk_testonly
    set([])
    [walk[:total_ns] / 1e6, walk[:total_ns] / 1e6 / walk[:slots] * 1e5, walk[:longest_ns] / 1e6, walk]
  end
end

# A pause and what the collector took of it, in ms (since 3.1; by the clock of the process).
Pause = Struct.new(:whole, :collector) do
  def own
    whole - collector
  end
end

def collector_ms
  GC.respond_to?(:total_time) ? GC.total_time / 1e6 : 0.0
end

# How long each of the safe points takes that it needs until all these probes are installed.
def pauses(locations)
  Native.slice_testonly(-1)
  set(locations)
  Native.slice_testonly(0)
  found = []
  while statuses.key?("received")
    collected = collector_ms
    took = ms { Native.safe_point_testonly }
    found << Pause.new(took, collector_ms - collected)
  end
  found
end

one = File.join(FOLDER, "one.rb")
File.write(one, "def bench_one(n)\n  n + 1\nend\n")
load one
files = Array.new(PROBES / 50) do |f|
  path = File.join(FOLDER, f.to_s, "many.rb")
  FileUtils.mkdir_p(File.dirname(path))
  File.write(path, Array.new(50) { |i| "def bench_#{f}_#{i} = #{i}\n" }.join)
  load path
  path
end
many = files.flat_map { |path| (1..50).map { |line| "#{path}:#{line}" } }

puts "Ruby #{RUBY_VERSION}: looking for code"
GC.start
before = Native.walk_testonly[:walks]
took = set(many)
row("#{many.size} probes at once, #{Native.walk_testonly[:walks] - before} walk(s): #{statuses}", format("%.1f ms", took))
row("  of which each takes", format("%.1f us", took * 1e3 / many.size))
set([])
found = pauses(many)
row("  in #{found.size} safe points: median, the longest",
    format("%.2f ms, %.2f ms", median(found.map(&:whole)), found.map(&:whole).max), "<= 5 ms")
row("  the longest without what the VM's own collector took in it", format("%.2f ms", found.map(&:own).max))
set([])
GC.start
hundred_thousand = 100_000 - Native.walk_testonly[:slots] + GC.stat(:heap_free_slots)
[hundred_thousand, 400_000, SLOTS].each do |slots|
  keep = Array.new([slots, 0].max) { Object.new }
  GC.start
  found = walks(one)
  walk = found.last[3]
  row("walk of #{walk[:slots]} slots, #{walk[:sequences]} sequences", format("%.2f ms", median(found.map(&:first))))
  row("  for 100,000 slots", format("%.2f ms", median(found.map { |f| f[1] })), "<= 1 ms")
  row("  in #{walk[:slices]} slices; the longest: median, worst", format("%.2f ms, %.2f ms", median(found.map { |f| f[2] }), found.map { |f| f[2] }.max),
      "<= 5 ms")
  found = pauses(["#{one}:2"])
  row("  one probe: #{found.size} safe points; the longest, without the collector",
      format("%.2f ms, %.2f ms", found.map(&:whole).max, found.map(&:own).max), "<= 5 ms")
  set([])
  keep.clear
end
row("nothing is left armed", Native.armed_testonly.to_s, "0")
