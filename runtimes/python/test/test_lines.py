# SPDX-License-Identifier: Apache-2.0
"""PY-10: a line probe fires exactly once per execution of its line, whatever stands on it."""
import asyncio
import importlib.util
import io
import os
import threading
import time

import pytest
from sonde import _native

import oracle

HERE = os.path.dirname(os.path.abspath(__file__))


def shapes():
    with open(os.path.join(HERE, "shapes.py")) as file:
        return file.read()


def test_py10_every_line_of_every_shape():
    """The program counts its own lines; probes on each of them count the same."""
    assert oracle.differences(_native, shapes(), "shapes.py", lambda names: names["work"]()) == []


# name, source, line text, what to run, executions in all (a `def` on the line runs once itself)
TABLE = [
    ("one_line_def", "def f(): return 1  # here", "# here", "f(); f()", 3),
    ("one_line_def_with_argument", "def f(a): return a + 1  # here", "# here", "f(1)", 2),
    ("lambda", "f = [\nlambda x: x + 1,  # here\n][0]", "# here", "f(1); f(2); f(3)", 4),
    ("multi_line_call", "def f():\n    return max(  # here\n        1,\n        2)", "# here", "f(); f()", 2),
    ("argument_of_multi_line_call", "def f(x):\n    return max(\n        x,  # here\n        2)", "# here", "f(1)", 1),
    ("one_line_loop", "def f(n):\n    for i in range(n): i += 1  # here", "# here", "f(5); f(0)", 2),
    ("one_line_while", "def f(n):\n    while n: n -= 1  # here", "# here", "f(5)", 1),
    ("for_header", "def f(n):\n    for i in range(n):  # here\n        i += 1", "# here", "f(5)", 1),
    ("for_body", "def f(n):\n    for i in range(n):\n        i += 1  # here", "# here", "f(5)", 5),
    ("while_header", "def f(n):\n    while n:  # here\n        n -= 1", "# here", "f(5)", 6),
    ("endless_header", "def f(n):\n    while True:  # here\n        n -= 1\n        if not n: return",
     "# here", "f(5)", 5),
    ("with", "from contextlib import nullcontext\ndef f():\n    with nullcontext():  # here\n        pass",
     "# here", "f(); f()", 2),
    ("with_and_return", "from contextlib import nullcontext\ndef f():\n    with nullcontext():\n        return 1  # here",
     "# here", "f(); f()", 2),
    ("with_that_raises",
     "from contextlib import suppress\ndef f():\n    with suppress(KeyError):  # here\n        raise KeyError",
     "# here", "f(); f()", 2),
    ("comprehension", "def f(n):\n    return [i for i in range(n)]  # here", "# here", "f(5)", 1),
    ("generator_expression", "def f(n):\n    return sum(i for i in range(n))  # here", "# here", "f(5)", 1),
    ("element_of_comprehension", "def f(n):\n    return [\n        i + 1  # here\n        for i in range(n)]",
     "# here", "f(5)", 5),
    ("ternary", "def f(a):\n    return (1 if a  # here\n            else 2)", "# here", "f(0); f(1)", 2),
    ("try", "def f():\n    try:  # here\n        return 1\n    finally:\n        pass", "# here", "f(); f()", 2),
    ("finally", "def f(a):\n    try:\n        return 1 / a\n    finally:\n        a = 0  # here",
     "# here", "f(1)\ntry: f(0)\nexcept ZeroDivisionError: pass", 2),
    ("except", "def f(a):\n    try:\n        1 / a\n    except ZeroDivisionError as e:  # here\n        pass",
     "# here", "f(0); f(1)", 1),
    ("decorator", "def d(f): return f\n@d  # here\ndef f(): pass", "# here", "", 1),
    ("def_line", "def d(f): return f\n@d\ndef f():  # here\n    pass", "# here", "f(); f()", 1),
    ("class_line", "class A:  # here\n    x = 1", "# here", "A()", 1),
    ("class_body", "class A:\n    x = 1  # here", "# here", "A()", 1),
    ("module_level", "x = 1  # here", "# here", "", 1),
    ("yield", "def f():\n    yield 1  # here\n    yield 2", "# here", "list(f())", 1),
    ("one_line_generator", "def f(): yield 1  # here", "# here", "list(f())", 2),
    ("case", "def f(x):\n    match x:\n        case 1:\n            return 1\n        case [a]:  # here\n            return a",
     "# here", "f(1); f([2]); f(3)", 2),
    ("boolean_over_two_lines", "def f(a, b):\n    if (a and\n            b):  # here\n        pass", "# here",
     "f(0, 1); f(1, 1)", 1),
    ("chained_call", "def f(s):\n    return (s\n            .strip()  # here\n            .upper())", "# here", "f('a')", 1),
    ("import", "def f():\n    import os  # here", "# here", "f(); f()", 2),
]


