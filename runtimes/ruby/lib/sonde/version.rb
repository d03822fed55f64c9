# SPDX-License-Identifier: Apache-2.0
module Sonde
  VERSION = "0.1.0" unless defined?(VERSION)
end
