# SPDX-License-Identifier: Apache-2.0
# Statements of every shape, run by work(): test_lines.py counts what runs.
import contextlib, functools
@contextlib.contextmanager
def cm(v=None):
    yield v
def one(): return 1
f = lambda x: x + 1
def multi(a):
    r = max(
        a,
        2,
    )
    return r
def multi2(a, g):
    x = g(a,
          g(1,
            2),
          3) + g(
        4, 5)
    return (x,
            a)
def loop(n):
    s = 0
    for i in range(n): s += i
    while n > 0: n -= 1
    return s
def loop2(n):
    s = 0
    for i in range(n):
        if i == 3:
            continue
        if i > 5:
            break
        s += i
    else:
        s = -1
    while n:
        n -= 1
        if n == 2:
            continue
        if n < -5: break
    return s
def w(n):
    with cm() as a, cm(2) as b:
        x = 1
    with cm():
        return n
def w2():
    with cm():
        return 1
def w3():
    with (cm() as a,
          cm() as b):
        for i in range(2):
            with cm():
                if i:
                    break
                continue
    return
def w4():
    with contextlib.suppress(ValueError):
        raise ValueError
    with contextlib.suppress(ValueError):
        int("x")
    return 2
def comp(n):
    r = [i
         for i in range(n)
         if i]
    q = [i for i in r]
    d = {k: v
         for k, v in zip(r, q)}
    g = sum(i for i in q)
    h = sum(
        i
        for i in q
    )
    return r
def tern(a):
    return (1 if a
            else 2)
def tern2(a):
    x = (
        "y"
        if a
        else "n"
    )
    y = 1 if a else 2
    return x
def tr(a):
    try:
        y = 1 / a
    except ZeroDivisionError:
        y = 0
    except (ValueError,
            TypeError) as e:
        y = str(e)
    else:
        y += 1
    finally:
        z = 1
    return y
def tr2(a):
    try:
        return 1 / a
    except ZeroDivisionError as e:
        return 0
    finally:
        z = 2
def tr3(a):
    try:
        return 1
    finally:
        z = 3
def tr4():
    for i in range(3):
        try:
            if i == 1:
                continue
            if i == 2:
                break
            x = i
        finally:
            z = 4
    return
def tr5():
    try:
        try:
            raise ValueError("x")
        except KeyError:
            pass
    except:
        pass
    try:
        raise KeyError
    except KeyError: return 5
def deco(x):
    def d(fn):
        return fn
    return d
@deco(1)
@deco(
    2)
def decorated(a,
              b=one(),
              c=3):
    "doc"
    return a
class A:
    x = 1
    def m(self): return self
    @property
    def p(self):
        return self.x
    @staticmethod
    def s(): pass
class B(A): pass
def gen(n):
    for i in range(n):
        yield i
    yield from range(2)
    x = yield 5
def g1(): yield 1
async def co():
    return 5
async def co2():
    async with acm() as x:
        y = await co()
        async for i in agen():
            y += i
    z = [i async for i in agen()]
    return await co()
async def agen():
    yield 1
    yield 2
@contextlib.asynccontextmanager
async def acm():
    yield 1
def cond(a, b):
    if (a and
            b):
        x = 1
    elif a or b:
        x = 2
    else: x = 3
    assert a is not None, "x"
    assert (a or
            b or True)
    del x
    return a if b else (
        b)
def chain(s):
    x = (s
         .strip()
         .replace("a",
                  "b")
         .upper())
    y = f"{x}" \
        f"{s}"
    z = {
        "a": 1,
        "b": [x,
              y],
        **{"c": 3},
    }
    return x
def nested():
    def inner(): return 1
    def inner2():
        nonlocal q
        q = 2
        return q
    q = 1
    k = lambda: (q,
                 1)
    k()
    return inner() + inner2()
def whiletrue():
    i = 0
    while True:  # no code: 3.9
        i += 1
        if i > 3:
            break
    while 1:  # no code: 3.9
        try:
            i -= 1
            if i < 0: return i
        finally:
            i -= 0
