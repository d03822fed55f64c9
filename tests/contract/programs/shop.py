# SPDX-License-Identifier: Apache-2.0
"""The program that the contract suite probes. shop_fake.c says the same, function by function; the
suite finds lines by their LINE_ markers. Every function takes an integer and returns one."""

import time
from math import floor as native_floor  # noqa: F401 (the suite asks for it by name)

tripwires = 0
running = 0
waiting = {}


class Item:
    def __init__(self, name, price):
        self.name = name
        self.price = price


class Cart:
    def __init__(self):
        self.count = 2

    def add(self, n):
        whole = self.count + n
        return whole


class Broad:
    def __init__(self):
        for i in range(30):
            setattr(self, f"f{i:02}", i)


class Account:
    def __init__(self):
        self.password = "hunter2-field"
        self.nickname = "hunter2-nick"
        self.city = "visible-city"


class Sealed:
    def __init__(self):
        self.inside = "hunter2-sealed"


def spring(*args, **kwargs):
    global tripwires
    tripwires += 1
    raise RuntimeError("a tripwire was called")


class Tripwire:
    """Every method that one could call to look at it counts, and raises."""

    def __init__(self):
        object.__setattr__(self, "armed", 7)

    __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = __bool__ = spring
    __getattribute__ = __getattr__ = __getitem__ = __dir__ = __format__ = spring
    __class__ = property(spring)


def total(order, tax):
    price = order["price"]
    count = order["count"]
    base = price * count
    fee = 2  # LINE_FEE
    # LINE_COMMENT: nothing runs here.
    result = base + fee  # LINE_TOTAL
    # LINE_BEFORE_BLANK

    result = result + tax  # LINE_TAX
    return result


def checkout(n):
    order = {"price": n, "count": 3}
    due = total(order, 1)  # LINE_CHECKOUT
    return due


def add_to_cart(n):
    cart = Cart()
    whole = cart.add(n)
    return whole


def rebind(n):
    n = n + 100
    copy = n
    return copy


def slow(n):
    time.sleep(0.02)
    return n


def fail(n):
    raise ValueError("no item today")  # LINE_RAISE


def guarded(n):
    try:
        n = fail(n)
    except ValueError:
        n = n + 1
    return n


def catches(n):
    try:
        raise ValueError("caught inside")
    except ValueError:
        n = n + 1
    return n


def sum_to(n):
    if n < 1:
        return 0
    less = n - 1
    below = sum_to(less)  # LINE_RECURSION
    result = below + n
    return result


def turns(n):
    first = n
    time.sleep(0)
    second = first + n  # LINE_TURNS
    time.sleep(0)
    return second


def loop(n):
    i = 0
    while i < n:
        i = i + 1  # LINE_LOOP
    return i


def set_running(n):
    global running
    running = n
    return n


def spin(n):
    i = 0  # LINE_START
    while running > 0:
        i = i + 1  # LINE_SPIN
        time.sleep(n / 1e6)
    return i


def nap(n):
    time.sleep(n / 1e6)
    return n


def waits(n):
    if n >= 10:
        wait_begin(n - 10)
    yield n  # LINE_WAIT
    time.sleep(0.005)
    yield n + 1
    return n + n


def wait_begin(n):
    waiting[n] = waits(n)
    return next(waiting[n])


def wait_go_on(n):
    try:
        return next(waiting[n])
    except StopIteration as stop:
        del waiting[n]
        return stop.value


def wait_throw(n):
    return waiting.pop(n).throw(ValueError("thrown in"))


def wait_close(n):
    waiting.pop(n).close()
    return n


def wait_cancel(n):
    from asyncio import CancelledError

    try:
        waiting.pop(n).throw(CancelledError())
    except CancelledError:
        return n


def shapes(n):
    nothing = None
    yes = True
    no = False
    half = 0.5
    plain = "plain"
    accents = "d\u00e9j\u00e0"
    kanji = "\u65e5\u672c"
    smile = "\U0001f642"
    raw = b"\x00A\xff"
    long = "x" * 300
    wide = list(range(150))
    deep = [[[[[[1]]]]]]
    pairs = {f"k{i:03}": i for i in range(150)}
    broad = Broad()
    ring = []
    ring.append(ring)
    item = Item("pen", 3)
    return n  # LINE_SHAPES


def huge(n):
    grid = [list(range(300)) for _ in range(300)]
    return n  # LINE_HUGE


def secrets(n):
    password = "hunter2-local"
    api_key = "hunter2-key"
    config = {"auth-token": "hunter2-entry", "plain": "visible-entry"}
    account = Account()
    nickname = "hunter2-nick"
    session = "visible-session"
    sealed = Sealed()
    return n  # LINE_SECRETS


def snares(n):
    trap = Tripwire()
    traps = [trap, {"trap": trap}]
    return n  # LINE_SNARES


def tripwire_count(n):
    return tripwires


started = 1  # LINE_MODULE
