class OrdersController < ApplicationController
  def show
    @order = Order.includes(order_lines: :item).find(params[:id])
    @lines = @order.order_lines.sort_by(&:id) # LINE show order
  end
end
