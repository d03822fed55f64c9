class ReceiptJob < ActiveJob::Base
  queue_as :receipts

  def perform(order, customer)
    address = "#{customer}@example.org"
    ReceiptMailer.with(order: order).receipt(address).deliver_now # LINE perform
  end
end
