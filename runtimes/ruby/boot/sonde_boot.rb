# SPDX-License-Identifier: Apache-2.0
# `sonde run` has every Ruby require this (RUBYOPT), and puts its folder on the load path (RUBYLIB):
# starts the agent before the application, and leaves no trace of itself.
#
# Loads on every Ruby, and does nothing on those that have no agent.
begin
  here = File.dirname(File.expand_path(__FILE__))
  $LOAD_PATH.reject! { |path| path.is_a?(String) && File.expand_path(path) == here }
  require File.join(File.dirname(here), "sonde", "auto")
rescue StandardError, ScriptError
  # Whatever it was, the application starts.
end
