# Objects whose every method raises, and counts that it was called: those of the object, of its
# class, and what would be asked for a method that is not there.
require "set"

module Tripwire
  CALLS = []
  KEPT = %i[singleton_method_added].freeze # what setting the trap itself calls

  class Plain; end
  class Bare < BasicObject; end
  class Table < Hash; end
  class List < Array; end
  class Text < String; end
  class Pair < Struct.new(:left, :right); end
  class Group < Set; end
  class Span < Range; end
  class Mistake < StandardError; end
  class Act < Proc; end
  class Pattern < Regexp; end

  def self.trap_all(of, extra)
    names = of.instance_methods(true) + of.private_instance_methods(true)
    trip = ->(name) { CALLS << name; ::Kernel.raise "#{name} was called" }
    (names + extra - KEPT).uniq.each do |name|
      of.define_method(name) { |*, **| trip.call(name) }
    end
  end

  def self.fill(object, **fields)
    fields.each do |name, value|
      Kernel.instance_method(:instance_variable_set).bind_call(object, "@#{name}", value)
    end
    object
  end

  OBJECTS = {
    plain: fill(Plain.new, number: 1, word: "one"),
    bare: Bare.new,
    table: fill(Table.new.merge!("a" => 1), extra: 5),
    list: List.new([1, 2]),
    text: Text.new("text"),
    pair: Pair.new(1, "two"),
    group: Group.new([5]),
    span: Span.new(1, 9),
    mistake: Mistake.new("message"),
    act: Act.new { 1 },
    pattern: Pattern.new("a+b"),
    single: Object.new,
    kind: Plain
  }.freeze
  extra = %i[method_missing respond_to_missing? to_s inspect to_str to_ary to_hash to_i to_proc
             each each_pair keys values length size name message full_message]
  classes = [Plain, Bare, Table, List, Text, Pair, Group, Span, Mistake, Act, Pattern]
  before, $VERBOSE = $VERBOSE, nil
  trap_all(OBJECTS[:single].singleton_class, extra)
  classes.each { |of| trap_all(of, extra) }
  classes.map(&:singleton_class).each { |of| trap_all(of, extra) }
  $VERBOSE = before

  # The objects stand in constants of their own: a Hash's methods would be called to get them.
  PLAIN, BARE, TABLE, LIST, TEXT, PAIR, GROUP, SPAN, MISTAKE, ACT, PATTERN, SINGLE, KIND =
    OBJECTS.values

  def self.work
    plain, bare, table, list = PLAIN, BARE, TABLE, LIST
    text, pair, group, span = TEXT, PAIR, GROUP, SPAN
    mistake, act, pattern = MISTAKE, ACT, PATTERN
    single, kind = SINGLE, KIND
    CALLS.size # PROBE
  end
end
