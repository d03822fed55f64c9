# SPDX-License-Identifier: Apache-2.0
# How complete and how dear the listing of symbols is for a given program:
#
#     ruby -I build/lib/sonde/ruby -r sonde/auto tools/symbols-ruby.rb PROGRAM [ARGUMENT…]
#
# Loads PROGRAM (of a Rails application: config/environment.rb, and all of its code), then lists what is loaded and
# holds that against what Ruby itself can list. Prints recall, precision and what differs, the longest slice under the
# VM's lock, CPU time and memory. ROUNDS=5 listings are made.
require "json"
require_relative "../runtimes/ruby/test/symbols_truth"

program = ARGV.shift or abort "which program?"
abort "the agent is off: #{Sonde.status.inspect}" unless Sonde.status[:running]

def resident_kb
  File.read("/proc/self/status")[/VmRSS:\s+(\d+)/, 1].to_i
end

def some(title, places)
  return if places.empty?
  puts "  #{title}: #{places.size}"
  places.first(12).each { |place| puts "    #{place.name}  #{place.file}:#{place.line}" }
end

load File.expand_path(program)
Rails.application.eager_load! if defined?(Rails) && Rails.respond_to?(:application) && Rails.application
GC.start
Sonde::Native.symbols_testonly(true) # what stays is there by now
GC.start
before_kb = resident_kb
text = Sonde::Native.symbols_testonly(true)
after_kb = resident_kb
slices = []
rounds = Array.new(Integer(ENV["ROUNDS"] || 5)) do
  text = Sonde::Native.symbols_testonly(true)
  abort "it was not listed" if text.empty?
  slices << Sonde::Native.longest_symbols_slice_testonly / 1000
  JSON.parse(text).reject { |key, _| key == "units" }
end
units = JSON.parse(text)["units"]
result = SymbolsTruth.compare(units)
kinds = Hash.new(0)
units.each { |unit| SymbolsTruth.each_scope(unit) { |scope, _| kinds[scope["scope_type"]] += 1 } }
names = 0
units.each { |unit| SymbolsTruth.each_scope(unit) { |scope, _| names += 1 + (scope["symbols"] || []).size } }

puts "files:      #{units.map { |unit| unit["file"] }.uniq.size} in #{units.size} units, #{text.bytesize / 1024} kB as JSON"
puts "origins:    #{units.map { |unit| unit["origin"] }.tally}"
puts "scopes:     #{kinds}, names with symbols: #{names}"
puts "recall:     #{format("%.4f %%", 100 * result[:recall])} of #{result[:methods]} methods and #{result[:classes]} classes"
puts "precision:  #{format("%.4f %%", 100 * result[:precision])}"
some "methods not listed", result[:missing]
some "classes not listed", result[:lost_classes]
some "methods that are not there", result[:wrong]
some "classes that are not there", result[:wrong_classes]
puts "slices:     #{rounds.map { |round| round["slices"] }.join(" ")}"
puts "longest:    #{rounds.map { |round| round["longest_hold_us"] }.join(" ")} µs under the lock (as the clock has it)"
puts "            #{slices.join(" ")} µs (CPU time)"
puts "CPU:        #{rounds.map { |round| round["cpu_us"] }.join(" ")} µs a listing"
puts "resident:   #{before_kb} kB before, #{after_kb} kB after (with the JSON text of #{text.bytesize / 1024} kB, twice)"
