"""Data sets of a few small clips, written on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fomm_nodes.fomm_core.training.config import AugmentationConfig
from fomm_nodes.fomm_core.video import VideoWriter, write_image


def marked_frames(count: int, shade: int, height: int = 32, width: int = 32) -> list[np.ndarray]:
    """Smooth images of one shade, with a bright block that moves right, one pixel for each frame."""
    frames = []
    for index in range(count):
        frame = np.full((height, width, 3), shade, np.uint8)
        frame[8:16, index : index + 8] = (250, 120, 20)
        frames.append(frame)
    return frames


@pytest.fixture
def write_clip() -> Callable[..., Path]:
    """`write_clip(path, count, shade=..., height=..., width=...)`: a video, an animation, or a folder of PNG files."""

    def write(path: Path, count: int = 6, *, shade: int = 60, height: int = 32, width: int = 32) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = marked_frames(count, shade, height, width)
        if not path.suffix:
            for index, frame in enumerate(frames):
                write_image(path / f"{index}.png", frame)
        elif path.suffix == ".webp":
            from PIL import Image

            first, *others = [Image.fromarray(frame) for frame in frames]
            first.save(path, save_all=True, append_images=others, lossless=True)
        else:
            with VideoWriter(path, fps=25) as writer:
                for frame in frames:
                    writer.write(frame)
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path, write_clip: Callable[..., Path]) -> Path:
    """Five clips of all kinds, at two sizes."""
    write_clip(tmp_path / "set" / "a.mp4", 6, shade=20)
    write_clip(tmp_path / "set" / "people" / "id1#x.mp4", 5, shade=70)
    write_clip(tmp_path / "set" / "people" / "id1#y.gif", 4, shade=120)
    write_clip(tmp_path / "set" / "people" / "stills", 3, shade=170, height=40, width=56)
    write_clip(tmp_path / "set" / "z.webp", 7, shade=220)
    return tmp_path / "set"


@pytest.fixture
def varied() -> AugmentationConfig:
    """Everything at once."""
    return AugmentationConfig(
        horizontal_flip=True,
        time_flip=True,
        brightness=0.2,
        contrast=0.2,
        saturation=0.2,
        hue=0.1,
        rotation_degrees=10.0,
        zoom=0.2,
    )
