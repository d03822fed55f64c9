# SPDX-License-Identifier: Apache-2.0
"""Functions of every shape. Each s_ function is run plain and rewritten; what it gives back,
raises or warns of must be the same. Lines are part of it: traceback lines are compared."""
import asyncio
import contextlib
import sys
import types
import warnings


class Trouble(Exception):
    pass


class Manager:
    def __init__(self, log, swallow=False):
        self.log, self.swallow = log, swallow

    def __enter__(self):
        self.log.append("enter")
        return self

    def __exit__(self, kind, value, traceback):
        self.log.append(kind and kind.__name__)
        return self.swallow

    async def __aenter__(self):
        await asyncio.sleep(0)
        self.log.append("aenter")
        return self

    async def __aexit__(self, kind, value, traceback):
        await asyncio.sleep(0)
        self.log.append(kind and kind.__name__)
        return self.swallow


def boom(text="boom"):
    raise Trouble(text)


def s_empty():
    pass


def s_one_line(): return 1


def s_lambda():
    return (lambda a, *b, c=3, **d: (a, b, c, d))(1, 2, c=4, e=5)


def s_arguments():
    def f(a, b=2, /, c=3, *d, e, f=6, **g):
        return a, b, c, d, e, f, g
    return f(1, e=5), f(1, 2, 3, 4, e=5, z=1), f(*[1, 2], **{"e": 0})


def s_bad_arguments():
    def f(a):
        return a
    f(1, 2)


def s_loops():
    out = []
    for i in range(10):
        if i == 2:
            continue
        if i > 5:
            break
        out.append(i)
    else:
        out.append("else")
    while True:
        out.pop()
        if not out:
            break
    for i in "ab": out.append(i)
    else:
        out.append("else")
    return out


def while_first(box):
    while box:
        box.pop()
    return box


def s_while_first():
    return while_first([1, 2, 3])


def s_comprehensions():
    return ([x * y for x in range(3) for y in range(3) if x != y], {x for x in "aba"},
            {k: v for k, v in zip("ab", "cd")}, list(x for x in range(3)),
            [[y for y in range(x)] for x in range(3)])


def s_closures():
    total = 0
    cells = []

    def add(n):
        nonlocal total
        total += n
        cells.append(lambda: (n, total))
        return total
    add(1)
    add(2)
    return [cell() for cell in cells]


def argument_cell(a, b):
    def inner():
        return a, b
    a += 1
    return inner()


def s_argument_cell():
    return argument_cell(1, b=2)


class Base:
    def m(self):
        return "base"


class Derived(Base):
    def m(self):
        return "derived " + super().m()


def s_super():
    return Derived().m()


def s_class_body():
    class A:
        x = 1
        y = [x for _ in range(2)] if False else x

        def f(self):
            return __class__
    return A().f().__name__, A.x, A.y


def s_raise():
    boom()


def s_raise_here():
    x = [1, 2]
    return x[
        5
    ]


def s_multi_line_call():
    return dict(
        a=1,
        b=len(
            [1, 2]),
        c=boom(
            "in c"),
    )


def s_keyword_calls():
    return (dict(a=1 if sys else 2,
                 b=2), sorted([3, 1, 2],
                              key=lambda v: -v,
                              reverse=True), "{a}-{b}".format(a=1,
                                                              b=2))


def s_ternary():
    return (1
            if sys else
            2), (sys and
                 None or
                 5)


def s_chained():
    x = 5
    return 1 < x < 10, 1 < x > 10, not x in (1, 2)


def s_except():
    try:
        boom()
    except Trouble as error:
        return type(error).__name__, str(sys.exc_info()[1])


def s_except_other():
    try:
        boom()
    except (ValueError, KeyError):
        return 1
    except OSError:
        return 2


def s_except_else_finally():
    out = []
    for error in (None, Trouble, KeyError):
        try:
            try:
                if error:
                    raise error("x")
            except Trouble:
                out.append("except")
            else:
                out.append("else")
            finally:
                out.append("finally")
        except KeyError as e:
            out.append(repr(e))
    return out


def s_return_in_try():
    try:
        return "try"
    finally:
        len("x")


