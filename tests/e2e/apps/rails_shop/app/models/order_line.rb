class OrderLine < ApplicationRecord
  belongs_to :order
  belongs_to :item

  delegate :name, to: :item, prefix: true

  def cost
    item.price_for(quantity) do |each|
      each.cents # LINE cost
    end
  end
end
