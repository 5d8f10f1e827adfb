"""Animated emoji of faces, people and animals' heads, laid over plain or shaded backgrounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from fomm_nodes.fomm_core.training.seeds import seed_at

from .clips import Pixels, Planned, Take, reduced
from .emoji_names import identity_of, shows_face
from .splits import split_of

PART = "fluent"
FEWEST_FRAMES, MOST_FRAMES = 8, 48
LEAST_CHANGE = 0.25
"""Mean difference of successive frames, in 8-bit steps, below which an emoji counts as a still."""


def plan(folders: Sequence[Path], *, seed: int, test_share: float, size: int) -> Iterator[Planned]:
    """A clip of each emoji, in an order that the seed decides."""
    paths = [path for folder in folders for path in folder.glob("*.webp") if shows_face(path.stem)]
    for path in sorted(paths, key=lambda path: seed_at(seed, "order", path.name)):
        identity = identity_of(path.stem)
        frames = EmojiFrames(path, seed_at(seed, PART, path.name), size)
        yield Planned(PART, split_of(identity, seed, test_share), identity, path.stem, path.name, frames)


@dataclass(frozen=True)
class EmojiFrames:
    """Renders one emoji when called."""

    path: Path
    seed: int
    size: int

    def __call__(self) -> Take:
        """None where it stands still."""
        from PIL import Image

        with Image.open(self.path) as picture:
            count = getattr(picture, "n_frames", 1)
            if count < FEWEST_FRAMES:
                return Take([])
            behind = background(picture.height, picture.width, np.random.default_rng(self.seed))
            frames: list[Pixels] = []
            for position in np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).astype(int)):
                picture.seek(int(position))
                laid = over(np.asarray(picture.convert("RGBA")), behind)
                frames.append(reduced(laid, self.size))
        change = np.abs(np.diff(np.stack(frames).astype(np.int16), axis=0)).mean()
        return Take(frames if change >= LEAST_CHANGE else [])


def background(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """[height, width, 3] of one colour, or of two from top to bottom."""
    top, bottom = rng.integers(40, 256, (2, 1, 1, 3))
    down = np.linspace(0, 1, height)[:, None, None] if rng.random() < 0.5 else np.zeros((height, 1, 1))
    shaded = top + (bottom - top) * down
    return np.broadcast_to(shaded, (height, width, 3)).astype(np.float32)


def over(picture: Pixels, behind: npt.NDArray[np.float32]) -> Pixels:
    """An RGBA image [height, width, 4], alpha not multiplied in, laid over an opaque one."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    return np.rint(picture[..., :3] * alpha + behind * (1 - alpha)).astype(np.uint8)
