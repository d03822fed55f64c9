# Blocks that live on.
module Held
  class Cart
    define_method(:doubled) do |given|
      doubled = given * 2
      doubled # DEFINED
    end
  end

  LAMBDA = ->(left, right = 4) { left + right } # LAMBDA

  def self.run
    Cart.new.doubled(21)
    LAMBDA.call(3)
  end
end
