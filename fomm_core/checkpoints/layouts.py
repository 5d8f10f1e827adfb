"""Where the networks stand in a file: under their names, in one flat table, or inside of what a trainer wrapped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError
from .families import NEEDED
from .keys import PUBLISHED_NETWORKS, State
from .stand_ins import StoredArray

NETWORKS = {
    **{name: name for name in (*PUBLISHED_NETWORKS, *chain(*NEEDED.values()), "bg_predictor", "avd_network")},
    "kp_extractor": "kp_detector",
}
"""A network's name in a file -> its published name. The published training loop calls the detector kp_extractor."""

WRAPPERS = frozenset(
    {
        *("module", "model", "_orig_mod", "net", "network", "params", "weights"),
        *("state_dict", "model_state", "model_state_dict"),
    }
)
"""Names that programs put around networks: DataParallel, torch.compile, Lightning and other trainers."""

OURS = ("detector.", "generator.", "dense_motion.", "discriminator.", "avd.", "background.")

EPOCHS = ("epoch", "epoch_reconstruction", "epoch_avd")
"""MRAA counts those of its two phases apart; the first is the model's."""

DEEPEST = 8

_SCALE = re.compile(r"(?:^|\.)discriminator\.discs\.(\d+(?:-\d+)?)\.")


@dataclass
class Found:
    """The networks of a file. state: by published keys. left_out: what else it holds."""

    state: State = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def leave(self, name: str) -> None:
        """Something that is no weight of the model."""
        if name not in self.left_out:
            self.left_out.append(name)


def published_networks(content: Mapping[Any, Any], path: Path) -> Found:
    """Every tensor of the networks in `content`, by its published key (`generator.first.conv.weight`).

    Raises CheckpointError where a network holds something else than tensors, or one key comes twice.
    """
    found = Found()
    for parts, value, network in _entries(content, ()):
        if network is None:
            if parts[-1] not in EPOCHS:
                found.leave(parts[-1])
            continue
        key = f"{network}.{'.'.join(parts)}"
        tensor = tensor_of(value)
        if tensor is None:
            raise CheckpointError(
                f"expected tensors in '{network}' of '{path}'; '{'.'.join(parts)}' is a {type(value).__name__}."
            )
        if key in found.state:
            raise CheckpointError(
                f"expected each tensor once in '{path}'; '{key}' comes twice, in two tables. Save one of them alone."
            )
        found.state[key] = tensor
    return found


def _entries(table: Mapping[Any, Any], around: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, str | None]]:
    """(parts of the key below the network, value, network), or (name, value, None) for what is of no network."""
    for name, value in table.items():
        parts = tuple(str(name).split("."))
        while parts and parts[0] in WRAPPERS:
            parts = parts[1:]
        if parts and (network := NETWORKS.get(parts[0])) is not None:
            yield from _of_network(parts[1:], value, network)
        elif not parts and isinstance(value, Mapping) and len(around) < DEEPEST:
            yield from _entries(value, (*around, str(name)))
        else:
            yield (parts[0] if parts else str(name),), value, None


def _of_network(parts: tuple[str, ...], value: Any, network: str) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    while parts and parts[0] in ("module", "_orig_mod"):
        parts = parts[1:]
    if isinstance(value, Mapping) and len(parts) < DEEPEST:
        for name, inner in value.items():
            yield from _of_network((*parts, *str(name).split(".")), inner, network)
    elif parts or value is not None:
        yield parts, value, network


def published_order(key: str) -> float:
    """Sorts a table that has lost the order of its discriminators, as safetensors has: the largest scale first."""
    found = _SCALE.search(key)
    return -float(found[1].replace("-", ".")) if found else -math.inf


def tensor_of(value: Any) -> Tensor | None:
    """A tensor, or an array of numbers as one; None for anything else."""
    if isinstance(value, Tensor):
        return value
    array = value.array if isinstance(value, StoredArray) else value
    if isinstance(array, (np.ndarray, np.generic)) and array.dtype.kind in "biuf":
        return torch.from_numpy(np.array(array))
    return None


def epoch_of(content: Mapping[Any, Any]) -> int | None:
    """The epoch that a file states, whatever kind of whole number holds it."""
    for name in EPOCHS:
        try:
            return index(content.get(name))  # type: ignore[arg-type]
        except TypeError:
            continue
    return None


def is_ours(state: Mapping[str, Any]) -> bool:
    """Whether a flat table has our own key names, as where a program saved our file again without its metadata."""
    known = {"detector.heatmap_head.weight", "detector.encoder.fc.weight"}
    return bool(known & state.keys()) and all(key.startswith(OURS) for key in state)
