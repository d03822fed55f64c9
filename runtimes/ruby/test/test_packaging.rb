# SPDX-License-Identifier: Apache-2.0
# NX-01, RB-06, CORE-16: `gem install` gives a gem that works, or one that says why it does not.
require "helper"

class TestPackaging < SondeTest
  # Of this very Ruby.
  GEM = [RbConfig.ruby, "-rrubygems/gem_runner", "-e", "Gem::GemRunner.new.run(ARGV.dup)", "--"].freeze

  WORKS = <<-RUBY
    require "sonde/auto"
    require "json"
    fail Sonde.status.inspect unless Sonde.status[:running]
    load ARGV[0]
    Sonde::Native.apply_testonly(JSON.generate([{ id: "p", revision: 1, location: ARGV[1] }]))
    packaged(3)
    puts Sonde::Native.take_testonly["line_probe"]["arguments"]["n"]["value"]
    puts Sonde::VERSION, Gem.loaded_specs["sonde"].version
  RUBY

  # The gem, built once, in a copy of the tree, so that nothing is left in it.
  def self.gem_file
    @gem_file ||= begin
      folder = Dir.mktmpdir("sonde-gem-")
      Minitest.after_run { FileUtils.rm_rf(folder) }
      %w[Makefile LICENSE README.md sonde.gemspec include core runtimes/ruby].each do |name|
        FileUtils.mkdir_p(File.join(folder, File.dirname(name)))
        FileUtils.cp_r(File.join(ROOT, name), File.join(folder, name))
      end
      out, status = Open3.capture2e(*GEM, "build", "sonde.gemspec", chdir: folder)
      raise out unless status.success?
      Dir[File.join(folder, "sonde-*.gem")].fetch(0)
    end
  end

  def install(env = {})
    home = File.join(folder, "home")
    clean = ENV.to_h.keys.grep(/\A(SONDE|RUBY|BUNDLE|GEM)/).to_h { |name| [name, nil] }
    out, status = Open3.capture2e({ **clean, "GEM_HOME" => home, **env }, *GEM, "install", "--local", "--no-document",
                                  "--bindir", File.join(folder, "bin"), self.class.gem_file, chdir: folder)
    assert status.success?, out
    home
  end

  # CORE-16
  def test_core16_gem_install_compiles_all_of_it
    subject = source("def packaged(n)\n  n # here\nend\n")
    env = { "GEM_HOME" => install }
    out, err = ruby!(WORKS, subject.path, subject.at("# here"), lib: nil, env: env)
    version = File.read(File.join(ROOT, "Makefile"))[/^VERSION := (\S+)/, 1]
    assert_equal ["3\n#{version}\n#{version}\n", ""], [out, err]
  end

  def assert_off(reason, env)
    home = install(env)
    out, err = ruby!("require 'sonde/auto'; p Sonde.status.to_a", lib: nil, env: { "GEM_HOME" => home })
    assert_includes out, ":running, false"
    assert_match reason, out
    assert_equal "", err
    _, err = ruby!("require 'sonde/auto'", lib: nil, env: { "GEM_HOME" => home, "SONDE_LOG" => "info" })
    assert_match(/\Asonde\[\d+\] info: the agent is off: .*\n\z/, err)
    assert_match reason, err
  end

  # NX-01 RB-06
  def test_nx01_rb06_told_not_to_compile
    assert_off(/SONDE_NO_EXTENSION was set when it was installed/, "SONDE_NO_EXTENSION" => "1")
  end

  # NX-01 RB-06
  def test_nx01_rb06_without_a_compiler
    assert_off(%r{could not be compiled: /bin/false failed}, "CC" => "/bin/false")
    FileUtils.rm_rf(File.join(folder, "home"))
    assert_off(/could not be compiled: .*no such compiler/i, "CC" => "'/no such compiler'")
  end

  # NX-01 RB-06
  # As in a slim image: no compiler, and no make for RubyGems to run either.
  def test_nx01_rb06_where_there_is_not_even_make
    empty = File.join(folder, "empty")
    FileUtils.mkdir_p(empty)
    assert_off(/could not be compiled: .*no such file/i, "PATH" => empty)
  end

  # NX-01 RB-06
  # Where libcurl's header should be, there is one that says what a missing one makes the compiler say.
  def test_nx01_rb06_without_the_header_of_libcurl
    FileUtils.mkdir_p(File.join(folder, "include", "curl"))
    File.write(File.join(folder, "include", "curl", "curl.h"), "#include <curl/this_header_is_missing.h>\n")
    assert_off(/could not be compiled: .*curl/, "CPPFLAGS" => "-I#{folder}/include")
  end

  # NX-01 RB-06
  def test_nx01_rb06_without_libcurl_to_link_with
    assert_off(/could not be compiled: .*/, "LDFLAGS" => "-lno_such_library_of_ours")
  end

  # What extconf.rb alone is told; RubyGems itself would not bear it.
  def pretend(code)
    file = File.join(folder, "pretend.rb")
    File.write(file, "if $0.end_with?('extconf.rb')\n  $VERBOSE = nil\n#{code}\nend\n")
    { "RUBYOPT" => "-r#{file}" }
  end

  # NX-01 RB-06
  def test_nx01_rb06_on_another_ruby
    assert_off(/Ruby 2\.6 is not supported yet/, pretend("RUBY_VERSION = '2.6.10'"))
    FileUtils.rm_rf(File.join(folder, "home"))
    assert_off(/truffleruby is not supported/, pretend("RUBY_ENGINE = 'truffleruby'"))
  end

  # NX-01 RB-06
  def test_nx01_rb06_on_another_system_or_without_rubys_headers
    assert_off(/mingw32 is not supported/, pretend("require 'rbconfig'; RbConfig::CONFIG['host_os'] = 'mingw32'"))
    FileUtils.rm_rf(File.join(folder, "home"))
    assert_off(/Ruby's headers are missing/, pretend("require 'rbconfig'; RbConfig::CONFIG['rubyhdrdir'] = '/nowhere'"))
  end
end
