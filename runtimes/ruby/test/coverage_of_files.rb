# SPDX-License-Identifier: Apache-2.0
# RB-04: how many of an application's files can take a line probe after three full collections, and how
# many have their whole-file sequence left, which is all that a table of whole files could offer.
#
# Preloaded, it counts at the program's end, or when count_files_with_probes is called:
#
#     sonde run -- ruby -r ./runtimes/ruby/test/coverage_of_files.rb app.rb
#     SONDE_LIB=build/lib/sonde/ruby RUBYOPT=-r./runtimes/ruby/test/coverage_of_files.rb bin/rails runner 1
#
# APP=DIR (default: the working directory) is what counts as the application's own. OUT=FILE gets a line of JSON.
# A file counts when a probe that is really set on a line of it is installed; all are set at once and
# removed again.
module FilesWithProbes
  module_function

  def native
    return Sonde::Native if defined?(Sonde::Native) && Sonde::Native.status[:running]
    ENV["SONDE_SERVER"] ||= ""
    require File.join(File.expand_path(ENV.fetch("SONDE_LIB")), "sonde", "auto")
    Sonde::Native
  end

  # By file: the first line of a method or block that has an event, and whether the file's own sequence is left.
  def survey(native)
    3.times { GC.start }
    found = {}
    native.all_sequences_testonly.each do |sequence|
      file = (found[sequence.absolute_path] ||= { whole: false, lines: [] })
      case RubyVM::InstructionSequence.instance_method(:to_a).bind_call(sequence)[9]
      when :top, :main then file[:whole] ||= sequence.first_lineno.zero?
      when :method, :block
        line, = sequence.trace_points.find { |_, event| event == :line }
        file[:lines] << line if line
      end
    end
    found
  end

  # The files of which a probe was installed, and how long that took.
  def probe(native, survey)
    places = survey.reject { |_, file| file[:lines].empty? }.map { |path, file| [path, file[:lines].first] }
    definitions = places.each_with_index.map do |(path, line), i|
      { id: "coverage-#{i}", revision: 1, location: "#{path}:#{line}", at: "line", rate: 1 }
    end
    began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    native.apply_testonly(JSON.generate(definitions))
    took = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
    statuses = JSON.parse(native.report)["statuses"].to_h { |status| [status["probe_id"], status["status"]] }
    native.apply_testonly("[]")
    installed = places.each_index.select { |i| %w[installed emitting].include?(statuses["coverage-#{i}"]) }
    [installed.to_h { |i| [places[i][0], true] }, took]
  end

  def count
    require "json"
    native = self.native
    survey = survey(native)
    installed, seconds = probe(native, survey)
    app = File.join(File.realpath(ENV["APP"] || Dir.pwd), "")
    files = $LOADED_FEATURES.grep(/\.rb\z/).map { |path| File.exist?(path) ? File.realpath(path) : path }.uniq
    groups = { "application" => files.select { |path| path.start_with?(app) },
               "gems and library" => files.reject { |path| path.start_with?(app) }, "all" => files }
    rows = groups.transform_values do |list|
      { files: list.size, whole: list.count { |path| survey.dig(path, :whole) }, probes: list.count { |path| installed[path] } }
    end
    { rows: rows, walk: native.walk_testonly, set: installed.size, seconds: seconds }
  end

  def print(result, out = $stdout)
    out.puts format("%-20s %8s %18s %20s", "files", "loaded", "whole file left", "takes a line probe")
    result[:rows].each do |name, row|
      share = ->(n) { row[:files].zero? ? "0" : format("%d (%.1f %%)", n, 100.0 * n / row[:files]) }
      out.puts format("%-20s %8d %18s %20s", name, row[:files], share.(row[:whole]), share.(row[:probes]))
    end
    walk = result[:walk]
    out.puts format("%d probes set in %.0f ms; the walk: %d slots, %d sequences, %d slices, %.2f ms, longest %.2f ms", result[:set],
                    result[:seconds] * 1e3, walk[:slots], walk[:sequences], walk[:slices], walk[:total_ns] / 1e6,
                    walk[:longest_ns] / 1e6)
  end
end

def count_files_with_probes(out = $stdout)
  result = FilesWithProbes.count
  FilesWithProbes.print(result, out)
  File.write(ENV["OUT"], JSON.generate(result) + "\n") if ENV["OUT"]
  result
end

at_exit { count_files_with_probes } unless ENV["COUNT"] == "called"
