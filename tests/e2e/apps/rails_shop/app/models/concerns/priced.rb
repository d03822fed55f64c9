module Priced
  extend ActiveSupport::Concern

  included do
    scope :cheapest_first, -> { order(:price_cents) } # LINE scope
  end

  class_methods do
    def below(text)
      limit = Money[text]
      cheapest_first.where("price_cents < ?", limit.cents) # LINE below
    end
  end

  def price
    Money.new(price_cents) # LINE price
  end

  def price_for(quantity)
    each = price
    yield each if block_given?
    each * quantity # LINE price_for
  end
end
