# SPDX-License-Identifier: Apache-2.0
# RB-15: every kind of value, by its storage; CORE-04: what is cut says so; CORE-07: names are redacted.
require "helper"
require "bigdecimal"
require "date"
require "delegate"
require "ostruct"
require "set"
require "stringio"

class TestValues < SondeTest
  Person = Struct.new(:name, :age)
  Keyed = Struct.new(:a, keyword_init: true)

  class Memoized < Person
    def name
      raise("called")
    end

    def initialize(*)
      super
      @memo = 1
    end
  end

  class Coded < StandardError
    def initialize
      super("boo")
      @code = 3
    end

    def message
      raise("called")
    end
  end

  class Cart
    def initialize
      @items = [1, "two"]
      @total = 12.5
    end
  end

  def setup
    super
    @subject = source("module ValueSubject\n  def self.look(value)\n    value.__id__ # here\n  end\nend\n")
    @subject.load
  end

  # What a snapshot shows of a value.
  def show(value, **limits)
    @probes.set(@subject.at("# here"), limits: { time_us: 100_000, **limits })
    ValueSubject.look(value)
    captured(@probes.take)["value"]
  end

  def assert_shown(type, data, value)
    shown = show(value)
    data.nil? ? assert_nil(plain(shown)) : assert_equal(data, plain(shown))
    assert_equal type, shown["type"]
  end

  # RB-15
  def test_rb15_nil_and_booleans
    assert_shown "NilClass", nil, nil
    assert_shown "TrueClass", "true", true
    assert_shown "FalseClass", "false", false
  end

  # RB-15
  def test_rb15_integers
    [0, 42, -42, 2**62 - 1, 2**62, -2**62 - 1, 2**64, -(2**64), 10**9, 10**18, 10**27 - 1, 7**300, -(3**500)].each do |value|
      assert_shown "Integer", value.to_s, value
    end
    [2**1019 + 1, 10**305].each { |value| assert_equal value.to_s, show(value, length: 400)["value"] }
    [2**1020, -(7**400), 16**300 - 1].each do |value|
      expected = "#{"-" if value < 0}0x#{value.abs.to_s(16)}"
      assert_equal expected, show(value, length: 2000)["value"]
    end
    assert_equal "(an integer of 40001 bits)", plain(show(1 << 40_000))
  end

  # RB-15
  def test_rb15_floats
    [1.5, -0.1, 1e300, 5e-324, 2.0**70].each { |value| assert_equal value, Float(plain(show(value))) }
    assert_shown "Float", "nan", Float::NAN
    assert_shown "Float", "-inf", -Float::INFINITY
  end

  # RB-15
  def test_rb15_rational_and_complex
    assert_shown "Rational", "-3/4", -3r / 4
    assert_shown "Rational", { "numerator" => (1 << 70).to_s, "denominator" => "3" }, Rational(1 << 70, 3)
    assert_shown "Complex", { "real" => "1", "imaginary" => "2.5" }, Complex(1, 2.5)
  end

  # RB-15
  def test_rb15_decimals
    %w[1.5 -12.0 0.001 123456789123456789.987654321 1000000000.0 -0.00000000012 0.1 99.99 1234567890.0 0.0 -0.0
       100000000000000000000.0].each do |text|
      assert_shown "BigDecimal", text, BigDecimal(text)
    end
    random = Random.new(7)
    200.times do
      value = BigDecimal("#{random.rand(10**random.rand(1..40))}e#{random.rand(-50..20)}")
      next if value.zero?
      assert_equal value.to_s("F"), plain(show(value))
    end
    assert_shown "BigDecimal", "0.15e501", BigDecimal("1.5e500")
    assert_shown "BigDecimal", "-0.15e-99", BigDecimal("-1.5e-100")
    assert_shown "BigDecimal", "NaN", BigDecimal("NaN")
    assert_shown "BigDecimal", "-Infinity", BigDecimal("-Infinity")
    assert_match(/\A#<BigDecimal:0x\h+>\z/, plain(show(BigDecimal("1." + "3" * 2000))))
  end

  # RB-15
  def test_rb15_strings
    shared = ("y" * 100 + "tail")[50..]
    ["", "abc", "héllo 😀", "x" * 200, "frozen".freeze, shared, :sym.to_s].each { |value| assert_shown "String", value, value }
    assert_shown "String", "ab\\xff", "ab\xff"
    assert_shown "String", "café", "caf\xE9".dup.force_encoding("ISO-8859-1")
    assert_shown "String", "hé😀", "hé😀".encode("UTF-16LE")
    assert_shown "String", "hé😀", "hé😀".encode("UTF-32LE")
    assert_shown "String", "hé😀", "hé😀".encode("UTF-16BE")
    assert_shown "String", "hé😀", "hé😀".encode("UTF-32BE")
    assert_shown "String", "\\x00h\\x00", "\0h\0".dup.force_encoding("UTF-16BE")
    assert_shown "String", "20 € “é” – ÿ\u0000", "20 € “é” – ÿ\0".encode("Windows-1252")
    assert_shown "String", "a\\x81", "a\x81".dup.force_encoding("Windows-1252")
    assert_shown "String", "€ Šš Žž Œœ Ÿ é ¥", "€ Šš Žž Œœ Ÿ é ¥".encode("ISO-8859-15")
    assert_shown "String", "\\x82\\xa0b", "あb".encode("Shift_JIS")
    %w[Shift_JIS EUC-JP Windows-1251 ISO-8859-7 GB18030 Big5 KOI8-R].each do |name|
      assert_shown "String", "plain\n\t", "plain\n\t".encode(name)
    end
    assert_shown "String", "\\x1b$B$\"\\x1b(B", "あ".encode("ISO-2022-JP")
    (Encoding.list - [Encoding::US_ASCII]).each { |encoding| refute_nil show("a\xe9b".dup.force_encoding(encoding))["value"] }
    long = show("é".encode("UTF-16BE") * 4096, length: 10_000)
    assert_equal "é" * 4096, long["value"]
    assert_equal 8194, show("é".encode("UTF-16BE") * 4097, length: 10)["size"]
    assert_shown "String", "a\\xff\\x0a", "a\xFF\n".b
    assert_shown "String", "plain", "plain".b
    assert_shown "String", "\\xd8", "\xD8".dup.force_encoding("UTF-16LE")
  end

  # RB-15
  def test_rb15_symbols
    assert_shown "Symbol", "foo", :foo
    assert_shown "Symbol", "dynamic é #{object_id}", "dynamic é #{object_id}".to_sym
    assert_shown "Symbol", "+", :+
  end

  # RB-15
  def test_rb15_collections
    assert_shown "Array", [], []
    assert_shown "Array", ["1", ["2", nil]], [1, [2, nil]]
    assert_shown "Array", (51..100).map(&:to_s), (1..100).to_a[50..]
    assert_shown "Hash", { "1" => "2", "k" => ["v"], nil => "true" }, { 1 => 2, "k" => [:v], nil => true }
    many = (1..50).to_h { |n| [n, n] }
    many.delete(3)
    assert_shown "Hash", many.to_h { |k, v| [k.to_s, v.to_s] }, many
    few = { a: 1, b: 2 }.tap { |hash| hash.delete(:a) }
    assert_shown "Hash", { "b" => "2" }, few
    assert_shown "Hash", { "a" => "1" }, {}.compare_by_identity.merge!("a" => 1)
    assert_shown "Set", %w[1 b], Set[1, :b]
    assert_shown "Set", [], Set.new
  end

  # RB-15
  def test_rb15_structs_and_ranges
    assert_shown "TestValues::Person", { "name" => "Bo", "age" => "7" }, Person.new("Bo", 7)
    assert_shown "TestValues::Memoized", { "name" => "Bo", "age" => nil, "@memo" => "1" }, Memoized.new("Bo")
    assert_shown "TestValues::Keyed", { "a" => "1" }, Keyed.new(a: 1)
    large = Struct.new(*("a".."j").map(&:to_sym))
    assert_equal ("a".."j").zip(("0".."9")).to_h, plain(show(large.new(*0..9)))
    assert_shown "Range", "1..5", 1..5
    assert_shown "Range", "-1...", (-1...)
    assert_shown "Range", "..7", (..7)
    assert_shown "Range", { "begin" => "a", "end" => "c", "exclude_end" => "true" }, "a"..."c"
  end

  # RB-15: Ruby 3.2 and later.
  if RUBY_VERSION >= "3.2"
    Point = Data.define(:x, :y) do
      def x
        raise("called")
      end
      def to_h
        raise("called")
      end
    end
    Empty = Data.define

    def test_rb15_data
      assert_shown "TestValues::Point", { "x" => "1", "y" => ["2"] }, Point.new(x: 1, y: [2])
      assert_shown "TestValues::Empty", {}, Empty.new
      assert_shown "#<Class>", { "x" => "1", "y" => nil }, Class.new(Point).new(1, nil)
    end
  end

  # RB-15
  def test_rb15_structs_with_modules
    mixed = Class.new(Person) { include Comparable }
    assert_shown "#<Class>", { "name" => "Bo", "age" => nil }, mixed.new("Bo")
    assert_shown "#<Class>", { "name" => "Bo", "age" => nil }, mixed.new("Bo").extend(Enumerable)
  end

  # RB-15
  def test_rb15_collections_of_other_classes
    assert_shown "#<Class>", { "a" => "1" }, Class.new(Hash).new { raise "called" }.merge!(a: 1)
    assert_shown "#<Class>", ["1"], Class.new(Set).new([1])
    assert_shown "#<Class>", ["1"], Class.new(Array).new([1])
    assert_shown "Set", %w[a], Set.new.compare_by_identity.add("a")
    assert_shown "OpenStruct", { "a" => { "b" => "2" }, "password" => "redacted" }, OpenStruct.new(a: OpenStruct.new(b: 2), password: "x")
  end

  # RB-15
  def test_rb15_times
    assert_shown "Time", "2023-11-15T00:13:20.123456+02:00", Time.at(1_700_000_000, 123_456, :usec, in: "+02:00")
    assert_shown "Time", "2023-11-14T18:43:20-03:30", Time.at(1_700_000_000, in: "-03:30")
    assert_shown "Time", "1970-01-01T00:00:00Z", Time.at(0).utc
    assert_shown "Time", "1901-02-03T04:05:06.5Z", Time.utc(1901, 2, 3, 4, 5, 6.5)
    assert_shown "Time", "3000-01-01T00:00:00Z", Time.utc(3000, 1, 1)
    assert_shown "Time", "0004-02-29T00:00:00Z", Time.utc(4, 2, 29)
    assert_shown "Time", "1970-01-01T00:00:01.1Z", Time.at(1.1)
    [-1, 951_782_400, 4_107_542_400, -62_135_596_800, 1_709_164_799].each do |at|
      assert_equal Time.at(at).utc.strftime("%FT%TZ"), plain(show(Time.at(at).utc))
    end
    known = Time.at(1_700_000_000)
    known.hour # from here on its zone is known
    assert_equal known, Time.new(*plain(show(known)).match(/(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)/).captures)
  end

  # RB-15
  def test_rb15_dates
    assert_shown "Date", "2026-03-01", Date.new(2026, 3, 1)
    assert_shown "DateTime", "2026-03-01T12:30:15.25+02:00", DateTime.new(2026, 3, 1, 12, 30, 15.25, "+02:00")
    assert_shown "DateTime", "2026-03-01T00:00:00+00:00", DateTime.new(2026, 3, 1)
    assert_shown "#<Class>", "2026-03-01", Class.new(Date).new(2026, 3, 1)
    days = [0, 1, 1_721_117, 1_721_423, 2_299_160, 2_299_161, 2_440_588, 2_451_604, 2_460_370, 2_488_070, 5_000_000]
    days += Array.new(200) { |n| (n * 7919 * 31) % 3_000_000 }
    [Date::ITALY, Date::ENGLAND, Date::JULIAN, Date::GREGORIAN].each do |reform|
      days.each do |day|
        date = Date.jd(day, reform)
        expected = Date.jd(day, reform).to_s
        assert_equal expected, plain(show(date)) # nothing but the day is known
        date.year
        assert_equal expected, plain(show(date)) # the year and so on are, too
      end
    end
    random = Random.new(3)
    200.times do
      made = DateTime.jd(random.rand(3_000_000), random.rand(24), random.rand(60), random.rand(60), Rational(random.rand(-23..23), 24))
      fresh = DateTime.jd(made.jd, made.hour, made.min, made.sec, made.offset)
      assert_equal made.to_s, plain(show(fresh))
      assert_equal made.to_s, plain(show(made))
      moved = made + Rational(1, 3)
      expected = (made + Rational(1, 3)).to_s
      assert_equal expected, plain(show(moved)).sub(/\.\d+/, "")
    end
    assert_shown "Date", "0000-01-01", Date.new(0, 1, 1)
    assert_shown "Date", "-0044-03-15", Date.new(-44, 3, 15)
    assert_match(/\A#<Date:0x\h+>\z/, plain(show(Date.new(10_000_000, 1, 1))))
    assert_equal "DateTime", show(DateTime.allocate)["type"]
  end

  # RB-15
  def test_rb15_enumerators
    assert_shown "Enumerator", { "receiver" => %w[1 2], "method" => "each_slice", "arguments" => ["2"] }, [1, 2].each_slice(2)
    assert_shown "Enumerator", { "receiver" => ["1"], "method" => "each" }, [1].each
    assert_equal "lazy", plain(show((1..3).lazy.map { raise "called" }))["receiver"]["method"] || "lazy"
  end

  # RB-15
  def test_rb15_exceptions
    assert_shown "RuntimeError", { "message" => "m" }, RuntimeError.new("m")
    assert_shown "StandardError", { "message" => nil }, StandardError.new
    assert_shown "StandardError", { "message" => nil }, StandardError.allocate
    assert_shown "StandardError", { "message" => ["1"] }, StandardError.new([1])
    assert_shown "TestValues::Coded", { "message" => "boo", "@code" => "3" }, Coded.new
    raised = begin
      begin
        raise "a"
      rescue StandardError
        raise ArgumentError, "b"
      end
    rescue ArgumentError => e
      e
    end
    assert_shown "ArgumentError", { "message" => "b", "cause" => { "message" => "a" } }, raised
    assert_shown "Errno::ENOENT", { "message" => "No such file or directory - x" }, Errno::ENOENT.new("x")
    assert_match(/undefined method `zork' for nil/, plain(show(assert_raises(NoMethodError) { nil.zork }))["message"])
    assert_equal "uninitialized constant TestValues::Zork",
                 plain(show(assert_raises(NameError) { Zork }))["message"].sub("class ", "")
  end

  # RB-15
  def test_rb15_code
    assert_shown "Proc", "#<Proc #{__FILE__}:#{__LINE__}>", proc {}
    assert_shown "Proc", "#<Proc #{__FILE__}:#{__LINE__} (lambda)>", ->(x) { x }
    assert_match(/\A#<Proc:0x\h+>\z/, plain(show(:upcase.to_proc)))
    assert_shown "Method", "Integer#+", 1.method(:+)
    assert_shown "Method", "Time.now", Time.method(:now)
    assert_shown "UnboundMethod", "String#upcase", String.instance_method(:upcase)
    assert_shown "Class", "TestValues::Cart", Cart
    assert_shown "Module", "Kernel", Kernel
    assert_shown "Class", "#<Class>", Class.new
    assert_shown "Module", "#<Module>", Module.new
    assert_shown "Class", "#<Class:String>", String.singleton_class
  end

  # RB-15
  def test_rb15_objects
    assert_shown "TestValues::Cart", { "@items" => %w[1 two], "@total" => "12.5" }, Cart.new
    assert_shown "Object", {}, Object.new
    assert_shown "#<Class>", { "@a" => "1" }, Class.new { def initialize() @a = 1 end }.new
    assert_shown "OpenStruct", { "a" => "1" }, OpenStruct.new(a: 1)
    assert_shown "SimpleDelegator", { "@delegate_sd_obj" => ["1"] }, SimpleDelegator.new([1])
    text = StringIO.new("x")
    assert_match(/\A#<StringIO:0x\h{16}>\z/, plain(show(text)))
    text.instance_variable_set(:@note, "n")
    assert_shown "StringIO", { "@note" => "n" }, text
    many = Object.new
    30.times { |n| many.instance_variable_set("@v#{n}", n) }
    many.remove_instance_variable(:@v3)
    shown = show(many)
    assert_equal [20, 29, "field_count"], [shown["fields"].size, shown["size"], shown["not_captured_reason"]]
    assert_equal({ "@v4" => "4" }, plain(shown).slice("@v3", "@v4"))
  end

  # RB-15: more than are kept aside, and more names than are kept, some too long for that
  def test_rb15_objects_of_many_names
    [24, 25, 600].each do |count|
      object = Object.new
      names = (0...count).map { |i| "@#{%w[v größe].at(i % 2)}#{'_long' * (i % 16)}#{i}" }
      names.each_with_index { |name, i| object.instance_variable_set(name, i) }
      2.times do
        shown = show(object, fields: 1000)
        assert_equal names.each_with_index.to_h { |name, i| [name, i.to_s] }, plain(shown)
        assert_nil shown["not_captured_reason"]
      end
    end
  end

  # RB-15
  def test_rb15_other_kinds_are_truthful
    assert_shown "Regexp", "/a(b)c/mi", /a(b)c/mi
    assert_shown "MatchData", ["abc", "b", nil], "xabc".match(/a(b)c(z)?/)
    assert_shown "Encoding", "UTF-8", Encoding::UTF_8
    assert_equal "#<IO:<STDOUT>>", plain(show($stdout))
    closed = File.open(__FILE__).tap(&:close)
    assert_shown "File", "#<File:#{__FILE__} (closed)>", closed
    reader, writer = IO.pipe
    assert_match(/\A#<IO:fd \d+>\z/, plain(show(reader)))
    [reader, writer].each(&:close)
    assert_match(/\A#<Thread::Mutex:0x\h{16}>\z/, plain(show(Mutex.new)))
    assert_match(/\A#<Thread::Mutex:0x\h{16} \(locked\)>\z/, plain(show(Mutex.new.tap(&:lock))))
    assert_match(/\A#<Thread:0x\h{16}>\z/, plain(show(Thread.current)))
    assert_match(/\A#<Thread::Queue:0x\h{16}>\z/, plain(show(Queue.new)))
    # Before 3.1 it is an object like others, with nothing in it.
    RUBY_VERSION < "3.1" ? assert_shown("Object", {}, ENV) : assert_match(/\A#<Object:0x\h{16}>\z/, plain(show(ENV)))
    [Queue.new, [1].each, binding, Random.new(1), Fiber.new {}, Process.clock_gettime(1),
     ObjectSpace::WeakMap.new, ARGF, File.stat("/")].each do |value|
      refute_empty plain(show(value))
    end
  end

  # RB-15
  def test_rb15_what_is_not_initialized
    [Regexp, Person, Range, Time, IO, StandardError, Class, Module, Proc, Thread, Mutex, Hash, Array, String, Set,
     Enumerator, Object, BasicObject].each do |type|
      value = begin
        Class.instance_method(:allocate).bind_call(type)
      rescue TypeError, NoMethodError
        next
      end
      assert_equal type.name, show(value)["type"]
    end
  end

  # CORE-04
  def test_core04_depth
    deep = [1, [2, [3, [4]]]]
    shown = show(deep)
    assert_equal ["1", ["2", ["3", "depth"]]], plain(shown)
    assert_equal ["1", "depth"], plain(show(deep, depth: 1))
    round = []
    round << round
    assert_equal [[["depth"]]], plain(show(round))
    around = {}
    around[:me] = around
    assert_equal({ "me" => { "me" => { "me" => "depth" } } }, plain(show(around)))
  end

  # CORE-04
  def test_core04_counts_and_lengths
    shown = show((1..200).to_a)
    assert_equal [100, 200, "collection_size"], [shown["elements"].size, shown["size"], shown["not_captured_reason"]]
    shown = show((1..200).to_h { |n| [n, n] }, elements: 7)
    assert_equal [7, 200, "collection_size"], [shown["entries"].size, shown["size"], shown["not_captured_reason"]]
    shown = show(Set.new(1..200), elements: 3)
    assert_equal [3, 200, "collection_size"], [shown["elements"].size, shown["size"], shown["not_captured_reason"]]
    shown = show("é" * 300)
    assert_equal ["é" * 255, true, 600], [shown["value"], shown["truncated"], shown["size"]]
  end

  # CORE-06
  def test_core06_bytes
    shown = show(Array.new(100) { "z" * 200 }, bytes: 4096)
    assert_operator shown["elements"].size, :<, 30
    assert_equal "budget", shown["not_captured_reason"]
  end

  # CORE-07
  def test_core07_names_are_redacted
    holder = Object.new
    holder.instance_variable_set(:@api_key, "hidden")
    holder.instance_variable_set(:@kept, "shown")
    assert_equal({ "@api_key" => "redacted", "@kept" => "shown" }, plain(show(holder)))
    assert_equal({ "password" => "redacted", "token" => "redacted", "n" => "1" },
                 plain(show({ password: "hidden", "token" => ["hidden"], n: 1 })))
    secret = Struct.new(:user, :secret)
    assert_equal({ "user" => "bo", "secret" => "redacted" }, plain(show(secret.new("bo", "hidden"))))
  end
end
