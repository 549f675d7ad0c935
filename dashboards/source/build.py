#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes dashboards/outrider-*.json from the code beside this file; with --check, says which are not current."""

import argparse
import pathlib
import sys

import ahead
import fleet
import model

import agent
import sidecar

FOLDER = pathlib.Path(__file__).resolve().parent.parent


def boards():
    """{file name: text} of every dashboard."""
    made = [module.board() for module in (fleet, model, ahead, agent, sidecar)]
    return {f"{board.uid}.json": board.text() for board in made}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not what the code makes")
    settings = parser.parse_args()
    stale = {name: text for name, text in boards().items()
             if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text}
    for name, text in stale.items():
        print(f"dashboards/{name}: {'not current' if settings.check else 'written'}")
        if not settings.check:
            (FOLDER / name).write_text(text)
    return 1 if settings.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
