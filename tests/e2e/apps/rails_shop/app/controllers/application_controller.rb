class ApplicationController < ActionController::Base
  before_action :count

  private

  def count
    @count = params.fetch(:count, 10).to_i.clamp(1, 50) # LINE count
  end
end
