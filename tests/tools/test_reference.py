"""The generated references: current, and made of docstrings that say everything in one form."""

from __future__ import annotations

import ast
import doctest
import inspect
import textwrap
from pathlib import Path
from typing import Any

import pytest
from reference import commands, python

NAMES = {name.path: name.value for name in python.names() if callable(name.value)}
MEMBERS = {
    f"{path}.{member}": function
    for path, value in NAMES.items()
    if inspect.isclass(value)
    for member, function in python.members(value)
}
HOW = "run `python -m tools.reference`"


@pytest.mark.parametrize(("name", "made"), [("cli", commands.page), ("python", python.page)])
def test_pages_are_current(name: str, made: Any, root: Path) -> None:
    assert (root / "docs" / f"{name}.md").read_text(encoding="utf-8") == made(), HOW


def stated(value: Any) -> tuple[set[str], bool]:
    """The parameters of a function, a class or a dataclass, and whether it gives something back."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    if isinstance(tree, ast.ClassDef):
        made = next((node for node in tree.body if getattr(node, "name", "") == "__init__"), None)
        if made is None:
            return {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}, False
        return {argument.arg for argument in (*made.args.args, *made.args.kwonlyargs)} - {"self"}, False
    arguments = {argument.arg for argument in (*tree.args.args, *tree.args.kwonlyargs)} - {"self"}
    return arguments, ast.unparse(tree.returns) != "None"


def raises(value: Any) -> bool:
    """Whether a function's own lines raise something new."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def faults(value: Any) -> list[str]:
    """What a docstring lacks, in words."""
    sections = python.sections(value)
    if isinstance(value, property):
        return [] if sections[""] else ["a sentence"]
    parameters, gives = stated(value)
    told = {name for head in ("Args", "Attributes") for name, _ in python.entries(sections.get(head, []))}
    found = [f"{name} in its Args" for name in sorted(parameters ^ told)]
    found += ["a Returns"] if gives and "Returns" not in sections else []
    return found + (["a Raises"] if inspect.isfunction(value) and raises(value) and "Raises" not in sections else [])


@pytest.mark.parametrize("path", [*NAMES, *MEMBERS])
def test_docstrings_are_complete(path: str) -> None:
    assert faults({**NAMES, **MEMBERS}[path]) == []


def lacking(some: int, more: int = 2) -> int:
    """Tell of one of two.

    Args:
        some: That one.
    """
    raise ValueError(some, more)


def test_gaps_are_seen() -> None:
    assert faults(lacking) == ["more in its Args", "a Returns", "a Raises"]


@pytest.mark.parametrize("path", NAMES)
def test_examples_run(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tests = doctest.DocTestFinder(recurse=False).find(NAMES[path], path.rpartition(".")[2], globs={})
    assert [len(test.examples) > 0 for test in tests] == [True], "expected an Example"
    said: list[str] = []
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(tests[0], out=said.append).failed == 0, "".join(said)


def test_parts_of_a_docstring_become_markdown() -> None:
    assert python.markdown(lacking) == "Tell of one of two.\n\nArgs:\n\n- `some`: That one."
    assert python.signature("lacking", lacking) == "lacking(some: int, more: int = 2) -> int"
