class ItemsController < ApplicationController
  def index
    below = params.fetch(:below, "1000")
    @items = Item.below(below).limit(@count).to_a
    render # LINE index
  end

  def show
    @item = Item.find(params[:id])
    fresh_when(@item, public: true) unless params[:plain]
    render plain: "#{@item.name} #{@item.price}" unless performed? # LINE show item
  end
end
