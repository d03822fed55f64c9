# SPDX-License-Identifier: Apache-2.0

# Prints what links a program with the library of the Ruby that runs this. Fails when it has none.
require "rbconfig"

config = RbConfig::CONFIG
abort "embed_flags: #{RbConfig.ruby} has no shared library" if config["ENABLE_SHARED"] != "yes"

folder = [config["archlibdir"], config["libdir"]].compact.find do |path|
  File.exist?(File.join(path, config["LIBRUBY_SO"]))
end
abort "embed_flags: there is no #{config["LIBRUBY_SO"]}" if folder.nil?

puts "-L#{folder} -Wl,-rpath,#{folder} -l#{config["RUBY_SO_NAME"]}"
