"""Code in the documentation, as a reader copies it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PLACES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "web/docs/**/*.md", "fomm_core/assets/README.md")
_COMMAND = re.compile(r"(fomm|python3?|pip|ray|curl|pytest|from|import) ")
_SPAN = re.compile(r"`(fomm [^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block. line: of the document, of the block's first line."""

    document: str
    line: int
    language: str
    text: str

    def commands(self) -> Iterator[tuple[int, str]]:
        """Lines of a console with their places, what `&&` joins apart, so that each part can be told about."""
        for number, line in enumerate(self.text.splitlines(), self.line):
            if line.strip() and not line.startswith("#"):
                yield from ((number, part.strip()) for part in re.split(r" && ", line))


def documents(root: Path) -> list[Path]:
    """All that users read."""
    return [path for place in PLACES for path in sorted(root.glob(place))]


def blocks(path: Path, root: Path) -> Iterator[Block]:
    """The fenced blocks of a document that name a language."""
    lines, name = path.read_text(encoding="utf-8").splitlines(), path.relative_to(root).as_posix()
    opened: int | None = None
    for number, line in enumerate(lines, 1):
        if not line.lstrip().startswith("```"):
            continue
        if opened is None:
            opened = number
            continue
        language = lines[opened - 1].strip().removeprefix("```")
        if language:
            yield Block(name, opened + 1, language, "\n".join(lines[opened : number - 1]))
        opened = None


def unfenced(path: Path) -> list[int]:
    """Lines that look like code and stand in no fenced block with a language, so that nothing would try them."""
    found, fence = [], ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fence = "" if fence else line.strip()
        elif (line.startswith("    ") or fence == "```") and _COMMAND.match(line.strip()):
            found += [number] if fence in ("", "```") else []
    return found


def spans(path: Path) -> list[str]:
    """`fomm ...` within sentences."""
    return _SPAN.findall(path.read_text(encoding="utf-8"))
