"""A Flask application as a function. The event is an HTTP request as API Gateway writes it (payload version 2)."""

from apig_wsgi import make_lambda_handler
from flask import Flask, jsonify, request

app = Flask(__name__)
#: Lives as long as the sandbox is warm; a real application has a database.
NOTES = {}


@app.get("/notes/<name>")
def read(name):
    if name not in NOTES:
        return jsonify(error=f"there is no note {name!r}"), 404
    return jsonify(name=name, text=NOTES[name])


@app.put("/notes/<name>")
def write(name):
    NOTES[name] = request.get_json()["text"]
    return "", 204


@app.get("/")
def index():
    return f"<h1>Notes</h1><p>Hello, {request.args.get('name', 'world')}</p>"


handler = make_lambda_handler(app)
