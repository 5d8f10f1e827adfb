"""Messages of the core name fields; the command says the flags that stand for them."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fomm_nodes.cli.flags import FLAGS, with_flags
from fomm_nodes.cli.main import build_parser

CORE = Path(__file__).parents[2] / "fomm_core"
SOURCES = sorted(CORE.rglob("*.py"))
COMMANDS = re.compile(r"`fomm [^`]*`|pip install --no-deps|fomm animate --preview")
"""Whole commands, which work wherever the message is read."""


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Choose with `crop.face=0` to 3, or `crop.face=all`.", "Choose with --face 0 to 3, or --face all."),
        ("`anchor=best` takes frame 3", "--best-frame takes frame 3"),
        ("`start` and `frames` choose a part", "--start and --frames choose a part"),
        ("`crop.source=X,Y,SIDE`", "--crop X,Y,SIDE"),
        ("`fomm doctor` says more; `anchor=first` and `unknown=1` stay", None),
    ],
)
def test_choices_become_flags(message: str, said: str | None) -> None:
    assert with_flags(message) == (said or message)


def test_every_choice_that_the_core_names_has_its_flag() -> None:
    named = {name for source in SOURCES for name in settings(source)}
    assert named == set(FLAGS)


def test_the_flags_are_options_of_the_command() -> None:
    assert set(FLAGS.values()) <= set(options(build_parser()))


def test_no_message_of_the_core_knows_the_command_line() -> None:
    found = {
        (source.relative_to(CORE).as_posix(), text)
        for source in SOURCES
        for text in messages(source)
        if re.search(r"--[a-z]", COMMANDS.sub("", text))
    }
    assert not found


def settings(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="setting" | "_nobody"), args=arguments):
                words = [word.value for word in arguments if isinstance(word, ast.Constant)]
                name = next((word for word in words if isinstance(word, str)), None)
                if name is not None:
                    yield "anchor=best" if words == ["anchor", "best"] else name


def messages(source: Path) -> Iterator[str]:
    """The strings of a file that are no docstrings."""
    tree = ast.parse(source.read_text("utf-8"))
    docstrings = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                yield from options(part)
