"""Values of a published configuration, by name: none missing, none unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..bounds import shown
from ..errors import ConfigError

_IGNORED_WHERE_UNUSED = {"num_kp", "num_channels", "estimate_jacobian"}


def take(values: Mapping[str, Any], where: str, **defaults: Any) -> dict[str, Any]:
    """`defaults` overridden by `values`; None as a default means that the value must be given."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected names with values; got {shown(values)}.")
    unknown = {str(name) for name in values} - set(defaults) - _IGNORED_WHERE_UNUSED
    if unknown:
        raise ConfigError(f"{where}: expected only {sorted(defaults)}; got also {sorted(unknown)}.")
    taken = {**defaults, **{name: value for name, value in values.items() if name in defaults}}
    missing = [name for name, value in taken.items() if value is None]
    if missing:
        raise ConfigError(f"{where}: expected values for {missing}; got only {sorted(map(str, values))}.")
    return taken
