# SPDX-License-Identifier: Apache-2.0
# RB-14: what a probe costs code that a just-in-time compiler has compiled: code elsewhere and the probed method,
# in this Ruby's every mode.
#
#     [SONDE_LIB=build/lib/sonde/ruby] ruby bench/jit.rb [interpreter] [yjit] [mjit] [rjit]
#
# With SONDE_LIB the probes are ours, and "no probe" is with the agent in the process; without it they are a
# targeted TracePoint with an empty block. Times are CPU time of the thread, in ns a call, medians of short
# windows, each beside a moment of work in C, for the machine's speed may drift; a row is the median of the processes'
# own ratios (PROCESSES=3). Runs on every Ruby since 2.7.
require "json"
require "rbconfig"

# MJIT compiles beside the program and would not be done when we begin to measure.
OPTIONS = { "interpreter" => [[]], "yjit" => [["--yjit"]], "rjit" => [["--rjit"]],
            "mjit" => [["--mjit", "--mjit-wait"], ["--jit", "--jit-wait"]] }.freeze

# --- In a process of its own -----------------------------------------------------------------------
module Measured
  CYCLES = 6
  WARM_S = 20.0    # at most
  RECOVERY_S = 3.0 # who is not back by then is taken not to come back

  # Small methods that call each other: the worst case, since nothing else is there to spend time on.
  module Elsewhere
    def self.small(a)
      a + 1
    end

    def self.other(a)
      small(a) + small(a + 1)
    end

    def self.calls(times)
      i = 0
      while i < times
        other(i)
        i += 1
      end
    end

    LIST = (0...20).to_a.freeze
    TABLE = LIST.to_h { |i| ["key#{i}", i] }.freeze

    # What an application does: blocks, hashes, strings.
    def self.mixed(times)
      i = 0
      while i < times
        LIST.each { |n| TABLE["key3"] + n }
        "a#{i}".sub("a", "b")
        i += 1
      end
    end
  end

  module Probed
    def self.hot(a, b)
      total = a + b
      total = total * 3
      if total < 0
        total = -total # NEVER
      end
      left = total - a
      right = total - b
      best = left > right ? left : right
      best + a # HIT
    end

    def self.run(times)
      i = 0
      while i < times
        hot(i, 7)
        i += 1
      end
    end
  end

  WORK = { "calls" => [->(n) { Elsewhere.calls(n) }, 4000], "mixed" => [->(n) { Elsewhere.mixed(n) }, 100],
           "probed" => [->(n) { Probed.run(n) }, 4000] }.freeze
  NEVER, HIT = %w[NEVER HIT].map do |word|
    File.foreach(__FILE__).with_index(1).find { |line, _| line.rstrip.end_with?("# #{word}") }[1]
  end

  BYTES = ("sonde" * 20_000).freeze

  class << self
    def cpu
      Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID, :nanosecond)
    end

    def window(work)
      block, times = WORK[work]
      began = cpu
      block.call(times)
      (cpu - began).fdiv(times)
    end

    # What no compiler changes, since it is C: how fast the machine is now.
    def pace
      began = cpu
      BYTES.sum
      cpu - began
    end

    # As if the machine were as fast as it was at the start.
    def steady(work, windows = 41)
      @pace ||= Array.new(windows) { pace }.sort[windows / 2]
      Array.new(windows) { window(work) / pace }.sort[windows / 2] * @pace
    end

    # Until all of it has been as fast as it gets for a second.
    def warm
      best = {}
      found_at = began = cpu
      until cpu - found_at > 1e9 || cpu - began > WARM_S * 1e9
        WORK.each_key do |work|
          time = steady(work)
          best[work] = time if best[work].nil?
          found_at = cpu if time < 0.9 * best[work]
          best[work] = [best[work], time].min
        end
      end
    end

    # Milliseconds until it takes no more than a tenth more than before, or nil.
    def recovery(work, before)
      began = cpu
      recent = []
      while cpu - began < RECOVERY_S * 1e9
        at = cpu
        recent << [at, window(work) / pace * @pace]
        recent.shift if recent.size > 9
        return (recent[0][0] - began) / 1e6 if recent.size == 9 && recent.map(&:last).sort[4] <= 1.1 * before
      end
      nil
    end

    def arm(line)
      @point = TracePoint.new(:line) { }
      @point.enable(target: Probed.method(:hot), target_line: line)
    end

    def disarm
      @point.disable
    end

    def use_agent
      ENV.update("SONDE_SERVER" => "", "SONDE_CPU_PERCENT" => "100")
      require File.join(File.expand_path(ENV["SONDE_LIB"]), "sonde", "auto")
      raise Sonde.status.inspect unless Sonde.status[:running]
      @revision = 0
      define_singleton_method(:arm) { |line| apply([{ location: "#{__FILE__}:#{line}" }]) }
      define_singleton_method(:disarm) { apply([]) }
    end

    def apply(definitions)
      @revision += 1
      all = definitions.map { |it| { id: "p", revision: @revision, rate: 0.001, **it } }
      Sonde::Native.apply_testonly(JSON.generate(all))
      states = JSON.parse(Sonde::Native.report)["statuses"].map { |status| [status["status"], status["message"]] }
      return if states.all? { |status, _| status == "installed" }
      puts JSON.generate(refused: states[0][1])
      exit
    end

    def timed
      began = cpu
      yield
      (cpu - began) / 1e3
    end

    def main
      use_agent if ENV["SONDE_LIB"]
      warm
      before = WORK.keys.to_h { |work| [work, steady(work)] }
      found = { before: before, arming_us: [], armed: nil, recovery_ms: nil }
      CYCLES.times do |i|
        found[:arming_us] << timed { arm(NEVER) }
        if i == 0
          found[:recovery_ms] = recovery("calls", before["calls"])
          warm
          found[:armed] = WORK.keys.to_h { |work| [work, steady(work)] }
        else
          WORK.each_key { |work| steady(work) }
        end
        disarm
        warm if i == 0
        WORK.each_key { |work| steady(work) }
        found[:once] ||= WORK.keys.to_h { |work| [work, steady(work)] }
      end
      warm
      found[:after] = WORK.keys.to_h { |work| [work, steady(work)] }
      arm(HIT)
      warm
      disarm
      warm
      puts JSON.generate(**found, hit: { "probed" => steady("probed") })
    end
  end
