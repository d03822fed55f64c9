class Order < ApplicationRecord
  KINDS = %w[usual student member].freeze

  has_many :order_lines, dependent: :destroy
  before_save :note_total
  validates :kind, inclusion: { in: KINDS }

  KINDS.each do |name|
    define_method(:"#{name}?") do
      kind == name # LINE kind
    end
  end

  def self.place(customer, wanted, kind: "usual")
    order = new(customer: customer, kind: kind)
    wanted.each do |name, quantity|
      item = Catalogue.new.public_send(name)
      raise SoldOut.new(item, quantity) unless item.available?(quantity) # LINE wanted

      order.order_lines.build(item: item, quantity: quantity)
    end
    order.save!
    order # LINE placed
  end

  def total
    Discounts.new(kind).apply(Money.sum(order_lines.map(&:cost))) # LINE total
  end

  class SoldOut < StandardError
    def initialize(item, quantity)
      @item, @quantity = item, quantity
      super("#{quantity} of #{item.name} are not there") # LINE sold out
    end
  end

  private

  def note_total
    self.total_cents = total.cents # LINE note_total
  end
end
