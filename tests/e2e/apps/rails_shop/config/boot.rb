# There is no Bundler: RubyGems finds the gems as they are required, which Bootsnap's cache of load
# paths does not know.
gem "msgpack"
require "bootsnap"

Bootsnap.setup(
  cache_dir: File.expand_path("../tmp/cache", __dir__),
  development_mode: ENV["RAILS_ENV"] != "production",
  load_path_cache: false
)
