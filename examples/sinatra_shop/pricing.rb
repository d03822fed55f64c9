# What things cost.

# Somebody asked for more than a shop can hold.
class OutOfRange < ArgumentError
end

class Basket
  attr_reader :number, :item, :quantity, :unit_price, :notes

  def initialize(number, item, quantity, unit_price)
    @number = number
    @item = item
    @quantity = quantity
    @unit_price = unit_price
    @notes = []
  end

  def subtotal
    raise OutOfRange, "#{quantity} is more than we have" if quantity > 1000

    quantity * unit_price
  end
end

module Pricing
  def self.quote(basket, coupons = [])
    subtotal = basket.subtotal
    discount = 0
    coupons.each do |coupon|
      discount += subtotal / 10
      basket.notes << "coupon #{coupon}"
    end
    total = subtotal - discount
    total
  end
end
