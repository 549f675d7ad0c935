#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes alerts/*.rules.yml from alerts/templates and alerts/parameters.yaml; with --check, says which are not current.

Templates are Jinja with << >> for values and <% %> for blocks, since {{ }} is Prometheus's own. A parameter that a template
names and the file lacks is an error, and so is one that no template uses. --parameters FILE and --out FOLDER render a set of
your own beside ours.
"""

import argparse
import math
import pathlib
import re
import sys

import jinja2
import yaml

FOLDER = pathlib.Path(__file__).resolve().parent
NOTE = "# Made by alerts/render.py from alerts/templates/{name} and alerts/parameters.yaml: change those.\n"


class Used(dict):
    """A mapping that remembers which of its keys were asked for; lists and mappings below it do too."""

    def __init__(self, values):
        super().__init__({key: Used(value) if isinstance(value, dict) else value for key, value in values.items()})
        self.asked = set()

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)

    def unused(self, path=""):
        names = [f"{path}{key}" for key in self if key not in self.asked]
        for key, value in self.items():
            if isinstance(value, Used) and key in self.asked:
                names += value.unused(f"{path}{key}.")
        return names


def le(seconds):
    """A matcher for a bucket's bound, as text format (1) and OpenMetrics (1.0) write it."""
    text = f"{seconds:g}".replace(".", r"\\.")
    return text if "." in text else rf"{text}(\\.0)?"


def percent(share):
    return f"{100 * share:.6g}%"


def number(value):
    return f"{value:.6g}"


def environment():
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER / "templates"), undefined=jinja2.StrictUndefined,
                              variable_start_string="<<", variable_end_string=">>", block_start_string="<%",
                              block_end_string="%>", comment_start_string="<#", comment_end_string="#>", trim_blocks=True,
                              lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    made.filters |= {"le": le, "percent": percent, "number": number, "log10": lambda value: f"{math.log10(value):.9f}"}
    return made


def check(parameters):
    """What no template could say as well: every mistake at once."""
    slo, wrong = parameters["slo"], []
    wrong += [f"model_labels: {name}: expected a label's name, as in `labels` of the model configuration"
              for name in parameters["model_labels"] if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", str(name))]
    if slo["latency"]["seconds"] not in slo["buckets"]:
        wrong.append(f"slo.latency.seconds={slo['latency']['seconds']}: expected one of slo.buckets, {slo['buckets']}")
    for name in ("failures", "latency"):
        if not 0.5 <= slo[name]["objective"] < 1:
            wrong.append(f"slo.{name}.objective={slo[name]['objective']}: expected a share from 0.5 to below 1")
        worst = max(step["burn"] for step in [*slo["page"], *slo["ticket"]]) * (1 - slo[name]["objective"])
        if worst > 1:
            wrong.append(f"slo.{name}.objective={slo[name]['objective']}: a burn rate of it is {percent(worst)} of all requests, "
                         "which never happens; raise the objective or lower the burn rates")
    if wrong:
        raise SystemExit("\n".join(wrong))


def rendered(file):
    """{file name: text} of all rules."""
    parameters = Used(yaml.safe_load(file.read_text()))
    check(parameters)
    made = environment()
    texts = {name.removesuffix(".jinja"): NOTE.format(name=name) + made.get_template(name).render(parameters)
             for name in sorted(made.list_templates(filter_func=lambda name: name.endswith(".rules.yml.jinja")))}
    for key in parameters:  # render() copies the top level, so what was asked of it is not seen.
        parameters.asked.add(key)
    if parameters.unused():
        raise SystemExit(f"{file}: no template uses {', '.join(parameters.unused())}")
    return texts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not current")
    parser.add_argument("--parameters", type=pathlib.Path, default=FOLDER / "parameters.yaml", help="(default: %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default=FOLDER, help="folder of the rules (default: %(default)s)")
    settings = parser.parse_args()
    texts = rendered(settings.parameters)
    stale = {name: text for name, text in texts.items()
             if not (settings.out / name).exists() or (settings.out / name).read_text() != text}
    for name, text in stale.items():
        print(f"{settings.out / name}: {'not current' if settings.check else 'written'}")
        if not settings.check:
            settings.out.mkdir(parents=True, exist_ok=True)
            (settings.out / name).write_text(text)
    return 1 if settings.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
