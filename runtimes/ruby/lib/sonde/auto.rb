# SPDX-License-Identifier: Apache-2.0
# Starts the agent when it is required. Never raises; Sonde.status says what came of it.
#
# This file must load, and do nothing, on every Ruby that might require it.
begin
  here = File.dirname(File.expand_path(__FILE__))
  require File.join(File.dirname(here), "sonde")
  require File.join(here, "start")
  Sonde::Auto.start
rescue StandardError, ScriptError
  # Whatever it was, the application starts. (A Ractor, for one, may not even define a constant.)
end
