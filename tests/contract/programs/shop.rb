# SPDX-License-Identifier: Apache-2.0

# The program that the contract suite probes; shop.py in Ruby, function by function. The suite finds
# lines by their LINE_ markers. Every function takes an integer and returns one.
module Shop
  @tripwires = 0
  @running = 0

  class Item
    def initialize(name, price)
      @name = name
      @price = price
    end
  end

  class Cart
    def initialize
      @count = 2
    end

    def add(n)
      whole = @count + n
      whole
    end
  end

  class Broad
    def initialize
      30.times { |i| instance_variable_set(format("@f%02d", i), i) }
    end
  end

  class Account
    def initialize
      @password = "hunter2-field"
      @nickname = "hunter2-nick"
      @city = "visible-city"
    end
  end

  class Sealed
    def initialize
      @inside = "hunter2-sealed"
    end
  end

  def self.spring
    @tripwires += 1
    raise "a tripwire was called"
  end

  # Every method that one could call to look at it, or at its class, counts and raises; so does any
  # that it has not.
  class Tripwire < BasicObject
    def initialize
      @armed = 7
    end

    traps = ::Object.instance_methods | ::Kernel.private_instance_methods |
            ::BasicObject.private_instance_methods | %i[each each_pair to_a to_ary to_hash to_str
            to_proc length size method_missing respond_to_missing? name message keys values call]
    kept = %i[initialize __send__]
    class_traps = %i[name to_s inspect instance_methods instance_method method_defined? ancestors
                     superclass === == hash class respond_to? const_missing method_missing]
    verbose, $VERBOSE = $VERBOSE, nil # it warns of what is meant here
    (traps - kept).each { |name| define_method(name) { |*| ::Shop.spring } }
    class_traps.each { |name| define_singleton_method(name) { |*| ::Shop.spring } }
    $VERBOSE = verbose
  end

  # Those whose contents are their own, with methods that are not.
  class TripwireList < Array
    %i[each [] at first size length to_a inspect to_s hash == class].each do |name|
      define_method(name) { |*| Shop.spring }
    end
  end

  class TripwireMap < Hash
    %i[each each_pair [] fetch keys size length to_a to_h inspect to_s hash == class].each do |name|
      define_method(name) { |*| Shop.spring }
    end
  end

  class TripwireText < String
    %i[to_s to_str inspect encoding bytes length bytesize [] dup hash == class].each do |name|
      define_method(name) { |*| Shop.spring }
    end
  end

  # What has no lines: the suite asks for it by name.
  singleton_class.alias_method :native_floor, :object_id

  def self.total(order, tax)
    price = order["price"]
    count = order["count"]
    base = price * count
    fee = 2 # LINE_FEE
    # LINE_COMMENT: nothing runs here.
    result = base + fee # LINE_TOTAL
    # LINE_BEFORE_BLANK

    result = result + tax # LINE_TAX
    result
  end

  def self.checkout(n)
    order = { "price" => n, "count" => 3 }
    due = total(order, 1) # LINE_CHECKOUT
    due
  end

  def self.add_to_cart(n)
    cart = Cart.new
    whole = cart.add(n)
    whole
  end

  def self.rebind(n)
    n = n + 100
    copy = n
    copy
  end

  def self.slow(n)
    sleep(0.02)
    n
  end

  def self.fail(n)
    raise ArgumentError, "no item today" # LINE_RAISE
  end

  def self.guarded(n)
    begin
      n = fail(n)
    rescue ArgumentError
      n = n + 1
    end
    n
  end

  def self.catches(n)
    begin
      raise ArgumentError, "caught inside"
    rescue ArgumentError
      n = n + 1
    end
    n
  end

  def self.sum_to(n)
    return 0 if n < 1

    less = n - 1
    below = sum_to(less) # LINE_RECURSION
    result = below + n
    result
  end

  def self.turns(n)
    first = n
    Thread.pass
    second = first + n # LINE_TURNS
    Thread.pass
    second
  end

  def self.loop(n)
    i = 0
    while i < n
      i = i + 1 # LINE_LOOP
    end
    i
  end

  def self.set_running(n)
    @running = n
    n
  end

  def self.spin(n)
    i = 0 # LINE_START
    while @running > 0
      i = i + 1 # LINE_SPIN
      sleep(n / 1e6)
    end
    i
  end

  def self.nap(n)
    sleep(n / 1e6)
    n
  end

  def self.shapes(n)
    nothing = nil
    yes = true
    no = false
    half = 0.5
    plain = "plain"
    accents = "d\u00e9j\u00e0"
    kanji = "\u65e5\u672c"
    smile = "\u{1f642}"
    raw = "\x00A\xff".b
    long = "x" * 300
    wide = (0...150).to_a
    deep = [[[[[[1]]]]]]
    pairs = (0...150).to_h { |i| [format("k%03d", i), i] }
    broad = Broad.new
    ring = []
    ring << ring
    item = Item.new("pen", 3)
    n # LINE_SHAPES
  end

  def self.huge(n)
    grid = Array.new(300) { (0...300).to_a }
    n # LINE_HUGE
  end

  def self.secrets(n)
    password = "hunter2-local"
    api_key = "hunter2-key"
    config = { "auth-token" => "hunter2-entry", "plain" => "visible-entry" }
    account = Account.new
    nickname = "hunter2-nick"
    session = "visible-session"
    sealed = Sealed.new
    n # LINE_SECRETS
  end

  def self.snares(n)
    trap = Tripwire.new
    traps = [trap, { "trap" => trap }]
    keys = {}.compare_by_identity
    keys[trap] = trap
    list = TripwireList.new([trap, 1])
    map = TripwireMap.new.replace("trap" => trap)
    text = TripwireText.new("taut")
    n # LINE_SNARES
  end

  def self.tripwire_count(n)
    @tripwires
  end

  @started = 1 # LINE_MODULE
end
