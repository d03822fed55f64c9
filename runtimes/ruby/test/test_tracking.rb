# SPDX-License-Identifier: Apache-2.0
# Code that is loaded before and after the agent, kept, reloaded, and let go of.
require_relative "tracking"

class TestTracking < SondeTest
  include Tracking

  SHOP = <<~RUBY
    class ShopCart # class
      RATE = 2 # top
      def total(items)
        items.sum { |i|
          i * RATE # block
        }
      end # end
      private def helper; 1; end # one
    end
  RUBY

  # --- After the agent ---------------------------------------------------------------------------

  # RB-01 RB-05
  def test_rb01_rb05_armed_before_the_files_first_line
    file = source(SHOP, "later.rb")
    names = { "class" => 1, "top" => 1, "block" => 2, "end" => 1 }
    names.each_key { |name| assert_equal "pending", probes.set(file.at("# #{name}"), id: name)["status"] }
    assert_equal "pending", probes.set("later.rb:#{file.line("# block")}", id: "suffix")["status"]
    file.load
    assert_equal 6, ShopCart.new.total([1, 2])
    assert_equal names.merge("suffix" => 2), (names.keys + ["suffix"]).to_h { |name| [name, probes.hits(name)] }
  end

  # RB-01
  def test_rb01_evald_code_is_told_apart
    file = source("def rb01_eval(a)\n  a + 1 # here\nend\n")
    probes.set(file.at("# here"))
    [-> { eval(file.text, TOPLEVEL_BINDING, file.path, 1) }, -> { Object.class_eval(file.text, file.path, 1) }].each do |way|
      aside(&way)
      assert_equal 2, rb01_eval(1)
      assert_equal ["pending", "file_not_loaded"], probes.status.values_at("status", "cause")
    end
    assert_equal 0, Sonde::Native.armed_testonly
    aside { file.load }
    rb01_eval(1)
    assert_equal 1, probes.hits
  end

  # RB-01
  def test_rb01_by_every_way_to_load
    names = %w[load require require_relative autoload load_wrapped]
    files = names.to_h { |name| [name, source("module Rb01#{name.capitalize.delete("_")}\n  def self.f; [\n    1]; end # not\n" \
                                              "  def self.g\n    2 # here\n  end\nend\n", "rb01_#{name}.rb")] }
    files.each { |name, file| assert_equal "pending", probes.set(file.at("# here"), id: name)["status"] }
    load files["load"].path
    require files["require"].path
    caller = source("require_relative 'rb01_require_relative'\n")
    caller.load
    Object.autoload(:Rb01Autoload, files["autoload"].path)
    $rb01 = nil
    [Rb01Load, Rb01Require, Rb01Requirerelative, Rb01Autoload].each(&:g)
    File.write(files["load_wrapped"].path, files["load_wrapped"].text.sub("module", "$rb01 = module") + "\n$rb01 = Rb01Loadwrapped")
    load files["load_wrapped"].path, true
    $rb01.g
    assert_equal [1] * 5, names.map { |name| probes.hits(name) }
  end

  # RB-01
  def test_rb01_a_load_that_fails_and_one_that_is_nested
    inner = source("def rb01_inner\n  1 # here\nend\n", "inner.rb")
    outer = source("require '#{inner.path}' # outer\nrb01_inner\nrequire '#{folder}/broken.rb' # broken\n", "outer.rb")
    File.write("#{folder}/broken.rb", "def rb01_broken(\n")
    probes.set(inner.at("# here"), id: "inner")
    probes.set(outer.at("# broken"), id: "outer")
    assert_raises(SyntaxError) { outer.load }
    assert_equal [1, 1], [probes.hits("inner"), probes.hits("outer")]
  end

  # RB-05
  def test_rb05_by_the_walk_too
    # Loaded without an event of the VM: :script_compiled is not told of what runs like this.
    file = source("def rb05_silent\n  1 # here\nend\n")
    assert_equal "pending", probes.set(file.at("# here"))["status"]
    aside { RubyVM::InstructionSequence.compile_file(file.path).eval }
    collect_until(-> { Sonde::Native.sequences_testonly(file.path).inspect }) do
      Sonde::Native.sequences_testonly(file.path) == ["rb05_silent"]
    end
    probes.set(file.at("# here"), id: "other")
    assert_installed probes.status("other")
    rb05_silent
    assert_equal 1, probes.hits("other")
  end

  # --- Before the agent --------------------------------------------------------------------------

  # RB-02 RB-04
  def test_rb02_rb04_what_was_loaded_long_before
    File.write("#{folder}/before.rb", SHOP)
    said = told(<<~RUBY)
      require "./before.rb"
      extension!
      path = File.expand_path("before.rb")
      collect
      collect while native.sequences_testonly(path).any? { |label| label.start_with?("<") }
      say native.sequences_testonly(path).sort
      agent!
      say (1..9).map { |line| set("before.rb:\#{line}").values_at("status", "cause", "nearest_lines") }
      set("before.rb:5")
      ShopCart.new.total([1, 2, 3])
      say status.values_at("status", "hits", "places")
      set(path + ":7")
      ShopCart.new.total([1, 2, 3])
      say status["hits"]
      say native.status[:codes] > 100
      say report["disarmed"]
    RUBY
    assert_equal %w[block\ in\ total helper total], said[0]
    gone = ->(near) { ["error", "line_not_executable", near] }
    here = ["installed", "", []]
    assert_equal [gone[[4, 5, 6]]] * 3 + [here] * 5 + [gone[[8, 7, 6]]], said[1]
    assert_equal [["emitting", 3, 1], 1, true], said[2, 3]
    assert_empty said[5]
  end

  # RB-02
  def test_rb02_the_main_program_and_files_by_relative_paths
    File.write("#{folder}/lib.rb", "def rb02_lib(a)\n  a + 1\nend\n")
    File.write("#{folder}/main.rb", Tracking::PRELUDE + <<~RUBY)
      load "lib.rb"
      agent!
      set("main.rb:\#{__LINE__ + 1}")
      2.times { rb02_lib(1)
      }
      say status.values_at("status", "hits")
      say [set("lib.rb:2")["status"], rb02_lib(1), status["hits"]]
    RUBY
    out, err = ruby!("load 'main.rb'", dir: File.realpath(folder))
    assert_empty err
    assert_equal [["emitting", 1 + 2], ["installed", 2, 1]], out.lines.map { |line| JSON.parse(line)[0] }
    out, _, status = Open3.capture3(ENVIRONMENT, RbConfig.ruby, "main.rb", chdir: folder)
    assert status.success?
    assert_equal [["emitting", 1 + 2], ["installed", 2, 1]], out.lines.map { |line| JSON.parse(line)[0] }
  end

  # RB-02
  def test_rb02_what_was_only_compiled_to_look_at
    looked = source("def rb02_looked\n  1 # here\nend\n", "looked.rb")
    kept = RubyVM::InstructionSequence.compile_file(looked.path)
    assert_equal "pending", probes.set(looked.at("# here"))["status"]
    # Beside one that runs, it is no place, whether it was compiled before or after.
    file = loaded("def rb02_both\n  1 # here\nend\n", "both.rb")
    also = RubyVM::InstructionSequence.compile_file(file.path)
    status = assert_installed probes.set(file.at("# here"), id: "both")
    assert_equal 1, status["places"]
    rb02_both
    assert_equal 1, probes.hits("both")
    looked.load
    assert_equal 1, assert_installed(probes.status)["places"]
    rb02_looked
    assert_equal 1, probes.hits
    assert kept && also
  end

  # RB-02
  def test_rb02_the_walk_overwrites_nothing
    file = loaded("def rb02_same\n  1 # here\nend\n")
    assert_installed probes.set(file.at("# here"))
    3.times do |i|
      assert_installed probes.set(file.at("# here"), id: "again#{i}")
      assert_equal 1, probes.status["places"]
    end
    rb02_same
    assert_equal [1] * 4, %w[p again0 again1 again2].map { |id| probes.hits(id) }
  end

  # RB-04
  def test_rb04_a_line_that_stands_in_several_sequences
    file = loaded(<<~RUBY)
      %w[one two three].each { |name| Object.define_method("rb04_\#{name}") { |a = 1| a + 1 } } # here
      def rb04_pair; [-> { 1 }, -> { 2 }]; end # pair
    RUBY
    assert_installed probes.set(file.at("# here"))
    rb04_one
    rb04_two
    assert_equal 2, probes.hits
    # Three: the method's own, and each of its two blocks; one place, since they lie in it.
    assert_equal 1, assert_installed(probes.set(file.at("# pair"), id: "pair"))["places"]
    rb04_pair.each(&:call)
    assert_equal 3, probes.hits("pair")
  end

  # RB-04
  def test_rb04_two_versions_of_a_file_at_once
    file = loaded("def rb04_again\n  1 # here\nend\n")
    old = method(:rb04_again)
    aside { file.load }
    status = assert_installed probes.set(file.at("# here"))
    assert_equal 2, status["places"]
    old.call
    rb04_again
    assert_equal 2, probes.hits
  end

  # --- Without something ----------------------------------------------------------------------------

  # RB-03
  def test_rb03_without_the_function_that_tells_types
    Sonde::Native.forget_types_testonly(true)
    file = loaded(SHOP.gsub("Shop", "Types"), "types.rb")
    before = file.at("# block")
    assert_installed probes.set(before)
    assert_error "line_not_executable", probes.set(file.at("# top"), id: "top")
    assert_equal [8, 7, 6], probes.set("types.rb:9", id: "near")["nearest_lines"]
    looked = source("def rb03_looked\n  1 # here\nend\n", "looked.rb")
    kept = RubyVM::InstructionSequence.compile_file(looked.path)
    assert_equal "pending", probes.set(looked.at("# here"), id: "looked")["status"]
    later = source("RB03 = 1 # top\ndef rb03_later\n  1 # here\nend\n", "rb03_later.rb")
    probes.set(later.at("# top"), id: "later_top")
    later.load
    assert_equal 1, probes.hits("later_top")
    TypesCart.new.total([1])
    assert_equal 1, probes.hits
    assert kept
  ensure
    Sonde::Native.forget_types_testonly(false)
  end

  # RB-03
  def test_rb03_the_function_is_not_needed_to_load
    symbols, = Open3.capture2("nm", "-D", Dir["#{LIB}/sonde/*/native.so"].first)
    assert_match(/ w rb_iseq_type$/, symbols)
  end

  # RB-06
  def test_rb06_without_the_walk_tracking_goes_on
    File.write("#{folder}/before.rb", "def rb06_before\n  1\nend\n")
    File.write("#{folder}/after.rb", "RB06 ||= 1\ndef rb06_after\n  1\nend\nrb06_after\n")
    said = told(<<~RUBY, complains: true)
      require "./before.rb"
      extension!
      native.fail_testonly("code_walk")
      agent!
      say report["disarmed"].map { |d| d["part"] }
      say set("before.rb:2").values_at("status", "cause", "message")
      say set("after.rb:3")["status"]
      require "./after.rb"
      rb06_after
      say status.values_at("status", "hits")
      set("after.rb:3", "again")
      say status.values_at("status", "cause")
      load "./after.rb"
      say status.values_at("status", "hits")
    RUBY
    assert_equal ["code_walk"], said[0]
    assert_equal %w[pending file_not_loaded], said[1][0, 2]
    assert_includes said[1][2], "code_walk is off"
    assert_equal ["pending", ["emitting", 2], %w[pending file_not_loaded], ["emitting", 1]], said[2..]
  end

  # RB-06
  def test_rb06_a_first_walk_that_fails_is_counted
    File.write("#{folder}/after.rb", "def rb06_after\n  1\nend\n")
    said = told(<<~RUBY, complains: true)
      extension!
      found = (1..40).filter_map { |n|
        pid = fork {
          native.fail_call_testonly(n, false)
          begin
            agent!
          rescue RuntimeError
            exit!(3)
          end
          part = report["disarmed"].find { |d| d["part"] == "code_walk" }
          exit!(4) unless part && part["message"].include?("a test makes this call fail")
          set("after.rb:2")
          load "after.rb"
          rb06_after
          exit!(status["hits"] == 1 ? 5 : 6)
        }
        code = Process.wait2(pid)[1].exitstatus
        code if code && code > 4
      }
      say found
    RUBY
    assert_equal [[5]], said
  end

  # --- In slices ------------------------------------------------------------------------------------

  # RB-02 RB-05 RB-13: the walk is made page by page while code comes and goes, is collected and moved.
  def test_rb02_rb13_in_tiny_slices_while_code_comes_and_goes
    said = told(<<~RUBY)
      agent!
      File.write("old.rb", "def sliced_old(n)\n  n + 1\nend\n")
      File.write("new.rb", "$sliced = 1\ndef sliced_new(n)\n  n + 2\nend\n")
      load "old.rb"
      keep = Array.new(100_000) { Object.new }
      native.slice_testonly(-1)
      set("old.rb:2")
      say [status["status"], sliced_old(1), status["hits"]]
      native.slice_testonly(1)
      walks = native.walk_testonly[:walks]
      rounds = 0
      # What is loaded meanwhile is armed at once, so that its status does not tell.
      while native.walk_testonly[:walks] == walks
        rounds += 1
        # A load lets the agent's own thread go on with the walk, as far as it gets.
        load "old.rb" if rounds > 8 && rounds % 3 == 0
        GC.compact if [2, 4].include?(rounds)
        GC.start(full_mark: rounds.even?, immediate_sweep: rounds % 3 == 0)
        Array.new(5000) { Object.new }
        native.safe_point_testonly
        raise "it does not end" if rounds > 5000
      end
      native.safe_point_testonly
      sliced_old(1)
      say [status["status"], status["hits"], native.walk_testonly[:slices] > 20, native.walk_testonly[:restarts] > 0]
      # While it is looked for, a file is loaded: from its first line on.
      native.slice_testonly(-1)
      set("new.rb:1")
      load "new.rb"
      say status.values_at("status", "hits")
      native.slice_testonly(2)
      native.safe_point_testonly until native.walk_testonly[:walks] > walks + 1
      set("new.rb:3", "q")
      sliced_new(1)
      say [native.armed_testonly, status.values_at("status", "hits")]
      # The probe is removed in the middle of a walk, and another one is set.
      native.slice_testonly(-1)
      set("old.rb:2")
      native.slice_testonly(1)
      native.safe_point_testonly
      native.slice_testonly(-1)
      native.apply_testonly("[]")
      3.times { native.safe_point_testonly }
      say native.armed_testonly
      native.slice_testonly(0)
      set("old.rb:2")
      sliced_old(1)
      say status.values_at("status", "hits")
      say report["disarmed"]
    RUBY
    assert_equal [["received", 2, 0], ["emitting", 1, true, true], ["emitting", 1], [1, ["emitting", 1]], 0,
                  ["emitting", 1], []], said
  end

  # CORE-03: a new revision is looked for while the former one fires.
  def test_core03_no_gap_while_a_new_revision_is_looked_for
    said = told(<<~RUBY)
      agent!
      File.write("edit.rb", "def edited(n)\n  n + 1\n  n + 2\nend\n")
      load "edit.rb"
      set("edit.rb:2")
      native.slice_testonly(-1)
      native.discard_testonly
      set("edit.rb:3")
      edited(1)
      say [status["status"], native.take_testonly["line"]]
      native.slice_testonly(1)
      native.safe_point_testonly while status["status"] == "received"
      edited(1)
      say [status.values_at("status", "hits"), native.take_testonly["line"], native.take_testonly]
      say native.armed_testonly
    RUBY
    assert_equal [["received", 2], [["emitting", 1], 3, nil], 1], said
  end

  # RB-13: a collection under way is neither ended nor mistaken for a finished one.
  def test_rb13_in_the_middle_of_a_collection
    said = told(<<~RUBY)
      agent!
      File.write("amid.rb", "def amid(n)\n  n + 1\nend\n")
      keep = Array.new(100_000) { [Object.new] }
      states = Hash.new(0)
      40.times do |i|
        load "amid.rb"
        if i.even?
          keep.map! { |kept| rand < 0.5 ? [Object.new] : kept }
          GC.start(immediate_sweep: false, full_mark: i % 4 == 0)
        else
          keep[rand(1000), 900] = Array.new(900) { "x" * 100 } until GC.latest_gc_info(:state) != :none
        end
        before = GC.latest_gc_info(:state)
        native.slice_testonly(i % 3 * 20)
        set("amid.rb:2")
        states[[before, GC.latest_gc_info(:state)]] += 1
        raise status.inspect unless status["status"] == "installed"
        amid(1)
        raise status.inspect unless status["hits"] == 1
      end
      say [states[%i[sweeping sweeping]] > 5, report["disarmed"]]
      GC.verify_internal_consistency
    RUBY
    assert_equal [[true, []]], said
  end

  # RB-13
  def test_rb13_slices_under_a_collector_that_runs_at_every_allocation
    said = told(<<~RUBY)
      agent!
      File.write("stressed.rb", "class Stressed\n  def go(n)\n    [n].map { |m|\n      m + 1\n    }\n  end\nend\n")
      load "stressed.rb"
      native.slice_testonly(7)
      done = 0
      6.times do |i|
        json = JSON.generate([{ id: "p", revision: i + 1, location: "stressed.rb:4", rate: 5000 }])
        GC.stress = true
        native.apply_testonly(json)
        load "stressed.rb" if i.odd?
        GC.stress = false
        GC.compact
        native.safe_point_testonly
        Stressed.new.go(1)
        done += status["hits"]
      end
      say [done, status["status"]]
      GC.verify_internal_consistency
    RUBY
    assert_equal [[6, "emitting"]], said
  end

  # RB-02, RB-14, CORE-08: one walk answers for any number of probes that are set at once.
  def test_rb02_two_thousand_probes_are_one_walk
    files = Array.new(40) do |f|
      loaded(Array.new(50) { |i| "def rb02_many_#{f}_#{i}; #{i}; end # #{i}.\n" }.join, "many/#{f}/same_name.rb")
    end
    before = Sonde::Native.walk_testonly[:walks]
    locations = files.each_with_index.flat_map { |file, f| (1..50).map { |i| ["#{f % 2 == 0 ? file.path : "many/#{f}/same_name.rb"}:#{i}", f, i] } }
    definitions = locations.each_with_index.map { |(at, _, _), n| { id: "m#{n}", revision: 1, location: at, rate: 5000 } }
    Sonde::Native.apply_testonly(JSON.generate(definitions))
    assert_equal 1, Sonde::Native.walk_testonly[:walks] - before
    statuses = probes.report["statuses"]
    assert_equal({ "installed" => 2000 }, statuses.map { |status| status["status"] }.tally)
    assert_equal [1], statuses.map { |status| status["places"] }.uniq
    assert_equal 2000, Sonde::Native.armed_testonly
  end

  # RB-13: what was found is held until it was told, also where no safe point follows.
  def test_rb13_an_answer_pins_nothing
    said = told(<<~RUBY)
      agent!
      # On stacks that go: what lies about on those that stay is taken for references.
      def elsewhere(&block)
        Thread.new(&block).value
      end
      collected = lambda do
        elsewhere { Object.send(:remove_method, :rb13_pinned) }
        100.times.any? do
          elsewhere { 1000.times { Object.new }; GC.start }
          elsewhere { native.sequences_testonly(File.expand_path("pinned.rb")).empty? }
        end
      end
      File.write("pinned.rb", "def rb13_pinned\n  1\nend\n")
      elsewhere { set("pinned.rb:2") }
      elsewhere { load "pinned.rb" }
      armed = native.armed_testonly
      say [armed, collected.()]
      # A question that a safe point answered.
      native.apply_testonly("[]")
      elsewhere { load "pinned.rb" }
      native.slice_testonly(-1)
      elsewhere { set("pinned.rb:9") }
      native.slice_testonly(0)
      elsewhere { native.safe_point_testonly while status["status"] == "received" }
      say [status["status"], collected.()]
    RUBY
    assert_equal [[1, true], ["error", true]], said
  end

  # RB-13: code that is loaded again and again leaves nothing of ours behind. (What a probe that is armed
  # in it costs in CRuby 3.1 is said in docs/ops/ruby-code-lifecycle.md.)
  def test_rb13_a_thousand_reloads_leave_nothing
    said = told(<<~RUBY)
      agent!
      require "fileutils"
      FileUtils.mkdir_p("other")
      File.write("grown.rb", (1..20).map { |i| "def grown_\#{i}(n)\n  n + 1\nend\n\n" }.join)
      set("other/grown.rb:2", "p")
      growth = lambda do |times|
        times.times { |i| load "grown.rb"; native.safe_point_testonly if i % 10 == 0 }
        3.times { GC.start }
        native.malloced_testonly
      end
      growth.(300)
      first = growth.(300)
      last = growth.(1000)
      say [(last - first) / 1000, native.armed_testonly, native.carriers_testonly]
    RUBY
    per_reload, armed, carriers = said[0]
    assert_operator per_reload, :<, 100
    assert_equal [0, 0], [armed, carriers]
  end

  # --- Code that goes -------------------------------------------------------------------------------

  # CORE-03
  def test_core03_code_that_is_let_go_of_is_freed_and_the_status_says_so
    file = loaded("def rb_gone\n  1 # here\nend\ndef rb_stays\n  2 # other\nend\n")
    assert_installed probes.set(file.at("# here"))
    rb_gone
    Object.send(:remove_method, :rb_gone)
    collect_until(-> { Sonde::Native.sequences_testonly(file.path).inspect }) do
      !Sonde::Native.sequences_testonly(file.path).include?("rb_gone")
    end
    assert_equal 0, Sonde::Native.armed_testonly
    # It is looked for anew, which may take several safe points.
    wait_until(30, -> { probes.status.inspect }) { probes.status["status"] != "received" }
    status = assert_error "line_not_executable", probes.status
    assert_equal [file.line("# other")], status["nearest_lines"] - [file.line("# other") + 1, 3]
    Object.send(:remove_method, :rb_stays)
    collect_until { Sonde::Native.sequences_testonly(file.path).empty? }
    assert_equal "pending", probes.set(file.at("# here"), id: "new")["status"]
    file.load
    rb_gone
    assert_equal [1, 1], [probes.hits - 1, probes.hits("new")]
  end

  # CORE-03
  def test_core03_a_required_file_of_which_nothing_is_left
    file = required("RB_LEFT ||= 1 # here\n")
    collect_until { Sonde::Native.sequences_testonly(file.path).empty? }
    status = assert_error "line_not_executable", probes.set(file.at("# here"))
    assert_includes status["message"], "let go of all of its code"
    aside { load file.path }
    assert_equal 1, probes.hits
  end

  # CORE-03
  def test_core03_reload_keeps_firing
    file = loaded("def rb_reload\n  1 # here\nend\n")
    assert_installed probes.set(file.at("# here"))
    5.times do |i|
      aside { file.load }
      rb_reload
      assert_equal i + 1, probes.hits
    end
    collect_until(-> { probes.status.inspect }) { probes.status["places"] == 1 }
    assert_equal 1, Sonde::Native.armed_testonly
    rb_reload
    assert_equal 6, probes.hits
  end

  # CORE-03
  def test_core03_methods_that_come_and_go_under_a_busy_collector
    text = "def rb_busy\n  [1].each { |x|\n    x + 1 # here\n  }\nend\n"
    said = told(<<~RUBY)
      agent!
      File.write("busy.rb", #{text.dump})
      GC.stress = false
      calls = 0
      300.times do |i|
        load "busy.rb"
        set("busy.rb:3") if i % 7 == 0
        native.apply_testonly("[]") if i % 11 == 0
        rb_busy
        i % 3 == 0 ? GC.start(full_mark: i % 2 == 0, immediate_sweep: false) : Array.new(1000) { Object.new }
        GC.compact if i % 50 == 49
        native.safe_point_testonly if i % 5 == 0
      end
      native.apply_testonly("[]")
      say native.armed_testonly
      set("busy.rb:3")
      rb_busy
      say status["hits"]
      say report["disarmed"]
    RUBY
    assert_equal [0, 1, []], said
  end

  def test_nothing_depends_on_addresses_when_the_heap_is_compacted
    said = told(<<~RUBY)
      GC.auto_compact = true if GC.respond_to?(:auto_compact=) # since 3.0
      agent!
      File.write("moved.rb", "def moved(a)\\n  b = a # here\\n  b\\nend\\n")
      load "moved.rb"
      set("moved.rb:2")
      5.times { Array.new(20_000) { Object.new }; GC.start; GC.compact; moved(1) }
      say status.values_at("hits", "places")
      set("moved.rb:2", "q")
      moved(1)
      say status.values_at("hits", "places")
      native.apply_testonly("[]")
      say native.armed_testonly
    RUBY
    assert_equal [[5, 1], [1, 1], 0], said
  end

  def test_finding_under_a_collector_that_runs_at_every_allocation
    said = told(<<~RUBY)
      agent!
      File.write("stress.rb", "def stress(a)\\n  while (b = a) > 0\\n    a = b - 1\\n  end\\n  Integer('x') rescue 0\\nend # end\\n")
      set("stress.rb:2")
      GC.stress = true
      load "stress.rb"
      stress(3)
      GC.stress = false
      say status["hits"]
      [5].each { |line|
        GC.stress = true
        native.apply_testonly(JSON.generate([{ id: "p", revision: $revision += 1, location: "stress.rb:\#{line}" }]))
        GC.stress = false
        stress(3)
        say status.values_at("status", "hits")
      }
    RUBY
    assert_equal [4, ["emitting", 1]], said
  end

  # --- Trouble --------------------------------------------------------------------------------------

  # NX-02: every call that may raise is made to; nothing leaks, nothing is raised, the next try works.
  def test_nx02_every_call_that_may_raise_does
    _, complaints = capture_subprocess_io { make_every_call_raise }
    assert_empty complaints.lines.grep_v(/\Asonde\[\d+\] warning: /)
  end

  def make_every_call_raise
    file = loaded("def rb_trouble\n  1 # here\nend\n")
    counted = lambda do |&work|
      Sonde::Native.fail_call_testonly(0, false)
      work.call
      Sonde::Native.call_count_testonly
    end
    setting = counted.call { assert_installed probes.set(file.at("# here")) }
    loading = counted.call { aside { file.load } }
    assert_operator setting, :>=, 4
    assert_operator loading, :>=, 3
    [false, true].each do |goes_on|
      (1..setting).each do |n|
        probes.clear
        Sonde::Native.fail_call_testonly(n, goes_on)
        status = probes.set(file.at("# here"))
        Sonde::Native.fail_call_testonly(0, false)
        assert_includes [["installed", ""], ["error", "internal"]], status.values_at("status", "cause"), status
        probes.clear
        Sonde::Native.safe_point_testonly # what could not be disarmed is now
        assert_equal 0, Sonde::Native.armed_testonly
      end
      (1..loading).each do |n|
        probes.clear
        assert_installed probes.set(file.at("# here"))
        Sonde::Native.fail_call_testonly(n, goes_on)
        aside { file.load }
        Sonde::Native.fail_call_testonly(0, false)
        assert_equal 1, rb_trouble
      end
    end
    probes.clear
    assert_installed probes.set(file.at("# here"))
    rb_trouble
    assert_equal 1, probes.hits
  end

  # RB-14: 3.1 never compiles again what the first TracePoint threw away; later ones do, and 2.7 and 3.0 have no YJIT,
  # as some that are built without it.
  def test_yjit_that_would_be_lost_is_left_alone
    has_yjit = RubyVM.const_defined?(:YJIT)
    options = has_yjit ? ["--yjit"] : []
    assert_equal [has_yjit], told("say RubyVM.const_defined?(:YJIT) && RubyVM::YJIT.enabled?", options: options)
    code = <<~RUBY
      File.write("jit.rb", "def jit(a)\\n  a + 1\\nend\\n")
      agent!
      load "jit.rb"
      say set("jit.rb:2").values_at("status", "cause")
      jit(1)
      say status["hits"]
      say status["message"].include?("YJIT")
    RUBY
    installed = [["installed", ""], 1, false]
    is_lost = has_yjit && RUBY_VERSION.start_with?("3.1.")
    assert_equal is_lost ? [%w[error unsupported], 0, true] : installed, told(code, options: options, complains: is_lost)
    assert_equal installed, told(code, options: options, complains: is_lost, env: { "SONDE_RUBY_YJIT" => "1" })
  end
end
