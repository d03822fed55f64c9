# SPDX-License-Identifier: Apache-2.0
"""Code that was there before the agent: what gc.freeze put out of the collector's reach (gunicorn
--preload applications do), and code of which only a function, a cell or a generator is left."""
from conftest import run_python


def test_py01_functions_before_gc_freeze():
    result = run_python("""
        import gc, json, textwrap
        gc.freeze()
        import sonde.auto
        from sonde import _native
        _native.apply_testonly(json.dumps([{"id": "p", "revision": 1, "location": "textwrap:dedent",
                                            "at": "entry", "rate": 1000}]))
        textwrap.dedent("a")
        status, = json.loads(_native.report())["statuses"]
        print(status["hits"])
        """)
    assert result.stdout.split() == ["1"]


def test_py01_names_in_stacks(probes, source):
    """Before 3.11 only functions know their qualified names."""
    subject = source("""
        import functools
        class Shop:
            def total(self):
                return self.price
            @property
            def price(self):
                return self.of(1)
            @classmethod
            def of(cls, n):
                return around(n)
        def decorated(function):
            @functools.wraps(function)
            def wrapper(n):
                return function(n)
            return wrapper
        @decorated
        def around(n):
            def inner():
                return [inmost(n) for _ in "a"][0]
            return inner()
        def inmost(n):
            return n  # here
        """)
    module = subject.run()
    assert probes.set(subject.at("# here"), "line")["status"] == "installed"
    module.Shop().total()
    names = [name for _, name, _ in probes.take()["stack"]]
    names = [name for name in names if not name.endswith("<listcomp>")]  # a frame until 3.11
    assert names[:8] == ["inmost", "around.<locals>.inner", "around", "decorated.<locals>.wrapper",
                         "Shop.of", "Shop.price", "Shop.total", "test_py01_names_in_stacks"]


def test_py01_generator_whose_function_is_gone(probes, source):
    subject = source("""
        def f():
            yield 1
            yield 2  # here
        """)
    module = subject.run()
    going = module.f()
    next(going)
    del module
    assert probes.set(subject.at("# here"), "line")["status"] == "installed"
