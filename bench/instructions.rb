# One way of running a method N times, to be counted by callgrind. Usage: instructions.rb MODE N
#
# Modes: none (no agent), unarmed, never, rejected, other, entry, exit, plain-calls; handler, snapshot, plain; five,
# five-locals. The agent runs without a
# collector (SONDE_SERVER=""): what is counted is the application's thread. The Ruby twin of instructions.py.
require "json"
require_relative "subject"

GC.disable # a collection more or less is not what is counted
mode, calls = ARGV[0], ARGV[1].to_i
places = {
  "never" => ["# NEVER", 0.001],
  "rejected" => ["# HOT", 0.001],
  "other" => ["# HOT", 0.001],
  "snapshot" => ["# NINE LOCALS", 5000],
  "five-locals" => ["# FIVE LOCALS", 5000, { capture: { stack: false, arguments: false } }],
  "entry" => ["Subject.hot", 0.001, { at: "entry" }],
  "exit" => ["Subject.hot", 0.001, { at: "exit" }]
}

def other_loop(count)
  i = 0
  while i < count
    Subject.other(i, 7)
    i += 1
  end
end

def hot_loop(count)
  i = 0
  while i < count
    Subject.hot(i, 7)
    i += 1
  end
end

def handler_loop(count)
  i = 0
  while i < count
    Subject.handler(Subject::FIRST, Subject::SECOND, Subject::THIRD)
    sleep 0.002 # within the rate and the CPU budget, also when counted; in every mode
    i += 1
  end
end

def five_loop(count)
  i = 0
  while i < count
    Subject.five
    sleep 0.002
    i += 1
  end
end

require "sonde/auto" unless %w[none plain plain-calls].include?(mode)
hot_loop(2000)
other_loop(2000)
if places.key?(mode)
  place, rate, more = places[mode]
  place = "subject.rb:#{Subject.line_of(place)}" if place.start_with?("#")
  Sonde::Native.apply_testonly(JSON.generate([{ id: "p", revision: 1, rate: rate, location: place, **more.to_h }]))
  hot_loop(100)
  handler_loop(1)
  five_loop(1)
end
case mode
when "plain-calls" then Subject.plainly_called { hot_loop(calls) }
when "five", "five-locals" then five_loop(calls)
when "plain" then Subject.plainly(:whole) { handler_loop(calls) }
when "handler", "snapshot" then handler_loop(calls)
when "other" then other_loop(calls)
else hot_loop(calls)
end
if %w[snapshot five-locals].include?(mode)
  captured = JSON.parse(Sonde::Native.report)["statuses"][0]["captured"]
  raise "#{captured} of #{calls}" unless captured > calls # each one, or the count means nothing
end
