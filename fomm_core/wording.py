"""Small words that messages share: counted nouns, and the name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

LIKE_ENOUGH = 0.6
"""Share of letters that a name must have in common with another to be suggested for it."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun: "1 error", "2 errors", "1,000 keys"; `plural` where it takes more than an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice most like `name`, upper and lower case alike; None where none is like it."""
    by_folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=LIKE_ENOUGH)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """The question, with a space before it, that goes behind a sentence; empty where no choice is like `name`."""
    found = nearest(name, choices)
    return "" if found is None or found == name else f" Did you mean '{found}'?"


def similar_file(path: Path) -> Path | None:
    """What lies in the folder of a missing file and is called most like it; None where nothing is."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return None
    found = nearest(path.name, names)
    return None if found is None else path.with_name(found)


def why_missing(path: Path) -> str:
    """What to do about a file that is not there: a folder that is not there either, a name alike, or to check it."""
    if not path.parent.is_dir():
        return f"There is no folder '{path.parent}' either. Check the path."
    alike = similar_file(path)
    return "Check the name and the folder." if alike is None else f"Did you mean '{alike}'?"
