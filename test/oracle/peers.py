# SPDX-License-Identifier: Apache-2.0
"""What Evidently and NannyML say of two tables, as JSON: {package: {column: {method: value}}}. Runs in build/peers.
    peers.py REFERENCE.csv LIVE.csv NUMERIC,… CATEGORICAL,…"""

import json
import sys
import warnings

import pandas

warnings.filterwarnings("ignore")


def evidently(reference, live, numeric, categorical):
    from evidently import Report
    from evidently.metrics import ValueDrift

    methods = [(column, method) for column in numeric for method in ("wasserstein", "psi", "jensenshannon", "hellinger", "ks")]
    methods += [(column, method) for column in categorical for method in ("psi", "jensenshannon", "hellinger", "chisquare")]
    metrics = [ValueDrift(column=column, method=method) for column, method in methods]
    values = [metric["value"] for metric in Report(metrics).run(live, reference).dict()["metrics"]]
    found = {column: {} for column in numeric + categorical}
    for (column, method), value in zip(methods, values, strict=True):
        found[column][method] = float(value)
    return found


def nannyml(reference, live, numeric, categorical):
    import nannyml as nml

    continuous = ["kolmogorov_smirnov", "jensen_shannon", "wasserstein", "hellinger"]
    discrete = ["chi2", "jensen_shannon", "l_infinity", "hellinger"]
    calculator = nml.UnivariateDriftCalculator(
        column_names=numeric + categorical, treat_as_categorical=categorical, continuous_methods=continuous,
        categorical_methods=discrete, chunk_number=1)
    calculator.fit(reference)
    table = calculator.calculate(live).filter(period="analysis").to_df()
    return {column: {method: float(table[column][method]["value"].iloc[0]) for method in methods}
            for columns, methods in ((numeric, continuous), (categorical, discrete)) for column in columns}


def main():
    reference, live = pandas.read_csv(sys.argv[1]), pandas.read_csv(sys.argv[2])
    numeric, categorical = sys.argv[3].split(","), sys.argv[4].split(",")
    print(json.dumps({"evidently": evidently(reference, live, numeric, categorical),
                      "nannyml": nannyml(reference, live, numeric, categorical)}))


main()
