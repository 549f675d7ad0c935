# SPDX-License-Identifier: Apache-2.0
"""A custom prediction routine of Vertex AI, by its own model server. Run by servers_test.py in build/servers.

    python vertex_routine.py PORT
"""

import os
import sys

from google.cloud.aiplatform.prediction.predictor import Predictor


class Prices(Predictor):
    def load(self, artifacts_uri):
        pass

    def predict(self, instances):
        prices = [0.05 * (row["size"] if isinstance(row, dict) else row[0]) for row in instances["instances"]]
        how = (instances.get("parameters") or {}).get("how", "prices")
        if how == "classes":
            return {"predictions": [{"classes": ["cheap", "dear"], "scores": [0.25, 0.75] if price > 60 else [0.875, 0.125]} for price in prices]}
        if how == "interval":
            return {"predictions": [{"value": price, "lower_bound": price - 5, "upper_bound": price + 5} for price in prices]}
        return {"predictions": prices, "deployedModelId": "7", "model": "projects/1/locations/x/models/9", "modelVersionId": "1"}


if __name__ == "__main__":
    os.environ.update(
        AIP_HTTP_PORT=sys.argv[1], AIP_HEALTH_ROUTE="/health", AIP_PREDICT_ROUTE="/predict", AIP_STORAGE_URI="",
        HANDLER_MODULE="google.cloud.aiplatform.prediction.handler", HANDLER_CLASS="PredictionHandler",
        PREDICTOR_MODULE="vertex_routine", PREDICTOR_CLASS="Prices")
    import uvicorn
    from google.cloud.aiplatform.prediction.model_server import CprModelServer
    uvicorn.run(CprModelServer().app, host="127.0.0.1", port=int(sys.argv[1]))
