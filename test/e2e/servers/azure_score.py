# SPDX-License-Identifier: Apache-2.0
"""A scoring script as Azure Machine Learning's inference server runs it: by servers_test.py in build/azure."""

import json


def init():
    pass


def run(raw_data):
    body = json.loads(raw_data)
    rows = body.get("data") or body.get("input_data") or body.get("Inputs")
    if isinstance(rows, dict):
        rows = rows.get("data") or next(iter(rows.values()))
    prices = [0.05 * (row["size"] if isinstance(row, dict) else row[0]) for row in rows]
    how = body.get("GlobalParameters", "list")
    if how == "result":
        return {"result": prices}
    if how == "json text":  # As Azure's own examples do: a text of JSON, sent as JSON.
        return json.dumps({"result": prices})
    if how == "error":
        return {"error": "no such column"}
    return prices
