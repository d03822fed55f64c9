"""What things cost."""


class OutOfRange(ValueError):
    """Somebody asked for more than a shop can hold."""


class Basket:
    def __init__(self, number, item, quantity, unit_price):
        self.number = number
        self.item = item
        self.quantity = quantity
        self.unit_price = unit_price
        self.notes = []

    def subtotal(self):
        if self.quantity > 1000:
            raise OutOfRange(f"{self.quantity} is more than we have")
        return self.quantity * self.unit_price


def quote(basket, coupons=()):
    subtotal = basket.subtotal()
    discount = 0
    for coupon in coupons:
        discount += subtotal // 10
        basket.notes.append(f"coupon {coupon}")
    total = subtotal - discount
    return total
