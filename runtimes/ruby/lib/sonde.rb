# SPDX-License-Identifier: Apache-2.0
# Sonde's agent for CRuby. `require "sonde/auto"` starts it; Sonde.status says how it is.
#
# Like all of these files it loads on every Ruby since 2.0.
require File.join(File.dirname(File.expand_path(__FILE__)), "sonde", "version")

module Sonde
  # Why the agent is off; nil: it was started.
  @reason = "not started" unless instance_variable_defined?(:@reason)

  unless respond_to?(:status)
    # What the agent does in this process: {:running, :reason (why it is off, or nil), ...}.
    def self.status
      found = { :running => false, :reason => @reason }
      if @reason.nil?
        found.update(Native.status)
        found[:reason] = "stopped" unless found[:running]
      end
      found
    end
  end

  unless respond_to?(:wait_for_symbols)
    # Waits until all that is loaded by now is known to the collector; at most so many seconds. False: it is not,
    # or will not be (no agent, no collector, symbols are off).
    def self.wait_for_symbols(timeout_s = 30)
      @reason.nil? && Native.wait_for_symbols(timeout_s)
    end
  end
end
