require_relative "boot"
require "rails"
require "active_record/railtie"
require "active_job/railtie"
require "action_controller/railtie"
require "action_mailer/railtie"
require_relative "../lib/clock"

module RailsShop
  class Application < Rails::Application
    config.load_defaults 6.1
    config.eager_load_paths << Rails.root.join("lib")
    config.active_job.queue_adapter = :inline
    config.action_mailer.delivery_method = :test
    config.middleware.use Clock
    config.secret_key_base = "not a secret"
    config.log_level = :warn
  end
end
