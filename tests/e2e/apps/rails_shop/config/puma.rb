environment ENV.fetch("RAILS_ENV", "development")
threads 5, 5
workers Integer(ENV.fetch("WEB_CONCURRENCY", "2"))

if ENV.fetch("WEB_CONCURRENCY", "2") != "0"
  preload_app!
  # What loading left behind is not copied into every worker.
  before_fork { 3.times { GC.start } }
end
