# SPDX-License-Identifier: Apache-2.0
# Stand-ins for opentelemetry-api and ddtrace, which no Debian package has: their classes, instance variables
# and places of storage as their sources have them (open-telemetry/opentelemetry-ruby: api/lib/opentelemetry at
# 1.0 to 1.11; DataDog/dd-trace-rb: lib at 0.54, 1.0 and 2.x), and of their behaviour as much as makes a span
# the active one. Every method that a reader could be tempted to call raises while Tracers.sealed is set.
require "fiber" # Fiber.current, before 3.1

module Tracers
  class << self
    attr_accessor :sealed

    # Nothing of the tracers may be called meanwhile.
    def seal
      self.sealed = true
      yield
    ensure
      self.sealed = false
    end

    def reader(owner, *names)
      names.each do |name|
        owner.define_method(name) do
          raise ScriptError, "called #{owner}##{name}" if Tracers.sealed
          instance_variable_get("@#{name}")
        end
      end
    end
  end
end

# `Fiber.attr_accessor :opentelemetry_context` keeps it in this variable of the Fiber.
class Fiber
  attr_accessor :opentelemetry_context
end

module OpenTelemetry
  class Context
    STACK_KEY = :__opentelemetry_context_storage__

    class Key
      Tracers.reader(self, :name)

      def initialize(name)
        @name = name
      end

      def hash
        Tracers.sealed ? raise(ScriptError, "called Key#hash") : super
      end
      def eql?(other)
        Tracers.sealed ? raise(ScriptError, "called Key#eql?") : super
      end
    end

    class << self
      # Where the stack is kept: :fiber (1.5 and later) or :thread.
      attr_accessor :kept_by

      def stack
        raise ScriptError, "called Context.stack" if Tracers.sealed
        return Fiber.current.opentelemetry_context ||= [] if kept_by == :fiber
        Thread.current[STACK_KEY] ||= []
      end

      def with(entries)
        stack.push(new((stack.last&.entries || {}).merge(entries)))
        yield
      ensure
        stack.pop
      end

      def clear
        Fiber.current.opentelemetry_context = nil
        Thread.current[STACK_KEY] = nil
      end
    end

    Tracers.reader(self, :entries)

    def initialize(entries)
      @entries = entries.freeze
    end
  end

  module Trace
    CURRENT_SPAN_KEY = Context::Key.new("current-span")
    private_constant :CURRENT_SPAN_KEY

    class SpanContext
      Tracers.reader(self, :trace_id, :span_id)

      def initialize(trace_id: Random.bytes(16), span_id: Random.bytes(8))
        @trace_id = trace_id
        @span_id = span_id
        @remote = false
      end
    end

    class Span
      Tracers.reader(self, :context)

      def initialize(span_context: SpanContext.new)
        @context = span_context
      end
    end

    def self.with_span(span, &block)
      Context.with({ Context::Key.new("baggage") => {}, CURRENT_SPAN_KEY => span }, &block)
    end
  end
end

# Defined only when a test asks for it: the reader must find it whenever it appears.
DATADOG_SOURCE = <<~'RUBY'
  module Datadog
    class Components
      def initialize(tracer)
        @logger = nil
        @tracer = tracer
      end
    end

    # 1.0 and later: Tracing::Tracer, Tracing::DefaultContextProvider, Tracing::FiberLocalContext. Before, the
    # same without Tracing.
    module Tracing
      class Tracer
        def initialize
          @provider = DefaultContextProvider.new
        end

        def context
          @provider.context
        end
      end

      class DefaultContextProvider
        def initialize
          @context = FiberLocalContext.new
        end

        def context
          @context.local
        end
      end

      class FiberLocalContext
        def self.next_instance_id
          $tracers_count = ($tracers_count || 0) + 1
        end

        def initialize
          @key = :"datadog_context_#{FiberLocalContext.next_instance_id}"
        end

        def local
          Kernel.raise ScriptError, "called FiberLocalContext#local" if Tracers.sealed
          Thread.current[@key] ||= Context.new
        end
      end

      class Context
        Tracers.reader(self, :active_trace)
        attr_writer :active_trace

        # 0.x: a span of the context's own.
        def old(span, trace_id = nil, span_id = nil)
          @current_span, @parent_trace_id, @parent_span_id = span, trace_id, span_id
        end
      end

      class TraceOperation
        Tracers.reader(self, :id, :active_span, :parent_span_id, :finished)
        attr_writer :active_span, :finished

        def initialize(id, parent_span_id: nil)
          @id = id
          @parent_span_id = parent_span_id
          @active_span = nil
          @finished = false
        end
      end

      class SpanOperation
        Tracers.reader(self, :id)

        def initialize(id)
          @id = id
        end
      end
    end

    class Span
      Tracers.reader(self, :trace_id, :span_id)

      def initialize(trace_id, span_id)
        @trace_id = trace_id
        @span_id = span_id
      end
    end

    class << self
      attr_reader :tracer

      def configure
        @tracer = Tracing::Tracer.new
        @components = Components.new(@tracer)
      end
    end
  end
RUBY
