# A small web shop: the application that the demo looks into. It knows nothing of Sonde.
require "json"
require "sinatra/base"
require_relative "pricing"

class Shop < Sinatra::Base
  STOCK = { "tea" => 350, "coffee" => 780, "mug" => 1290, "kettle" => 4900 }.freeze
  LOCK = Mutex.new
  @last_number = 0

  def self.next_number
    LOCK.synchronize { @last_number += 1 }
  end

  set :show_exceptions, false
  before { content_type :json }

  get "/" do
    JSON.generate(stock: STOCK)
  end

  get "/order" do
    item = params.fetch("item", "tea")
    quantity = Integer(params.fetch("quantity", "1"))
    card_number = params.fetch("card", "4111 1111 1111 1111")
    halt 404 unless STOCK.key?(item)
    number = Shop.next_number
    basket = Basket.new(number, item, quantity, STOCK[item])
    total = Pricing.quote(basket, (number % 3).zero? ? ["WELCOME"] : [])
    JSON.generate(order: number, item: item, total: total, paid_with: card_number[-4..])
  end

  get "/health" do
    content_type :text
    "ok"
  end
end