def rec(n):
    if n == 0: return 0
    return rec(n - 1) + 1
def starargs(*a, **k):
    x = [*a,
         *k]
    y = {**k, "z": 1}
    print_ = x; print_ = y
    return dict(
        **k)
def imp():
    import os
    from os import (path,
                    sep)
    return path
def swap(a, b):
    a, b = b, a
    (a,
     b) = (b,
           a)
    a[0] if 0 else None
    return a
def aug():
    d = {"k": 1}
    d[
        "k"
    ] += 1
    d["k"] -= 1
    x = y = d["k"]
    return y
def impl(x):
    if x:
        for i in x:
            one()
    else:
        with cm():
            one()
def impl2(x):
    try:
        one()
    except Exception:
        one()
    else:
        while x:
            x -= 1
def trreturn(x):
    for i in x:
        with cm():
            try:
                return i
            finally:
                one()
def exc_in_with():
    try:
        with cm():
            raise KeyError(
                "a")
    except KeyError as e:
        x = e
        return x
def deflts(
        a=one(),
        *, b: int = f(1),
        c=(1,
           2)) -> int:
    return a
class C(
        A,
        metaclass=type):
    """doc"""
    y: int = 1
    z: str
    for i in range(2):
        y += i
    if y: z = 1
    else: z = 2
    w = [y
         for y in range(2)]
def walrus(a):
    if (n := len(a)) > 1:
        return n
    while (m := a.pop() if a
           else None): one()
    return [y for x in a if (y := f(x))]
def globl():
    global GLOBAL
    GLOBAL = 1; other = 2
    del GLOBAL, \
        other
def compare(a, b, c):
    if a < b < c:
        x = 1
    if (a <
            b
            < c):
        x = 2
    return (a
            < b <
            c)
def nots(a, b):
    if not a or not (b
                     and a):
        x = 1
    return not (
        a and b)
def asserts(a):
    assert a, (
        "x")
    assert one() and \
        a
    return 1
def whilecond(a, b):
    while (a and
           b):
        a -= 1
    while a < b: a += 1
    else:
        a = 0
    while a < 5 and b:
        a += 1
        if a == 3: continue
        if a == 4:
            pass
    return a
def forelse(n):
    for i in (1,
              2,
              n):
        if i == 3: break
    else:
        i = 0
    for i in (
            one(),
            n):
        pass
    for i, j in zip(range(n),
                    range(n)): one()
    for i in range(n):
        for j in range(n):
            if i == j: continue
            one()
def fstr(a):
    return f"""{a}
    {f(1)}
    {f(a)
     + 1!r:>10}
    """
def bigdict(a):
    d = {
        "a": f(1),
        "b": a,
        "c": {
            "d": [
                one(),
                2,
            ],
        },
    }
    t = (
        1,
        2)
    return {
        1,
        a,
    }, [
        *t,
        a
    ]
def fin(a):
    for i in range(2):
        try:
            try:
                if a: return one()
            finally:
                if i: one()
        finally:
            for k in range(2):
                one()
    try:
        one()
    finally: one()
def fin2(a):
    while True:  # no code: 3.9
        try:
            a -= 1
            if a == 3:
                continue
            if a < 1:
                break
        except ValueError:
            raise
        else:
            one()
        finally:
            try:
                one(1)
            except TypeError:
                one()
    return a
def fin3(a):
    try:
        with cm():
            try:
                return f(a)
            except TypeError:
                raise ValueError
            finally:
                with cm(): one()
    except ValueError as e:
        return e
    finally:
        a = None
def exc(a):
    try:
        raise a
    except KeyError: x = 1
    except (OSError, ValueError) as e:
        if e.args:
            return 2
        x = 2
    except Exception: pass
    else: x = 3
    try: raise a
    except: x = 4
    for i in range(2):
        try:
            raise a
        except Exception as e:
            if i: continue
            x = e
def early(a):
    if a: return
    if not a:
        return
    one()
def dead(a):
    return a
    one()
