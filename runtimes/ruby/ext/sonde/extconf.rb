# SPDX-License-Identifier: Apache-2.0
# What `gem install` runs, by the Rakefile beside it: extconf.rb FOLDER leaves there what belongs into
# the installed gem. Installing never fails: where the extension can not be compiled (SONDE_NO_EXTENSION=1,
# another Ruby or system, no compiler, no header of Ruby, libcurl or zlib), the gem is installed
# without it; it then loads, does nothing, and says why: Sonde.status.
#
# Not by mkmf, which ends the process where something is missing, and which would compile our C17 with
# Ruby's own flags. CC, CPPFLAGS, CFLAGS and LDFLAGS of the environment count.
#
# Runs on every Ruby since 2.0.
require "fileutils"
require "rbconfig"
require "shellwords"

module SondeBuild
  HERE = File.dirname(File.expand_path(__FILE__))
  ROOT = File.expand_path("../../../..", HERE)
  SUPPORTED = ["2.7", "3.0", "3.1", "3.2", "3.3", "3.4"]
  CONFIG = RbConfig::CONFIG

  class << self
    # Why no extension is compiled here, or nil.
    def reason_against
      unless ["", "0"].include?(ENV["SONDE_NO_EXTENSION"].to_s)
        return "SONDE_NO_EXTENSION was set when it was installed"
      end
      return "#{RUBY_ENGINE} is not supported" if RUBY_ENGINE != "ruby"
      version = RUBY_VERSION[/\A\d+\.\d+/]
      return "Ruby #{version} is not supported yet" unless SUPPORTED.include?(version)
      return "#{CONFIG["host_os"]} is not supported" if CONFIG["host_os"] =~ /mswin|mingw|cygwin/
      return "Ruby's headers are missing" unless File.exist?(File.join(CONFIG["rubyhdrdir"].to_s, "ruby.h"))
    end

    def sources
      system = CONFIG["host_os"] =~ /linux/ ? "linux" : "generic"
      core = Dir[File.join(ROOT, "core/{base,wire,capture,probe,symbols,agent}/*.c")]
      core.reject! { |path| File.basename(path) =~ /\Aos_/ }
      core << File.join(ROOT, "core/base/os_#{system}.c")
      (core + Dir[File.join(HERE, "*.c")] + Dir[File.join(HERE, "compat", "*.c")]).sort
    end

    def version
      File.read(File.join(ROOT, "Makefile"))[/^VERSION := (\S+)/, 1]
    end

    def compile_command
      folders = [File.join(ROOT, "include"), ROOT, HERE]
      headers = [CONFIG["rubyhdrdir"], CONFIG["rubyarchhdrdir"]]
      compiler + words("CPPFLAGS") + folders.map { |path| "-I#{path}" } +
        headers.map { |path| ["-isystem", path] }.flatten +
        ["-D_GNU_SOURCE", "-DSONDE_VERSION=\"#{version}\"", "-std=c17", "-O2", "-g", "-fPIC",
         "-fvisibility=hidden", "-fno-strict-aliasing", "-pthread"] + words("CFLAGS")
    end

    def link_command
      shared = CONFIG["host_os"] =~ /darwin/ ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared"]
      compiler + shared + ["-pthread"] + words("LDFLAGS")
    end

    def compiler
      Shellwords.split(ENV["CC"] || CONFIG["CC"])
    end

    def words(name)
      Shellwords.split(ENV[name].to_s)
    end

    # Raises what says why it did not work.
    def compile
      FileUtils.mkdir_p("objects")
      jobs = sources.map { |source| [source, File.join("objects", source[ROOT.size + 1..-1].tr("/", "-") + ".o")] }
      waiting = jobs.dup
      workers = Array.new(2) do
        Thread.new do
          while (job = waiting.shift)
            run(compile_command + ["-c", job[0], "-o", job[1]])
          end
        end
      end
      workers.each { |worker| worker.report_on_exception = false if worker.respond_to?(:report_on_exception=) }
      workers.each(&:join)
      run(link_command + ["-o", extension] + jobs.map(&:last) + ["-lcurl", "-lz", "-lm"])
    end

    def extension
      "native.#{CONFIG["DLEXT"]}"
    end

    def run(command)
      puts Shellwords.join(command)
      output = IO.popen(command + [{ :err => [:child, :out] }], &:read)
      puts output
      return if $?.success?
      raise "its extension could not be compiled: " + (output[/^.*\berror\b.*$/i] || "#{command[0]} failed").strip
    end

    def leave_note(reason)
      File.write("build_info.rb", "# Written by extconf.rb.\nmodule Sonde\n  " \
                                  "BUILD_REASON = #{reason.dump} unless defined?(BUILD_REASON)\nend\n")
      warn "sonde: installed without its agent: #{reason}"
    end

    def install(file, folder)
      folder = File.join(folder, "sonde")
      FileUtils.mkdir_p(folder)
      FileUtils.rm_f(["build_info.rb", extension].map { |other| File.join(folder, other) }) # of another time
      FileUtils.mv(file, folder)
    end

    def main(folder)
      FileUtils.rm_f(["build_info.rb", extension])
      reason = reason_against
      begin
        compile if reason.nil?
      rescue StandardError => error
        reason = error.message
        reason = "its extension could not be compiled: #{reason}" unless reason.start_with?("its extension")
      end
      leave_note(reason) if reason
      install(reason ? "build_info.rb" : extension, folder)
    ensure
      FileUtils.rm_rf("objects")
    end
  end
end

SondeBuild.main(ARGV.fetch(0))
