# SPDX-License-Identifier: Apache-2.0
"""An MLflow model from code, which returns what its parameter `how` says. Run by servers_test.py in build/servers.

    python mlflow_model.py FOLDER      saves it there
"""

import pathlib
import sys

import mlflow
import numpy
import pandas


class Prices(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        price = (0.05 * model_input["size"]).to_numpy()
        return {
            "array": lambda: price,
            "column": lambda: price.reshape(-1, 1),
            "series": lambda: pandas.Series(price, name="price"),
            "frame": lambda: pandas.DataFrame({"price": price}),
            "two columns": lambda: pandas.DataFrame({"price": price, "risk": "low"}),
            "columns": lambda: {"price": price.tolist()},
            "probabilities": lambda: numpy.array([[0.25, 0.75]] * len(price)),
            "classes": lambda: numpy.where(price > 60, "dear", "cheap"),
            "nan": lambda: numpy.where(price > 60, price, numpy.nan),
            "nan frame": lambda: pandas.DataFrame({"price": numpy.where(price > 60, price, numpy.nan)}),
        }[(params or {}).get("how", "array")]()


mlflow.models.set_model(Prices())

if __name__ == "__main__":
    houses = pandas.DataFrame({"size": [1800.0, 1000.0], "rooms": [3.0, 2.0]})
    signature = mlflow.models.infer_signature(houses, numpy.array([90.0, 50.0]), params={"how": "array"})
    mlflow.pyfunc.save_model(sys.argv[1], python_model=pathlib.Path(__file__).resolve(), signature=signature, pip_requirements=[])
