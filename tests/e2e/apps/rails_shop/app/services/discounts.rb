class Discounts
  PERCENT = { usual: 0, student: 20, member: 10 }.freeze

  PERCENT.each do |kind, percent|
    define_method(:"#{kind}_price") do |amount|
      factor = (100 - percent) / 100r
      amount * factor # LINE discounted
    end
  end

  def initialize(kind)
    @kind = kind.to_sym
  end

  def apply(amount)
    reduced = public_send(:"#{@kind}_price", amount)
    [reduced, amount].min # LINE apply
  end
end
