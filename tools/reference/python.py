"""The public names of the library as a page, from their signatures and docstrings (Google's form)."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

HEAD = """\
# The Python library

The public names of `fomm_nodes` and `fomm_core`, and the functions around them that programs need most. This page is
generated from the docstrings by `python -m tools.reference`; its examples are run by the tests. Longer ones are in
[examples/](../examples).

Images are float tensors [B, C, H, W] in 0..1, with RGB channels. Positions are (x, y) in -1..1, from the centre of the
first pixel to the centre of the last. Every error that concerns the input derives from `FommError`.
"""
MORE = {
    "fomm_core.fitting": ("fit", "from_uint8", "to_uint8"),
    "fomm_core.video": ("VideoReader", "VideoWriter", "batches", "read_image"),
    "fomm_core.motion": ("load_keypoints", "save_keypoints"),
    "fomm_core.pipeline": ("animate_files",),
    "fomm_core.options": ("FileOptions",),
}
"""Besides all that `fomm_nodes` and `fomm_core` export."""
SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example):$")
ENTRY = re.compile(r"^(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*): ")


PROSE = {"break_long_words": False, "break_on_hyphens": False}
HANGING = {**PROSE, "subsequent_indent": "  "}


@dataclass(frozen=True)
class Name:
    """A public name. path: as it is imported, such as "fomm_core.drive"."""

    path: str
    value: Any

    @property
    def short(self) -> str:
        return self.path.rpartition(".")[2]


def names() -> list[Name]:
    """All that the page describes, in its order."""
    core = importlib.import_module("fomm_nodes.fomm_core")
    found = [Name("render", importlib.import_module("fomm_nodes").render)]
    found += [Name(f"fomm_core.{name}", getattr(core, name)) for name in core.__all__]
    for module, wanted in MORE.items():
        holder = importlib.import_module(f"fomm_nodes.{module}")
        found += [Name(f"{module}.{name}", getattr(holder, name)) for name in wanted]
    return found


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class itself defines, as functions."""
    for name, value in vars(kind).items():
        function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
        if not name.startswith("_") and (inspect.isfunction(function) or isinstance(function, property)):
            yield name, function


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(name) for name in names())]).rstrip() + "\n"


def _section(name: Name) -> str:
    lines = [f"## {name.path}", ""]
    value = name.value
    if not callable(value):  # a table of values
        told = f"A mapping from names to configurations: {', '.join(f'`{key}`' for key in value)}."
        return "\n".join([*lines, textwrap.fill(told, 120, **PROSE), ""])
    lines += ["```text", signature(name.short, value), "```", "", markdown(value), ""]
    if inspect.isclass(value):
        for inner, function in members(value):
            if isinstance(function, property):
                lines += [f"### {name.short}.{inner}", "", markdown(function), ""]
            else:
                lines += [f"### {name.short}.{inner}()", "", "```text", signature(inner, function), "```", ""]
                lines += [markdown(function), ""]
    return "\n".join(lines)


def signature(name: str, value: Callable[..., Any]) -> str:
    """As the source states it; on one line if it fits, else one parameter a line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    back = ""
    if isinstance(tree, ast.ClassDef):
        made = next((node for node in tree.body if getattr(node, "name", "") == "__init__"), None)
        parameters = _parameters(made) if made else _fields(tree)
    else:
        parameters = _parameters(tree)
        back = f" -> {_text(tree.returns)}"
    line = f"{name}({', '.join(parameters)}){back}"
    if len(line) <= 100:
        return line
    return "\n".join([f"{name}(", *(f"    {parameter}," for parameter in parameters), f"){back}"])


def _parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    found = [_parameter(one, default) for one, default in zip(positional, defaults, strict=True) if one.arg != "self"]
    found += ["*"] if arguments.kwonlyargs else []
    return found + [
        _parameter(one, default) for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]


def _fields(tree: ast.ClassDef) -> list[str]:
    """Of a dataclass."""
    fields = [node for node in tree.body if isinstance(node, ast.AnnAssign)]
    named = any("kw_only" in ast.unparse(decorator) for decorator in tree.decorator_list)
    return ["*"] * named + [f"{node.target.id}: {_text(node.annotation)}{_default(node.value)}" for node in fields]


def _default(value: ast.expr | None) -> str:
    """What a field is if nothing is given; `field(...)` says it in its arguments."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        stated = {keyword.arg: keyword.value for keyword in value.keywords}
        return f" = {_text(stated['default'])}" if "default" in stated else f" = {_text(stated['default_factory'])}()"
    return "" if value is None else f" = {_text(value)}"


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    stated = "" if default is None else f" = {_text(default)}"
    return f"{argument.arg}: {_text(argument.annotation)}{stated}"


def _text(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node).replace("'", '"')


def sections(value: Any) -> dict[str, list[str]]:
    """The docstring's lines by section; what stands before the first is under "".

    Lines of a section lose its indentation.
    """
    found: dict[str, list[str]] = {"": []}
    current = ""
    for line in (inspect.getdoc(value) or "").splitlines():
        if begun := SECTION.match(line):
            current = begun[1]
            found[current] = []
        else:
            found[current].append(line.removeprefix("    ") if current else line)
    return {name: _trimmed(lines) for name, lines in found.items()}


def _trimmed(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").splitlines()


def entries(lines: list[str]) -> list[tuple[str, str]]:
    """(name, text) of a section of names; text that goes on stands deeper."""
    found: list[tuple[str, str]] = []
    for line in lines:
        if begun := ENTRY.match(line):
            found.append((begun[1], line[begun.end() :]))
        elif found and line.startswith("    "):
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        elif line.strip():
            found.append(("", line.strip()))
    return found


def markdown(value: Any) -> str:
    """A docstring as Markdown."""
    parts = []
    for name, lines in sections(value).items():
        if name in ("Args", "Attributes", "Raises"):
            items = [f"- `{which}`: {text}" if which else f"- {text}" for which, text in entries(lines)]
            parts.append(f"{name}:\n\n" + "\n".join(textwrap.fill(item, 120, **HANGING) for item in items))
        elif name == "Example":
            parts.append("```pycon\n" + "\n".join(lines) + "\n```")
        elif name:
            parts.append(textwrap.fill(f"{name}: {' '.join(line.strip() for line in lines)}", 120, **PROSE))
        elif lines:
            parts.append("\n".join(lines))
    return "\n\n".join(parts)
