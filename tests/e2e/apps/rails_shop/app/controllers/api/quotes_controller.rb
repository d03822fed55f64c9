class Api::QuotesController < ActionController::API
  include Told

  def index
    names = params[:items].to_s.split(",")
    quote = Quote.for(names, kind: params.fetch(:kind, "usual"))
    render json: quote.to_h # LINE quotes
  end
end
