"""Live Preview: one frame a run, and what stays from run to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, drive, load_builtin, prepare_source
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.fitting import from_uint8
from fomm_nodes.fomm_core.region import crop
from fomm_nodes.nodes.declarations import BY_ID
from fomm_nodes.nodes.hosts.warm import Remembered
from nearness import NETWORK, near
from PIL import Image
from torch import Tensor

SPEC = BY_ID["FOMM_LivePreview"]


class Held:
    def __init__(self) -> None:
        self.model, self.known = load_builtin(), Remembered()


class Host:
    """Keeps what it made, as ComfyUI's does."""

    def progress(self, done: int, total: int, preview: Tensor | None = None) -> None:
        assert 0 < done <= total

    def session(self, held: Held, **_: Any) -> AnimationSession:
        return AnimationSession(held.model)

    def remember(self, held: Held, values: Any, key: Any, make: Any) -> Any:
        return held.known.of(values, key, make)


@pytest.fixture(scope="module")
def portrait(root: Path) -> Tensor:
    with Image.open(root / "fomm_core" / "assets" / "source.png") as picture:
        return torch.from_numpy(np.array(picture.convert("RGB").resize((128, 128)))).float()[None] / 255


def run(held: Held, source: Tensor, driving: Tensor, **settings: Any) -> tuple[Any, ...]:
    host: Any = Host()
    values = {"model": held, "source": source, "driving": driving, "size": "model", "mirror": False, **settings}
    return SPEC.run(host, **SPEC.check(host, values))


@pytest.mark.slow
def test_run_after_run_is_the_clip(portrait: Tensor) -> None:
    held, driving = Held(), torch.cat([portrait.roll(2 * number, 2) for number in range(3)])
    whole, _, expected = run(Held(), portrait, driving)
    single = [run(held, portrait, driving[number : number + 1]) for number in range(3)]
    near(torch.cat([images for images, _, _ in single]), whole, NETWORK)
    near(torch.cat([keypoints.position for _, _, keypoints in single]), expected.position, NETWORK)
    session = AnimationSession(load_builtin())
    source = prepare_source(session, from_uint8((portrait.numpy() * 255).round().astype(np.uint8)), size="model")
    region = next(iter(held.known._made.values()))[1].region
    squares = crop(driving.permute(0, 3, 1, 2), region, 128)
    moved = drive(source.keypoints, session.detect(squares), AnimationOptions())
    near(expected.position, moved.position, NETWORK)


@pytest.mark.slow
def test_another_take_begins_anew(portrait: Tensor) -> None:
    held, other = Held(), portrait.roll(6, 2)
    rest = run(held, portrait, portrait)[0]
    assert float((run(held, portrait, other)[0] - rest).abs().max()) > 0.1
    near(run(held, portrait, other, take=2)[0], rest, NETWORK)
    near(run(held, portrait, other, strength=0.0)[0], rest, NETWORK)


@pytest.mark.slow
def test_the_driver_is_shown_as_a_mirror_does_with_its_square(portrait: Tensor) -> None:
    held = Held()
    shown = run(held, portrait, portrait, mirror=True)[1]
    assert shown.shape == portrait.shape
    same = (shown - portrait.flip(2)).abs().amax(-1) < 0.01
    assert 0.8 < float(same.float().mean()) < 1


def test_whole_clips_are_for_other_blocks(portrait: Tensor) -> None:
    with pytest.raises(ImageError, match="256 frames at most"):
        run(Held(), portrait, portrait[:, :32, :32].expand(257, -1, -1, -1))
