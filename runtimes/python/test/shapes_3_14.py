# SPDX-License-Identifier: Apache-2.0
# Statements that CPython 3.13 and 3.14 brought; as shapes.py.
def defaults[T = int](x: T) -> T:
    return x
class Stack[
    T = str,
]:
    top: T = None
    def push(self, x: T): self.top = x
type Either[A, B = A] = A | B
def template(a):
    b = t"{a} and {
        a!r}"
    return t"""{b}
        {a:>{9}}"""
def catches(a):
    try:
        raise a
    except KeyError, ValueError:
        x = 1
    except OSError, TypeError: x = 2
    finally:
        x = 3
def group(a):
    try:
        raise ExceptionGroup("x", [a])
    except* KeyError, ValueError:
        return_later = 1
    return return_later
def late(x: unknown,
         y: "text" = 1) -> nothing:
    z: unknown = x
    return z
def leaves(a):
    for i in range(3):
        try:
            if a == i: break
        finally:
            a += 1
    return a
def work():
    defaults(1); Stack().push(1); Either.__value__; template(1)
    catches(KeyError()); catches(OSError()); group(ValueError())
    try: catches(IndexError())
    except IndexError: pass
    late(1); leaves(1); leaves(7)
