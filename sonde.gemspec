# SPDX-License-Identifier: Apache-2.0
# `gem build sonde.gemspec`, in this folder: the core's sources are compiled into the extension. What it
# takes to install, and why that never fails: runtimes/ruby/ext/sonde/extconf.rb.
Gem::Specification.new do |spec|
  root = File.dirname(File.expand_path(__FILE__))

  spec.name = "sonde"
  spec.version = File.read(File.join(root, "Makefile"))[/^VERSION := (\S+)/, 1]
  spec.summary = "Probes in running Ruby programs: see values on any line, without a restart"
  spec.description = "The agent for CRuby: `require \"sonde/auto\"` starts it."
  spec.authors = ["The Sonde authors"]
  spec.license = "Apache-2.0"

  spec.files = Dir.chdir(root) do
    Dir["Makefile", "LICENSE", "README.md", "sonde.gemspec", "include/**/*.h", "core/**/*.{c,h}",
        "runtimes/ruby/ext/**/{Rakefile,*.{c,h,rb}}", "runtimes/ruby/lib/**/*.rb"]
  end
  # RubyGems needs rake for it, and says so. Every Ruby brings that along; as a dependency it would be loaded into the
  # application with the agent.
  spec.extensions = ["runtimes/ruby/ext/sonde/Rakefile"]
  spec.require_paths = ["runtimes/ruby/lib"]
end
