# frozen_string_literal: true

# Lines of every kind that a probe may stand on. Nothing but methods: a block that lives on, such
# as those in held.rb, would hold the sequences of the bodies and of the file around it.

# A literal that nothing but the sequence of this whole file holds: gone when that is collected.
WHOLE_FILE = ObjectSpace::WeakMap.new
WHOLE_FILE["held by the file"] = 1

module Lines
  class Cart
    def initialize(items)
      @items = items
    end

    def total(rate, *rest, extra: 2, **more, &block)
      factor = rate * 2 # FIRST
      sum = 0
      @items.each_with_index do |item, index|
        cost = item * factor
        sum += cost # IN BLOCK
      end

      # COMMENT
      sum + extra # LAST
    end # END OF TOTAL

    def one_line(number) = number + 1 # ONE LINE

    def several(list) = list.map { |value| value * 2 } # SEVERAL

    def nested(first)
      outer = first + 1
      shadowed = "outer"
      [10].each do |second|
        middle = second + 1
        [100].each do |third; shadowed|
          shadowed = "inner"
          inner = third + 1
          inner # NESTED
        end
      end
    end

    def self.build(count)
      items = (1..count).to_a
      new(items) # SINGLETON
    end

    def rescued(divisor)
      1 / divisor
    rescue ZeroDivisionError => error
      error.class # RESCUED
    ensure
      @last = divisor # ENSURED
    end

    private

    def hidden(word)
      word.upcase # PRIVATE
    end
  end

  def self.run
    cart = Cart.build(3)
    cart.total(5, :more, extra: 7, other: 1)
    cart.one_line(1)
    cart.several([1, 2, 3])
    cart.nested(1)
    cart.rescued(0)
    cart.send(:hidden, "word")
    Held.run
    # The same file and line by eval: it is told apart.
    eval("[1].each { |evaluated| evaluated }", binding, __FILE__, __LINE__)
  end # END OF RUN
end
