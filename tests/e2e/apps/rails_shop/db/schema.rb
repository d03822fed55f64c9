# Readers do not wait for who writes. Two threads that write wait for each other, under the VM's lock:
# SQLite's own library sleeps in C.
ActiveRecord::Base.connection.execute("PRAGMA journal_mode = WAL")

ActiveRecord::Schema.define(version: 1) do
  create_table :items, force: true do |t|
    t.string :name, null: false
    t.integer :price_cents, null: false
    t.integer :stock, null: false, default: 0
  end
  create_table :orders, force: true do |t|
    t.string :customer, null: false
    t.string :kind, null: false, default: "usual"
    t.integer :total_cents, null: false, default: 0
  end
  create_table :order_lines, force: true do |t|
    t.references :order, null: false
    t.references :item, null: false
    t.integer :quantity, null: false
  end
end
