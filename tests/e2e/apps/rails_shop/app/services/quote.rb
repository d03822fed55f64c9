class Quote
  Line = Struct.new(:item, :quantity, keyword_init: true) do
    def cost
      item.price_for(quantity) # LINE quoted
    end
  end

  attr_writer :note

  def self.for(names, kind: "usual")
    lines = names.tally.map do |name, quantity|
      Line.new(item: Catalogue.new.public_send(name), quantity: quantity)
    end
    new(lines, kind).tap { |quote| quote.note = "for #{lines.size}" } # LINE quote
  end

  def initialize(lines, kind)
    @lines, @kind = lines, kind
  end

  def to_h
    total = Discounts.new(@kind).apply(Money.sum(@lines.map(&:cost)))
    { total: total.to_s, kilos: weight, note: @note, words: words(@lines.size, more: "things") } # LINE to_h
  end

  private

  def weight
    @lines.sum do |line|
      line.item.weight_in_kilos(line.quantity) # LINE weighed
    end
  end

  def words(count, prefix = "about", *rest, more:, **others, &block)
    text = "#{prefix} #{count} #{more}"
    text.squish # LINE words
  end
end
