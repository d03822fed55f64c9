# SPDX-License-Identifier: Apache-2.0
# RB-15: models of ActiveRecord and ActiveModel by their attributes, and other objects of Rails; CORE-05: none of their
# methods is called for it, nothing is cast, loaded or remembered.
require "helper"
require "active_record"
require "active_model"
require "active_support/all"
require "action_controller"
require "sqlite3"

ActiveRecord::Base.establish_connection(adapter: "sqlite3", database: ":memory:")
ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table(:shops) do |table|
    table.string :name
    table.text :notes
    table.integer :stars
    table.decimal :balance, precision: 8, scale: 2
    table.float :ratio
    table.boolean :open
    table.date :since
    table.datetime :seen_at
    table.binary :logo
    table.string :password
    table.string :status, default: "new"
  end
end

class Shop < ActiveRecord::Base
  attribute :virtual, :integer, default: 3
  ActiveRecord.version >= Gem::Version.new("7.1") ? serialize(:notes, coder: JSON) : serialize(:notes, JSON)
  attr_accessor :memo

  # Never called by a capture.
  def name
    raise(ScriptError, "called")
  end
  def inspect
    raise(ScriptError, "called")
  end
  def attributes
    raise(ScriptError, "called")
  end
  def [](*)
    raise(ScriptError, "called")
  end
end

class Coupon
  include ActiveModel::Model
  include ActiveModel::Attributes
  attribute :code, :string
  attribute :percent, :integer, default: -> { 5 }
  attribute :until, :datetime
end

class Form
  include ActiveModel::Model
  attr_accessor :title
end

# Makes every method of a class note its call and raise, while armed.
module Seal
  CALLS = []

  class << self
    attr_accessor :armed

    def put_on(owner)
      names = owner.instance_methods(false) + owner.private_instance_methods(false) - %i[__id__ __send__ object_id]
      owner.prepend(Module.new do
        names.each do |name|
          define_method(name) do |*given, &block|
            if Seal.armed
              Seal::CALLS << "#{owner}##{name}"
              Kernel.raise ScriptError, "called #{name}"
            end
            super(*given, &block)
          end
          ruby2_keywords(name)
        end
      end)
    end
  end
end

