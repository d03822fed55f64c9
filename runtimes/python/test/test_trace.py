# SPDX-License-Identifier: Apache-2.0
"""CORE-14: a snapshot carries the active trace and span of OpenTelemetry or ddtrace. Needs requirements-trace.txt;
each test runs in a process of its own, since what is loaded is what it is about."""
import os

from conftest import LIB, run_python

HERE = os.path.dirname(os.path.abspath(__file__))

PRELUDE = """
import asyncio, json, os, pathlib, sys, tempfile, threading, time, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, %r)
from conftest import Probes, Source
from sonde import _native
probes = Probes()
source = Source(pathlib.Path(tempfile.mkdtemp()) / "subject.py", "def look():\\n    return None  # here\\n")
module = source.run()
probes.set(source.at("# here"), "line")

def seen():
    module.look()
    record = probes.take()
    return [record.get("trace_id"), record.get("span_id")]

def told(trace, span):
    return ["%%032x" %% trace, "%%016x" %% span]

def same(what, wanted, found):
    assert wanted == found, (what, wanted, found)
""" % HERE

OTEL = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
otel = trace.get_tracer("test")
def of(span):
    return told(span.get_span_context().trace_id, span.get_span_context().span_id)
"""

DDTRACE = """
from ddtrace.trace import tracer as dd
from ddtrace import config
def of_dd(span):
    return told(span.trace_id, span.span_id)
def learned():
    # Native spans are looked at by another thread when the first is met.
    with dd.trace("first"):
        deadline = time.monotonic() + 10
        while seen() == [None, None]:
            assert time.monotonic() < deadline
            time.sleep(0.002)
"""


def run(*parts):
    environment = {"SONDE_LIB": LIB, "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false", "DD_TRACE_STARTUP_LOGS": "false",
                   "DD_REMOTE_CONFIGURATION_ENABLED": "false", "DD_TRACE_AGENT_URL": "http://127.0.0.1:1"}
    result = run_python("\n".join((PRELUDE,) + parts), env=environment, lib=None, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_core14_no_tracer():
    run("same('nothing', [None, None], seen())")


def test_core14_opentelemetry():
    run(OTEL, """
same("no span", [None, None], seen())
with otel.start_as_current_span("outer") as outer:
    same("outer", of(outer), seen())
    with otel.start_as_current_span("inner") as inner:
        same("inner", of(inner), seen())
    same("outer again", of(outer), seen())
same("no span again", [None, None], seen())
remote = trace.NonRecordingSpan(trace.SpanContext(0x123, 0x456, True))
with trace.use_span(remote):
    same("remote", told(0x123, 0x456), seen())
with trace.use_span(trace.INVALID_SPAN):
    same("invalid", [None, None], seen())
for bad in (trace.NonRecordingSpan(None), trace.NonRecordingSpan((1 << 200, 5)), trace.NonRecordingSpan((-1, -1))):
    with trace.use_span(bad):
        same("senseless", [None, None], seen())
""")


def test_core14_opentelemetry_in_tasks_and_threads():
    run(OTEL, """
async def task(name):
    with otel.start_as_current_span(name) as span:
        for _ in range(5):
            await asyncio.sleep(0)
            same(name, of(span), seen())
async def main():
    with otel.start_as_current_span("main") as span:
        await asyncio.gather(*(task(str(n)) for n in range(5)))
        same("main", of(span), seen())
asyncio.run(main())
found = []
def thread():
    found.append(seen())
    with otel.start_as_current_span("thread") as span:
        found.append(seen() == of(span))
with otel.start_as_current_span("outside"):
    started = threading.Thread(target=thread)
    started.start()
    started.join()
same("thread", [[None, None], True], found)
""")


def test_core14_late_import_and_another_one():
    """Loaded after captures were made; then loaded anew."""
    run("same('before', [None, None], seen())", OTEL, """
with otel.start_as_current_span("late") as span:
    same("late", of(span), seen())
import importlib, opentelemetry.context
importlib.reload(opentelemetry.context)
same("reloaded", [None, None], seen())
with otel.start_as_current_span("anew") as span:
    same("anew", of(span), seen())
for name in [n for n in sys.modules if n.startswith("opentelemetry")]:
    del sys.modules[name]
same("removed", [None, None], seen())
""")


def test_core14_opentelemetry_runs_nothing():
    """CORE-05: a span and a context of which every method raises."""
    run(OTEL, """
tripped = []
def trip(name):
    def method(*args, **kwargs):
        tripped.append(name)
        raise AssertionError(name)
    return method
names = "__getattribute__ __eq__ __hash__ __len__ __getitem__ __iter__ __contains__ __bool__ get keys items".split()
class WiredSpan(trace.NonRecordingSpan):
    pass
class WiredHead(tuple):
    pass
from opentelemetry.context import attach, detach, Context
from opentelemetry.trace.propagation import _SPAN_KEY
class WiredContext(Context):
    pass
span = WiredSpan(WiredHead((0x77, 0x88)))
context = WiredContext({_SPAN_KEY: span})
for kind in (WiredSpan, WiredHead, WiredContext):
    for name in names:
        setattr(kind, name, trip(name))
token = attach(context)
shown = seen()
same("tripped", [], tripped)
same("wired", told(0x77, 0x88), shown)
""")


def test_core14_ddtrace():
    run(DDTRACE, """
learned()
same("no span", [None, None], seen())
with dd.trace("outer") as outer:
    same("outer", of_dd(outer), seen())
    with dd.trace("inner") as inner:
        same("inner", of_dd(inner), seen())
    same("outer again", of_dd(outer), seen())
same("no span again", [None, None], seen())
async def task(name):
    with dd.trace(name) as span:
        for _ in range(5):
            await asyncio.sleep(0)
            same(name, of_dd(span), seen())
async def main():
    with dd.trace("main") as span:
        await asyncio.gather(*(task(str(n)) for n in range(5)))
        same("main", of_dd(span), seen())
asyncio.run(main())
""")


def test_core14_ddtrace_after_the_end():
    """A span that has ended is not active any more, though it stays in the contexts of tasks."""
    run(DDTRACE, """
learned()
async def child(outer, inner):
    same("inner", of_dd(inner), seen())
    inner.finish()
    same("parent", of_dd(outer), seen())
    outer.finish()
    same("none", [None, None], seen())
async def main():
    outer = dd.trace("outer")
    inner = dd.trace("inner")
    await asyncio.create_task(child(outer, inner))
asyncio.run(main())
""")


def test_core14_both():
    """OpenTelemetry's is the one, when it has a span."""
    run(OTEL, DDTRACE, """
learned()
with dd.trace("dd") as theirs:
    same("only ddtrace", of_dd(theirs), seen())
    with otel.start_as_current_span("otel") as span:
        same("both", of(span), seen())
    same("ddtrace again", of_dd(theirs), seen())
""")
