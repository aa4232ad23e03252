# SPDX-License-Identifier: Apache-2.0
"""The documents keep their word: their Python blocks run in order, and their relative links lead somewhere.

The blocks of one document share a namespace, as a reader would type them; `await` works at the top level. A block
after the comment `<!-- not run: REASON -->` is compiled only.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "qstore-*/*.md") for path in ROOT.glob(pattern)
)
BLOCK = re.compile(
    r"^(?P<skip><!-- not run: [^\n]+ -->\n+)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ +(?P<title>.+?) *$", re.MULTILINE)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    titles = (match["title"].lower() for match in HEADING.finditer(path.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def test_there_are_documents_to_check() -> None:
    assert {"CHANGELOG.md", "qstore-core/README.md"} <= {name(path) for path in DOCUMENTS}


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if BLOCK.search(path.read_text("utf-8"))], ids=name
)
def test_the_python_blocks_of_a_document_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = path.read_text("utf-8")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for match in BLOCK.finditer(text):
        # Blank lines in front, so that a traceback shows the line of the document.
        padded = "\n" * text.count("\n", 0, match.start("code")) + match["code"]
        code = compile(padded, os.fspath(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if match["skip"]:
            continue
        result = eval(code, namespace)
        if inspect.iscoroutine(result):
            asyncio.run(result)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_the_relative_links_of_a_document_lead_somewhere(path: Path) -> None:
    broken = []
    for match in LINK.finditer(FENCE.sub("", path.read_text("utf-8"))):
        target, _, anchor = match["target"].partition("#")
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        goal = (path.parent / target).resolve() if target else path
        if not goal.exists() or (anchor and goal.suffix == ".md" and anchor not in anchors(goal)):
            broken.append(match["target"])
    assert broken == []
