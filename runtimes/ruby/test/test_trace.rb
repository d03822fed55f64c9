# SPDX-License-Identifier: Apache-2.0
# CORE-14: snapshots carry the active trace and span, where OpenTelemetry or ddtrace is loaded; nothing of theirs is
# called. Tested with stand-ins of their structure (tracers.rb), since Debian has no package of either.
require "helper"
require "tracers"

class TestTrace < SondeTest
  TRACE = "0123456789abcdef0123456789abcdef"
  SPAN = "fedcba9876543210"

  def setup
    super
    subject = source("module TraceSubject\n  def self.look\n    1.to_s # here\n  end\nend\n")
    subject.load
    @probes.set(subject.at("# here"))
    OpenTelemetry::Context.clear
    OpenTelemetry::Context.kept_by = :thread
  end

  def teardown
    super
    OpenTelemetry::Context.clear
    Object.send(:remove_const, :Datadog) if Object.const_defined?(:Datadog)
  end

  # The ids in a snapshot of here and now.
  def ids
    Tracers.seal { TraceSubject.look }
    record = @probes.take
    refute_nil record
    record.values_at("trace_id", "span_id")
  end

  def span(trace = TRACE, id = SPAN)
    OpenTelemetry::Trace::Span.new(
      span_context: OpenTelemetry::Trace::SpanContext.new(trace_id: [trace].pack("H*"), span_id: [id].pack("H*"))
    )
  end

  def datadog
    eval(DATADOG_SOURCE, TOPLEVEL_BINDING)
    Datadog.configure
    @probes.apply # CRuby 3.3 and later: it is looked for in safe points
    Datadog.tracer.context
  end

  # CORE-14
  def test_core14_none_is_loaded_or_active
    assert_equal [nil, nil], ids
    OpenTelemetry::Context.stack
    assert_equal [nil, nil], ids
    OpenTelemetry::Context.with({}) { assert_equal [nil, nil], ids }
  end

  # CORE-14
  def test_core14_opentelemetry
    %i[thread fiber].each do |place|
      OpenTelemetry::Context.kept_by = place
      OpenTelemetry::Trace.with_span(span) do
        assert_equal [TRACE, SPAN], ids, place
        OpenTelemetry::Context.with({ OpenTelemetry::Context::Key.new("other") => 1 }) do
          assert_equal [TRACE, SPAN], ids, place
        end
        inner = "00000000000000ff"
        OpenTelemetry::Trace.with_span(span(TRACE, inner)) { assert_equal [TRACE, inner], ids, place }
        assert_equal [TRACE, SPAN], ids, place
      end
      assert_equal [nil, nil], ids, place
    end
  end

  # CORE-14
  def test_core14_each_thread_and_fiber_has_its_own
    %i[thread fiber].each do |place|
      OpenTelemetry::Context.kept_by = place
      OpenTelemetry::Trace.with_span(span) do
        other = "11111111111111111111111111111111"
        Thread.new { assert_equal [nil, nil], ids, place }.join
        Fiber.new { assert_equal [nil, nil], ids, place }.resume
        fiber = Fiber.new do
          OpenTelemetry::Trace.with_span(span(other)) do
            Fiber.yield ids
            ids
          end
        end
        assert_equal [other, SPAN], fiber.resume, place
        assert_equal [TRACE, SPAN], ids, place
        assert_equal [other, SPAN], fiber.resume, place
        thread = Thread.new { OpenTelemetry::Trace.with_span(span(other)) { ids } }
        assert_equal [other, SPAN], thread.value, place
      end
    end
  end

  # CORE-14
  def test_core14_what_is_no_span_is_no_span
    [nil, 1, "text", Object.new, span("0" * 32), span(TRACE, "0" * 16), span("ab"), span(TRACE, "ab"),
     OpenTelemetry::Trace::Span.new(span_context: nil),
     OpenTelemetry::Trace::Span.new(span_context: OpenTelemetry::Trace::SpanContext.new(trace_id: 1, span_id: :a))].each do |odd|
      OpenTelemetry::Trace.with_span(odd) { assert_equal [nil, nil], ids, odd.inspect }
    end
    [1, "text", [], [1], [nil], [Object.new], [OpenTelemetry::Context.new({})]].each do |stack|
      Thread.current[OpenTelemetry::Context::STACK_KEY] = stack
      assert_equal [nil, nil], ids, stack.inspect
      Fiber.current.opentelemetry_context = stack
      assert_equal [nil, nil], ids, stack.inspect
      OpenTelemetry::Context.clear
    end
    named_alike = Class.new { def initialize() @name = "current-span" end }.new
    OpenTelemetry::Context.with({ named_alike => span }) { assert_equal [nil, nil], ids }
  end

  # CORE-14, NX-03: where the fiber that runs is not found, what OpenTelemetry keeps in it is not shown, and
  # `sonde ps` says so.
  def test_core14_without_knowledge_of_fibers
    out, = ruby!(<<~RUBY, options: ["-I#{__dir__}"])
      require #{EXTENSION.dump}
      require "sonde"
      require "json"
      require "tracers"
      Sonde::Native.fail_testonly("fibers")
      Sonde::Native.start
      file = "#{folder}/fibers.rb"
      File.write(file, "def look\n  1.to_s\nend\n")
      load file
      Sonde::Native.apply_testonly(JSON.generate([{ id: "p", revision: 1, location: file + ":2", rate: 5000 }]))
      span = OpenTelemetry::Trace::Span.new(
        span_context: OpenTelemetry::Trace::SpanContext.new(trace_id: ["#{TRACE}"].pack("H*"), span_id: ["#{SPAN}"].pack("H*")))
      ids = %i[fiber thread].map do |place|
        OpenTelemetry::Context.kept_by = place
        OpenTelemetry::Trace.with_span(span) { look }
        Sonde::Native.take_testonly["trace_id"]
      end
      puts JSON.generate([ids, JSON.parse(Sonde::Native.report)["disarmed"].map { |fault| fault["part"] }])
    RUBY
    assert_equal [[nil, TRACE], ["fibers"]], JSON.parse(out.lines.last)
  end

  # CORE-14
  def test_core14_ddtrace
    context = datadog
    assert_equal [nil, nil], ids
    [0x0123456789abcdef0123456789abcdef, 0x77, 2**127 + 1].each do |trace_id|
      trace = Datadog::Tracing::TraceOperation.new(trace_id)
      context.active_trace = trace
      assert_equal [nil, nil], ids
      [0xfedcba9876543210, 5, 2**64 - 1].each do |span_id|
        trace.active_span = Datadog::Tracing::SpanOperation.new(span_id)
        assert_equal [format("%032x", trace_id), format("%016x", span_id)], ids
      end
    end
    context.active_trace = Datadog::Tracing::TraceOperation.new(7, parent_span_id: 9)
    assert_equal [format("%032x", 7), format("%016x", 9)], ids
    context.active_trace.finished = true
    assert_equal [nil, nil], ids
    context.active_trace = nil
    assert_equal [nil, nil], ids
  end

  # CORE-14: also when it comes after the probes, which nobody changes.
  def test_core14_ddtrace_that_is_loaded_later
    TraceSubject.look
    source(DATADOG_SOURCE, "later_datadog.rb").load
    Datadog.configure
    trace = Datadog::Tracing::TraceOperation.new(TRACE.hex)
    trace.active_span = Datadog::Tracing::SpanOperation.new(SPAN.hex)
    Datadog.tracer.context.active_trace = trace
    @probes.take_all
    Helper.wait_until(30) do
      TraceSubject.look
      @probes.take_all.any? { |record| record.values_at("trace_id", "span_id") == [TRACE, SPAN] }
    end
  end

  # CORE-14
  def test_core14_ddtrace_before_1_0
    context = datadog
    context.old(Datadog::Span.new(7, 8))
    assert_equal [format("%032x", 7), format("%016x", 8)], ids
    context.old(nil, 5, 6)
    assert_equal [format("%032x", 5), format("%016x", 6)], ids
  end

  # CORE-14
  def test_core14_ddtrace_in_threads_and_fibers_and_after_it_is_configured_again
    datadog.active_trace = Datadog::Tracing::TraceOperation.new(3, parent_span_id: 4)
    expected = [format("%032x", 3), format("%016x", 4)]
    assert_equal expected, ids
    Thread.new { assert_equal [nil, nil], ids }.join
    Fiber.new { assert_equal [nil, nil], ids }.resume
    Datadog.configure
    assert_equal [nil, nil], ids
    Datadog.tracer.context.active_trace = Datadog::Tracing::TraceOperation.new(3, parent_span_id: 4)
    assert_equal expected, ids
  end

  # CORE-14
  def test_core14_what_is_odd_in_ddtrace
    context = datadog
    [1, "text", Object.new, Datadog::Tracing::TraceOperation.new("7", parent_span_id: 9),
     Datadog::Tracing::TraceOperation.new(-7, parent_span_id: 9), Datadog::Tracing::TraceOperation.new(7, parent_span_id: 2**64),
     Datadog::Tracing::TraceOperation.new(2**128, parent_span_id: 2)].each do |odd|
      context.active_trace = odd
      assert_equal [nil, nil], ids, odd.inspect
    end
    [nil, 1, Datadog::Components.new(nil), Datadog::Components.new(1)].each do |components|
      Datadog.instance_variable_set(:@components, components)
      assert_equal [nil, nil], ids
    end
  end

  # CORE-14: a constant of that name that is to be loaded when it is asked for stays so.
  def test_core14_nothing_is_loaded
    Object.autoload(:Datadog, File.join(@folder, "none_such.rb"))
    @probes.apply
    assert_equal [nil, nil], ids
    assert_equal File.join(@folder, "none_such.rb"), Object.autoload?(:Datadog, false) if RUBY_VERSION >= "2.7"
    Object.send(:remove_const, :Datadog)
    Object.const_set(:Datadog, 5)
    @probes.apply
    assert_equal [nil, nil], ids
  end

  # CORE-14
  def test_core14_opentelemetry_goes_first
    datadog.active_trace = Datadog::Tracing::TraceOperation.new(3, parent_span_id: 4)
    OpenTelemetry::Trace.with_span(span) { assert_equal [TRACE, SPAN], ids }
    assert_equal format("%032x", 3), ids[0]
  end

  # CORE-05: it takes no memory either, to which GC.stress would answer with a collection.
  def test_core14_takes_no_memory
    subject = source("module TraceStressSubject\n  def self.look\n    before = GC.count\n    between = 1 # there\n    " \
                     "[GC.count - before, between][0]\n  end\nend\n")
    subject.load
    datadog.active_trace = Datadog::Tracing::TraceOperation.new(7, parent_span_id: 8)
    @probes.set(subject.at("# there"), id: "stress")
    2.times { TraceStressSubject.look } # fills the caches of the subject's own code
    @probes.take_all
    GC.stress = true
    collections = TraceStressSubject.look
    GC.stress = false
    assert_equal 0, collections
    assert_equal format("%032x", 7), @probes.take["trace_id"]
  ensure
    GC.stress = false
  end

  # CORE-05
  def test_core14_makes_no_object
    subject = source(<<~RUBY)
      module TraceCountSubject
        def self.count
          before = GC.stat(:total_allocated_objects)
          between = 1 # there
          [GC.stat(:total_allocated_objects) - before, between][0]
        end
      end
    RUBY
    subject.load
    datadog.active_trace = Datadog::Tracing::TraceOperation.new(2**100, parent_span_id: 2**63)
    bare = Thread.new { Array.new(3) { TraceCountSubject.count }.min }.value
    @probes.set(subject.at("# there"), id: "count")
    assert_equal bare, Thread.new { Array.new(3) { TraceCountSubject.count }.min }.value
    assert_equal [nil] * 3, @probes.take_all.map { |record| record["trace_id"] }
    assert_equal bare, Array.new(3) { TraceCountSubject.count }.min
    assert_equal [format("%032x", 2**100)] * 3, @probes.take_all.map { |record| record["trace_id"] }
  end
end
