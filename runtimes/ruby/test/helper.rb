# SPDX-License-Identifier: Apache-2.0
# The agent in this process, without a server: definitions are applied and records taken by the
# test-only doors of Sonde::Native.
require "rbconfig"

ROOT = File.expand_path("../../..", __dir__)
LIB = File.expand_path(ENV["SONDE_LIB"] || File.join(ROOT, "build", "lib", "sonde", "ruby"))
EXTENSION = File.join(LIB, "sonde", RbConfig::CONFIG["ruby_version"], "native.#{RbConfig::CONFIG["DLEXT"]}")
RACTOR_VALUE = RUBY_VERSION < "4.0" ? "take" : "value" # what a Ractor's block came to
ENVIRONMENT = { "SONDE_SERVER" => "", "SONDE_MAX_RATE" => "100000", "SONDE_CPU_PERCENT" => "100" }.freeze

ENV.update(ENVIRONMENT)
require File.join(LIB, "sonde", "auto")
raise Sonde.status.inspect unless Sonde.status[:running]

# After the agent: the tests run in an exit handler, and the agent ends in the one that came first.
require "minitest/autorun"
require "fileutils"
require "json"
require "open3"
require "timeout"
require "tmpdir"

# The probes of this process; the list grows with set() and is replaced as a whole.
class Probes
  Native = Sonde::Native

  def initialize
    @definitions = {}
    @revision = 0
  end

  # Sets a probe; returns its status afterwards.
  def set(location, id: "p", **more)
    set_later(location, id: id, **more)
    apply
    status(id)
  end

  # With the next apply.
  def set_later(location, id: "p", rate: 5000, at: nil, **more)
    @revision += 1
    definition = { id: id, revision: @revision, location: location.to_s, rate: rate, **more }
    definition[:at] = at if at
    @definitions[id] = definition
  end

  def remove(id = "p")
    @definitions.delete(id)
    apply
  end

  def clear
    @definitions = {}
    apply
    Native.discard_testonly
  end

  def apply
    Native.apply_testonly(JSON.generate(@definitions.values))
  end

  def report
    JSON.parse(Native.report)
  end

  def status(id = "p")
    report["statuses"].find { |status| status["probe_id"] == id }
  end

  def hits(id = "p")
    status(id)["hits"]
  end

  # The oldest snapshot, or nil.
  def take
    Native.take_testonly
  end

  def take_all
    found = []
    while (record = take)
      found << record
    end
    found
  end

  # Until the probe has that status.
  def wait(state, id: "p", seconds: 5)
    Helper.wait_until(seconds, -> { status(id).inspect }) { status(id)["status"] == state }
    status(id)
  end
end

# A program in a file of its own.
class Source
  attr_reader :path, :text

  def initialize(path, text)
    @path = path
    @text = text
    FileUtils.mkdir_p(File.dirname(path))
    File.write(path, text)
  end

  # The one line in which the text stands.
  def line(text)
    found = @text.lines.each_index.select { |index| @text.lines[index].include?(text) }
    raise "#{text.inspect} is in #{found.size} lines" unless found.size == 1
    found[0] + 1
  end

  def at(text)
    "#{@path}:#{line(text)}"
  end

  def load
    Kernel.load(@path)
  end
end

module Helper
  module_function

  def wait_until(seconds = 5, describe = -> { "it did not happen" })
    deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    until yield
      raise describe.call if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
      sleep 0.002
    end
  end

  # Another process of the same interpreter: [standard output, standard error, Process::Status].
  # Killed, and an error, when it takes too long.
  def run_ruby(code, *arguments, env: {}, lib: LIB, options: [], timeout: 60, dir: Dir.pwd)
    clean = ENV.to_h.keys.grep(/\A(SONDE|RUBY|BUNDLE|GEM)/).to_h { |name| [name, nil] }
    libs = lib ? ["-I", lib] : []
    command = [RbConfig.ruby, *libs, *options, "-e", code, *arguments]
    Open3.popen3({ **clean, **ENVIRONMENT, **env }, *command, chdir: dir) do |input, out, err, waiter|
      input.close
      readers = [out, err].map { |stream| Thread.new { stream.read } }
      unless waiter.join(timeout)
        Process.kill(:KILL, waiter.pid)
        raise "it took more than #{timeout} s:\n#{readers.map(&:value).join("\n")}"
      end
      return [readers[0].value, readers[1].value, waiter.value]
    end
  end

  # The same, which must succeed; its standard output and error.
  def ruby!(code, *arguments, **options)
    out, err, status = run_ruby(code, *arguments, **options)
    raise "#{status}\n#{out}\n#{err}" unless status.success?
    [out, err]
  end
end

# A test with probes and a folder of its own.
class SondeTest < Minitest::Test
  include Helper

  attr_reader :probes, :folder

  def setup
    @folder = Dir.mktmpdir("sonde-ruby-")
    @probes = Probes.new
    @probes.clear
    @sources = 0
  end

  def teardown
    @probes.clear
    FileUtils.rm_rf(@folder)
  end

  def source(text, name = nil)
    Source.new(File.join(File.realpath(@folder), name || "subject#{@sources += 1}.rb"), text)
  end

  # The variables of a line snapshot, arguments and locals together.
  def captured(record)
    section = record["line_probe"]
    (section["arguments"] || {}).merge(section["locals"] || {})
  end

  # A captured value as plain data.
  def plain(value)
    return nil if value["is_null"]
    return value["elements"].map { |element| plain(element) } if value.key?("elements")
    return value["entries"].to_h { |key, element| [plain(key), plain(element)] } if value.key?("entries")
    return value["fields"].transform_values { |element| plain(element) } if value.key?("fields")
    value.fetch("value") { value["not_captured_reason"] }
  end
end
