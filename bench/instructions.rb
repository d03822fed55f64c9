# One way of running a method N times, to be counted by callgrind. Usage: instructions.rb MODE N
#
# Modes: none (no agent), unarmed, never, rejected, other; handler, snapshot, plain. The agent runs without a
# collector (SONDE_SERVER=""): what is counted is the application's thread. The Ruby twin of instructions.py.
require "json"
require_relative "subject"

GC.disable # a collection more or less is not what is counted
mode, calls = ARGV[0], ARGV[1].to_i
places = {
  "never" => ["# NEVER", 0.001],
  "rejected" => ["# HOT", 0.001],
  "other" => ["# HOT", 0.001],
  "snapshot" => ["# NINE LOCALS", 5000]
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

require "sonde/auto" unless %w[none plain].include?(mode)
hot_loop(2000)
other_loop(2000)
if places.key?(mode)
  text, rate = places[mode]
  Sonde::Native.apply_testonly(JSON.generate([{ id: "p", revision: 1, rate: rate,
                                                location: "subject.rb:#{Subject.line_of(text)}" }]))
  hot_loop(100)
  handler_loop(1)
end
case mode
when "plain" then Subject.plainly(:whole) { handler_loop(calls) }
when "handler", "snapshot" then handler_loop(calls)
when "other" then other_loop(calls)
else hot_loop(calls)
end
if mode == "snapshot"
  captured = JSON.parse(Sonde::Native.report)["statuses"][0]["captured"]
  raise "#{captured} of #{calls}" unless captured > calls # each one, or the count means nothing
end
