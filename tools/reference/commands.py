"""The command line as a page: one section for each command, one table for each group of options."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator

from fomm_nodes.cli.main import build_parser

HEAD = """\
# The command line

Every command and option of `fomm`. This page is generated from the parsers by `python -m tools.reference`;
`fomm COMMAND --help` shows the same in a terminal. Exit codes: 0 done, 1 failed, 2 wrong usage.

Every command also takes `-q`, `--quiet` (show warnings and errors only) and `--debug` (show where in the code an error
arose).
"""
EVERYWHERE = {"help", "quiet", "debug"}
"""Options that the head explains once."""


def page() -> str:
    """The whole page."""
    commands = list(_commands(build_parser()))
    listed = [f"- [`{parser.prog}`](#{parser.prog.replace(' ', '-')}): {summary}" for parser, summary in commands]
    return "\n".join([HEAD, *listed, "", *(_section(parser) for parser, _ in commands)])


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, inner in action.choices.items():
                yield inner, summaries[name]
                yield from _commands(inner)


def _section(parser: argparse.ArgumentParser) -> str:
    lines = [
        f"## {parser.prog}",
        "",
        textwrap.fill(parser.description or "", 120),
        "",
        "```text",
        _usage(parser),
        "```",
        "",
    ]
    for group in parser._action_groups:
        rows = [_row(action, parser) for action in group._group_actions if _shown(action)]
        if rows:
            title = {"positional arguments": "argument", "options": "option"}.get(group.title or "", group.title)
            lines += [f"| {title} | |", "|---|---|", *rows, ""]
    if parser.epilog:
        lines += ["```text", parser.epilog.rstrip(), "```", ""]
    return "\n".join(lines)


def _shown(action: argparse.Action) -> bool:
    hidden = action.help == argparse.SUPPRESS or action.dest in EVERYWHERE
    return not hidden and not isinstance(action, argparse._SubParsersAction)


def _usage(parser: argparse.ArgumentParser) -> str:
    """As the command states it; argparse words its own differently from one version of Python to the next."""
    if parser.usage:
        return parser.usage
    places = [_places(action) for action in parser._actions if not action.option_strings]
    return " ".join([parser.prog, *filter(None, places), "[options]"])


def _places(action: argparse.Action) -> str:
    name = _metavar(action)
    return {None: name, "?": f"[{name}]", "+": f"{name} [{name} ...]", "*": f"[{name} ...]"}.get(action.nargs, name)


def _metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    if action.metavar is None and action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.metavar or (action.dest.upper() if action.option_strings else action.dest)


def _row(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    value = "" if action.nargs == 0 else f" {_metavar(action)}"
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    head = f"{names}{f' `{value.strip()}`' if value else ''}" if names else f"`{_metavar(action)}`"
    values = {name: getattr(it, "__name__", it) for name, it in vars(action).items() if it is not argparse.SUPPRESS}
    told = (action.help or "") % {**values, "prog": parser.prog}
    return f"| {_cell(head)} | {_cell(told)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
