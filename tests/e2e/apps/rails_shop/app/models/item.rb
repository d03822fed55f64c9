class Item < ApplicationRecord
  include Priced

  has_many :order_lines
  validates :name, presence: true

  def available?(quantity)
    left = stock - quantity
    if left.negative?
      logger.debug { "#{-left} of #{name} too few" }
    end # END
    left >= 0 # LINE available
  end

  def weight_in_kilos(quantity = 1)
    Units.in_kilos(Units.grams(name, quantity)) # LINE weight
  end
end
