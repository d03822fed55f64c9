# SPDX-License-Identifier: Apache-2.0
# The inside of `make explore-ruby`, required before anything of the program (-r, so that child
# processes run plain): sets the probes, and notes each test's outcome. Without probes.json there is no
# agent; the process then leaves a list of the methods that the library has.
#
# Nothing is required here that a library under test may be.
module SondeExplore
  FOLDER = ENV.delete("SONDE_EXPLORE")
  AGENT = ENV.delete("SONDE_EXPLORE_LIB")
  LIBRARY = ENV.delete("SONDE_EXPLORE_FILES").split("\n").to_h { |path| [path, true] }
  PID = $$
  PROBES = File.join(FOLDER, "probes.json")
  OUT = File.open(File.join(FOLDER, "outcomes"), "ab")
  OUT.sync = true

  # What tests may redefine or mock, as it is now.
  MODULE = %i[name instance_methods private_instance_methods instance_method]
           .to_h { |name| [name, Module.instance_method(name)] }
  SINGLETON_CLASS = Kernel.instance_method(:singleton_class)

  module_function

  # One line more. A test's name may have addresses in it, which are never the same twice.
  def note(kind, name)
    return if $$ != PID
    name = name.to_s.b.gsub(/0x\h{6,}/, "0x…".b).tr("\n\t", "  ")
    OUT.syswrite("#{kind}\t".b << name << "\n")
  end

  # Between two tests: room for what the next one captures.
  def rest
    Sonde::Native.discard_testonly if @has_probes && $$ == PID
  end

  def arm
    require File.join(AGENT, "sonde", "auto")
    raise "the agent is off: #{Sonde.status[:reason]}" unless Sonde.status[:running]
    Sonde::Native.apply_testonly(File.read(PROBES, encoding: "UTF-8"))
    @has_probes = true
  end

  def finish
    return if $$ != PID
    if @has_probes
      File.write(File.join(FOLDER, "report.json"), Sonde::Native.report)
    else
      $LOADED_FEATURES.each { |path| note("module", path) if LIBRARY[path] }
      File.write(File.join(FOLDER, "methods"), method_names.map { |name| "#{name}\n" }.join)
    end
  end

  # The library's methods, as a probe names them.
  def method_names
    found = {}
    ObjectSpace.each_object(Module) do |mod|
      name = MODULE[:name].bind_call(mod)
      next unless name&.match?(/\A[A-Z]/)
      add_methods(found, mod, "#{name}#")
      add_methods(found, SINGLETON_CLASS.bind_call(mod), "#{name}.")
    end
    found.keys.sort
  end

  def add_methods(found, owner, prefix)
    %i[instance_methods private_instance_methods].each do |list|
      MODULE[list].bind_call(owner, false).each do |name|
        method = MODULE[:instance_method].bind_call(owner, name)
        file, = method.source_location
        # A name with a space can not be typed.
        next if !LIBRARY[file] || method.owner != owner || name.match?(/\s/)
        found["#{prefix}#{name}"] = true
      end
    end
  rescue NameError
    # A method that is undefined again by now.
  end

  # --- Frameworks: what is run one at a time, and how it came out ----------------------------------

  module ForMinitest
    def run_one_method(klass, name)
      test = "#{klass}##{name}"
      SondeExplore.note("start", test)
      result = super
      kind = if result.skipped? then "skipped"
             elsif result.error? then "error"
             else result.passed? ? "passed" : "failed"
             end
      SondeExplore.note(kind, test)
      result
    ensure
      SondeExplore.rest
    end
  end

  module ForTestUnit
    KINDS = { "Failure" => "failed", "Error" => "error", "Pending" => "skipped", "Omission" => "skipped",
              "Notification" => nil }.freeze

    def run(result)
      test = "#{self.class}##{name}"
      SondeExplore.note("start", test)
      before = result.faults.size
      super
      kinds = result.faults.drop(before).map { |fault| KINDS.fetch(fault.class.name[/\w+\z/], "failed") }.compact
      kinds << "passed" if kinds.empty?
      kinds.each { |kind| SondeExplore.note(kind, test) }
    ensure
      SondeExplore.rest
    end
  end

  # The one that CRuby's own tests bring with them.
  module ForCore
    KINDS = { "." => "passed", "F" => "failed", "E" => "error", "S" => "skipped" }.freeze

    def run(runner)
      test = "#{self.class}##{__name__}"
      SondeExplore.note("start", test)
      result = super
      SondeExplore.note(KINDS.fetch(result.to_s[0], "failed"), test)
      result
    ensure
      SondeExplore.rest
    end
  end

  class ForRspec
    KINDS = { "passed" => "passed", "failed" => "failed", "pending" => "skipped" }.freeze

    def initialize(_output = nil); end

    def example_started(notification)
      SondeExplore.note("start", name(notification.example))
    end

    def example_finished(notification)
      example = notification.example
      SondeExplore.note(KINDS.fetch(example.execution_result.status.to_s, "failed"), name(example))
      SondeExplore.rest
    end

    def name(example)
      "#{example.id} #{example.full_description}"
    end
  end

  begin
    arm if File.exist?(PROBES)
  rescue Exception => error # rubocop:disable Lint/RescueException
    note("fault", "#{error.class}: #{error.message}")
    raise
  end
  # After the agent's own, which stops it: handlers run from the last to the first.
  at_exit { finish }
end
