# Values of every kind of Ruby's that the page shows, captured again and again.
#
# Usage: values.rb [SECONDS]. It ends by itself. The tests find their lines by the comments.
require "bigdecimal"
require "set"

Money = Struct.new(:cents, :currency)

class Address
  def initialize
    @street = "12 St James's Square"
    @geo = { lat: 51.5074, lon: -0.1335, "source" => { kind: { name: { deep: 1 } } } }
  end
end

class Customer
  def initialize(number)
    @id = number
    @name = "Ada Lovelace"
    @password = "correct horse"
    @address = Address.new
    @referrer = nil
  end
end

class Order
  attr_reader :price, :items

  def initialize(number)
    @number = number
    @state = :paid
    @price = BigDecimal("139.80")
    @paid = Money.new(13_980, :EUR)
    @items = [{ sku: "tea", quantity: 3 }, { sku: "kettle", quantity: 1 }]
    @is_gift = true
    @note = nil
  end
end

def price(order, customer)
  # This line holds no code: a probe on it is an error with nearest lines.
  total = order.price * order.items.size
  letter = "Dear Ada,\nyour order has been sent. " + "It will be with you in a day or two. " * 12
  greek = "αβγδ" * 100
  hostile = "<img src=x onerror=alert(1)> \u202egnp.exe \e[31mred\e[0m \u200bzero\x00"
  symbols = [:paid, :paid?, :total=, :[], :"not a word", :"a\u202eb"]
  mixed = { state: :paid, "state" => "paid", 1 => 1.5, nil => true, "a b": false }
  many = (0...150).to_a
  table = (0...8).to_h { |n| ["row #{n}", { n: n, square: n * n }] }
  span = 1..5
  letters = "a".."e"
  at = Time.at(1_700_000_000, 250_000, :usec).utc
  kinds = Set[:tea, :coffee]
  big = 2**80
  third = 1r / 3
  failure = ArgumentError.new("no such item")
  blob = "\x00\xffPNG".b
  total # PRICED
end

finish = Process.clock_gettime(Process::CLOCK_MONOTONIC) + Float(ARGV.fetch(0, "60"))
number = 0
while Process.clock_gettime(Process::CLOCK_MONOTONIC) < finish
  number += 1
  price(Order.new(number), Customer.new(1000 + number))
  sleep 0.05
end
