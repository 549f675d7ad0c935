# SPDX-License-Identifier: Apache-2.0
"""What a Flask view returns, by its path; it knows nothing of Outrider. Run by servers_test.py in build/servers."""

import decimal
import io
import json

import pandas
from flask import Flask, abort, jsonify, request

app = Flask(__name__)

VIEWS = {
    "dict": lambda: {"price": 90.0},
    "list": lambda: [90.0, 50.0],
    "jsonify": lambda: jsonify(prediction=90.0, took_ms=12),
    "dumps": lambda: json.dumps({"price": 90.0}),  # A text: Flask calls it text/html, as it does the next two.
    "number-as-text": lambda: str(90.0),
    "list-as-text": lambda: json.dumps([90.0, 50.0]),
    "nan": lambda: jsonify([float("nan"), 50.0]),
    "decimal": lambda: jsonify(price=decimal.Decimal("90.10")),
    "two-numbers": lambda: {"latitude": 52.5, "longitude": 13.4},
    "error": lambda: {"error": "no such column"},
    "no-success": lambda: {"success": False, "message": "the model is not loaded"},
    "page": lambda: "<html><body>90</body></html>",
    "abort": lambda: abort(400, "size is missing"),
}


@app.get("/health")
def health():
    return "ok"


@app.post("/<view>")
def answer(view):
    return VIEWS[view]()


@app.post("/frame/<orient>/<answer_orient>")
def frame(orient, answer_orient):
    """Prices of a DataFrame that came by to_json(orient), as a list, a Series or a DataFrame."""
    text = request.get_data(as_text=True)
    if orient == "table":
        rows = pandas.DataFrame(json.loads(text)["data"])
    elif orient == "values":
        rows = pandas.DataFrame(json.loads(text), columns=["size", "rooms"])
    elif orient == "list":
        rows = pandas.DataFrame(json.loads(text))
    else:
        rows = pandas.read_json(io.StringIO(text), orient=orient)
    price = (0.05 * rows["size"]).rename("price")
    kind, _, orient = answer_orient.partition("-")
    body = json.dumps(price.tolist()) if kind == "list" else (price if kind == "series" else price.to_frame()).to_json(orient=orient)
    return app.response_class(body, mimetype="application/json")
