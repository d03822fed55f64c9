# Errors as JSON.
module Told
  extend ActiveSupport::Concern

  included do
    rescue_from Order::SoldOut do |error|
      render json: { error: error.message }, status: :conflict # LINE rescued
    end
    rescue_from NoMethodError, with: :unknown
  end

  def unknown(error)
    name = error.name
    render json: { error: "no #{name}" }, status: :not_found # LINE unknown
  end
end