class TestRecords < SondeTest
  ROW = { name: "Corner", notes: { "a" => 1 }, stars: 4, balance: BigDecimal("12.50"), ratio: 0.5, open: true,
          since: Date.new(2020, 2, 29), seen_at: Time.utc(2026, 3, 1, 12, 30), logo: "\x00\xff".b, password: "hidden" }.freeze
  RAW = " (before type cast)"

  def setup
    super
    @subject = source("module RecordSubject\n  def self.look(value)\n    seen = 1 # here\n    seen\n  end\nend\n")
    @subject.load
    Shop.delete_all
  end

  def show(value, **limits)
    @probes.set(@subject.at("# here"), limits: { time_us: 100_000, fields: 50, **limits })
    RecordSubject.look(value)
    captured(@probes.take)["value"]
  end

  def types(shown)
    shown["fields"].transform_values { |value| value["type"] }
  end

  # What the object keeps, to any depth that a cast could change.
  def kept(record)
    Marshal.dump(record.instance_variable_get(:@attributes))
  end

  # RB-15
  def test_rb15_a_new_record
    shop = Shop.new
    shown = show(shop)
    assert_equal "Shop", shown["type"]
    assert_equal %w[id name notes stars balance ratio open since seen_at logo password status virtual @new_record].sort,
                 shown["fields"].keys.sort
    assert_equal({ "id" => nil, "name" => nil, "status" => "new", "@new_record" => "true" },
                 plain(shown).slice("id", "name", "status", "@new_record"))
    assert_equal "3", plain(shown)["virtual"]
  end

  # RB-15
  def test_rb15_an_assigned_record
    shop = Shop.new(ROW.merge(stars: "4", seen_at: "2026-03-01 12:30:00"))
    shop.memo = [1]
    before = kept(shop)
    shown = show(shop)
    assert_equal before, kept(shop)
    values = plain(shown)
    assert_equal ["Corner", "4", "2026-03-01 12:30:00", "3", ["1"]], values.values_at("name", "stars", "seen_at", "virtual", "@memo")
    assert_equal ["String", "String#{RAW}", "String#{RAW}", "Array"], types(shown).values_at("name", "stars", "seen_at", "@memo")
    assert_equal "redacted", values["password"]
    shop.stars
    shop.seen_at
    shown = show(shop)
    assert_equal ["4", "2026-03-01T12:30:00Z"], plain(shown).values_at("stars", "seen_at")
    assert_equal %w[Integer Time], types(shown).values_at("stars", "seen_at")
  end

  # RB-15
  def test_rb15_a_loaded_record
    Shop.create!(ROW)
    shop = Shop.first
    before = kept(shop)
    shown = show(shop)
    assert_equal before, kept(shop)
    values = plain(shown)
    assert_equal({ "name" => "Corner", "notes" => '{"a":1}', "stars" => "4", "balance" => "12.5", "ratio" => "0.5", "open" => "1",
                   "since" => "2020-02-29", "seen_at" => "2026-03-01 12:30:00", "logo" => "\\x00\\xff", "password" => "redacted",
                   "status" => "new", "virtual" => "3" }, values.except("id"))
    assert_equal({ "id" => "Integer", "name" => "String", "notes" => "String#{RAW}", "stars" => "Integer", "ratio" => "Float",
                   "open" => "Integer#{RAW}", "since" => "String#{RAW}", "seen_at" => "String#{RAW}" },
                 types(shown).slice("id", "name", "notes", "stars", "ratio", "open", "since", "seen_at"))
  end

  # RB-15
  def test_rb15_what_was_read_is_shown_cast
    Shop.create!(ROW)
    shop = Shop.first
    %w[notes balance open since seen_at].each { |name| shop.public_send(name) }
    shown = show(shop)
    assert_equal({ "notes" => { "a" => "1" }, "balance" => "12.5", "open" => "true", "since" => "2020-02-29",
                   "seen_at" => "2026-03-01T12:30:00Z" }, plain(shown).slice("notes", "balance", "open", "since", "seen_at"))
    assert_equal %w[Hash BigDecimal TrueClass Date Time], types(shown).values_at("notes", "balance", "open", "since", "seen_at")
    shop.notes["a"] = 2
    assert_equal({ "a" => "2" }, plain(show(shop))["notes"])
    shop.attributes = { balance: "99.9" }
    assert_equal ["99.9", "String#{RAW}"], show(shop)["fields"]["balance"].values_at("value", "type")
    shop.save!
    assert_nil plain(show(shop))["@new_record"]
    shop.destroy
    assert_equal "true", plain(show(shop))["@destroyed"]
  end

  # RB-15: what was not selected is not there; what the query computed is.
  def test_rb15_a_partly_selected_record
    Shop.create!(ROW)
    shown = show(Shop.select("id, stars * 2 AS twice").first)
    assert_equal %w[id twice virtual], plain(shown).keys.sort
    assert_equal "8", plain(shown)["twice"]
    frozen = Shop.first.freeze
    assert_equal "Corner", plain(show(frozen))["name"]
    assert_equal ["field_count", 4], show(Shop.first, fields: 4).then { |value| [value["not_captured_reason"], value["fields"].size] }
    assert_equal 13, show(Shop.first, fields: 4)["size"]
  end

  # RB-15
  def test_rb15_records_in_collections_and_copies
    Shop.create!(ROW)
    list = Shop.all.to_a
    assert_equal "Corner", plain(show(list))[0]["name"]
    assert_equal "Corner", plain(show(Shop.first.dup))["name"]
    assert_equal "Corner", plain(show(Marshal.load(Marshal.dump(Shop.first))))["name"]
    assert_equal "Shop", show(Shop.allocate)["type"]
    assert_equal "Shop", plain(show(Shop))
  end

  # RB-15
  def test_rb15_active_model
    coupon = Coupon.new(code: "ten", percent: "10", until: "2026-03-01T00:00:00Z")
    shown = show(coupon)
    assert_equal({ "code" => "ten", "percent" => "10", "until" => "2026-03-01T00:00:00Z" }, plain(shown))
    assert_equal ["String", "String#{RAW}", "String#{RAW}"], types(shown).values_at("code", "percent", "until")
    coupon.percent
    assert_equal "Integer", types(show(coupon))["percent"]
    assert_equal({ "@title" => "t" }, plain(show(Form.new(title: "t"))).slice("@title"))
  end

  # RB-15: how attributes were kept before 6.1.
  def test_rb15_a_lazy_attribute_hash
    types = { "count" => ActiveModel::Type::Integer.new, "name" => ActiveModel::Type::String.new,
              "seen" => ActiveModel::Type::DateTime.new, "not_there" => ActiveModel::Type::String.new }
    defaults = { "extra" => 1, "set" => ActiveModel::Attribute.with_cast_value("set", 5, types["count"]) }
    types["set"] = types["count"]
    lazy = ActiveModel::LazyAttributeHash.new(types, { "count" => "1", "name" => "x", "seen" => "2026-03-01" }, {}, defaults)
    holder = Object.new
    holder.instance_variable_set(:@attributes, ActiveModel::AttributeSet.new(lazy))
    shown = show(holder)
    assert_equal({ "count" => "1", "name" => "x", "seen" => "2026-03-01", "set" => "5" }, plain(shown))
    assert_equal({ "count" => "String#{RAW}", "name" => "String", "seen" => "String#{RAW}", "set" => "Integer" }, types(shown))
    assert_equal 1, lazy["count"].value
    assert_equal({ "count" => "Integer", "seen" => "String#{RAW}" }, types(show(holder)).slice("count", "seen"))
  end

  # RB-15
  def test_rb15_hashes_with_indifferent_access
    shown = show({ a: 1, "b" => { c: 2 } }.with_indifferent_access)
    assert_equal ["ActiveSupport::HashWithIndifferentAccess", { "a" => "1", "b" => { "c" => "2" } }], [shown["type"], plain(shown)]
  end

  # RB-15
  def test_rb15_safe_buffers
    shown = show("<b>é</b>".html_safe)
    assert_equal ["ActiveSupport::SafeBuffer", "<b>é</b>"], shown.values_at("type", "value")
  end

  # RB-15
  def test_rb15_times_with_a_zone
    zone = ActiveSupport::TimeZone["Europe/Berlin"]
    time = zone.at(1_767_225_600)
    assert_equal({ "time" => "2026-01-01T00:00:00Z", "time_zone" => "Europe/Berlin" }, plain(show(time)))
    time.hour
    assert_equal({ "time" => "2026-01-01T01:00:00+01:00", "time_zone" => "Europe/Berlin" }, plain(show(time)))
    local = zone.local(2026, 7, 1, 12, 30, 0.25)
    assert_includes [{ "local" => "2026-07-01T12:30:00.25", "time_zone" => "Europe/Berlin" },
                     { "time" => "2026-07-01T12:30:00.25+02:00", "time_zone" => "Europe/Berlin" }], plain(show(local))
    local.utc
    assert_equal "2026-07-01T12:30:00.25+02:00", plain(show(local))["time"]
    assert_equal "ActiveSupport::TimeWithZone", show(local)["type"]
  end

  # RB-15
  def test_rb15_parameters_of_a_request
    shown = show(ActionController::Parameters.new(order: { id: "7", password: "hidden" }))
    assert_equal "ActionController::Parameters", shown["type"]
    assert_equal({ "order" => { "id" => "7", "password" => "redacted" } }, plain(shown)["@parameters"])
  end

  # RB-15
  def test_rb15_durations_and_relations_are_shown_by_their_fields
    assert_equal "3600", plain(show(1.hour))["@value"]
    assert_equal "false", plain(show(Shop.where(stars: 4)))["@loaded"] || "false"
  end

  # CORE-05: a class of the application's may call itself alike and be odd.
  def test_core05_what_only_looks_like_a_model
    odd = Class.new do
      def initialize(attributes)
        @attributes = attributes
      end
    end
    [1, nil, [], {}, Object.new, ActiveModel::AttributeSet.allocate, ActiveModel::AttributeSet.new(nil),
     ActiveModel::AttributeSet.new({ 1 => 2, "a" => 3, "b" => Object.new, nil => nil })].each do |attributes|
      refute_nil show(odd.new(attributes))
    end
    assert_equal({ "@table" => "1" }, plain(show(Class.new { def initialize() @table = 1 end }.new)))
    zoned = ActiveSupport::TimeWithZone.allocate
    zoned.instance_variable_set(:@time_zone, 1)
    zoned.instance_variable_set(:@utc, "x")
    assert_equal({ "@time_zone" => "1", "@utc" => "x" }, plain(show(zoned)))
  end

  # RB-13
  def test_rb13_under_gc_stress_and_compaction
    Shop.create!(ROW)
    values = [Shop.first, Coupon.new(percent: "10"), ActiveSupport::TimeZone["Europe/Berlin"].at(0), Date.new(2026, 3, 1), [1].each]
    expected = plain(show(values, depth: 5))
    3.times do
      @probes.set(@subject.at("# here"), limits: { time_us: 1_000_000, fields: 50, depth: 5 })
      begin
        GC.stress = true
        RecordSubject.look(values)
      ensure
        GC.stress = false
      end
      record = @probes.take
      refute_nil captured(record)["value"], record.inspect
      assert_equal expected, plain(captured(record)["value"])
      GC.compact if GC.respond_to?(:compact)
    end
  end

  # CORE-05: every method of the model, of what holds its attributes and of their types raises meanwhile.
  def test_core05_nothing_of_rails_is_called
    Shop.create!(ROW)
    read = Shop.first.tap { |shop| %w[notes balance open since seen_at].each { |name| shop.public_send(name) } }
    time = ActiveSupport::TimeZone["Europe/Berlin"].at(1_767_225_600).tap(&:hour)
    values = [Shop.first, read, Shop.new(stars: "4"), Shop.select(:id).first, Coupon.new(percent: "10"), time, Shop.where(stars: 4)]
    values << values.dup
    expected = values.map { |value| show(value) }
    attribute = ActiveModel::Attribute
    kinds = attribute.constants.map { |name| attribute.const_get(name) } +
            %i[FromDatabase FromUser WithCastValue Null Uninitialized].map { |name| attribute.const_get(name) }
    types = ObjectSpace.each_object(Class).select { |type| type <= ActiveModel::Type::Value }
    sets = ObjectSpace.each_object(Class).select { |type| type <= ActiveModel::AttributeSet }
    refute_empty sets
    [*kinds.grep(Class), *types, *sets, attribute, Shop, Coupon, ActiveRecord::Base, ActiveRecord::Relation,
     ActiveSupport::TimeWithZone, ActiveSupport::TimeZone].uniq.each { |owner| Seal.put_on(owner) }
    found = values.map do |value|
      @probes.set(@subject.at("# here"), limits: { time_us: 100_000, fields: 50 })
      Seal.armed = true
      looked = begin
        RecordSubject.look(value)
      ensure
        Seal.armed = false
      end
      assert_equal 1, looked
      captured(@probes.take)["value"]
    end
    assert_empty Seal::CALLS
    assert_equal expected, found
    Seal.armed = true
    assert_raises(ScriptError) { values[0].stars }
  ensure
    Seal.armed = false
    Seal::CALLS.clear
  end
end
