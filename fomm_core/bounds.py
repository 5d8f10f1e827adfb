"""What the fields of a configuration may hold. Files come from strangers: each value's type and range is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError, FommError

SHOWN = 80
"""Characters of a wrong value that a message shows."""


@dataclass(frozen=True)
class Bound:
    """A number from `low` to `high`, both included; NaN and infinity are outside of any.

    whole: without a fraction, and not written as 1.0. optional: None is allowed. many: a tuple of up to so many numbers
    instead; 0 for a single one.
    """

    low: float
    high: float
    whole: bool = False
    optional: bool = False
    many: int = 0

    def allows(self, value: Any) -> bool:
        """Whether a value is within."""
        if value is None:
            return self.optional
        if self.many:
            return isinstance(value, tuple) and len(value) <= self.many and all(map(self._one, value))
        return self._one(value)

    def _one(self, value: Any) -> bool:
        kinds = int if self.whole else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        number = f"{'whole ' if self.whole else ''}number"
        what = f"up to {self.many} {number}s" if self.many else f"a {number}"
        return f"{what} from {self.low:.12g} to {self.high:.12g}{', or none' if self.optional else ''}"


@dataclass(frozen=True)
class Flag:
    """True or false; 0 and 1 are neither."""

    def allows(self, value: Any) -> bool:
        """Whether a value is one."""
        return isinstance(value, bool)

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Name:
    """A short text."""

    longest: int = 200

    def allows(self, value: Any) -> bool:
        """Whether a value is one."""
        return isinstance(value, str) and len(value) <= self.longest

    def __str__(self) -> str:
        return f"a text of up to {self.longest} letters"


@dataclass(frozen=True)
class Choice:
    """One of a few names."""

    names: tuple[str, ...]

    def allows(self, value: Any) -> bool:
        """Whether a value is one."""
        return isinstance(value, str) and value in self.names

    def __str__(self) -> str:
        return f"one of {', '.join(self.names)}"


Bounds = Mapping[str, Bound | Flag | Name | Choice]


def whole(low: int, high: int, *, optional: bool = False, many: int = 0) -> Bound:
    """A whole number within; see `Bound`."""
    return Bound(low, high, whole=True, optional=optional, many=many)


def check_fields(part: str, values: object, bounds: Bounds, error: type[FommError] = ConfigError) -> None:
    """Raise `error`, naming the first attribute of `values` that has another type than its bound, or is outside of it.

    part: what `values` are, for the message.
    """
    for name, bound in bounds.items():
        value = getattr(values, name)
        if not bound.allows(value):
            raise error(
                f"expected a configuration that makes sense; {name} of {part} should be {bound}, and is {shown(value)}."
                " Correct it; a file that says so is damaged, or of another model."
            )


def as_tuple(value: Any) -> Any:
    """A list as the tuple that it was before it went through JSON or YAML; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def shown(value: Any) -> str:
    """A strange value in a message: short, whatever it is."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**SHOWN:
        return f"a number of {math.floor(math.log10(abs(value))) + 1} digits"  # Python refuses to write some of them
    if isinstance(value, (list, tuple, dict, set)):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
