# SPDX-License-Identifier: Apache-2.0

# What ruby_driver.c would rather say in Ruby. It defines the method `opcodes` here: the
# instructions of a sequence as they are in memory now, without their operands.
module ContractDriver
  MODULES = { "shop" => :Shop, "north" => :North, "south" => :South }.freeze
  FORKS = Process.respond_to?(:_fork) ? :_fork : :fork # before 3.1 nothing lies below Process.fork
  FORK = Process.method(FORKS) # the VM's own, past everything that is told of forks

  # The VM keeps the last methods that were called from C, and all that hangs on them, in a table of
  # 1023 places that is filled by name. Calling all of these leaves nothing else in it.
  class Fillers
    NAMES = Array.new(4096) { |i| :"filler#{i}" }
    NAMES.each { |name| define_method(name) {} }

    def call_all
      NAMES.each { |name| public_send(name) }
    end
  end

  @originals = {} # program => { [label, line] => opcodes as compiled }

  class << self
    # Compiled and not run: nobody has set a probe there.
    def open(paths)
      paths.each { |program, path| @originals[program] = compiled(path) }
      collect { ObjectSpace.each_object(RubyVM::InstructionSequence).none? }
      sees_probes?
    end

    def load(path)
      require path
    end

    # True when it is gone.
    def unload(program, path)
      elsewhere { forget(MODULES.fetch(program), path) }
      collect { modules_of(program).empty? }
    end

    def pristine?
      MODULES.each_key.all? do |program|
        originals = @originals.fetch(program)
        opcodes_of(sequences_of(program)).all? { |key, opcodes| originals[key] == opcodes }
      end
    end

    private

    def compiled(path)
      opcodes_of([RubyVM::InstructionSequence.compile_file(path)])
    end

    # Whether `pristine?` could be false at all.
    def sees_probes?
      probed = RubyVM::InstructionSequence.of(method(:load))
      before = opcodes(probed)
      trace = TracePoint.new(:line) {}
      trace.enable(target: method(:load))
      between = opcodes(probed)
      trace.disable
      before != between && before == opcodes(probed)
    end

    def opcodes_of(sequences, into = {})
      sequences.each do |sequence|
        into[[sequence.label, sequence.first_lineno]] = opcodes(sequence)
        sequence.each_child { |child| opcodes_of([child], into) }
      end
      into
    end

    # The program's module and what is in it, as far as it is alive. The classes are not asked: some
    # are traps.
    def modules_of(program)
      wanted = /\A#{MODULES.fetch(program)}(::|\z)/
      name_of = Module.instance_method(:name)
      ObjectSpace.each_object(Module).select { |a| wanted.match?(name_of.bind_call(a).to_s) }
    end

    def sequences_of(program)
      modules_of(program).flat_map do |owner|
        [owner, Kernel.instance_method(:singleton_class).bind_call(owner)].flat_map do |place|
          methods_of(place).filter_map { |method| RubyVM::InstructionSequence.of(method) }
        end
      end
    end

    def methods_of(place)
      list, get = %i[instance_methods instance_method].map { |name| Module.instance_method(name) }
      list.bind_call(place, false).map { |name| get.bind_call(place, name) }
    end

    def forget(name, path)
      Object.send(:remove_const, name) if Object.const_defined?(name)
      $LOADED_FEATURES.delete(path)
      nil
    end

    # Runs the block on a stack of its own, which goes with what it held: what lies about on the
    # stacks of threads that live on is taken for references.
    def elsewhere(&block)
      Thread.new(&block).value
    end

    # Collects until the block says that it is done. False: it never is.
    def collect(&is_done)
      10.times do
        elsewhere { Fillers.new.call_all && GC.start }
        return true if elsewhere(&is_done)
      end
      false
    end
  end

  # As lib/sonde/auto.rb does.
  module TellsOfForks
    define_method(FORKS) do
      Sonde::Native.before_fork
      pid = super()
      [nil, 0].include?(pid) ? Sonde::Native.after_fork_child : Sonde::Native.after_fork_parent
      pid
    end
  end
  Process.singleton_class.prepend(TellsOfForks)
end
