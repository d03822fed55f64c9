# SPDX-License-Identifier: Apache-2.0
# For the tests of what is found: code that comes and goes.
require_relative "helper"

module Tracking
  # A program that was loaded, from a thread of its own, so that nothing of it stays on a stack.
  def loaded(text, name = nil)
    source(text, name).tap { |file| aside { load file.path } }
  end

  def required(text, name = nil)
    source(text, name).tap { |file| aside { require file.path } }
  end

  def aside(&block)
    Thread.new(&block).value
  end

  def assert_installed(status)
    assert_includes %w[installed emitting], status["status"], status
    status
  end

  def assert_error(cause, status)
    assert_equal ["error", cause], status.values_at("status", "cause"), status
    status
  end

  # Lets go of what nothing holds, until the block says so. Stacks are read conservatively: what was
  # done deeper down may seem to be held for a while.
  def collect_until(describe = -> { "it was not collected" })
    wait_until(10, describe) do
      aside { 1000.times { Object.new } }
      GC.start
      Sonde::Native.safe_point_testonly
      yield
    end
  end

  # What a process of its own says with `say`. It has the agent after `agent!`.
  PRELUDE = <<~RUBY
    require "json"
    def agent!
      require File.join(#{LIB.dump}, "sonde", "auto")
      raise Sonde.status.inspect unless Sonde.status[:running]
    end
    # The extension alone, before the agent.
    def extension!
      require Dir[File.join(#{LIB.dump}, "sonde", RbConfig::CONFIG["ruby_version"], "native.*")][0]
    end
    def native
      Sonde::Native
    end
    $revision = 0
    def set(location, id = "p")
      native.apply_testonly(JSON.generate([{ id: id, revision: $revision += 1, location: location, at: "line", rate: 5000 }]))
      status
    end
    def report
      JSON.parse(native.report)
    end
    def status
      report["statuses"][0]
    end
    def say(value)
      STDOUT.puts JSON.generate([value])
    end
    def collect
      Thread.new { 1000.times { Object.new } }.join
      3.times { GC.start }
    end
  RUBY

  # `complains`: what it writes on standard error is expected.
  def told(code, complains: false, **more)
    out, err = ruby!(PRELUDE + code, dir: File.realpath(folder), **more)
    assert_empty err unless complains
    out.lines.map { |line| JSON.parse(line)[0] }
  end
end
