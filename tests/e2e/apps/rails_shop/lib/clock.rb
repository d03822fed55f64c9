# Middleware: how long a request took, in a header.
class Clock
  def initialize(app)
    @app = app
  end

  def call(env)
    began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    status, headers, body = @app.call(env)
    took = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
    [status, headers.merge("X-Took" => format("%.6f", took)), body] # LINE clock
  end
end
