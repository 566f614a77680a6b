import json
import sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs
from urllib.request import Request, urlopen

PAGE = Path("index.html").read_text()


def database():
    connection = sqlite3.connect("comments.db")
    connection.execute("CREATE TABLE IF NOT EXISTS comments (id INTEGER PRIMARY KEY, text TEXT)")
    return connection


def render():
    # The position first: whatever is published later comes on the stream, and whatever was published earlier is in the data.
    position = json.load(urlopen("http://localhost:3001/position"))["id"]
    rows = database().execute("SELECT id, text FROM comments ORDER BY id").fetchall()
    state = {"since": position, "comments": [{"id": id, "text": text} for id, text in rows]}
    return PAGE.replace("{}", json.dumps(state).replace("<", "\\u003c"), 1)


def save(text):
    # The commit first: a message that came before it could be older than the position of a page that does not have the row.
    with database() as connection:
        id = connection.execute("INSERT INTO comments (text) VALUES (?)", [text]).lastrowid
    body = json.dumps({"channel": "news:1", "data": {"id": id, "text": text}}).encode()
    headers = {"Authorization": "Bearer change-me", "Content-Type": "application/json"}
    urlopen(Request("http://localhost:3001/publish", body, headers))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(render().encode())

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        save(form["text"][0])
        self.send_response(204)
        self.end_headers()


ThreadingHTTPServer(("localhost", 3000), Handler).serve_forever()
