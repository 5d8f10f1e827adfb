"""Settings of the local engine, and what it makes: for drivers too, which load no networks' libraries."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ...nodes.hosts.headless.files import Folders
from ...nodes.hosts.headless.limits import Limits
from ..outputs import Made

PREFIX = "fomm-engine-"
"""Of folders for what nodes hand to each other."""


@dataclass(frozen=True)
class LocalOptions:
    """Settings of the local engine.

    folders: what graphs may read. device: 'auto', 'cpu', 'cuda', ... limits: what graphs may ask for.
    memory: bytes of results kept between jobs, models included. name: of this worker, for progress. temporary: a
    folder for what nodes hand to each other; None for the system's. previews: run what only shows something also
    where other nodes save.
    """

    folders: Folders
    device: str = "auto"
    limits: Limits = field(default_factory=Limits)
    memory: int = 2 << 30
    name: str = "local"
    temporary: Path | None = None
    previews: bool = False


@dataclass(frozen=True)
class Results:
    """What a run made, before it gets its final names."""

    made: tuple[Made, ...]
    frames: int
    reused: int
