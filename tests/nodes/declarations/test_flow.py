"""Flow as a compositor takes it: what it says about the source equals what the warp does."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.geometry import Motion, resize_flow, warp
from fomm_nodes.fomm_core.video import write_exr
from fomm_nodes.nodes.declarations.border import MotionClip
from fomm_nodes.nodes.declarations.flow import pixels, stmap
from hypothesis import given, settings
from hypothesis import strategies as st
from nearness import NETWORK, near

SIZE = (12, 20)


def clip_of(seed: int, *, align_corners: bool) -> MotionClip:
    noise = torch.Generator().manual_seed(seed)
    flow = torch.rand(2, 6, 10, 2, generator=noise) * 2.4 - 1.2
    motion = Motion(flow=flow, occlusion=torch.rand(2, 1, 6, 10, generator=noise))
    return MotionClip(motion, SIZE, "crop", align_corners)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.booleans(), st.integers(0, 1))
def test_map_uv_gives_the_warped_source(seed: int, align_corners: bool, frame: int) -> None:
    clip = clip_of(seed, align_corners=align_corners)
    picture = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(seed + 1))
    flow = resize_flow(clip.motion.flow[frame : frame + 1], *SIZE)
    wanted = warp(picture, flow, align_corners=align_corners)
    u, v, shown = stmap(clip, frame).unbind(-1)
    # Map UV: 0..1 over the whole image, from below; that is grid_sample's own convention without align_corners.
    mapped = F.grid_sample(picture, torch.stack((2 * u - 1, 1 - 2 * v), -1)[None], align_corners=False)
    near(mapped, wanted, NETWORK)
    assert shown.shape == SIZE
    assert 0 <= shown.min() <= shown.max() <= 1


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_pixels_lead_from_each_pixel_to_its_place(seed: int) -> None:
    clip = clip_of(seed, align_corners=True)
    height, width = SIZE
    way, place = pixels(clip, 0), stmap(clip, 0)
    x = torch.arange(width)[None] + way[..., 0]
    y = torch.arange(height)[:, None] - way[..., 1]
    near(x, place[..., 0] * width - 0.5)
    near(y, (1 - place[..., 1]) * height - 0.5)
    assert torch.equal(way[..., 2], place[..., 2])


def test_exr_files_hold_the_very_numbers(tmp_path: Path) -> None:
    values = (np.random.default_rng(0).random((9, 7, 3)) * 2000 - 1000).astype(np.float32)
    write_exr(tmp_path / "a.exr", values)
    with av.open(str(tmp_path / "a.exr")) as file:
        frame = next(file.decode(video=0))
    assert np.array_equal(frame.to_ndarray(format="gbrpf32le"), values)
    with pytest.raises(ImageError, match="float32"):
        write_exr(tmp_path / "b.exr", values.astype(np.float64))
    assert not (tmp_path / "b.exr").exists()