def s_return_in_finally():
    try:
        boom()
    finally:
        return "finally"


def s_return_in_except():
    try:
        boom()
    except Trouble:
        try:
            return sys.exc_info()[0].__name__
        finally:
            len("x")


def s_finally_replaces():
    try:
        return "try"
    finally:
        boom("in finally")


def s_break_in_finally():
    out = []
    for i in range(3):
        try:
            boom()
        except Trouble:
            continue
        finally:
            out.append(i)
            if i == 1:
                break
    while True:
        try:
            break
        finally:
            out.append("end")
    return out, sys.exc_info()


def s_nested_try():
    try:
        try:
            try:
                boom("a")
            finally:
                boom("b")
        except Trouble as error:
            raise KeyError("c") from error
    except KeyError:
        try:
            boom("d")
        finally:
            boom("e")


def s_context():
    try:
        boom("first")
    except Trouble:
        raise ValueError("second")


def s_cause():
    try:
        boom("first")
    except Trouble as error:
        raise ValueError("second") from error


def s_no_cause():
    try:
        boom("first")
    except Trouble:
        raise ValueError("second") from None


def s_bare_raise():
    try:
        boom()
    except Trouble:
        len("x")
        raise


def s_reraise_later():
    saved = None
    try:
        boom()
    except Trouble as error:
        saved = error
    raise saved


def s_exc_info_after():
    try:
        boom()
    except Trouble:
        before = sys.exc_info()[0]
        s_except()
        after = sys.exc_info()[0]
        return before is after, before.__name__
    return None


def exc_info_now():
    return sys.exc_info()[0]


def s_exc_info_in_callee():
    try:
        boom()
    except Trouble:
        return exc_info_now().__name__


def s_with():
    log = []
    with Manager(log), Manager(log, True) as m:
        log.append(m.swallow)
        boom()
    with Manager(log):
        log.append("body")
    return log


def s_with_return():
    log = []
    with Manager(log):
        with Manager(log):
            for i in range(3):
                with Manager(log):
                    if i:
                        return log


def s_with_raise():
    log = []
    with Manager(log):
        with contextlib.suppress(KeyError):
            {}["x"]
        boom(str(log))


def s_with_continue():
    log = []
    for i in range(3):
        with Manager(log):
            if i == 1:
                continue
            if i == 2:
                break
            log.append(i)
    return log


def s_with_no_manager():
    with 5:
        pass


def recurse(n):
    if n == 0:
        boom("bottom")
    try:
        recurse(n - 1)
    finally:
        len("x")


def s_recursion():
    recurse(5)


def fact(n):
    return 1 if n < 2 else n * fact(n - 1)


def s_fact():
    return fact(30)


def deep():
    return deep()


def s_recursion_error():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(150)
    try:
        deep()
    except RecursionError:
        return "too deep"
    finally:
        sys.setrecursionlimit(limit)


def s_del():
    x = 1
    del x
    return x


def s_unbound_cell():
    def f():
        return y
    f()
    y = 1


def s_warning():
    warnings.warn("careful", stacklevel=1)
    warnings.warn("up", stacklevel=2)
    return 1


def s_assert():
    x = 1
    assert x == 2, \
        "not two"


def s_star():
    a, *b, c = range(5)
    [d, (e, *f)] = 1, "abc"
    return a, b, c, d, e, f, [*b, *f], {**{"a": 1}, "b": 2}


def s_frame_lines():
    f = sys._getframe()
    a = f.f_lineno
    b = [f.f_lineno,
         f.f_lineno]
    return a, b, f.f_code.co_name, f.f_lineno


# Generators

def numbers(n, log):
    log.append("start")
    try:
        for i in range(n):
            got = yield i
            if got is not None:
                log.append(got)
    except Trouble as error:
        log.append(str(error))
        yield "caught"
    finally:
        log.append("end")
    return "result"


def s_generator():
    log = []
    return list(numbers(3, log)), log


def s_generator_send():
    log = []
    g = numbers(3, log)
    out = [next(g), g.send("x"), g.throw(Trouble("thrown"))]
    try:
        next(g)
    except StopIteration as stop:
        out.append(stop.value)
    return out, log


