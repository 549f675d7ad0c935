# SPDX-License-Identifier: Apache-2.0
"""How large a file and a function may become: what does not fit a screen or two is split by what it does."""

import re

from docs_test import ROOT, tracked

FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 60

# One entry after the other, without a decision between them: options, metrics, column families.
TABLES = {
    ("base/remote_write/options.cpp", "add_to"),
    ("base/remote_write/sender.cpp", "collect"),
    ("sidecar/options/proxy_options.cpp", "add_to"),
    ("truth/log/store.cpp", "describe_families"),
}
SOURCES = ("base/*", "detectors/*", "reference/*", "truth/*", "sidecar/*", "predictor/*", "agent/*", "cli/*")


def sources():
    return [path for path in tracked(*SOURCES) if path.suffix in (".h", ".cpp")]


def functions(text):
    """(name, first line, lines) of each function that stands at the left margin, as clang-format leaves it."""
    lines = text.split("\n")
    start = None
    for number, line in enumerate(lines):
        if start is None and re.match(r"[A-Za-z~]", line) and not re.match(r"(namespace|class|struct|enum|union|extern|template|using)\b", line):
            head = line
            end = number
            while not head.rstrip().endswith(("{", ";", "}", ":")) and end + 1 < len(lines):
                end += 1
                head += " " + lines[end].strip()
            if head.rstrip().endswith("{") and "(" in head:
                start, name = number, re.search(r"(~?\w+|operator[^\w(]*)\s*\(", head).group(1)
        elif start is not None and line.startswith("}"):
            yield name, start + 1, number - start + 1
            start = None


def test_no_source_is_longer_than_700_lines():
    long = {str(path.relative_to(ROOT)): lines for path in sources() if (lines := path.read_text().count("\n")) > FILE_LINES_MAX}
    assert not long, f"split by what it does: {long}"


def test_no_function_is_longer_than_60_lines_but_tables():
    found = [(str(path.relative_to(ROOT)), *function) for path in sources() for function in functions(path.read_text())]
    assert len(found) > 1500
    long = [f"{file}:{line}: {name} has {lines} lines" for file, name, line, lines in found
            if lines > FUNCTION_LINES_MAX and (file, name) not in TABLES]
    assert not long, "\n".join(long)


def test_no_comment_is_wider_than_100_columns_but_tables_and_examples():
    """A table or a formula has runs of blanks, or stands indented below its sentence."""
    comment = re.compile(r"\s*//(\s*)(.*)")
    wide = [f"{path.relative_to(ROOT)}:{number}" for path in tracked("*.h", "*.cpp")
            for number, line in enumerate(path.read_text().split("\n"), 1)
            if len(line) > 100 and (found := comment.fullmatch(line)) and len(found[1]) < 3 and not re.search(r"\S {2,}\S", found[2])]
    assert not wide, f"wrap at 100 columns: {wide}"
