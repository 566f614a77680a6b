import json

import redis
from flask import Flask, abort, redirect, request, send_file, session

app = Flask(__name__)
app.secret_key = "change-me"
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
store = redis.Redis(host="localhost", port=6379)


@app.get("/")
def page():
    return send_file("index.html")


@app.get("/login")
def login():
    session["user"] = request.args["name"]
    store.sadd(f"user:{session['user']}:channels", "room:1")
    return redirect("/")


@app.get("/whoami")
def whoami():
    return {"user": session.get("user")}


@app.post("/say")
def say():
    if "user" not in session:
        abort(401)
    store.publish("room:1", json.dumps({"user": session["user"], "text": request.form["text"]}))
    return "", 204


app.run(port=3000)
