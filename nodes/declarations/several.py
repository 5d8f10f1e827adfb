"""FOMM_REGION values of several faces: one region for each, from left to right, as Find Region gives them for `all`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ...fomm_core.errors import RegionError
from ...fomm_core.region import Region

Regions = Region | tuple[Region, ...]


def each(region: Regions) -> tuple[Region, ...]:
    """The regions of all faces."""
    return (region,) if isinstance(region, Region) else region


def single(region: Regions, why: str) -> Region:
    """The region of the only face; RegionError where there are several, and `why` that is too many."""
    if isinstance(region, Region):
        return region
    if len(region) == 1:
        return region[0]
    raise RegionError(
        f"expected the region of one face; got {len(region)} faces: {why}. Choose one of them in Find Region."
    )


def rows_of(region: Region, frames: Sequence[int]) -> Region:
    """The squares of those frames, untimed."""
    rows = torch.tensor(list(frames))
    return replace(region, centre=region.centre[rows], side=region.side[rows], angle=region.angle[rows], times=None)
