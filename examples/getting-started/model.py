# SPDX-License-Identifier: Apache-2.0
"""A model of your own: rents of flats, learned by scikit-learn, served by FastAPI. `python model.py` writes its training data."""

import csv
import random

from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.ensemble import GradientBoostingRegressor

DISTRICTS = ["harbour", "old town", "park"]


def flats(count, seed):
    """Rows (area in m², rooms, district, rent); a larger flat has more rooms."""
    chance = random.Random(seed)
    for _ in range(count):
        area = chance.lognormvariate(4.1, 0.35)
        rooms = max(1, round(area / 25 + chance.gauss(0, 0.7)))
        district = chance.choices(DISTRICTS, [5, 3, 2])[0]
        rent = 200 + 11 * area + 40 * rooms + 150 * DISTRICTS.index(district) + chance.gauss(0, 40)
        yield round(area, 1), rooms, district, round(rent, 2)


class Flat(BaseModel):
    area: float
    rooms: int
    district: str


rows = list(flats(5000, seed=1))
model = GradientBoostingRegressor().fit([(a, r, DISTRICTS.index(d)) for a, r, d, _ in rows], [rent for *_, rent in rows])
app = FastAPI()


@app.post("/predict")
def predict(flat: Flat):
    return {"rent": model.predict([[flat.area, flat.rooms, DISTRICTS.index(flat.district)]])[0]}


if __name__ == "__main__":
    with open("training.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "rooms", "district", "rent"])
        writer.writerows(rows)
