# SPDX-License-Identifier: Apache-2.0
"""What all the applications sell. They have it by every way a name is held: imported from here, in a
table, bound into a partial."""
import functools


def quote(item, quantity):
    unit = len(item) * 100
    total = unit * quantity
    return total  # LINE quote


def discounted(percent, item):
    price = len(item) * 100
    reduced = price * (100 - percent) // 100
    return reduced  # LINE discounted


def shipped(item):
    weight = len(item)
    return weight * 7  # LINE shipped


REGISTRY = {"shipped": shipped}
reduced_price = functools.partial(discounted, 10)


def traced(function):
    """A decorator that says what it wraps."""

    @functools.wraps(function)
    def around(*args, **kwargs):
        return function(*args, **kwargs)

    return around


def bare(function):
    """A decorator that does not."""

    def around(*args, **kwargs):
        return function(*args, **kwargs)

    return around
