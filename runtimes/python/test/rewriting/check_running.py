# SPDX-License-Identifier: Apache-2.0
"""Runs samples.py plain and rewritten, and compares all that can be seen of it."""
import dis
import functools
import itertools
import os
import sys
import types
import unittest
import warnings

import _rewrite_test
from harness import HERE, VERSION, Hook, deep, instruction_units, line_units, rewrite
from samples_new import NEW_SYNTAX

PATHS = [os.path.join(HERE, name) for name in ("samples.py", "samples_async.py")]


def sources():
    for path in PATHS:
        with open(path) as file:
            yield file.read(), path
    for version, text in sorted(NEW_SYNTAX.items()):
        if VERSION >= version:
            yield text, "samples_%d_%d" % version


def load(plan):
    """The samples as a module's names; plan: see harness.deep, or None for plain."""
    module = types.ModuleType("samples")
    for text, path in sources():
        code = compile(text, path, "exec")
        exec(code if plan is None else deep(code, plan), module.__dict__)
    return module


def is_sample(code):
    return os.path.basename(code.co_filename).startswith("samples")


def frames_of(traceback):
    out = []
    while traceback is not None:
        if is_sample(traceback.tb_frame.f_code):
            # 3.9 can not set a frame back to where its exception came from.
            now = traceback.tb_frame.f_lineno if VERSION > (3, 9) else None
            positions = None
            if VERSION >= (3, 11):
                code = traceback.tb_frame.f_code
                positions = next(itertools.islice(code.co_positions(),
                                                  traceback.tb_lasti // 2, None))
            out.append((traceback.tb_frame.f_code.co_name, traceback.tb_lineno, now, positions))
        traceback = traceback.tb_next
    return out


def describe(error, seen=()):
    if error is None or id(error) in seen:
        return None
    seen += (id(error),)
    return (type(error).__name__, str(error), frames_of(error.__traceback__),
            describe(error.__cause__, seen), describe(error.__context__, seen),
            error.__suppress_context__, getattr(error, "__notes__", None),
            [describe(e, seen) for e in getattr(error, "exceptions", ())])


def outcome(function):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            result = "returned", repr(function())
        except BaseException as error:
            result = "raised", describe(error)
    return result, [(str(w.message), w.lineno) for w in seen], sys.exc_info()


def traced(function):
    """Every event that a tracing debugger sees of the samples' frames."""
    events = []

    def trace(frame, event, arg):
        if not is_sample(frame.f_code):
            return None
        if event == "exception":
            arg = arg[0].__name__
        elif event == "return":
            arg = type(arg).__name__
        if event == "line" and is_in_handler(frame):
            return trace
        line = frame.f_lineno
        if VERSION == (3, 9) and event == "return":
            line = None
        events.append((event, frame.f_code.co_name, line, arg))
        return trace
    sys.settrace(trace)
    try:
        result = outcome(function)
    finally:
        sys.settrace(None)
    return result, events


def is_in_handler(frame):
    """3.9 makes a line event wherever an exception is caught: in the handler around all too."""
    code = frame.f_code
    if VERSION > (3, 9) or not any(type(const) is Hook for const in code.co_consts):
        return False
    tail = list(code.co_code[-14::2])
    if len(tail) < 7 or tail[4] != dis.opmap["CONTAINS_OP"] or tail[6] != dis.opmap["RERAISE"]:
        return False
    has_prefix = tail[2] == dis.opmap["EXTENDED_ARG"]
    return frame.f_lasti >= len(code.co_code) - (14 if has_prefix else 12)


class Log:
    """Hooks that write down what they are called with, by frame."""

    def __init__(self):
        self.open = {}
        self.closed = []
        self.wrong = []

    def entry(self):
        frame = sys._getframe(1)
        if frame in self.open:
            self.wrong.append(("entered twice", frame.f_code.co_name))
        self.open[frame] = ["entry"]

    def add(self, what, depth=2):
        frame = sys._getframe(depth)
        if frame not in self.open:
            self.wrong.append((what, "without entry", frame.f_code.co_name))
        else:
            self.open[frame].append(what)
        return frame

    def leave(self, what):
        frame = self.add(what, 3)
        self.closed.append((frame.f_code.co_name, self.open.pop(frame, None)))

    def leave_return(self, value):
        self.leave("return")

    def leave_unwind(self, error):
        self.leave("unwind " + type(error).__name__)

    def suspend(self):
        self.add("suspend")

    def resume(self):
        self.add("resume")

    def wrap(self):
        wrap = {"entry": self.entry, "return": self.leave_return, "unwind": self.leave_unwind}
        if VERSION >= (3, 11):
            wrap.update(suspend=self.suspend, resume=self.resume)
        return wrap


def nothing():
    return None


SILENT = {"entry": nothing, "return": id, "unwind": id, "suspend": nothing, "resume": nothing}
PLANS = {
    "same": lambda code: ([], {}),
    "lines": lambda code: ([(u, nothing) for u in line_units(code)], {}),
    "instructions": lambda code: ([(u, int) for u in instruction_units(code)], {}),
    "entry": lambda code: ([], {"entry": nothing}),
    "return": lambda code: ([], {"return": id}),
    "unwind": lambda code: ([], {"unwind": id}),
    "resume": lambda code: ([], {"resume": nothing}),
    "suspend": lambda code: ([], {"suspend": nothing}),
    "wrap": lambda code: ([], SILENT),
    "both": lambda code: ([(u, nothing) for u in line_units(code)], SILENT),
    "all": lambda code: ([(u, int) for u in instruction_units(code)], SILENT),
}


def names(module):
    return [name for name in vars(module) if name.startswith("s_")]


class Running(unittest.TestCase):
    maxDiff = 4000

    def test_same_results_and_tracebacks_PY_01_PY_05_PY_06(self):
        plain = load(None)
        expected = {name: outcome(getattr(plain, name)) for name in names(plain)}
        self.assertGreater(len(expected), 80)
        for kind, plan in PLANS.items():
            module = load(plan)
            for name in expected:
                if name == "s_recursion_error" and kind in ("instructions", "all"):
                    continue  # a hook that raises, where nothing can be raised
                with self.subTest(plan=kind, sample=name):
                    self.assertEqual(outcome(getattr(module, name)), expected[name])

    def test_same_trace_events_PY_01(self):
        plain = load(None)
        expected = {name: traced(getattr(plain, name)) for name in names(plain)}
        del expected["s_recursion_error"]  # how deep it is depends on who looks
        for kind, plan in PLANS.items():
            if kind in ("instructions", "all"):
                continue  # a call inside a line can be where a jump back leads to
            module = load(plan)
            for name in expected:
                if VERSION == (3, 9) and kind in ("lines", "both") and name == "s_cancel":
                    # 3.9 leaves out the line of a finally that a line of one instruction
                    # (a bare raise) leads to; with a call on that line it does not.
                    continue
                with self.subTest(plan=kind, sample=name):
                    self.assertEqual(traced(getattr(module, name)), expected[name])

    def test_one_entry_and_one_end_for_each_frame_PY_05(self):
        log = Log()
        plain = load(None)
        module = load(lambda code: ([], log.wrap()))
        for name in set(names(plain)) - {"s_recursion_error"}:  # the hooks would raise
            log.open.clear()
            log.closed.clear()
            ends = []

            def profile(frame, event, arg):
                if event == "call" and is_sample(frame.f_code):
                    calls.add(frame)
            calls = set()
            sys.setprofile(profile)
            try:
                outcome(getattr(plain, name))
            finally:
                sys.setprofile(None)
            outcome(getattr(module, name))
            with self.subTest(sample=name):
                ends = [closed for closed, events in log.closed]
                self.assertEqual(log.wrong, [])
                self.assertEqual(log.open, {})
                # A frame that was thrown into before it began has no entry.
                begun = sorted(frame.f_code.co_name for frame in calls)
                if "unstarted" not in name and "generator_close" not in name:
                    self.assertEqual(sorted(ends), begun)
                for closed, events in log.closed:
                    self.check_order(closed, events)

    def check_order(self, name, events):
        """A suspension is followed by a resumption or by the end."""
        if VERSION < (3, 11):
            return
        suspended = False
        for event in events:
            if event == "suspend":
                self.assertFalse(suspended, (name, events))
                suspended = True
            elif event == "resume":
                suspended = False
            elif event == "return":
                self.assertFalse(suspended, (name, events))

    def test_values_and_exceptions_reach_the_hooks_PY_01(self):
        seen = []

        def f(x):
            if x:
                raise KeyError(x)
            return [x]
        f.__code__ = rewrite(f.__code__, [], {"return": seen.append, "unwind": seen.append})
        result = f(0)
        self.assertIs(seen.pop(), result)
        with self.assertRaises(KeyError) as caught:
            f(1)
        self.assertIs(seen.pop(), caught.exception)

    def test_nothing_of_the_value_is_run_PY_01(self):
        seen = []

        class Value:
            def trip(self, *args):
                seen.append("tripped")
            __eq__ = __contains__ = __iter__ = __getitem__ = __rmatmul__ = __bool__ = __len__ = trip
            __hash__ = None
        value = Value()

        def f():
            return value
        f.__code__ = rewrite(f.__code__, [], {"return": seen.append, "unwind": id})
        f()
        self.assertEqual([type(v) for v in seen], [Value])

    def test_no_signal_is_looked_for_at_a_hook_PY_01(self):
        lines = []

        def note():
            lines.append(sys._getframe(1).f_lineno - sys._getframe(1).f_code.co_firstlineno)

        def f(a):
            b = a
            c = b
            d = len(c)
            return d
        soon = functools.partial(_rewrite_test.call_soon, note)
        code = f.__code__
        units = [offset // 2 for offset, line in dis.findlinestarts(code)
                 if line - code.co_firstlineno in (1, 2)]
        for unit in units:
            f.__code__ = rewrite(code, [(unit, soon)], {})
            f("x")
            self.assertEqual(lines, [3])  # after the call
            lines.clear()
        f.__code__ = rewrite(code, [], {"entry": soon})
        f("x")
        self.assertEqual(lines, [3])

    def test_jumps_that_lead_past_a_spot(self):
        hits = []

        def f(n):
            while n: n -= 1  # noqa: E701
        code = f.__code__
        jumps = [(i.offset // 2, i.argval // 2) for i in dis.get_instructions(code)
                 if i.opcode in dis.hasjrel + dis.hasjabs and i.argval <= i.offset]
        self.assertEqual(len(jumps), 1)
        spots = [(jumps[0][1], lambda: hits.append(1))]
        f.__code__ = rewrite(code, spots, {})
        f(3)
        each_turn = len(hits)
        f.__code__ = rewrite(code, spots, {}, 0, tuple(jumps))
        f(3)
        self.assertEqual((each_turn > 2, len(hits) - each_turn), (True, 1))

    def test_what_is_no_hook_is_refused(self):
        def f():
            return 1
        for wrong in (1, id, type("Own", (), {"__contains__": id})()):
            for spots, wrap in (([], {"entry": wrong}), ([(line_units(f.__code__)[0], wrong)], {})):
                with self.assertRaises(ValueError) as caught:
                    _rewrite_test.rewrite(f.__code__, spots, wrap)
                self.assertEqual(caught.exception.args[0], -2)

    def test_hooks_are_called_in_order(self):
        seen = []

        def f():
            return 1
        first = line_units(f.__code__)[0 if VERSION < (3, 11) else 1]
        spots = [(first, lambda: seen.append("a")), (first, lambda: seen.append("b"))]
        f.__code__ = rewrite(f.__code__, spots, {"entry": lambda: seen.append("entry"),
                                                 "return": lambda v: seen.append("return")})
        f()
        self.assertEqual(seen, ["entry", "a", "b", "return"])

    def test_a_line_is_hit_once_for_each_execution(self):
        def f(items):
            total = 0
            for item in items:
                total += item
            while total > 0:
                total -= 1
            return total
        hits = {}

        def hook(line):
            def hit():
                hits[line] = hits.get(line, 0) + 1
            return hit
        code = f.__code__
        spots = [(offset // 2, hook(line - code.co_firstlineno))
                 for offset, line in dis.findlinestarts(code) if line > code.co_firstlineno]
        f.__code__ = rewrite(code, spots, {})
        f([1, 1])
        self.assertEqual(hits[1], 1)
        self.assertEqual(hits[3], 2)
        self.assertEqual(hits[5], 2)
        self.assertEqual(hits[6], 1)

    def test_an_await_is_hit_once(self):
        hits = []

        async def f(aw):
            await aw
        code = f.__code__
        spots = [(i.offset // 2, lambda: hits.append(1)) for i in dis.get_instructions(code)
                 if i.opname in ("SEND", "YIELD_FROM")]
        f.__code__ = rewrite(code, spots, {})

        class Aw:
            def __await__(self):
                yield 1
                yield 2
        c = f(Aw())
        self.assertEqual([c.send(None), c.send(None)], [1, 2])
        with self.assertRaises(StopIteration):
            c.send(None)
        self.assertEqual(hits, [1])

    def test_suspension_PY_05(self):
        """A plain generator: where it is suspended and goes on, thrown into or not."""
        if VERSION < (3, 11):
            return
        log = []

        def g():
            try:
                yield 1
            except KeyError:
                yield 2
        wrap = {"suspend": lambda: log.append("s"), "resume": lambda: log.append("r")}
        g.__code__ = rewrite(g.__code__, [], wrap)
        it = g()
        next(it)
        self.assertEqual(log, ["s"])
        it.throw(KeyError())
        self.assertEqual(log, ["s", "r", "s"])
        list(it)
        self.assertEqual(log, ["s", "r", "s", "r"])


if __name__ == "__main__":
    unittest.main()
