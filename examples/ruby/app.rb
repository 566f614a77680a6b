require "json"
require "jwt"
require "redis"
require "sinatra"

SECRET = ENV.fetch("SISYPHUS_JWT_SECRET")
STORE = Redis.new(host: "localhost", port: 6379)
set :port, 3000
enable :sessions

get "/" do
  send_file "index.html"
end

get "/login" do
  session[:user] = params[:name]
  STORE.call("FCALL", "sisyphus_grant", 1, "sisyphus:{0}", session[:user], "room:1")
  redirect "/"
end

post "/stream-token" do
  halt 401 unless session[:user]
  token = JWT.encode({ sub: session[:user], exp: Time.now.to_i + 3600 }, SECRET, "HS256")
  response.set_cookie("sisyphus", value: token, path: "/stream", httponly: true, same_site: :lax)
  204
end

post "/say" do
  halt 401 unless session[:user]
  message = { user: session[:user], text: params[:text] }
  STORE.call("FCALL", "sisyphus_publish", 1, "sisyphus:{0}", "room:1", message.to_json)
  204
end
