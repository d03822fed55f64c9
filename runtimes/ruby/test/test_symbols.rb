# SPDX-License-Identifier: Apache-2.0
# What the runtime lists of what is loaded (include/sonde/symbols.h): SY-01, SY-02, SY-04, SY-05, SY-06, SY-08.
require_relative "helper"
require_relative "symbols_truth"

class TestSymbols < SondeTest
  Native = Sonde::Native

  FIXTURE = <<~'RUBY'
    module SymShop
      TAX = 19
      class Order < Hash
        include Comparable
        LIMITS = { a: 1 }
        @@count = 0
        attr_reader :total
        def initialize(total, *rest, key:, other: 2, **more, &block)
          @total = total
          sum = 1
          [1, 2].each do |item; own|
            own = item
            @seen = own
          end
        rescue ArgumentError => error
          @bad = error
        end

        def self.find(id)
          @cache ||= {}
          @cache[id]
        end

        define_method(:made) do |x|
          x
        end
        alias also made
        CHECK = lambda { |y|
          y + 1
        }

        protected def shown; end

        private

        def hidden; end
      end

      module Util
        module_function

        def help(a) = a
      end
    end

    class SymShop::Order
      def late; end
    end

    def sym_top(x)
      x
    end

    SYM_ANONYMOUS = [Class.new { def inside; end }]

    module SymRefine
      refine String do
        def shout; end
      end
    end
    SymOther = SymShop::Order
    autoload :SymNotYet, "/nonexistent/sym_not_yet.rb"
    SymShop.class_eval("def evaled\n  1\nend\n", __FILE__, 30)
  RUBY
  OLD_FIXTURE = FIXTURE.sub("def help(a) = a", "def help(a) a end")

  def setup
    super
    Native.watch_symbols_testonly(true)
  end

  def teardown
    Native.pause_symbols_testonly(0, nil)
    Native.watch_symbols_testonly(false)
    super
  end

  def list(is_whole = true)
    text = Native.symbols_testonly(is_whole)
    refute_empty text
    JSON.parse(text)["units"]
  end

  # A large heap is looked through in several calls.
  def changed?(calls = 100)
    (1..calls).any? { Native.symbols_changed_testonly }
  end

  def unit_of(units, source)
    found = units.select { |unit| unit["file"] == source.path }
    assert_equal 1, found.size, units.map { |unit| unit["file"] }.grep(/subject/).inspect
    found[0]
  end

  # A scope as lines of text, indented.
  def outline(scope, depth = 0)
    lines = (scope["injectible_lines"] || []).map { |range| (range["start"]..range["end"]).to_a }.flatten
    specifics = (scope["language_specifics"] || {}).reject { |key, _| %w[method_type visibility].include?(key) }
    words = [scope["scope_type"], depth == 0 ? nil : scope["name"],
             scope["start_line"] && "#{scope["start_line"]}-#{scope["end_line"]}",
             lines.any? ? "lines #{lines.join(",")}" : nil,
             scope.dig("language_specifics", "visibility"),
             *specifics.map { |key, value| "#{key}=#{Array(value).join("+")}" }.sort,
             *(scope["symbols"] || []).map { |symbol| [symbol["symbol_type"], symbol["name"], symbol["type"]].compact.join(":") }]
    ["#{"  " * depth}#{words.compact.join(" ")}", *(scope["scopes"] || []).map { |inner| outline(inner, depth + 1) }].join("\n")
  end

  def scopes_of(unit)
    found = []
    SymbolsTruth.each_scope(unit) { |scope, _| found << scope }
    found
  end

  def names_in(unit)
    scopes_of(unit).map { |scope| scope["qualified"] }.compact
  end

  def test_sy_01_everything_that_a_file_can_hold
    file = source(RUBY_VERSION < "3.0" ? OLD_FIXTURE : FIXTURE)
    file.load
    expected = <<~TEXT
      FILE STATIC_FIELD:SYM_ANONYMOUS:Array STATIC_FIELD:SymOther:Class
        MODULE SymShop 1-47 STATIC_FIELD:TAX:Integer
          CLASS Order 3-47 included_modules=Comparable super_classes=Hash FIELD:@bad FIELD:@seen FIELD:@total STATIC_FIELD:LIMITS:Hash STATIC_FIELD:CHECK:Proc CLASS_FIELD:@@count CLASS_FIELD:@cache
            METHOD total 7-7 public arity=0 function_type=attr_reader
            METHOD initialize 8-17 lines 9,10,11,16,17 private arity=-3 ARG:total ARG:rest ARG:key ARG:other ARG:more ARG:block LOCAL:error LOCAL:sum
              CLOSURE <block> 11-14 lines 12,13,14 ARG:item LOCAL:own
            METHOD find 19-22 lines 20,21,22 public arity=1 ARG:id
            METHOD also 24-26 lines 25,26 public arity=1 function_type=alias ARG:x
            METHOD made 24-26 lines 25,26 public arity=1 function_type=define_method ARG:x
            CLOSURE <block> 28-30 lines 29,30 ARG:y
            METHOD shown 32-32 lines 32 protected arity=0
            METHOD hidden 36-36 lines 36 private arity=0
            METHOD late 47-47 lines 47 public arity=0
          METHOD evaled 30-32 public arity=0
          MODULE Util 39-42
            METHOD help 42-42 lines 42 public arity=1 ARG:a
        CLASS Object 50-52
          METHOD sym_top 50-52 lines 51,52 private arity=1 ARG:x
        CLASS #<Class> 54-54
          METHOD inside 54-54 lines 54 public arity=0
        MODULE SymRefine 56-56
        MODULE #<refinement:String@SymRefine> 58-58
          METHOD shout 58-58 lines 58 public arity=0
    TEXT
    unit = unit_of(list, file)
    found = outline(unit["scope"])
    assert_equal expected, found + "\n"
    assert_equal "user", unit["origin"]
    named = names_in(unit)
    ["SymShop::Order#total", "SymShop::Order.find", "SymShop::Util.help", "Object#sym_top", "SymShop#evaled",
     "SymShop::Order", "SymShop::Order#also"].each { |name| assert_includes named, name }
    assert_empty named.grep(/NotYet|inside|shout/)
    types = scopes_of(unit).to_h { |scope| [scope["qualified"], scope.dig("language_specifics", "method_type")] }
    assert_equal "class", types["SymShop::Order.find"]
    assert_equal "instance", types["SymShop::Order#total"]
  end

  # The same line is told of by the listing and taken by a probe.
  def test_sy_01_lines_that_are_listed_can_be_probed_and_no_others
    file = source(<<~RUBY)
      class SymLines
        def run(a)
          # nothing
          if a
            1
          else
            [2].map { |x|
              x
            }
          end
        ensure
          @a = 1
        end
      end
    RUBY
    file.load
    lines = scopes_of(unit_of(list, file)).flat_map do |scope|
      (scope["injectible_lines"] || []).flat_map { |range| (range["start"]..range["end"]).to_a }
    end
    can = (1..14).select do |line|
      status = probes.set("#{file.path}:#{line}")
      Helper.wait_until(30) { Native.safe_point_testonly; (status = probes.status)["status"] != "received" }
      status["status"] == "installed"
    end
    assert_equal can, lines.uniq.sort
  end

  def test_sy_01_a_name_is_the_vms_own_and_leads_there
    file = source(<<~RUBY)
      class SymLoud
        class << self
          def boom(*) raise "called" end
          %i[name inspect to_s ancestors instance_methods constants hash == method_missing const_missing
             respond_to? singleton_class const_get].each { |name| define_method(name) { |*| raise "called" } }
        end
        def here; end
      end
      class SymGhost
        def gone; end
      end
      SYM_GHOST = [SymGhost]
      Object.send(:remove_const, :SymGhost)
      class SymGhost
        def fresh; end
      end
      class SymAway
        def away; end
      end
      SYM_AWAY = [SymAway]
      Object.send(:remove_const, :SymAway)
    RUBY
    file.load
    named = names_in(unit_of(list, file))
    assert_includes named, "SymLoud#here"
    assert_includes named, "SymGhost#fresh"
    assert_empty named.grep(/gone|SymAway/)
    assert Object.autoload?(:SymNeverLoaded).nil?
  end

  def test_sy_01_nothing_is_loaded_on_demand
    later = source("class SymLater\n  def there; end\nend\n")
    first = source("autoload :SymLater, #{later.path.inspect}\nclass SymFirst; end\n")
    first.load
    units = list
    assert_equal later.path, Object.autoload?(:SymLater)
    assert_empty units.select { |unit| unit["file"] == later.path }
    SymLater.new # by somebody else
    assert changed?
    assert_includes names_in(unit_of(list(false), later)), "SymLater#there"
    scope = scopes_of(unit_of(list, later)).find { |found| found["qualified"] == "SymLater" }
    assert_equal 1, scope["start_line"]
  end

  # What libraries do with modules, wholesale.
  PROGRAM = <<~'RUBY'
    require File.join(ARGV[0], "symbols_truth")
    require "json"
    %w[rails/all sinatra/base puma minitest csv net/http optparse erb yaml set bigdecimal rexml/document
       rdoc].each do |name|
      begin
        require name
      rescue LoadError
        nil
      end
    end
    %w[ActiveRecord ActiveSupport ActionController ActionView ActiveModel ActionDispatch].each do |name|
      Object.const_get(name).eager_load! if Object.const_defined?(name)
    end
    result = SymbolsTruth.compare(JSON.parse(Sonde::Native.symbols_testonly(true))["units"])
    puts JSON.generate(result.transform_values { |value| value.is_a?(Array) ? value.first(20).map(&:to_a) : value })
  RUBY

  def test_sy_01_all_that_ruby_itself_can_list_is_there_and_nothing_else
    out, = ruby!(PROGRAM, __dir__, options: ["-rsonde/auto"], timeout: 300)
    result = JSON.parse(out.lines.last)
    assert_operator result["methods"], :>, 2000
    assert_operator result["recall"], :>=, 0.999, result.inspect
    assert_operator result["precision"], :>=, 0.999, result.inspect
  end

  # --- SY-02: what comes later ---------------------------------------------------------------------

  def files(units)
    units.map { |unit| unit["file"] }.sort
  end

  def test_sy_02_five_hundred_files_that_are_loaded_later
    list
    refute changed?
    assert_empty list(false)
    sources = Array.new(500) do |i|
      source("class SymMany#{i}\n  def work(a)\n    a\n  end\nend\n", "many/m#{i}.rb").tap(&:load)
    end
    units = list(false)
    assert_equal sources.map(&:path).sort, files(units)
    assert_includes names_in(unit_of(units, sources[321])), "SymMany321#work"
    assert_empty list(false)
  end

  def test_sy_02_what_no_hook_tells_of
    file = source(<<~RUBY)
      class SymDynamic
        def self.make
          Class.new { def made; end }
        end
        def self.grow(name)
          define_method(name) { 1 }
        end
        def self.grow_self(name)
          define_singleton_method(name) { 1 }
        end
      end
      module SymExtra
        def extra; end
      end
    RUBY
    other = source("class SymUntouched\n  def a; end\nend\n")
    [file, other].each(&:load)
    list
    steps = {
      "a class without a name" => [-> { (@kept ||= []) << SymDynamic.make }, "made"],
      "a method" => [-> { SymDynamic.grow(:grown) }, "SymDynamic#grown"],
      "one of the class" => [-> { SymDynamic.grow_self(:selfish) }, "SymDynamic.selfish"],
      "a class with a name" => [-> { Object.const_set(:SymNamed, SymDynamic.make) }, "SymNamed#made"],
      "the same method again" => [-> { SymDynamic.grow(:grown) }, "SymDynamic#grown"],
      "a module" => [-> { SymDynamic.include(SymExtra) }, "SymDynamic#grown"],
    }
    steps.each do |what, (change, name)|
      refute changed?, what
      change.call
      assert changed?, what
      units = list(false)
      unit = unit_of(units, file)
      assert(scopes_of(unit).any? { |scope| [scope["qualified"], scope["name"]].include?(name) }, what)
      refute_includes files(units), other.path, what
      # The file as a whole.
      assert_equal unit, unit_of(list, file), what
    end
    order = scopes_of(unit_of(list, file)).find { |scope| scope["qualified"] == "SymDynamic" }
    assert_includes order["language_specifics"]["included_modules"], "SymExtra"
  end

  def test_sy_02_a_class_that_is_reopened_elsewhere
    first = source("class SymOpen\n  def one; end\nend\n")
    second = source("class SymOpen\n  def two; end\nend\n")
    first.load
    list
    second.load
    units = list(false)
    assert_equal ["SymOpen#two"], names_in(unit_of(units, second)).grep(/#/)
    # The class says more of itself only where it was defined.
    of_second = scopes_of(unit_of(units, second)).find { |scope| scope["name"] == "SymOpen" }
    assert_nil of_second["language_specifics"]
    of_first = scopes_of(unit_of(list, first)).find { |scope| scope["name"] == "SymOpen" }
    assert_equal ["Object"], of_first["language_specifics"]["super_classes"]
  end

  # What comes and goes all the time is looked for, and not listed, without end.
  def test_sy_02_classes_that_are_made_all_the_time_are_listed_now_and_then
    list
    asked = Array.new(2000) do
      Class.new { def x; end }
      changed = changed?(1)
      list(false) if changed
      changed
    end
    assert_operator asked.count(true), :>, 0
    assert_operator asked.count(true), :<, 1000
  end

  def test_sy_08_nothing_is_kept_while_nobody_watches
    list
    Native.watch_symbols_testonly(false)
    source("class SymUnseen\n  def a; end\nend\n").load
    refute changed?
    Native.watch_symbols_testonly(true)
    # The first listing is of everything, whatever is asked for.
    assert_includes list(false).flat_map { |unit| names_in(unit) }, "SymUnseen#a"
  end

  # --- SY-04: slices --------------------------------------------------------------------------------

  def hashes(units)
    units.to_h { |unit| [[unit["file"], unit["part"]], unit["hash"]] }
  end

  def test_sy_04_the_heap_changes_between_two_slices
    file = source(FIXTURE.gsub("Sym", "Sly").sub("def help(a) = a", "def help(a) a end").gsub("sym_", "sly_").gsub("SYM_", "SLY_"))
    file.load
    GC.start # a Proc that nobody has any more is there until then, and the block that it keeps
    expected = hashes(list)
    pauses = 0
    Native.pause_symbols_testonly(400, lambda do
      pauses += 1
      Class.new { def come; end }
      Array.new(50) { +"x" }
      pauses.odd? ? GC.start : GC.start(full_mark: false)
      # The walk through the heap, at the beginning, is what a compaction sets back.
      GC.compact if GC.respond_to?(:compact) && pauses == 2
    end)
    units = list
    Native.pause_symbols_testonly(0, nil)
    assert_operator pauses, :>, 10
    found = hashes(units)
    differ = expected.keys.reject { |key| found[key] == expected[key] }
    assert_empty differ.map(&:first) - [__FILE__, File.realpath(__FILE__)]
  end

  def test_sy_04_the_collector_under_stress
    file = source("class SymStress\n  def a(x)\n    [x].map { |y| @z = y }\n  end\nend\n")
    file.load
    expected = unit_of(list, file)
    count = 0
    Native.pause_symbols_testonly(80, -> { GC.stress = ((count += 1) % 60).zero? })
    begin
      found = list
    ensure
      GC.stress = false
    end
    assert_equal expected, unit_of(found, file)
  end

  # Classes that are removed after they were found are not touched any more.
  def test_sy_04_classes_vanish_between_two_slices
    names = Array.new(200) { |i| "SymVanish#{i}" }
    source(names.map { |name| "class #{name}\n  def a; end\nend\n" }.join).load
    Native.pause_symbols_testonly(25, lambda do
      next if names.empty?
      names.shift(10).each { |name| Object.send(:remove_const, name) }
      GC.start
    end)
    refute_empty list
    assert_empty names
  end

  def test_sy_04_a_listing_that_is_broken_off_begins_anew
    file = source("class SymBroken\n  def a; end\nend\n")
    file.load
    Native.pause_symbols_testonly(5, -> { Native.watch_symbols_testonly(true) })
    Native.fail_call_testonly(30, false)
    assert_empty Native.symbols_testonly(true)
    Native.fail_call_testonly(0, false)
    Native.pause_symbols_testonly(0, nil)
    # What it had taken of the changes is not lost.
    assert_includes names_in(unit_of(list(false), file)), "SymBroken#a"
  end

  # --- SY-05 ----------------------------------------------------------------------------------------

  def test_sy_05_a_child_says_the_same_of_the_same_code
    expected = hashes(list)
    reader, writer = IO.pipe
    pid = fork do
      reader.close
      GC.start
      writer.write(JSON.generate(hashes(list).to_a))
      writer.close
      exit!(0)
    end
    writer.close
    found = JSON.parse(reader.read).to_h
    Process.wait(pid)
    differ = expected.keys.reject { |key| found[key] == expected[key] }
    assert_operator differ.size, :<=, expected.size / 50, differ.inspect
  end

  # --- SY-06 ----------------------------------------------------------------------------------------

  ORIGINS = <<~'RUBY'
    require "json"
    require "set"
    require "optparse"
    ARGV.each { |path| load(path) }
    units = JSON.parse(Sonde::Native.symbols_testonly(true))["units"]
    puts JSON.generate(units.to_h { |unit| [unit["file"], unit["origin"]] })
  RUBY

  def origins(paths, **env)
    out, = ruby!(ORIGINS, *paths, options: ["-rsonde/auto"], env: env.transform_keys(&:to_s))
    JSON.parse(out.lines.last)
  end

  def test_sy_06_whose_code_is_told_by_where_packages_are_installed
    paths = {
      "home/ruby/app/models/a.rb" => "user",
      "srv/test/lib/app/b.rb" => "user",
      "srv/gems/spec/c.rb" => "user",
      "srv/app/vendor/bundle/ruby/#{RbConfig::CONFIG["ruby_version"]}/gems/d-1.0/lib/d.rb" => "library",
      "gemhome/gems/e-1.0/lib/e.rb" => "library",
      "gemhome/bundler/gems/f-abcdef/lib/f.rb" => "library",
      "gemhome/app/g.rb" => "user",
      "srv/site/packages/h.rb" => "user",
    }
    sources = paths.each_with_index.to_h do |(name, origin), i|
      [source("class SymOrigin#{i}\n  def a; end\nend\n", name).path, origin]
    end
    home = File.join(File.realpath(folder), "gemhome")
    found = origins(sources.keys, GEM_HOME: home, GEM_PATH: home)
    assert_equal sources, found.slice(*sources.keys)
    require "optparse"
    standard = $LOADED_FEATURES.find { |path| path.end_with?("/optparse.rb") }
    assert_equal "standard", found[File.realpath(standard)]
    assert_equal "library", found[File.join(LIB, "sonde.rb")]
    # What a person says counts.
    user = File.dirname(sources.keys.find { |path| path.include?("vendor/bundle") })
    found = origins(sources.keys, GEM_HOME: home, GEM_PATH: home, SONDE_USER_PATHS: "#{user}:#{home}")
    assert_equal(sources.transform_values { "user" }, found.slice(*sources.keys))
  end

  # --- SY-08 ----------------------------------------------------------------------------------------

  def test_sy_08_waiting_gives_the_lock_up_and_ends
    ticks = 0
    other = Thread.new { loop { ticks += 1; sleep 0.001 } }
    assert_equal false, Sonde.wait_for_symbols(0.2) # there is no collector
    assert_raises(ArgumentError) { Sonde.wait_for_symbols(-1) }
    waiter = Thread.new { Sonde.wait_for_symbols(30) }
    Helper.wait_until(30) { ticks > 3 }
    waiter.kill
    assert waiter.join(30)
  ensure
    other&.kill
  end

  # Where the VM is not as known the listing is off, and said to be.
  def test_symbols_are_switched_off_where_the_vm_is_not_as_known
    out, = ruby!(<<~RUBY, options: ["-I", LIB])
      require #{EXTENSION.inspect}
      Sonde::Native.fail_testonly("symbols")
      require "sonde/auto"
      p Sonde::Native.symbols_testonly(true), Sonde::Native.report.include?('"symbols"'), Sonde.status[:running]
    RUBY
    assert_equal ['""', "true", "true"], out.lines.map(&:chomp)
  end
end