@pytest.mark.parametrize("name,text,where,work,count", TABLE, ids=[row[0] for row in TABLE])
def test_py10_table(probes, source, name, text, where, work, count):
    subject = source(text)
    code = compile(subject.text, str(subject.path), "exec")  # keeps module-level code alive
    status = probes.set(subject.at(where), "line")
    assert status["status"] == "installed", status
    names = {}
    exec(code, names)
    exec(work, names)
    assert probes.hits() == count
    assert len(probes.take_all()) == count


def test_py10_async_lines(probes, source):
    subject = source("""
        import asyncio, contextlib
        @contextlib.asynccontextmanager
        async def manager():
            yield 1
        async def numbers(n):
            for i in range(n):
                yield i
        async def work():
            async with manager() as m:  # with
                await asyncio.sleep(0)  # await
            async for i in numbers(3):  # for
                m += i  # body
            return [i async for i in numbers(2)]  # comprehension
        """)
    module = subject.run()
    wanted = {"with": 1, "await": 1, "for": 1, "body": 3, "comprehension": 1}
    for name in wanted:
        assert probes.set(subject.at("# " + name), "line", id=name)["status"] == "installed"
    asyncio.run(module.work())
    assert {name: probes.hits(name) for name in wanted} == wanted


def test_py10_frames_already_running(probes, source):
    """A loop and a generator that began before the probe was set."""
    subject = source("""
        def spin(state):
            while not state["stop"]:
                state["turns"] += 1  # here
        def generate():
            for i in range(5):
                yield i  # there
        """)
    module = subject.run()
    state = {"stop": False, "turns": 0}
    thread = threading.Thread(target=module.spin, args=(state,))
    thread.start()
    generator = module.generate()
    next(generator)
    try:
        probes.set(subject.at("# here"), "line", rate=0.001)
        deadline = time.monotonic() + 5
        while probes.hits() < 10:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        state["stop"] = True
        thread.join()
    probes.set(subject.at("# there"), "line", id="g")
    list(generator)
    assert probes.hits("g") == 4


def test_py10_extended_arguments(probes, source):
    """Lines whose first instruction has a prefix: more than 256 names and constants."""
    body = "\n".join("    v%d = %d.5" % (i, i) for i in range(300))
    subject = source("def f():\n%s\n    x = v299 + 1  # here\n    for i in range(2): v298 += x  # loop\n    return x\n" % body)
    module = subject.run()
    for name in ("here", "loop"):
        assert probes.set(subject.at("# " + name), "line", id=name)["status"] == "installed"
    assert module.f() == 300.5
    module.f()
    assert (probes.hits("here"), probes.hits("loop")) == (2, 2)


def test_py10_recursion_and_threads(probes, source):
    subject = source("""
        def f(n):
            if n:  # here
                f(n - 1)
        """)
    module = subject.run()
    probes.set(subject.at("# here"), "line", rate=0.001)
    threads = [threading.Thread(target=module.f, args=(50,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert probes.hits() == 8 * 51


STDLIB = {
    "textwrap": lambda m: (m["wrap"]("the quick brown fox " * 9, 30), m["dedent"]("  a\n   b\n")),
    "shlex": lambda m: list(m["split"]("a 'b c' \"d\\\"e\" f#g", comments=True)),
    "heapq": lambda m: (list(m["merge"]([1, 3], [2, 4])), m["nlargest"](2, [1, 3, 2])),
    "tokenize": lambda m: list(m["generate_tokens"](io.StringIO("def f(a):\n  '''x'''\n").readline)),
    "configparser": lambda m: m["ConfigParser"]().read_string("[a]\nx=1\ny=%(x)s\n z\n"),
    "argparse": lambda m: m["ArgumentParser"](prog="x").format_help(),
    "_pydecimal": lambda m: (m["Decimal"](2).sqrt(), str(m["Decimal"]("1E+5"))),
    "re._parser": lambda m: m["parse"](r"(?P<a>b|c)*[d-f]{2,3}?(?:x)(?=y)\w+$"),
}


@pytest.mark.parametrize("name", STDLIB)
def test_py10_standard_library(name):
    spec = importlib.util.find_spec(name)
    source = spec.loader.get_source(name)
    names = {"__name__": name, "__file__": spec.origin, "__package__": name.rpartition(".")[0],
             "__spec__": spec, "__doc__": None}
    wrong = oracle.differences(_native, source, spec.origin, STDLIB[name], names)
    # `if (` alone has no instruction at all: such a line is never offered.
    assert [line for line in wrong if line[3]] == []
    lines = source.split("\n")
    assert [line for line in wrong if lines[line[0] - 1].rstrip()[-1] != "("] == []
