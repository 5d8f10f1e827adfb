"""Small words that messages share: counted nouns, and the name that was probably meant."""

from __future__ import annotations

import difflib
import glob
import os
import re
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
    swapped = next((folded for folded in by_folded if sorted(folded) == sorted(name.casefold())), None)
    if swapped is not None:  # letters in another order, the commonest slip
        return by_folded[swapped]
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=LIKE_ENOUGH)
    return by_folded[found[0]] if found else None


def setting(name: str, value: object = "") -> str:
    """A choice as messages name it: "`crop.face=all`", a field of our options and its value.

    A host may put its own words in their place, as the command does: "--face all".
    """
    return f"`{name}={value}`" if value != "" else f"`{name}`"


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


def why_missing(name: str | os.PathLike[str]) -> str:
    """What to do about a file that is not there: what is odd about its name, a name alike, or to check it."""
    path = Path(name)
    if (odd := odd_name(str(name))) is not None:
        return odd
    if not path.parent.is_dir():
        return f"There is no folder '{path.parent}' either. Check the path."
    alike = similar_file(path)
    return "Check the name and the folder." if alike is None else f"Did you mean '{alike}'?"


def odd_name(name: str) -> str | None:
    """What keeps the name of a missing file from being one here; None where it looks like any other."""
    if found := _ADDRESS.match(name):
        if found[1].lower() == "file":
            return "Give the path alone, without file://."
        return "It is an address, and files are not fetched from the net: download it, then give the file."
    if len(name) > 2 and name[0] == name[-1] and name[0] in "'\"":
        return f"The name has quotes in it ({name}): leave them out, or one pair of them."
    if os.name != "nt" and _WINDOWS.match(name):
        return (
            "It is a path of Windows. Give the path as this system has it: folders with /; under WSL, drive C is "
            "/mnt/c."
        )
    if glob.has_magic(name):
        return "No file fits that pattern. Check it, and the folder."
    if name.startswith("~") and not name.startswith("~/"):
        return "The ~ stands for a home folder only where the shell replaces it: write the path out."
    return None


_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\\w|\.{1,2}\\|\w+\\\w")
