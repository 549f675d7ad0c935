# SPDX-License-Identifier: Apache-2.0
"""Requests for rents of flats, 40 a second, through the sidecar.

    python traffic.py URL SECONDS [--larger]      --larger: people begin to ask for larger flats than the model was trained on
"""

import sys
import time

import requests
from model import flats

url, seconds, larger = sys.argv[1], float(sys.argv[2]), "--larger" in sys.argv
session = requests.Session()
end = time.monotonic() + seconds
for area, rooms, district, _ in flats(int(seconds * 40), seed=2):
    session.post(url, json={"area": area * (1.3 if larger else 1), "rooms": rooms, "district": district}, timeout=10).raise_for_status()
    time.sleep(1 / 40)
    if time.monotonic() > end:
        break
