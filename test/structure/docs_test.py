# SPDX-License-Identifier: Apache-2.0
"""The docs keep up with the code: links lead somewhere, no route and no key is left out."""

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


def test_every_key_of_the_model_configuration_is_documented():
    source = "".join((ROOT / "sidecar" / "monitor" / name).read_text() for name in ("settings.cpp", "model_info.cpp"))
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
