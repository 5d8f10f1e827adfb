"""Frames of any size: the networks work at the nearest that they take, and what comes out is exactly what was asked."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, prepare_source
from fomm_nodes.fomm_core.animation import output_size
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.fitting import FIT_MODES, FitMode, fit, resize
from fomm_nodes.fomm_core.pipeline import FileOptions, animate_files
from fomm_nodes.fomm_core.video import VideoWriter, write_image
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

DRIVING = ASSETS / "driving.mp4"


@pytest.fixture(scope="module")
def session(make) -> AnimationSession:
    return AnimationSession(make())


def soft(height: int, width: int) -> Tensor:
    """An image without sharp edges, [1, 3, H, W]."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 3, width), indexing="ij")
    return torch.stack([x.sin(), y.cos(), (x + y).sin()])[None] / 4 + 0.5


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 150), width=st.integers(1, 150), opaque=st.booleans())
def test_frames_are_exactly_as_large_as_asked(session, height: int, width: int, opaque: bool) -> None:
    picture = torch.rand(1, 3 if opaque else 4, 40, 50)
    source = prepare_source(session, picture, size=(height, width))
    rendered = next(iter(session.render(source, source.keypoints)))
    layers = [rendered.images, rendered.occlusion, rendered.warped, rendered.transparent, source.picture]
    assert {tuple(layer.shape[-2:]) for layer in layers} == {(height, width)}
    assert source.working == session.config.nearest_size(height, width)
    assert 0 <= rendered.images.min() <= rendered.images.max() <= 1


def test_a_size_that_the_model_takes_is_not_resized(session) -> None:
    multiple = session.config.size_multiple()
    source = prepare_source(session, soft(90, 70), size=(8 * multiple, 9 * multiple))
    assert source.working == source.size
    assert source.picture is source.image
    direct = session.prepare(fit(soft(90, 70), *source.size))
    one, other = (next(iter(session.render(each, each.keypoints))).images for each in (source, direct))
    assert torch.equal(one, other)


@settings(max_examples=40, deadline=None)
@given(height=st.integers(60, 200), width=st.integers(60, 200), mode=st.sampled_from(FIT_MODES))
def test_the_aspect_is_kept_however_the_networks_see_it(session, height: int, width: int, mode: FitMode) -> None:
    """Two resizings blur a little; a stretched image would be off by far more."""
    picture = soft(120, 90)
    source = prepare_source(session, picture, size=(height, width), mode=mode)
    expected = fit(picture, height, width, mode=mode)
    inside = expected.sum(1, keepdim=True) > 0.1  # the borders that 'pad' adds are sharp
    difference = ((source.picture - expected).abs() * inside)[..., 3:-3, 3:-3]
    assert difference.flatten().kthvalue(max(1, int(difference.numel() * 0.9))).values <= 0.02


def test_source_is_its_own_size(session) -> None:
    assert output_size(session, soft(1080, 1920), "source") == (1080, 1920)
    assert output_size(session, soft(333, 501), "source") == (333, 501)
    assert output_size(session, soft(1, 4000), "source") == (1, 4000)


@pytest.mark.parametrize(("height", "width"), [(33, 51), (50, 70), (1, 1), (100, 3)])
def test_files_have_the_size_that_was_asked_for(session, tmp_path: Path, height: int, width: int) -> None:
    write_image(tmp_path / "source.png", (soft(height, width)[0].permute(1, 2, 0) * 255).byte().numpy())
    options = FileOptions(frames=2, size="source", occlusion=tmp_path / "mask", compare=True)
    report = animate_files(session, tmp_path / "source.png", DRIVING, tmp_path / "frames", options)
    assert report.size == (height, width)
    with Image.open(tmp_path / "frames" / "frame-00001.png") as frame:
        assert frame.size[1] == height
        assert frame.size[0] >= 3 * width
    with Image.open(tmp_path / "mask" / "frame-00001.png") as frame:
        assert frame.size == (width, height)


@pytest.mark.parametrize(
    ("name", "stored"), [("a.mp4", (502, 334)), ("a.mkv", (502, 334)), ("a.webm", (501, 333)), ("a.gif", (501, 333))]
)
def test_odd_sides(tmp_path: Path, name: str, stored: tuple[int, int]) -> None:
    """H.264 takes even sides alone, and the writer says what it made of the others."""
    with VideoWriter(tmp_path / name, fps=25) as writer:
        writer.write(np.full((333, 501, 3), 90, np.uint8))
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == stored
    if stored == (501, 333):
        assert writer.warnings == []
    else:
        assert len(writer.warnings) == 1
        assert "501x333 is written as 502x334, its last row and column twice" in writer.warnings[0]


def test_resizing_is_anti_aliased() -> None:
    """Stripes of one pixel become grey, not other stripes."""
    stripes = (torch.arange(64) % 2).float().expand(1, 3, 64, 64)
    small = resize(stripes, 64, 20)
    assert (small - 0.5).abs().max() <= 0.2