def dead2(a):
    while True:  # no code: 3.9
        if a: break
        a += 1
    if 0:  # no code: 3.9
        one()
    if 1:  # no code: 3.9
        one()
    else:
        f(1)
    raise_ = a
    for i in (): one()
def lambdas(a):
    g = lambda: a; h = lambda x: (x,
                                  a)
    g(); h(1)
    return sorted([2, 1],
                  key=lambda k: -k)
def nestcomp(n):
    return [
        [j
         for j in range(i)]
        for i in range(n)
        if i
        if i > 1
    ]
def genexp(n):
    g = (i
         for i in range(n)
         if i)
    return list(g), {i for i in range(n)}, dict(
        (i, i) for i in range(n))
def ydel(n):
    x = yield
    while n:
        n -= 1
        y = yield (
            n)
        try:
            yield n
        finally:
            one()
    return (yield from
            range(2))
async def aw(n):
    for i in range(n):
        await co()
        x = await \
            co()
    async with acm(), acm() as a, \
            acm():
        await co()
    async with acm():
        return 1
async def aw2(n):
    try:
        async for i in agen(): await co()
        else:
            x = 1
        async for i in agen():
            if i == 1: continue
            break
        async for i, in (
                agen2()):
            x = i
        return {k: v async for k, v in agen3()
                if k}
    finally:
        await co()
async def agen2():
    yield 1,
async def agen3():
    for i in range(2): yield i, \
        i
def subscripts(a):
    a[0][
        1] = f(
            2)
    a[0:
      1]
    del a[0][
        1]
    x, *y = a, \
        one()
    a[f(-1)] += \
        [1]
    return a[
        0
    ].__class__ \
        .__name__
def semicolons(a): x = 1; y = 2; return x
def raising(a):
    try:
        raise ValueError(
            a) from None
    except ValueError: pass
    try:
        assert not a, "b"
    except AssertionError: return 1
def printing(a):
    "doc"
    a
    1
    ...
    pass
def calls(a):
    one(), f(
        a), f(x=a)
    f(
        x=f(
            a))
    return multi2(
        a, g=lambda *a,
        b=3: 1)
def header(a,
           b): return a + b
def work():
    import asyncio
    header(1, 2)
    for i in range(3): one(); f(1)
    multi(1); multi2(1, lambda a, b, c=0: a)
    loop(4); loop2(9); loop2(2)
    w(1); w2(); w3(); w4(); comp(4); tern(0); tern(1); tern2(0); tern2(1)
    tr(0); tr(1); tr2(0); tr2(1); tr3(1); tr4(); tr5()
    try: tr("x")
    except TypeError: pass
    try: tr2("x")
    except TypeError: pass
    decorated(1); A().m().p; A.s(); list(gen(3)); list(g1()); asyncio.run(co2())
    g = gen(1); next(g); g.close()
    for a in (0, 1):
        for b in (0, 1): cond(a, b)
    chain(" a "); nested(); whiletrue(); rec(3); starargs(1, k=2); imp(); swap(1, 2); aug()
    impl([1, 2]); impl([]); impl2(3); trreturn([1]); exc_in_with()
    deflts(); walrus([1, 2]); walrus([1]); walrus([]); globl()
    for a in ((1, 2, 3), (1, 2, 0), (3, 2, 1)): compare(*a)
    for a in (0, 1):
        for b in (0, 1): nots(a, b)
    asserts(1); whilecond(2, 1); whilecond(0, 4); forelse(3); forelse(4); fstr(1); bigdict(1)
    fin(0); fin(1); fin2(6); fin3(1); fin3("a")
    for a in (KeyError(), OSError(), OSError(1), TypeError()):
        exc(a)
    early(0); early(1); dead(1); dead2(0); lambdas(1); nestcomp(4); genexp(3)
    list(ydel(3)); g = ydel(2); next(g); next(g); g.send(1); g.close()
    asyncio.run(aw(2)); asyncio.run(aw2(2)); subscripts([[1, 2, [3]], [4]]); semicolons(1)
    raising(1); raising(0); printing(1); calls(1)
