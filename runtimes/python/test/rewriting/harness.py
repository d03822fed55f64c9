# SPDX-License-Identifier: Apache-2.0
"""What the checks share: rewriting a code object with all that is nested in it."""
import dis
import functools
import os
import sys
import types

import _rewrite_test

HERE = os.path.dirname(os.path.abspath(__file__))
Hook = _rewrite_test.Hook
hook = functools.lru_cache(maxsize=None)(Hook)


def rewrite(code, spots, wrap, fail_at=0, turns=()):
    """Hooks are callables here: without an argument for a spot, with one for an end."""
    return _rewrite_test.rewrite(code, [(unit, hook(call)) for unit, call in spots],
                                 {name: hook(call) for name, call in wrap.items()}, fail_at, turns)


def line_units(code):
    """The first unit of each line, in order."""
    return [offset // 2 for offset, line in dis.findlinestarts(code) if line is not None]


def instruction_units(code):
    return [i.offset // 2 for i in dis.get_instructions(code) if i.opcode != dis.EXTENDED_ARG]


def deep(code, plan):
    """Rewrites a code object and the ones in it; plan(code) -> (spots, wrap)."""
    consts = tuple(deep(c, plan) if isinstance(c, types.CodeType) else c for c in code.co_consts)
    spots, wrap = plan(code)
    return rewrite(code.replace(co_consts=consts), spots, wrap)


def codes_in(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from codes_in(const)


def library_files(with_tests):
    root = os.path.dirname(os.__file__)
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in ("site-packages", "__pycache__")
                            and (with_tests or f not in ("test", "tests", "idle_test")))
        for name in sorted(files):
            if name.endswith(".py"):
                yield os.path.join(folder, name)


def library_codes(with_tests):
    """Every code object of the standard library."""
    import warnings
    for path in library_files(with_tests):
        try:
            with open(path, "rb") as file, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = compile(file.read(), path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue  # files that are wrong on purpose
        yield from codes_in(code)


VERSION = sys.version_info[:2]
