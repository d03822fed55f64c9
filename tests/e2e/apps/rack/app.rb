# An application that shows what a test asks for.
require "json"
require_relative "held"
require_relative "lines"
require_relative "tripwire"

module Routes
  def self.answer(path)
    case path
    when "/health" then "ok"
    when "/lines" then Lines.run && "ran"
    when "/collect" then 3.times { GC.start } && "collected"
    when "/tripwire" then Tripwire.work && JSON.generate(Tripwire::CALLS)
    when "/whole" then WHOLE_FILE.size.to_s
    end
  end

  def self.call(env)
    body = answer(env["PATH_INFO"])
    [body ? 200 : 404, { "Content-Type" => "text/plain" }, [body.to_s]]
  end
end
