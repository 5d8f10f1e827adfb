"""Photographs and clips with more in them than a face."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from fomm_nodes.fomm_core import AnimationSession, load_builtin
from fomm_nodes.fomm_core.faces import FaceFinder
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image
from scenes import ground, placed


@pytest.fixture(scope="session")
def session() -> AnimationSession:
    return AnimationSession(load_builtin())


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    return read_image(ASSETS / "source.png")


@pytest.fixture(scope="session")
def photo(portrait: np.ndarray) -> np.ndarray:
    """640x360, the portrait off the middle, at the right."""
    return placed(ground(360, 640), portrait, 350, 60, 256)


@pytest.fixture(scope="session")
def head() -> list[np.ndarray]:
    with VideoReader(ASSETS / "driving.mp4") as reader:
        return list(islice(reader, 12))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, head: list[np.ndarray]) -> Path:
    """480x270, five frames, the head at the left."""
    path = tmp_path_factory.mktemp("clips") / "wide.mp4"
    with VideoWriter(path, fps=25) as writer:
        for frame in head[::2][:5]:
            writer.write(placed(ground(270, 480), frame, 60, 40, 200))
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[np.ndarray, str], Path]:
    from fomm_nodes.fomm_core.video import write_image

    def save(picture: np.ndarray, name: str = "photo.png") -> Path:
        write_image(tmp_path / name, picture)
        return tmp_path / name

    return save
