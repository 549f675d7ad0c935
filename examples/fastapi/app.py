# SPDX-License-Identifier: Apache-2.0
"""A house-price model as many teams first serve one: FastAPI and scikit-learn, knowing nothing of Outrider.

    pip install -r requirements.txt
    uvicorn app:app --port 8080
    outrider-sidecar --upstream http://127.0.0.1:8080 --data.dir /tmp/outrider
    curl 'http://127.0.0.1:9500/predict?size=1800&bedrooms=3'
"""

from fastapi import FastAPI
from sklearn.linear_model import LinearRegression

SALES = [(1000, 2, 50), (1500, 3, 75), (2000, 4, 100), (2500, 5, 125)]

app = FastAPI()
model = LinearRegression().fit([sale[:2] for sale in SALES], [sale[2] for sale in SALES])


@app.get("/predict")
def predict(size: float, bedrooms: int):
    return {"price": model.predict([[size, bedrooms]])[0]}
