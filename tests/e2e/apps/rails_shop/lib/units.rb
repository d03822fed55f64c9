module Units
  GRAMS = { "Tea" => 100, "Kettle" => 1200, "Samovar" => 9000 }.freeze

  module_function

  def grams(name, quantity)
    each = GRAMS.fetch(name) { 500 }
    each * quantity # LINE grams
  end

  def in_kilos(grams) = grams.fdiv(1000).round(2) # LINE kilos
end
