Item.create!(name: "Tea", price_cents: 450, stock: 1_000_000)
Item.create!(name: "Kettle", price_cents: 2900, stock: 1_000_000)
Item.create!(name: "Samovar", price_cents: 45_000, stock: 0)
