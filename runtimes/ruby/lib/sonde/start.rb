# SPDX-License-Identifier: Apache-2.0
# How sonde/auto starts the agent. Loads on every Ruby since 2.0.
module Sonde
  # Nothing here is for applications.
  module Auto
    SUPPORTED = %w[2.7 3.0 3.1 3.2 3.3 3.4] unless defined?(SUPPORTED)
    HERE = File.dirname(File.expand_path(__FILE__)) unless defined?(HERE)

    class << self
      # A second load, under another path, finds all of it there.
      unless method_defined?(:start)
        def start
          return if Sonde.instance_variable_get(:@reason).nil?
          if %w[0 false no off].include?(ENV["SONDE_ENABLED"].to_s.downcase)
            return off("SONDE_ENABLED is off", false)
          end
          reason = unsupported || without_extension
          return off(reason, false) if reason
          run
        end

        private

        def off(reason, is_fault)
          Sonde.instance_variable_set(:@reason, reason)
          level = ENV["SONDE_LOG"].to_s.downcase
          return if level == "off" || !(is_fault || level == "info" || level == "debug")
          STDERR.write("sonde[#{Process.pid}] #{is_fault ? "warning" : "info"}: the agent is off: #{reason}\n")
        end

        # Why this interpreter can not have an agent, or nil.
        def unsupported
          engine = defined?(RUBY_ENGINE) ? RUBY_ENGINE : "ruby"
          return "#{engine} is not supported" if engine != "ruby"
          version = RUBY_VERSION[/\A\d+\.\d+/]
          return "Ruby #{version} is not supported yet" unless SUPPORTED.include?(version)
        end

        # Why no extension was compiled, as extconf.rb noted it, or nil.
        def without_extension
          note = File.join(HERE, "build_info")
          note = "sonde/build_info" unless File.exist?("#{note}.rb")
          return if note.start_with?("sonde") && extension != "sonde/native"
          require note
          Sonde::BUILD_REASON
        rescue LoadError
          nil
        end

        # Where the extension is: in the Makefile's layout, in an installed gem's, or on the load
        # path. RbConfig is not asked for where nobody has loaded it: the application would see it.
        def extension
          abi = defined?(RbConfig) ? RbConfig::CONFIG["ruby_version"] : "#{RUBY_VERSION[/\A\d+\.\d+/]}.0"
          found = [File.join(HERE, abi, "native"), File.join(HERE, "native")].find do |path|
            File.exist?("#{path}.so") || File.exist?("#{path}.bundle")
          end
          found || "sonde/native"
        end

        def run
          begin
            require extension
          rescue LoadError => error
            return off("its extension can not be loaded: #{error.message.lines.first.to_s.chomp}", true)
          end
          begin
            Places.tell
            # First in, last out: what the application does at its exit is still seen.
            at_exit { Native.stop }
            Native.start
          rescue StandardError => error
            return off(error.message, true)
          end
          Sonde.instance_variable_set(:@reason, nil)
          watch_forks
        end

        def watch_forks
          return unless Process.respond_to?(:_fork)
          Process.singleton_class.prepend(Fork)
        end
      end
    end

    # Whose code a file is, by where packages are installed; where the program itself is.
    module Places
      class << self
        unless method_defined?(:tell)
          def tell
            debian = %w[/usr/share/rubygems-integration /usr/share/ruby /usr/lib/ruby/vendor_ruby]
            add("library", debian + [File.dirname(HERE)])
            defined?(RbConfig) ? configured : guessed
            gems if defined?(Gem) && Gem.respond_to?(:path)
            add("user", ENV["SONDE_USER_PATHS"].to_s.split(":"))
            Native.name_program($0, File.realpath($0)) if File.file?($0)
          rescue StandardError
            nil # then more is taken for the application's own
          end

          private

          def add(kind, folders)
            folders.each do |folder|
              Native.add_symbol_origin(folder, kind) if folder.is_a?(String) && folder.start_with?("/")
            end
          end

          def configured
            config = RbConfig::CONFIG
            add("library", config.values_at("sitedir", "sitelibdir", "sitearchdir", "vendordir", "vendorlibdir",
                                            "vendorarchdir"))
            standard = config.values_at("rubylibdir", "archdir", "rubyarchdir")
            # Debian has RubyGems itself there.
            add("standard", standard + ["#{config["vendorlibdir"]}/rubygems"])
          end

          # Where nobody has loaded RbConfig, by the folders that Ruby looks for files in.
          def guessed
            $LOAD_PATH.map(&:to_s).each do |folder|
              next unless folder =~ %r{/ruby/(site_ruby|vendor_ruby|\d+\.\d+\.\d+)(/|\z)}
              add(folder =~ %r{/(site|vendor)_ruby(/|\z)} ? "library" : "standard", [folder])
            end
          end

          def gems
            (Gem.path + [Gem.default_dir]).each do |folder|
              add("library", %w[gems bundler/gems extensions].map { |name| File.join(folder, name) })
            end
          end
        end
      end
    end

    # Kernel#fork, Process.fork and IO.popen("-") all pass here. Other forks are noticed in the child.
    module Fork
      unless method_defined?(:_fork)
        def _fork
          pid = nil
          begin
            Native.before_fork
            pid = super
          ensure
            # A fork that failed leaves the parent as it was.
            pid == 0 ? Native.after_fork_child : Native.after_fork_parent
          end
          pid
        end
      end
    end
  end
end
