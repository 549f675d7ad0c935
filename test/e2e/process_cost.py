# SPDX-License-Identifier: Apache-2.0
"""What a process costs, by /proc: for the tests and benchmarks that start programs."""

import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """Of all its threads, those that have ended too."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def written_bytes(pid):
    """To block devices."""
    lines = pathlib.Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def folder_bytes(folder):
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            pass  # A compaction removed it.
    return sum(sizes)


def machine_ticks():
    return [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]


def busy_share(before, after):
    """Of all cores, between two looks at machine_ticks(): whoever used them."""
    spent = [b - a for a, b in zip(before, after)]
    return 1 - (spent[3] + spent[4]) / max(1, sum(spent))
