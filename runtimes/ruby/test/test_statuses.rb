# SPDX-License-Identifier: Apache-2.0
# CORE-03: what a probe says of itself is true, and helps.
require_relative "tracking"

class TestStatuses < SondeTest
  include Tracking

  TEXT = <<~RUBY
    # a comment
    TOP ||= [1,
             2]

    class << self
      # another comment
    end

    def self.first(a)
      b = a + 1 # b
      [b].each do |x|

        x # x
      end
    end
  RUBY

  # In a module of its own, with the lines where they are.
  def program(name = "subject.rb", text = TEXT)
    @number = (@number || 0) + 1
    mod = "Ts#{object_id}#{@number}"
    file = source("module #{mod}; #{text}end\n", name)
    aside { load file.path }
    [file, Object.const_get(mod)]
  end

  # CORE-03
  def test_core03_installed_then_emitting
    file, mod = program
    status = assert_installed probes.set(file.at("# b"))
    assert_equal ["", 0, 1], status.values_at("cause", "hits", "places")
    mod.first(1)
    assert_equal ["emitting", 1, 1], probes.status.values_at("status", "hits", "captured")
    record = probes.take
    assert_equal [file.path, file.line("# b")], record.values_at("file", "line")
  end

  # CORE-03
  def test_core03_line_not_executable
    file, mod = program
    b, x = file.line("# b"), file.line("# x")
    nearest = { 1 => [b, b + 1, x], 4 => [b, b + 1, x], 6 => [b, b + 1, x], b + 2 => [b + 1, x, b, x + 1, x + 2],
                x + 3 => [x + 2, x + 1, x], 1000 => [x + 2, x + 1, x] }
    nearest.each do |line, near|
      status = assert_error "line_not_executable", probes.set("#{file.path}:#{line}")
      assert_equal near, status["nearest_lines"], line
      assert_includes status["message"], "can still run begins on line #{line} of #{file.path}"
      near.each { |n| assert_installed probes.set("#{file.path}:#{n}", id: "n") }
      mod.first(1)
    end
    # An error is mended under the same id.
    assert_installed probes.set(file.at("# b"))
  end

  # CORE-03
  def test_core03_what_runs_once_and_has_run
    file, = program
    kept = RubyVM::InstructionSequence.compile_file(file.path)
    2.times do
      status = assert_error "line_not_executable", probes.set("#{file.path}:2")
      assert_includes status["message"], "can still run"
    end
    # It does run when the file is loaded again.
    aside { load file.path }
    assert_equal ["emitting", 1], probes.status.values_at("status", "hits")
    assert kept
  end

  # CORE-03
  def test_core03_what_runs_once_and_is_running
    file = source("sleep 0.01 until $ts_go\n1 + 1 # next\nclass TsRunning\n  @two = 2 # body\n  3\nend\n", "running.rb")
    $ts_go = false
    thread = Thread.new { load file.path }
    wait_until { thread.backtrace.to_a.any? { |line| line.include?("running.rb") } }
    %w[next body].each { |name| assert_installed probes.set(file.at("# #{name}"), id: name) }
    $ts_go = true
    thread.join
    assert_equal [1, 1], [probes.hits("next"), probes.hits("body")]
    # While anything in the file keeps its sequence alive or not: it is over.
    assert_error "line_not_executable", probes.set(file.at("# next"), id: "after")
  end

  # CORE-03
  def test_core03_blocks_of_the_top_level_can_run_again
    file = loaded("TS_ROUTES = []\nTS_ROUTES << -> { # route\n  1 # here\n}\nTS_ROUTES << -> { 2 } # one line\n")
    collect_until { true }
    assert_installed probes.set(file.at("# here"))
    assert_installed probes.set(file.at("# one line"), id: "one")
    assert_error "line_not_executable", probes.set(file.at("# route"), id: "route")
    TS_ROUTES.each(&:call)
    assert_equal [1, 1], [probes.hits, probes.hits("one")]
  end

  # RB-07
  def test_rb07_file_forms
    file, mod = program("package/part/module.rb")
    line = file.line("# b")
    ["module.rb", "part/module.rb", "./package/part/module.rb", "package//part/./module.rb", file.path].each do |name|
      assert_installed probes.set("#{name}:#{line}")
      probes.clear
    end
    ["odule.rb", "art/module.rb", "module.r", "package/module.rb", "other/part/module.rb"].each do |name|
      assert_equal %w[pending file_not_loaded], probes.set("#{name}:#{line}").values_at("status", "cause"), name
      probes.clear
    end
    assert mod
  end

  # RB-07
  def test_rb07_paths_with_detours_and_links
    root = File.realpath(folder)
    text = "def rb07_link\n  1 # here\nend\n"
    source(text, "real/app.rb")
    File.symlink("#{root}/real", "#{root}/current")
    File.symlink("#{root}/real/app.rb", "#{root}/other_name.rb")
    names = %w[real/app.rb real/../real/./app.rb current/app.rb other_name.rb]
    names.each do |name|
      aside { load "#{root}/#{name}" }
      (names - (name == "other_name.rb" ? [] : ["other_name.rb"])).each do |given|
        status = assert_installed probes.set("#{root}/#{given}:2")
        rb07_link
        assert_operator status["places"], :>=, 1
        assert_equal 1, probes.hits, [name, given]
        assert_equal "#{root}/real/app.rb", probes.take["file"]
        probes.clear
      end
    end
  end

  # RB-07
  def test_rb07_pending_by_the_name_of_a_link
    root = File.realpath(folder)
    source("def rb07_late\n  1\nend\n", "behind.rb")
    File.symlink("#{root}/behind.rb", "#{root}/front.rb")
    assert_equal "pending", probes.set("#{root}/front.rb:2")["status"]
    assert_equal "pending", probes.set("front.rb:2", id: "suffix")["status"]
    load "#{root}/front.rb"
    rb07_late
    assert_equal [1, 1], [probes.hits, probes.hits("suffix")]
  end

  # RB-07
  def test_rb07_a_path_from_another_root
    file, mod = program("app/models/cart.rb")
    line = file.line("# b")
    assert_installed probes.set("/srv/elsewhere/app/models/cart.rb:#{line}")
    mod.first(1)
    assert_equal 1, probes.hits
    assert_equal file.path, probes.take["file"]
    # More in common is better, and the last name alone is too little.
    other, = program("lib/models/cart.rb")
    assert_installed probes.set("/srv/elsewhere/app/models/cart.rb:#{line}", id: "app")
    assert_installed probes.set("/srv/elsewhere/lib/models/cart.rb:#{line}", id: "lib")
    mod.first(1)
    assert_equal [1, 0], [probes.hits("app"), probes.hits("lib")]
    status = assert_error "ambiguous", probes.set("/srv/elsewhere/models/cart.rb:#{line}", id: "two")
    [file, other].each { |one| assert_includes status["message"], one.path }
    assert_error "file_not_found", probes.set("/srv/elsewhere/cart.rb:#{line}", id: "name")
    # What is here under that very name is no other.
    source("", "x/app/models/cart.rb")
    assert_equal "pending", probes.set("#{File.realpath(folder)}/x/app/models/cart.rb:#{line}", id: "here")["status"]
  end

  # RB-07
  def test_rb07_from_another_root_in_the_applications_own
    File.write("#{folder}/app.rb", "def rb07_app\n  1\nend\n")
    said = told(<<~RUBY)
      agent!
      load "./app.rb"
      say set("/home/someone/shop/app.rb:2").values_at("status", "cause")
      rb07_app
      say status["hits"]
    RUBY
    assert_equal [["installed", ""], 1], said
  end

  # CORE-03
  def test_core03_ambiguous_and_exact
    one, first = program("one/same.rb")
    other, second = program("other/same.rb")
    status = assert_error "ambiguous", probes.set("same.rb:#{one.line("# b")}")
    [one, other].each { |file| assert_includes status["message"], file.path }
    assert_error "ambiguous", probes.set("same.rb:1", id: "blank")
    assert_installed probes.set(one.at("# b"))
    second.first(1)
    assert_equal 0, probes.hits
    first.first(1)
    assert_equal 1, probes.hits
  end

  # CORE-03, RB-07: more files than have room in a message are counted, and as many named as the rest says.
  def test_core03_rb07_ambiguous_in_many_files
    files = Array.new(40) { |i| program("many_#{i}/same_many.rb")[0] }
    [files[0].line("# b"), 1].each do |line| # in which there is something, and nothing
      message = assert_error("ambiguous", probes.set("same_many.rb:#{line}"))["message"]
      listed = files.count { |file| message.include?("#{file.path},") }
      assert_operator listed, :>, 0, message
      assert_match(/\Amatches 40 files, name more of the path: .*, and #{40 - listed} more\z/, message)
    end
  end

  # CORE-03: however many files `require` knows, none is missed.
  def test_core03_required_among_very_many
    file = source("RB_AMONG ||= 1 # here\n", "among.rb")
    said = told(<<~RUBY)
      agent!
      require #{file.path.dump}
      4.times { GC.start }
      $LOADED_FEATURES.delete(#{file.path.dump})
      $LOADED_FEATURES.concat(Array.new(200_000) { |i| "/nowhere/\#{i}/among.rb" })
      $LOADED_FEATURES << #{file.path.dump}
      status = set("#{file.path}:1")
      status = self.status until status["status"] == "error"
      say status["message"]
    RUBY
    assert_match(/is loaded, but|ran once/, said[0])
  end

  # CORE-03
  def test_core03_a_second_match_that_comes_later
    one, first = program("one/twice.rb")
    assert_installed probes.set("twice.rb:#{one.line("# b")}")
    other, = program("other/twice.rb")
    status = assert_installed probes.status
    assert_includes status["message"], other.path
    first.first(1)
    assert_equal 1, probes.hits
  end

  # CORE-03
  def test_core03_file_not_found_and_not_loaded
    assert_error "file_not_found", probes.set("#{folder}/missing.rb:3")
    source("x = 1\n", "later.rb")
    status = probes.set("#{folder}/later.rb:1", id: "later")
    assert_equal %w[pending file_not_loaded], status.values_at("status", "cause")
    assert_includes status["message"], "waits"
    assert_equal "pending", probes.set("nobody/has/this.rb:3", id: "n")["status"]
    # A file that appears later.
    source("def ts_appeared\n  1\n  2\nend\n", "missing.rb").load
    ts_appeared
    assert_equal 1, probes.hits
  end

  # CORE-03
  def test_core03_what_is_no_name_of_a_method
    ["cart.total", "app:Cart.total", "shop.Cart.total"].each_with_index do |name, i|
      status = assert_error "unsupported", probes.set(name, at: "entry", id: "m#{i}")
      assert_includes status["message"], "Class#method"
    end
  end

  # CORE-03
  def test_core03_new_revision_without_a_gap
    file = loaded("def ts_gap(a)\n  a + 1 # here\nend\n")
    probes.set(file.at("# here"), rate: 0.001)
    calls, stop = 0, false
    thread = Thread.new { (ts_gap(1); calls += 1) until stop }
    20.times do
      assert_installed probes.set(file.at("# here"), rate: 0.001)
      sleep 0.001
    end
    stop = true
    thread.join
    assert_operator calls, :>, 0
    probes.set(file.at("# here"), rate: 0.001)
    ts_gap(1)
    assert_equal [1, 1], [probes.hits, Sonde::Native.armed_testonly]
  end

  # CORE-03
  def test_core03_removing_takes_effect_at_once
    file = loaded("def ts_removed\n  1 # here\nend\n")
    assert_installed probes.set(file.at("# here"))
    assert_equal 1, Sonde::Native.armed_testonly
    probes.remove
    ts_removed
    assert_equal 0, Sonde::Native.armed_testonly
    assert_nil probes.take
  end

  # CORE-03
  def test_core03_hit_limit
    file = loaded("def ts_limit\n  1 # here\nend\n")
    probes.set(file.at("# here"), hit_limit: 3)
    10.times { ts_limit }
    assert_equal 3, probes.take_all.size
    wait_until { Sonde::Native.safe_point_testonly || probes.status["status"] == "error" }
    assert_equal "hit_limit", probes.status["cause"]
    assert_equal 0, Sonde::Native.armed_testonly
  end
end
