"""Values of every kind that the page shows, captured again and again.

Usage: values.py [SECONDS]. It ends by itself. The tests find their lines by the comments."""
import decimal
import sys
import time


class Address:
    def __init__(self):
        self.street = "12 St James's Square"
        self.geo = {"lat": 51.5074, "lon": -0.1335, "source": {"kind": {"name": {"deep": 1}}}}


class Customer:
    def __init__(self, number):
        self.id = number
        self.name = "Ada Lovelace"
        self.password = "correct horse"
        self.address = Address()
        self.referrer = None


class Order:
    def __init__(self, number):
        self.number = number
        self.price = decimal.Decimal("139.80")
        self.items = [{"sku": "tea", "quantity": 3}, {"sku": "kettle", "quantity": 1}]
        self.is_paid = True
        self.note = None


class OutOfStock(Exception):
    pass


def price(order, customer):
    # This line holds no code: a probe on it is an error with nearest lines.
    total = order.price * len(order.items)
    letter = "Dear Ada,\nyour order has been sent. " + "It will be with you in a day or two. " * 12
    hostile = "<img src=x onerror=alert(1)> \u202egnp.exe \x1b[31mred\x1b[0m \u200bzero\x00"
    many = list(range(150))
    table = {f"row {n}": {"n": n, "square": n * n} for n in range(8)}
    blob = b"\x00\xffPNG"
    return total  # PRICED


def reserve(sku, quantity):
    if quantity > 2:
        raise OutOfStock(f"{quantity} of {sku} is more than there is")
    return quantity


def main():
    end = time.monotonic() + float(sys.argv[1] if len(sys.argv) > 1 else 60)
    number = 0
    while time.monotonic() < end:
        number += 1
        price(Order(number), Customer(1000 + number))
        try:
            reserve("kettle", number % 4)
        except OutOfStock:
            pass
        time.sleep(0.05)


main()
