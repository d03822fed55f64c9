# An amount in cents.
class Money
  include Comparable

  attr_reader :cents

  class << self
    def zero
      new(0)
    end

    def sum(amounts)
      amounts.reduce(zero) do |sum, amount|
        sum + amount # LINE sum
      end
    end

    private

    def parse(text)
      whole, part = text.split(".")
      new(whole.to_i * 100 + part.to_i) # LINE parse
    end
  end

  def self.[](value)
    value.is_a?(String) ? parse(value) : new(value)
  end

  def initialize(cents)
    @cents = cents # LINE initialize
  end

  def +(other)
    Money.new(cents + other.cents) # LINE plus
  end

  def *(factor)
    scaled = cents * factor
    Money.new(scaled.round) # LINE times
  end

  def <=>(other)
    cents <=> other.cents # LINE compare
  end

  def to_s
    format("%d.%02d", *cents.divmod(100)) # LINE to_s
  end
end
