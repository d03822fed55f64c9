class Api::LegacyController < ActionController::API
  def show
    render json: { rate: Legacy.rate(100), pid: Process.pid }
  end

  def update
    load Rails.root.join("config/patches/legacy.rb").to_s
    3.times { GC.start }
    show
  end
end
