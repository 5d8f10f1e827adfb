"""Groups of keypoints by name, as text that people read and write: "mouth: 8; eyes: 0; head: 1-3, 5"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from ..errors import KeypointError

Groups = Mapping[str, tuple[int, ...]]
"""The numbers of the keypoints in each group. A keypoint may be in several."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")
MOST_GROUPS = 256
_WEIGHTED = re.compile(
    r"(?P<what>\d{1,4}(?:-\d{1,4})?|[A-Za-z][A-Za-z0-9_ -]*?)"
    r"(?:\s+(?P<position>\d?\.?\d{1,6})(?:/(?P<turning>\d?\.?\d{1,6}))?)?"
)


def format_groups(groups: Groups) -> str:
    """Such as "mouth: 8; head: 1-3, 5"; a group without keypoints is named, too."""
    return "; ".join(f"{name}: {', '.join(_spans(numbers))}".rstrip() for name, numbers in groups.items())


def parse_groups(text: str, count: int) -> dict[str, tuple[int, ...]]:
    """The groups that a text names, of `count` keypoints.

    Raises KeypointError for anything that is not "name: numbers; name: numbers", a name twice, or a number too high.
    """
    groups: dict[str, tuple[int, ...]] = {}
    for part in (part.strip() for part in text.split(";") if part.strip()):
        name, colon, numbers = (piece.strip() for piece in part.partition(":"))
        if not colon or not NAME.fullmatch(name):
            raise KeypointError(f"expected groups such as mouth: 8; head: 1-3, 5; got {part[:80]!r}")
        if name in groups or len(groups) == MOST_GROUPS:
            raise KeypointError(f"expected each of at most {MOST_GROUPS} groups once; got {name!r} again or too many")
        groups[name] = parse_numbers(numbers, count)
    return groups


def parse_numbers(text: str, count: int, what: str = "keypoint numbers") -> tuple[int, ...]:
    """Numbers such as "0, 3-5", rising; none for an empty text. Raises KeypointError that names `what` for others."""
    numbers: set[int] = set()
    for part in text.replace(" ", "").strip(",").split(","):
        if not part:
            continue
        first, dash, last = part.partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise KeypointError(f"expected {what} such as 0, 3-5; got {part[:80]!r}.")
        low, high = int(first), int(last or first)
        if not low <= high < count:
            raise KeypointError(f"expected {what} of 0 to {count - 1}; got {part}.")
        numbers |= set(range(low, high + 1))
    return tuple(sorted(numbers))


def parse_weights(text: str, groups: Groups, count: int, weight: float = 1.0) -> tuple[list[float], list[float]] | None:
    """How much of each keypoint's position, and of its turning, is meant by names of groups and numbers of keypoints.

    "mouth" means all of the group, times `weight`; "mouth 0.8" a share of it, "mouth 0.8/0.2" so much of its position
    and so much of its turning and stretching. What comes later counts where a keypoint is named twice.

    Returns:
        weights of position and of turning, one for each of `count` keypoints; None for an empty text, which means all.

    Raises:
        KeypointError: a group that is not there, numbers too high, shares outside 0..1.
    """
    if not text.strip(" ,;"):
        return None
    position, turning = [0.0] * count, [0.0] * count
    for part in (part.strip() for part in text.replace(";", ",").split(",") if part.strip()):
        found = _WEIGHTED.fullmatch(f"{part} 1" if part in groups else part)  # the 4 of "part 4" is no share
        if found is None:
            raise KeypointError(
                f"expected names or numbers such as mouth, head 0.5, eyes 1/0.2, 3-5; got {part[:80]!r}"
            )
        chosen = _named(found["what"].strip(), groups, count)
        share = float(found["position"] or 1)
        turned = float(found["turning"] or share)
        if not (share <= 1 and turned <= 1):
            raise KeypointError(f"expected shares of 0 to 1; got {part[:80]!r}")
        for number in chosen:
            position[number], turning[number] = share * weight, turned * weight
    return position, turning


def _named(what: str, groups: Groups, count: int) -> tuple[int, ...]:
    if what[0].isdigit():
        return parse_numbers(what, count)
    if what not in groups:
        known = f"of {', '.join(groups)}" if groups else "of a group, but no groups are given: connect Group Keypoints"
        raise KeypointError(f"expected a keypoint's number or the name {known}; got {what[:80]!r}")
    return groups[what]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9


def _spans(numbers: tuple[int, ...]) -> Iterator[str]:
    """3, 4, 5, 9 as "3-5", "9"."""
    rising = sorted(set(numbers))
    starts = [number for before, number in pairwise([-2, *rising]) if number != before + 1]
    for start in starts:
        end = start
        while end + 1 in rising:
            end += 1
        yield str(start) if end == start else f"{start}-{end}"
