"""Each test that the documentation names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from documents import documents

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"([\w/]+\.py)::(\w+)")
CHILD = re.compile(r"\"(\w+\.py)\"")
"""How a test names the file whose checks it runs inside another program."""


def named() -> list[tuple[str, str, str]]:
    """(document, file, test)."""
    return [
        (path.relative_to(ROOT).as_posix(), *found.groups())
        for path in documents(ROOT)
        for found in NAMED.finditer(path.read_text(encoding="utf-8"))
    ]


@cache
def held_by(file: str) -> frozenset[str]:
    """What a test file holds, and the files that it runs inside Blender."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob(Path(file).name):
        if not path.as_posix().endswith(f"/{file}"):
            continue
        text = path.read_text(encoding="utf-8")
        children = [path.parent / place / name for name in CHILD.findall(text) for place in ("", "inside")]
        for held in (path, *filter(Path.is_file, children)):
            body = ast.parse(held.read_text(encoding="utf-8")).body
            found |= {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return frozenset(name for name in found if name.startswith(("test_", "check_")))


@pytest.mark.parametrize(("document", "file", "test"), named(), ids=lambda part: str(part))
def test_a_named_test_is_there(document: str, file: str, test: str) -> None:
    assert test in held_by(file), f"{document} names {file}::{test}"


def test_all_rows_about_blender_name_tests() -> None:
    text = (ROOT / "docs" / "blender.md").read_text(encoding="utf-8")
    rows = [line for line in text.split("### What holds it")[1].splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 22
    assert all(NAMED.search(row.rsplit("|", 2)[1]) for row in rows)
