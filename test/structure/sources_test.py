# SPDX-License-Identifier: Apache-2.0
"""What every committed file keeps to: a licence line, no path of somebody's machine, no registry's host, no large file."""

import re

from docs_test import ROOT, tracked

LICENCE = "SPDX-License-Identifier: Apache-2.0"
SOURCES = ("*.h", "*.cpp", "*.py", "*.cmake", "*CMakeLists.txt", "*.proto", "scripts/*")

# In pieces, so that this file does not name what it forbids.
FORBIDDEN = re.compile("|".join(re.escape(first + second) for first, second in (
    ("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("pypi.", "org"), ("files.python", "hosted"), ("proxy.gol", "ang"), ("registry.npm", "js"),
    ("repo1.ma", "ven"), ("repo.maven.ap", "ache"), ("deb.deb", "ian.org"), ("crates", ".io"))))


def text_files():
    for path in tracked():
        if path.is_symlink():
            continue
        content = path.read_bytes()
        if b"\0" not in content[:8000] and "corpus" not in path.parts:
            yield path, content.decode("utf-8", "replace")


def test_every_source_bears_the_licence_in_its_first_lines():
    bare = [str(path.relative_to(ROOT)) for path in tracked(*SOURCES) if LICENCE not in "\n".join(path.read_text().split("\n")[:3])]
    assert not bare, f"no '{LICENCE}' in the first lines of {bare}"


def test_no_file_names_a_machine_or_a_registry():
    named = [f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}" for path, text in text_files()
             for number, line in enumerate(text.split("\n"), 1) if FORBIDDEN.search(line)]
    assert not named, "\n".join(named)


def test_no_file_is_larger_than_a_mebibyte():
    large = [str(path.relative_to(ROOT)) for path in tracked() if path.stat().st_size > 1 << 20]
    assert not large, f"over 1 MiB: {large}"
