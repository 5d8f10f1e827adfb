"""What a canvas does to texts before it sends them: comments, alternatives, names of files that tell of the graph."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

_COMMENT = re.compile(r"/\*|//")
_ESCAPED = re.compile(r"\\([{}|])")
_VARIABLE = re.compile(r"%([^%]+)%")
_DATE_PART = re.compile(r"d{1,2}|M{1,2}|yyyy|yy|h{1,2}|m{1,2}|s{1,2}")
_NO_FILE_NAME = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


def first_alternatives(text: str) -> tuple[str, bool]:
    """A prompt without its comments (`// ...`, `/* ... */`), and of each `{day|night}` the first.

    A canvas draws one of them at random each time; here every run is to give the same.

    Returns:
        The text, and whether there was anything to choose from.
    """
    text = _without_comments(text)
    open_parts: list[list[str]] = [[]]
    passed = [False]  # whether the first alternative of each open brace lies behind
    chosen = False
    at = 0
    while at < len(text):
        letter = text[at]
        piece = text[at : at + 2] if letter == "\\" else letter
        at += len(piece)
        if letter == "{":
            open_parts.append([])
            passed.append(False)
            continue
        if letter == "}" and len(open_parts) > 1:
            piece = "".join(open_parts.pop())
            passed.pop()
        elif letter == "|" and len(open_parts) > 1:
            passed[-1] = chosen = True
            continue
        if not passed[-1]:
            open_parts[-1].append(piece)
    whole = "".join("".join(parts) for parts in open_parts)
    return _ESCAPED.sub(r"\1", whole), chosen


def _without_comments(text: str) -> str:
    """What begins with /* and never ends is none."""
    kept, at, last = [], 0, text.rfind("*/")
    for found in _COMMENT.finditer(text):
        if found.start() < at:
            continue
        is_line = found[0] == "//"
        if not is_line and last < found.end():
            continue
        end = text.find("\n" if is_line else "*/", found.end())
        kept.append(text[at : found.start()])
        at = len(text) if end < 0 else end + (0 if is_line else 2)
    return "".join((*kept, text[at:]))


def filled_name(name: str, value_of: Callable[[str, str], Any], now: datetime | None) -> str:
    """A name of a file with `%Node.widget%` and `%date:yyyy-MM-dd%` filled in.

    Args:
        name: what else is in it stays.
        value_of: the value of a node's widget, by the names of both; None where there is no such value.
        now: the time for dates; None leaves them.
    """

    def fill(found: re.Match[str]) -> str:
        inner = found[1]
        if inner.startswith("date:"):
            return found[0] if now is None else _DATE_PART.sub(lambda part: _date_part(part[0], now), inner[5:])
        node, dot, widget = inner.partition(".")
        value = value_of(node, widget) if dot and "." not in widget else None
        return found[0] if value is None else _NO_FILE_NAME.sub("_", _shown(value))

    return _VARIABLE.sub(fill, name)


def _date_part(part: str, now: datetime) -> str:
    number = {"d": now.day, "M": now.month, "y": now.year, "h": now.hour, "m": now.minute, "s": now.second}[part[0]]
    return str(number)[-2:] if part == "yy" else f"{number:0{len(part)}}"


def _shown(value: Any) -> str:
    """As a canvas writes a value: no ".0" behind whole numbers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
