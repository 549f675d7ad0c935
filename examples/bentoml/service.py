# SPDX-License-Identifier: Apache-2.0
"""A house-price model as BentoML serves it, knowing nothing of Outrider.

    pip install -r requirements.txt
    bentoml serve service:HousePrice --port 3000
    outrider-sidecar --upstream http://127.0.0.1:3000 --model.config model.yaml --data.dir /tmp/outrider
    curl http://127.0.0.1:9500/predict -H 'Content-Type: application/json' -d '{"size": 1800, "bedrooms": 3}'
"""

import bentoml

PRICE_PER_SIZE = 0.05


@bentoml.service
class HousePrice:
    @bentoml.api
    def predict(self, size: float, bedrooms: int) -> dict:
        return {"price": PRICE_PER_SIZE * size, "bedrooms": bedrooms}