def s_generator_close():
    log = []
    g = numbers(3, log)
    next(g)
    g.close()
    h = numbers(3, log)
    h.close()
    return log, g.gi_frame, list(g)


def s_generator_dropped():
    log = []
    g = numbers(3, log)
    next(g)
    del g
    return log


def s_generator_throw_unstarted():
    g = numbers(3, [])
    g.throw(Trouble("early"))


def s_generator_throw_through():
    g = numbers(3, [])
    next(g)
    g.throw(KeyError("through"))


def s_generator_ignores_close():
    def g():
        while True:
            try:
                yield 1
            except GeneratorExit:
                pass
            else:
                return
    it = g()
    next(it)
    try:
        it.close()
    finally:
        for _ in range(2):
            try:
                next(it)
            except StopIteration:
                pass


def s_stop_iteration_inside():
    def g():
        yield 1
        next(iter([]))
    return list(g())


def outer(log):
    result = yield from numbers(2, log)
    log.append(result)
    try:
        result = yield from numbers(2, log)
    except KeyError as error:
        result = repr(error)
    log.append(result)
    return "outer"


def s_yield_from():
    log = []
    g = outer(log)
    out = []
    inner = set()
    while True:
        try:
            out.append(next(g))
        except StopIteration as stop:
            out.append(stop.value)
            break
        inner.add(type(g.gi_yieldfrom).__name__)
    return out, log, sorted(inner), g.gi_yieldfrom


def s_yield_from_throw():
    log = []
    g = outer(log)
    out = [next(g), g.gi_yieldfrom.gi_code.co_name, g.throw(Trouble("down")),
           g.gi_yieldfrom.gi_code.co_name, next(g), next(g)]
    try:
        g.throw(KeyError("past"))
    except StopIteration as stop:
        out.append(stop.value)
    return out, log


def returning():
    try:
        yield 1
    except Trouble:
        return "by return"


def delegating(log):
    log.append((yield from returning()))
    log.append((yield from returning()))
    yield "after"


def s_yield_from_throw_returns():
    """The one awaited returns out of a throw: the caller goes on after its loop."""
    log = []
    g = delegating(log)
    out = [next(g), g.throw(Trouble("x")), g.throw(Trouble("y"))]
    return out, log, g.gi_yieldfrom, list(g)


def s_yield_from_close():
    log = []
    g = outer(log)
    next(g)
    g.close()
    return log


def s_yield_from_plain():
    def g():
        x = yield from [1, 2]
        yield x
        yield from "ab"
        return 5
    return list(g())


def s_yield_from_raises():
    def g():
        yield from numbers(1, None)
    list(g())


def s_exc_info_in_generator():
    def g():
        try:
            boom("inner")
        except Trouble:
            yield str(sys.exc_info()[1])
            yield str(sys.exc_info()[1])
        yield sys.exc_info()[0]
    out = []
    it = g()
    try:
        boom("outer")
    except Trouble:
        for _ in range(3):
            out.append((str(next(it)), str(sys.exc_info()[1])))
    return out


def s_generator_in_with():
    @contextlib.contextmanager
    def manager(log):
        log.append("in")
        try:
            yield 5
        except Trouble:
            log.append("trouble")
        finally:
            log.append("out")
    log = []
    with manager(log) as value:
        log.append(value)
        boom()
    with manager(log):
        raise KeyError(str(log))


@types.coroutine
def iterable_coroutine():
    x = yield "suspended"
    return x


def s_iterable_coroutine():
    async def f():
        return await iterable_coroutine()
    c = f()
    out = [c.send(None), type(c.cr_await).__name__]
    try:
        c.send(7)
    except StopIteration as stop:
        out.append(stop.value)
    return out


# Coroutines


def s_eval_and_exec():
    space = {}
    exec("def f(x):\n  return x + 1", space)
    return space["f"](1), eval("[i for i in range(3)]")


def s_deep_blocks():
    with Manager([]):
        with Manager([]):
            with Manager([]):
                for a in range(2):
                    for b in range(2):
                        try:
                            try:
                                with Manager([]):
                                    boom()
                            finally:
                                len("x")
                        except KeyError:
                            pass
                        finally:
                            len("y")
