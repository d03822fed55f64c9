# SPDX-License-Identifier: Apache-2.0
# Statements that CPython 3.12 brought; as shapes.py.
def generic[T](x: T) -> T:
    return x
def generic2[
    T: int,
    *U,
](x: T) -> T: return x
class Box[T]:
    x: T = 1
    def get(self): return self.x
type Pair[T] = tuple[T, T]
type Plain = int
def strings(a):
    return f"{
        a
    } {a:>{
        9}}"
def work():
    generic(1); generic2(2); Box[int]().get(); strings(1)
    Pair.__value__; Plain.__value__
