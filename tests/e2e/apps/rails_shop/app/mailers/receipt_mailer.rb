class ReceiptMailer < ActionMailer::Base
  default from: "shop@example.org"

  def receipt(address)
    @order = params[:order]
    subject = "Order #{@order.id}"
    mail(to: address, subject: subject) # LINE mail
  end
end
