# SPDX-License-Identifier: Apache-2.0
"""The real Evidently with its defaults on windows that bench_drift --windows wrote: does it say what bench_drift computed for it, and
what does it cost? Runs in build/peers; test/bench/drift calls it.
    drift_evidently.py FOLDER FEATURES WATCHED_ROWS_A_CPU_SECOND [JSON_FILE]"""

import json
import pathlib
import sys
import time
import warnings

import numpy
import pandas
from evidently import Report
from evidently.presets import DataDriftPreset

warnings.filterwarnings("ignore")


def table(path, features):
    return pandas.DataFrame(numpy.fromfile(path).reshape(-1, features), columns=[f"x{i}" for i in range(features)])


def judge(reference, live):
    """The drift score of each column by Evidently's own choice of test, and the CPU seconds it took."""
    before = time.process_time()
    metrics = Report([DataDriftPreset()]).run(live, reference).dict()["metrics"]
    seconds = time.process_time() - before
    drifts = [metric for metric in metrics if metric["config"]["type"].endswith("ValueDrift")]
    assert all(metric["config"]["method"] == "Wasserstein distance (normed)" for metric in drifts)
    by_column = {metric["config"]["column"]: (float(metric["value"]), metric["config"]["threshold"]) for metric in drifts}
    return [by_column[column] for column in reference.columns], seconds


def main():
    folder, features, ours_per_second = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    rows, seconds, largest = 0, 0.0, 0.0
    for told in sorted(folder.glob("*.json")):
        null = told.stem
        reference = table(folder / f"{null}.reference.f64", features)
        alarms = computed_alarms = judged = 0
        for window, distances in json.loads(told.read_text()).items():
            live = table(folder / f"{null}.{window}.f64", features)
            found, spent = judge(reference, live)
            rows, seconds, judged = rows + len(live), seconds + spent, judged + features
            alarms += sum(value >= threshold for value, threshold in found)
            computed_alarms += sum(distance >= 0.1 for distance in distances)
            largest = max(largest, *(abs(value - distance) for (value, _), distance in zip(found, distances, strict=True)))
        print(f"Evidently itself, {null}: {alarms} of {judged} windows of features drift; bench_drift said {computed_alarms}")
        if alarms != computed_alarms:
            sys.exit("drift_evidently: the rule that bench_drift computes is not Evidently's")
    per_second = rows / seconds
    print(f"Evidently's distances and those computed for it differ by at most {largest:.2g}")
    print(f"Evidently, {features} features: {per_second:.4g} rows a CPU-second "
          f"(ours: {ours_per_second:.4g}, {ours_per_second / per_second:.0f} times)")
    if len(sys.argv) > 4:
        row = {"bench": "drift", "metric": f"rows judged, {features} features", "value": ours_per_second, "unit": "rows/CPU-second",
               "better": "higher", "peer": "Evidently", "peer_value": per_second, "ratio": ours_per_second / per_second,
               "runs": 1, "min": ours_per_second / per_second, "max": ours_per_second / per_second}
        with open(sys.argv[4], "a") as file:
            file.write(json.dumps(row) + "\n")


main()
