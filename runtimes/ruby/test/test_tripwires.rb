# SPDX-License-Identifier: Apache-2.0
# CORE-05: capture runs no code of the application. Objects whose every method raises, and says so, are
# captured whole.
require "helper"
require "date"
require "ostruct"
require "set"

# Classes and objects in which every method notes its call and raises, while armed.
module Tripwire
  CALLS = []
  # Methods that Ruby itself, C extensions and programs ask an object about; its class's own are added.
  NAMES = %i[class inspect instance_variables each each_pair == === eql? equal? ! != =~ hash to_s to_str to_a to_ary
             to_h to_hash to_sym to_proc to_i to_int to_f to_r to_c to_io respond_to? respond_to_missing?
             method_missing nil? [] <=> size length count members values keys begin end first last min max
             exclude_end? name message full_message backtrace cause exception to_path utc_offset nsec
             instance_variable_get instance_of? is_a? kind_of? frozen? dup clone singleton_class public_send send
             encoding coerce zone hour year call owner arity parameters source options path fileno default
             as_json to_json].freeze
  CLASS_NAMES = %i[allocate ancestors superclass instance_method instance_methods const_get const_missing
                   method_defined? module_eval].freeze

  class << self
    attr_accessor :armed

    def note(name)
      CALLS << name
      Kernel.raise ScriptError, "called #{name}"
    end

    def arm
      self.armed = true
      yield
    ensure
      self.armed = false
    end

    # A class derived from `base`, named Wired…; the block is its body.
    def class_of(base, &body)
      wired = Class.new(base, &body)
      Object.const_set("Wired#{base.name[/\w+\z/]}#{(@count = (@count || 0) + 1)}", wired)
      names = NAMES + wired.instance_methods
      wire(names) { |name, block| wired.__send__(:define_method, name, &block) }
      wire(NAMES + CLASS_NAMES) { |name, block| wired.define_singleton_method(name, &block) }
      wired
    end

    # Calls `define` with a name and a method that raises while armed and goes on to `super` else.
    def wire(names)
      verbose, $VERBOSE = $VERBOSE, nil # Ruby warns of some
      (names - [:__send__, :__id__]).uniq.each do |name|
        yield name, ->(*given, **more, &block) { Tripwire.armed ? Tripwire.note(name) : super(*given, **more, &block) }
      end
    ensure
      $VERBOSE = verbose
    end
  end
end

