# SPDX-License-Identifier: Apache-2.0
"""The inside of `make explore`: arms the probes before anything of the program is imported, and
notes each test's outcome. It takes itself off the path, so that child processes run plain."""
import os
import sys

OURS = ("SONDE_EXPLORE", "SONDE_EXPLORE_LIB", "SONDE_SERVER", "SONDE_MAX_RATE", "SONDE_CPU_PERCENT",
        "SONDE_QUEUE_BYTES", "PYTHONPATH")
PID = os.getpid()
probes = None
seen = set()


def note(kind, name):
    """One line more. The file is opened anew each time: tests close what they find open."""
    if os.getpid() == PID:
        fd = os.open(os.path.join(FOLDER, "outcomes"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(fd, ("%s\t%s\n" % (kind, name.replace("\n", " "))).encode("utf-8", "replace"))
        finally:
            os.close(fd)


class Probes:
    """All of them, there before the program is: each waits until the code it is for is made."""

    def __init__(self, lib):
        sys.path.insert(0, lib)
        import sonde
        import sonde.auto

        sys.path.remove(lib)
        if not sonde.status()["running"]:
            raise RuntimeError("the agent is off: %s" % sonde.status()["reason"])
        from sonde import _native

        self.native = _native
        with open(os.path.join(FOLDER, "probes.json")) as source:
            _native.apply_testonly(source.read())

    def finish(self):
        with open(os.path.join(FOLDER, "report.json"), "w") as out:
            out.write(self.native.report())


def rest():
    """Between two tests: room for what the next one captures, and which modules there are."""
    if os.getpid() != PID:
        return
    for name in list(sys.modules):
        if name not in seen:
            seen.add(name)
            note("module", name)
    if probes is not None:
        probes.native.discard_testonly()


def finish():
    rest()
    if probes is not None and os.getpid() == PID:
        probes.finish()


def listen_to_unittest():
    import unittest

    result = unittest.TestResult

    def listen(method, kind):
        before = getattr(result, method)

        def after(self, test, *more, **named):
            note(kind, test.id())
            return before(self, test, *more, **named)

        setattr(result, method, after)

    for method, kind in (("addSuccess", "passed"), ("addError", "error"), ("addFailure", "failed"),
                         ("addSkip", "skipped"), ("addExpectedFailure", "expected failure"),
                         ("addUnexpectedSuccess", "unexpected success"), ("startTest", "start")):
        listen(method, kind)
    sub_test, stop_test = result.addSubTest, result.stopTest

    def add_sub_test(self, test, subtest, err):
        if err is not None:
            note("failed", subtest.id())
        return sub_test(self, test, subtest, err)

    def stop(self, test):
        rest()
        return stop_test(self, test)

    result.addSubTest, result.stopTest = add_sub_test, stop


def listen_to_pytest():
    """A plugin that `-p sonde_explore` finds without a file."""
    import types

    def pytest_runtest_logstart(nodeid, location):
        note("start", nodeid)

    def pytest_runtest_logreport(report):
        if report.when == "call" or report.outcome != "passed":
            note(report.outcome, report.nodeid)

    def pytest_runtest_logfinish(nodeid, location):
        rest()

    plugin = types.ModuleType("sonde_explore", "PYTEST_DONT_REWRITE")
    plugin.__dict__.update(pytest_runtest_logstart=pytest_runtest_logstart,
                           pytest_runtest_logreport=pytest_runtest_logreport,
                           pytest_runtest_logfinish=pytest_runtest_logfinish)
    sys.modules["sonde_explore"] = plugin


FOLDER = os.environ["SONDE_EXPLORE"]
try:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    if os.path.exists(os.path.join(FOLDER, "probes.json")):
        probes = Probes(os.environ["SONDE_EXPLORE_LIB"])
    for variable in OURS:
        os.environ.pop(variable, None)
    import atexit

    atexit.register(finish)
    if os.environ.pop("SONDE_EXPLORE_PYTEST", ""):
        listen_to_pytest()
    else:
        listen_to_unittest()
except Exception as error:
    note("fault", "%s: %s" % (type(error).__name__, error))
    raise
