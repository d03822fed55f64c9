# SPDX-License-Identifier: Apache-2.0
# Runs tests of one kind: run.rb rspec|core|files FILE...
kind = ARGV.shift

case kind
when "rspec"
  require "rspec/core"
  RSpec::Core::Formatters.register(SondeExplore::ForRspec, :example_started, :example_finished)
  exit RSpec::Core::Runner.run(["--order", "defined", "--format", "progress",
                                "--format", "SondeExplore::ForRspec", *ARGV])
when "core"
  require "test/unit"
  Test::Unit::TestCase.prepend(SondeExplore::ForCore)
  load File.join(Dir.pwd, "test/runner.rb")
else
  files = ARGV.dup
  ARGV.clear
  files.each do |file|
    require File.expand_path(file)
  rescue LoadError => error
    # A test of something that is not there.
    warn "#{file}: #{error.message}"
  end
  # The tests themselves run as the process ends.
  if defined?(Minitest)
    Minitest.singleton_class.prepend(SondeExplore::ForMinitest)
    Minitest.autorun unless defined?(Test::Unit::AutoRunner)
  end
  Test::Unit::TestCase.prepend(SondeExplore::ForTestUnit) if defined?(Test::Unit::AutoRunner)
end