end

# --- All of them -------------------------------------------------------------------------------------
module Table
  class << self
    def has?(options, mode)
      return true if mode == "interpreter"
      asks = "m = RubyVM.const_get(#{mode.upcase.dump}); exit(m.enabled? ? 0 : 1)"
      system(RbConfig.ruby, *options, "-e", asks, err: File::NULL) == true
    end

    def median(list)
      list.sort[list.size / 2]
    end

    def measure(options)
      Array.new(Integer(ENV["PROCESSES"] || 3)) do
        env = { "SONDE_JIT_CHILD" => "1", "RUBYOPT" => nil }
        JSON.parse(IO.popen([env, RbConfig.ruby, *options, __FILE__], &:read))
      end
    end

    def times(found, later, work)
      format("%.2fx", median(found.map { |one| one[later][work] / one["before"][work] }))
    end

    def recovery(found)
      all = found.map { |one| one["recovery_ms"] }
      all.any?(&:nil?) ? "not in #{Measured::RECOVERY_S.to_i} s" : format("%.1f ms", median(all))
    end

    def row(what, figure)
      puts format("    %-62s %s", what, figure)
      $stdout.flush
    end

    def rows(found)
      refused = found.map { |one| one["refused"] }.compact[0]
      return row("refused", refused) if refused
      before = Measured::WORK.keys.map { |work| format("%.1f", median(found.map { |one| one["before"][work] })) }
      arming = [0, -1].map { |i| format("%.0f us", median(found.map { |one| one["arming_us"][i] })) }
      row("no probe, ns a call: small methods, blocks and hashes, probed", before.join(", "))
      row("setting a probe: the first, the last of #{Measured::CYCLES}", arming.join(", "))
      row("code elsewhere is back at its speed after", recovery(found))
      row("armed; after this one went; after #{Measured::CYCLES} came and went:", "")
      { "calls" => "code elsewhere, small methods", "mixed" => "code elsewhere, blocks and hashes",
        "probed" => "the probed method, its line not executed" }.each do |work, words|
        row("  #{words}", %w[armed once after].map { |at| times(found, at, work) }.join("; "))
      end
      row("the probed method after a probe on a line that is executed", times(found, "hit", "probed"))
    end

    def main
      wanted = ARGV.empty? ? OPTIONS.keys : ARGV
      puts "Ruby #{RUBY_VERSION}: #{ENV["SONDE_LIB"] ? "a probe of ours" : "a targeted TracePoint"} and compiled code"
      wanted.each do |mode|
        options = OPTIONS.fetch(mode).find { |it| has?(it, mode) }
        next puts("  #{mode}: this Ruby is built without it, or has it not") if options.nil?
        puts "  #{[mode, *options].join(" ")}"
        rows(measure(options))
      end
    end
  end
end

ENV["SONDE_JIT_CHILD"] ? Measured.main : Table.main
