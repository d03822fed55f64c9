# The whole application first, and what can be collected of it gone; the agent then.
require_relative "app"
3.times { GC.start }
require "sonde/auto"

run Routes
