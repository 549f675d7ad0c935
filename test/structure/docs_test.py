# SPDX-License-Identifier: Apache-2.0
"""The docs keep up with the code and stay readable: links lead somewhere, no route and no key is left out, no line is too wide."""

import pathlib
import re
import subprocess
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# [text](target), and not inside backquotes.
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def anchors(path):
    """Headings as a forge links them: lower case, punctuation gone, spaces to hyphens."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in HEADING.findall(path.read_text())}


def broken_links(page):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for link in LINK.findall(prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / urllib.parse.unquote(path)).resolve() if path else page
        if not target.exists():
            yield f"{page.relative_to(ROOT)}: {link}: no such file"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{page.relative_to(ROOT)}: {link}: no such heading"


def test_every_link_of_the_docs_leads_to_a_file_or_a_heading():
    broken = [line for page in tracked("*.md") for line in broken_links(page)]
    assert not broken, "\n".join(broken)


WIDTH = 120
README_LINES = 120
# What a line break would spoil, so it counts as one word.
UNBROKEN = re.compile(r"(`+)[^`].*?\1|!?\[[^\]]*\]\([^)\s]*\)")
MARKERS = re.compile(r"\s*(?:(?:[-*+>]|\d+[.)])\s+)*")


def wide_lines(text):
    """Numbers of the lines above WIDTH that could be broken: not of code, not of tables, not one word alone."""
    fenced = code = False
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*(?:```|~~~)", line)
        fenced ^= bool(fence)
        # Code by indentation begins after an empty line or a heading, and goes on.
        code = line.startswith("    ") and (code or not before.strip() or before.startswith("#")) or (code and not line.strip())
        before = line
        if len(line) > WIDTH and not (fenced or fence or code or line.lstrip().startswith("|")):
            if len(UNBROKEN.sub("x", MARKERS.sub("", line, count=1)).split()) > 1:
                yield number


def test_a_wide_line_is_one_that_could_be_broken():
    words, word = "word " * 30, "w" * 130
    prose = [words, f"- {words}", f"    - {words}", f"See [the page]({word}.md) there.", f"# {words}"]
    assert list(wide_lines("\n".join(["text", *prose]))) == [2, 3, 4, 5, 6]
    for kept in (f"| {words} |", f"```sh\n{words}\n```", f"# Title\n    {words}\n\n    {words}", f"- [the page]({word}.md)", f"- `{words}`",
                 word, "w" * 119):
        assert not list(wide_lines(kept)), kept
    assert list(wide_lines(f"```\n```\n{words}")) == [3]
    assert list(wide_lines(f"# Title\n    {words}\ntext\n    {words}")) == [4]


def test_no_line_of_prose_is_too_wide():
    # A forge keeps the line breaks of .github/ when it fills in an issue.
    pages = [page for page in tracked("*.md") if ".github" not in page.parts]
    wide = [f"{page.relative_to(ROOT)}:{number}" for page in pages for number in wide_lines(page.read_text())]
    assert len(pages) > 50 and not wide, f"above {WIDTH} columns, wrap them: " + " ".join(wide)


def test_the_readme_is_short():
    lines = len((ROOT / "README.md").read_text().splitlines())
    assert lines <= README_LINES, f"README.md has {lines} lines, {README_LINES} at most: move some of it to docs/"


def test_every_benchmark_and_every_page_of_measurements_is_listed():
    folder = ROOT / "docs" / "measurements"
    index = (folder / "README.md").read_text()
    benchmarks = subprocess.run([ROOT / "scripts" / "bench", "--help"], check=True, capture_output=True, text=True).stdout.split("\n")[1:]
    missing = [f"scripts/bench {name.strip()}" for name in benchmarks if name.strip() and f"`scripts/bench {name.strip()}`" not in index]
    pages = [page for page in folder.glob("*.md") if page.name != "README.md"]
    missing += [page.name for page in pages if f"]({page.name})" not in index]
    assert len(benchmarks) > 8 and len(pages) > 8 and not missing, f"docs/measurements/README.md lacks {missing}"


def test_every_page_of_measurements_says_how_where_and_when():
    for page in (ROOT / "docs" / "measurements").glob("*.md"):
        beginning = "\n".join(page.read_text().splitlines()[:10])
        missing = [word for word in ("**Repeat:**", "**Machine:**", "**Measured:**") if word not in beginning]
        assert page.name == "README.md" or not missing, f"docs/measurements/{page.name} does not begin with {missing}"


def test_every_key_of_the_model_configuration_is_documented():
    source = "".join((ROOT / "sidecar" / "monitor" / "versions" / name).read_text() for name in ("model_config.cpp", "model_info.cpp"))
    keys = {key for listed in re.findall(r"only_keys\([^{]*\{([^}]*)\}", source) for key in re.findall(r'"([^"]+)"', listed)}
    page = (ROOT / "docs" / "model-configuration.md").read_text()
    missing = sorted(key for key in keys if not re.search(rf"\b{key}:", page))
    assert len(keys) > 30 and not missing, f"docs/model-configuration.md says nothing of {missing}"


# What the agent asks of Prometheus, and by what the decoder knows a language model (Ollama's): not ours to document.
OTHERS_ROUTES = {"/api/v1/query", "/api/v1/query_range", "/api/chat", "/api/embed", "/api/generate"}


def test_every_route_is_documented():
    page = (ROOT / "docs" / "http-api.md").read_text()
    sources = [path for room in ("sidecar", "agent", "predictor") for path in (ROOT / room).rglob("*.cpp")]
    routes = {route for path in sources for route in re.findall(r'"(/(?:api|-)/[a-z0-9_./{}-]+)"', path.read_text())}
    missing = sorted(route for route in routes if route not in OTHERS_ROUTES and route not in page)
    assert len(routes) > 20 and not missing, f"docs/http-api.md says nothing of {missing}"


def test_each_walk_of_the_architecture_has_at_most_eight_files_and_all_exist():
    text = (ROOT / "docs" / "architecture.md").read_text()
    walks = text.split("## Four walks for a newcomer")[1].split("## Glossary")[0].split("\n**")[1:]
    assert len(walks) == 4
    for walk in walks:
        files = re.findall(r"^\d+\. \[([^]]+)\]\(\.\./([^)]+)\)", walk, re.MULTILINE)
        assert 2 <= len(files) <= 8, walk
        assert all(shown == linked and (ROOT / linked).is_file() for shown, linked in files), files
