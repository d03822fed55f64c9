require_relative "app"

run Routes
