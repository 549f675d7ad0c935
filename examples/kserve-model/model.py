# SPDX-License-Identifier: Apache-2.0
"""A house-price model on KServe's own model server, knowing nothing of Outrider.

    pip install -r requirements.txt
    python model.py --http_port 8080 --model_name house-price
    outrider-sidecar --upstream http://127.0.0.1:8080 --data.dir /tmp/outrider
    curl http://127.0.0.1:9500/v1/models/house-price:predict -H "Content-Type: application/json" -d '{"instances": [[1800, 3]]}'
"""

import argparse

from kserve import InferOutput, InferResponse, Model, ModelServer, model_server

PRICE_PER_SIZE = 0.05


class HousePrice(Model):
    def __init__(self, name):
        super().__init__(name)
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        if isinstance(payload, dict):  # V1
            return {"predictions": [PRICE_PER_SIZE * row[0] for row in payload["instances"]]}
        rows = payload.inputs[0].as_numpy()  # V2
        output = InferOutput("price", [len(rows)], "FP64", [PRICE_PER_SIZE * float(row[0]) for row in rows])
        return InferResponse(payload.id, self.name, [output])


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(parents=[model_server.parser]).parse_args()
    ModelServer(enable_grpc=False).start([HousePrice(arguments.model_name)])
