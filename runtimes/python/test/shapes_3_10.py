# SPDX-License-Identifier: Apache-2.0
# Statements that CPython 3.10 brought; as shapes.py.
import contextlib
@contextlib.contextmanager
def cm(v=None):
    yield v
def match(x):
    match x:
        case 1:
            r = "one"
        case [a, b]:
            r = "two"
        case {"k": v} if v:
            r = "map"
        case _:
            r = "other"
    return r
def match2(x):
    match x:
        case (1 |
              2):
            return 1
        case str() as s if (
                s):
            return 2
        case [int(),
              *rest]:
            for r in rest:
                match r:
                    case 1: continue
                    case None: break
                    case {"a": a, **more}: x = more
            return 3
        case complex(real=0,
                     imag=b):
            return b
def match3(x):
    match x:
        case 1: pass
        case 2: x = 3
    while x:
        match x:
            case 3:
                x = 1
                continue
            case _: break
def with2(n):
    with (  # no code: 3.13 3.14
        cm() as a,
        cm(2) as b,
    ):
        x = 1
    with (cm(),
          cm()):
        return n
def work():
    for x in (1, [1, 2], {"k": 1}, 5): match(x)
    for x in (1, 2, "", "a", [1], [1, 1, {"a": 1, "b": 2}, None, 5], 1j): match2(x)
    match3(1); match3(2); match3(4); with2(1)
