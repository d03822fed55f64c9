Rails.application.routes.draw do
  get "/health", to: ->(_env) { [200, { "Content-Type" => "text/plain" }, ["ok"]] }
  resources :items, only: %i[index show]
  resources :orders, only: %i[show]
  namespace :api do
    resources :orders, only: %i[create]
    resources :quotes, only: %i[index]
    resource :legacy, only: %i[show update], controller: :legacy
  end
end
