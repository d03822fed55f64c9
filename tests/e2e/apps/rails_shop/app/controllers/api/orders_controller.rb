module Api
  class OrdersController < ActionController::API
    include Told

    def create
      order = Order.place(order_params[:customer], wanted, kind: order_params.fetch(:kind, "usual"))
      ReceiptJob.perform_later(order, order_params[:customer])
      render json: { id: order.id, total: order.total.to_s }, status: :created # LINE create
    end

    private

    def order_params
      params.require(:order).permit(:customer, :kind, wanted: [:item, :quantity])
    end

    def wanted
      order_params[:wanted].to_h do |line|
        [line[:item], line[:quantity].to_i] # LINE line
      end
    end
  end
end