class TestTripwires < SondeTest
  PERSON = Struct.new(:name, :age)

  def setup
    super
    @subject = source(<<~RUBY)
      module TripwireSubject
        def self.look(value)
          seen = true # here
          [:looked, seen]
        end
      end
    RUBY
    @subject.load
    @probes.set(@subject.at("# here"), limits: { time_us: 100_000 })
  end

  # What a snapshot shows of a value; nothing was called meanwhile.
  def show(value)
    Tripwire::CALLS.clear
    looked = Tripwire.arm { TripwireSubject.look(value) }
    assert_empty Tripwire::CALLS
    assert_equal [:looked, true], looked
    record = @probes.take
    refute_nil record, @probes.status.inspect
    captured(record)["value"]
  end

  def assert_whole(data, value)
    shown = show(value)
    assert_match(/\AWired/, shown["type"])
    refute shown["truncated"], shown.inspect
    assert_equal data, plain(shown)
  end

  # CORE-05
  def test_core05_the_wires_are_live
    wired = Tripwire.class_of(Object)
    value = wired.new
    Tripwire::CALLS.clear
    Tripwire.arm do
      assert_raises(ScriptError) { value.inspect }
      assert_raises(ScriptError) { value.whatever_it_is }
      assert_raises(ScriptError) { wired.name }
    end
    assert_equal %i[inspect method_missing name], Tripwire::CALLS
  end

  # CORE-05
  def test_core05_objects
    wired = Tripwire.class_of(Object) do
      def initialize
        @field = [1]
        @me = self
      end
    end
    shown = show(wired.new)
    assert_equal ["1"], plain(shown["fields"]["@field"])
    assert_match(/\AWiredObject/, shown["fields"]["@me"]["type"])
  end

  # CORE-05
  def test_core05_strings_arrays_and_hashes
    assert_whole "text", Tripwire.class_of(String).new("text")
    assert_whole %w[1 2], Tripwire.class_of(Array).new([1, 2])
    hash = Tripwire.class_of(Hash).new
    hash[:key] = 1
    hash["other"] = [2]
    assert_whole({ "key" => "1", "other" => ["2"] }, hash)
  end

  # CORE-05
  def test_core05_sets_structs_and_ranges
    assert_whole ["7"], Tripwire.class_of(Set).new([7])
    assert_whole({ "name" => "Bo", "age" => "7" }, Tripwire.class_of(PERSON).new("Bo", 7))
    assert_whole "1..5", Tripwire.class_of(Range).new(1, 5)
  end

  # CORE-05
  def test_core05_exceptions
    wired = Tripwire.class_of(StandardError)
    assert_whole({ "message" => "boo" }, wired.new("boo"))
    error = begin
      raise "outer", cause: wired.new("inner")
    rescue RuntimeError => e
      e
    end
    assert_equal({ "message" => "outer", "cause" => { "message" => "inner" } }, plain(show(error)))
  end

  # CORE-05
  def test_core05_a_name_error_does_not_inspect_its_receiver
    receiver = Tripwire.class_of(Object).new
    error = assert_raises(NoMethodError) { receiver.zork }
    assert_match(/\Aundefined method [`']zork' for an instance of WiredObject/, plain(show(error))["message"])
  end

  # CORE-05
  def test_core05_times_regexps_and_matches
    time = Tripwire.class_of(Time).at(1.25r).utc
    assert_whole "1970-01-01T00:00:01.25Z", time
    assert_whole "/a(b)/i", Tripwire.class_of(Regexp).new("a(b)", Regexp::IGNORECASE)
    assert_equal %w[ab b], plain(show("xab".match(/a(b)/)))
  end

  # CORE-05
  def test_core05_dates
    assert_whole "2026-03-01", Tripwire.class_of(Date).new(2026, 3, 1)
    assert_whole "2026-03-01", Tripwire.class_of(Date).jd(2_461_101)
    assert_whole "2026-03-01T12:30:15.5+02:00", Tripwire.class_of(DateTime).new(2026, 3, 1, 12, 30, 15.5r, "+02:00")
  end

  # CORE-05
  def test_core05_enumerators_mutexes_and_open_structs
    wired = Tripwire.class_of(Object) { def each() yield 1 end }
    shown = show(wired.new.to_enum(:each, 5))
    assert_match(/\AWiredObject/, shown["fields"]["receiver"]["type"])
    assert_equal ["each", ["5"]], [plain(shown["fields"]["method"]), plain(shown["fields"]["arguments"])]
    shown = show(Tripwire.class_of(Enumerator).new { |yielder| yielder << 1 })
    assert_equal ["Enumerator::Generator", "each"], [shown["fields"]["receiver"]["type"], plain(shown["fields"]["method"])]
    assert_whole({ "a" => "1", "@more" => "2" },
                 Tripwire.class_of(OpenStruct).new(a: 1).tap { |made| made.instance_variable_set(:@more, 2) })
    mutex = Tripwire.class_of(Mutex).new
    assert_match(/\A#<WiredMutex\d+:0x\h+>\z/, plain(show(mutex)))
  end

  # CORE-05
  def test_core05_procs_and_methods
    wired = Tripwire.class_of(Object) { def run; nil; end }
    block = proc { 1 }
    assert_equal "#<Proc #{__FILE__}:#{__LINE__ - 1}>", plain(show(block))
    assert_whole "#<Proc #{__FILE__}:#{__LINE__ + 1}>",
                 Tripwire.class_of(Proc).new { 1 }
    assert_match(/\AWiredObject\d+#run\z/, plain(show(wired.new.method(:run))))
  end

  # CORE-05
  def test_core05_files
    wired = Tripwire.class_of(File)
    file = wired.open(File::NULL)
    assert_match(%r{\A#<WiredFile\d+:/dev/null>\z}, plain(show(file)))
  ensure
    file&.close
  end

  # CORE-05
  def test_core05_basic_objects
    wired = Class.new(BasicObject) { def initialize; @inside = [1]; end }
    Object.const_set(:WiredBasic, wired)
    Tripwire.wire(%i[method_missing ! == != equal? instance_eval]) { |name, block| wired.define_method(name, &block) }
    assert_whole({ "@inside" => ["1"] }, WiredBasic.new)
    hash = {}.compare_by_identity
    hash[WiredBasic.new] = WiredBasic.new
    shown = show([BasicObject.new, hash])
    assert_equal "BasicObject", shown["elements"][0]["type"]
    assert_equal %w[WiredBasic WiredBasic], shown["elements"][1]["entries"][0].map { |value| value["type"] }
  end

  # CORE-05
  def test_core05_keys_and_members
    wired = Tripwire.class_of(Object)
    shown = show([{ wired.new => 1 }, Set.new([wired.new]), (1..20).to_h { |n| [wired.new, n] }])
    assert_match(/\AWired/, shown["elements"][0]["entries"][0][0]["type"])
    assert_match(/\AWired/, shown["elements"][1]["elements"][0]["type"])
    assert_equal (1..20).map(&:to_s), shown["elements"][2]["entries"].map { |_, value| plain(value) }
  end

  # CORE-05
  def test_core05_singleton_classes_and_classes
    object = Object.new
    object.instance_variable_set(:@field, 1)
    Tripwire.wire(Tripwire::NAMES) { |name, block| object.define_singleton_method(name, &block) }
    shown = show(object)
    assert_equal ["Object", { "@field" => "1" }], [shown["type"], plain(shown)]
    assert_match(/\AWiredObject/, plain(show(Tripwire.class_of(Object))))
    assert_match(/\A#<Class:WiredObject/, plain(show(Tripwire.class_of(Object).singleton_class)))
  end

  # CORE-05
  def test_core05_hashes_are_not_iterated
    hash = { 1 => 2 }
    shown = nil
    hash.each { shown = show(hash) }
    hash[:new] = 1 # raises where a hash still counts as being iterated
    assert_equal({ "1" => "2" }, plain(shown))
    assert_equal({}, plain(show(Hash.new { |_, _| Tripwire.note(:default) })))
  end

  # CORE-05
  def test_core05_self_and_outer_variables
    subject = source(<<~RUBY)
      class WiredSelf < BasicObject
        def initialize
          @inside = 1
        end
        def method_missing(name, *)
          ::Tripwire.note(name)
        end
        def run(outer)
          ::Kernel.proc do |inner|
            inner # there
          end.call(self)
        end
      end
    RUBY
    subject.load
    @probes.set(subject.at("# there"), id: "self")
    Tripwire::CALLS.clear
    WiredSelf.new.run([WiredSelf.new])
    assert_empty Tripwire::CALLS
    inside = { "@inside" => "1" }
    assert_equal({ "self" => inside, "inner" => inside, "outer" => [inside] },
                 captured(@probes.take).transform_values { |value| plain(value) })
  end

  # CORE-05
  def test_capture_allocates_no_object_and_changes_none
    subject = source(<<~RUBY)
      module AllocationSubject
        def self.count(value)
          before = GC.stat(:total_allocated_objects)
          between = value # there
          [GC.stat(:total_allocated_objects) - before, between][0]
        end
      end
    RUBY
    subject.load
    value = { list: [1, "two", 3.5], sym: :s, big: 1 << 80, set: Set[1], range: 1..2, time: Time.now, "dyn" => 2r,
              error: RuntimeError.new("x"), person: PERSON.new("Bo", 7) }
    value[:me] = value
    before = Marshal.dump(value)
    bare = Array.new(3) { AllocationSubject.count(value) }.min
    @probes.set(subject.at("# there"), id: "count")
    assert_equal bare, Array.new(3) { AllocationSubject.count(value) }.min
    assert_equal 3, @probes.take_all.size
    assert_equal before, Marshal.dump(value)
  end
end
