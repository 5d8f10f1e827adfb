"""Crop Region, Paste Back and its video: out of the whole image and back into it."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from clip_files import frames_of, written
from fomm_nodes.fomm_core.errors import ImageError, RegionError
from fomm_nodes.fomm_core.region import Region, region_at
from fomm_nodes.fomm_core.video import VideoWriter
from nearness import PICTURE, near
from torch import Tensor

Run = Callable[..., dict]


def square(x: Any, y: Any, side: Any, angle: float = 0.0) -> Region:
    return region_at(x, y, side, math.radians(angle), height=80, width=72)


STILL = square(36, 40, 32)
MOVING = square([30, 31, 32, 33, 34], 40, 32)


def test_a_crop_on_whole_pixels_is_a_slice(run: Run, clip: Tensor, held: Any) -> None:
    made = run("CropRegion", images=clip, region=STILL)
    assert torch.equal(made["crops"], clip[:, 24:56, 20:52])
    assert (made["side"], made["fps"]) == (32, 25.0)
    assert made["cropped"] is STILL
    assert run("CropRegion", images=clip, region=STILL, crop_size=48)["crops"].shape == (5, 48, 48, 3)
    assert run("CropRegion", images=clip, region=STILL, model=held)["side"] == max(held.model.config.auto_size())


def test_a_moving_square_is_cut_frame_by_frame(run: Run, clip: Tensor, tmp_path: Path) -> None:
    made = run("CropRegion", images=clip, region=MOVING)
    for frame in range(5):
        assert torch.equal(made["crops"][frame], clip[frame, 24:56, 14 + frame : 46 + frame])
    video = written(tmp_path / "clip.mp4", clip)
    streamed = run("CropRegion", images=video, region=MOVING)
    assert torch.equal(streamed["crops"], run("CropRegion", images=frames_of(video), region=MOVING)["crops"])
    assert streamed["fps"] == 12


def test_regions_of_something_else_are_refused(run: Run, clip: Tensor, portrait: Tensor) -> None:
    with pytest.raises(RegionError, match="72x80; got 64x80"):
        run("CropRegion", images=clip[:, :, :64], region=STILL)
    with pytest.raises(RegionError, match="it has 5"):
        run("CropRegion", images=portrait, region=MOVING)
    with pytest.raises(RegionError, match="it has 5"):
        run("CropRegion", images=torch.cat((clip, clip)), region=MOVING)
    with pytest.raises(RegionError, match="72x80; got 72x40"):
        run("PasteBack", frames=clip[:, :32, :32], region=STILL, whole=portrait[:, :40])
    with pytest.raises(RegionError, match="it has 5"):
        run("PasteBack", frames=clip[:3, :32, :32], region=MOVING, whole=portrait)
    with pytest.raises(ImageError, match="5 frames and 3 whole"):
        run("PasteBack", frames=clip[:, :32, :32], region=STILL, whole=clip[:3])
    with pytest.raises(RegionError, match="square"):
        run("PasteBack", frames=clip[:, :32, :40], region=STILL, whole=portrait)
    with pytest.raises(ImageError, match="NaN"):
        run("PasteBack", frames=torch.full((1, 8, 8, 3), math.nan), region=STILL, whole=portrait)


@pytest.mark.parametrize("region", [STILL, MOVING, square(36, 40, 33, 20), square(5, 5, 40), square(36, 40, 90)])
@pytest.mark.parametrize("linear_light", [True, False])
def test_what_was_cropped_goes_back_where_it_was(run: Run, region: Region, linear_light: bool) -> None:
    rows, columns = torch.arange(80.0)[:, None] / 80, torch.arange(72.0) / 72
    waves = [(rows * k + columns * (3 - k)).mul(math.pi).sin() / 2 + 0.5 for k in range(3)]
    smooth = torch.stack([torch.stack(waves, -1).roll(shift, -1) for shift in range(5)])
    crops = run("CropRegion", images=smooth, region=region)["crops"]
    made = run("PasteBack", frames=crops, region=region, whole=smooth, linear_light=linear_light)
    mask = made["pasted"].expand(5, -1, -1)
    untouched = mask == 0
    assert torch.equal(made["images"][untouched], smooth[untouched])
    # the square is sampled twice, by bilinear and bicubic interpolation: at most two levels of a smooth image
    near(made["images"], smooth, 2 / 255, of=PICTURE)


def test_only_the_square_changes(run: Run, portrait: Tensor) -> None:
    white = torch.ones(3, 64, 64, 3)
    made = run("PasteBack", frames=white, region=STILL, whole=portrait, feather=0.0)
    assert made["images"].shape == (3, 80, 72, 3)
    assert made["pasted"].shape == (1, 80, 72)
    assert torch.equal(made["images"][:, 24:56, 20:52], torch.ones(3, 32, 32, 3))
    assert torch.equal(made["pasted"][0] > 0, (made["images"][0] != portrait[0]).any(-1) | (made["pasted"][0] > 0))
    assert int(made["pasted"].sum()) == 32 * 32


def test_wholes_keep_their_alpha_and_their_range(run: Run, portrait: Tensor) -> None:
    bright = torch.cat((portrait * 3 - 1, portrait[..., :1]), -1)  # beyond 0..1, with opacity
    made = run("PasteBack", frames=torch.ones(1, 32, 32, 3), region=STILL, whole=bright)["images"]
    assert torch.equal(made[..., 3], bright[..., 3])
    assert torch.equal(made[:, :24], bright[:, :24])
    assert bool(made.isfinite().all())


@pytest.mark.parametrize("side", [32, 64])
def test_a_mask_limits_the_paste(run: Run, portrait: Tensor, side: int) -> None:
    half = torch.zeros(1, side, side)
    half[:, : side // 2] = 1
    made = run("PasteBack", frames=torch.ones(1, 32, 32, 3), region=STILL, whole=portrait, feather=0.0, mask=half)
    assert torch.equal(made["images"][0, 42:], portrait[0, 42:])
    assert torch.equal(made["images"][0, 24:38, 20:52], torch.ones(14, 32, 3))
    assert float(made["pasted"][0, 43:].max()) == 0


def test_a_mask_of_the_whole_is_cut_like_the_picture(run: Run, clip: Tensor) -> None:
    whole = torch.zeros(5, 80, 72)
    whole[:, :40] = 1
    made = run("PasteBack", frames=torch.ones(5, 32, 32, 3), region=MOVING, whole=clip, feather=0.0, mask=whole)
    assert torch.equal(made["images"][:, 40:], clip[:, 40:])
    assert bool((made["images"][2, 24:39, 16:48] == 1).all())
    assert made["pasted"].shape == (5, 80, 72)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_empty_and_a_full_mask(run: Run, portrait: Tensor, value: float) -> None:
    mask = torch.full((1, 32, 32), value)
    made = run("PasteBack", frames=torch.ones(1, 32, 32, 3), region=STILL, whole=portrait, mask=mask)
    free = run("PasteBack", frames=torch.ones(1, 32, 32, 3), region=STILL, whole=portrait)
    if value:
        near(made["images"], free["images"])
        near(made["pasted"], free["pasted"])
    else:
        assert torch.equal(made["images"], portrait)
        assert not made["pasted"].any()


@pytest.mark.parametrize(
    "mask", [torch.zeros(3, 32, 32), torch.zeros(1, 32, 40), torch.full((1, 32, 32), math.nan), torch.zeros(0, 8, 8)]
)
def test_masks_that_do_not_fit_are_refused(run: Run, clip: Tensor, mask: Tensor) -> None:
    with pytest.raises(ImageError, match="“mask”"):
        run("PasteBack", frames=clip[:, :32, :32], region=STILL, whole=clip, mask=mask)


def test_clips_are_read_as_videos_too(run: Run, clip: Tensor, tmp_path: Path) -> None:
    video = written(tmp_path / "whole.mp4", clip)
    crops = torch.ones(5, 32, 32, 3)
    streamed = run("PasteBack", frames=crops, region=MOVING, whole=video)["images"]
    assert torch.equal(streamed, run("PasteBack", frames=crops, region=MOVING, whole=frames_of(video))["images"])


@pytest.mark.parametrize("frames_as", ["images", "video"])
@pytest.mark.parametrize("whole_as", ["picture", "video"])
def test_a_video_is_pasted_as_pictures_are(
    run: Run, clip: Tensor, portrait: Tensor, tmp_path: Path, frames_as: str, whole_as: str
) -> None:
    crops = torch.full((5, 32, 32, 3), 0.75)
    frames: Any = crops if frames_as == "images" else written(tmp_path / "crops.mp4", crops, fps=8)
    whole: Any = portrait if whole_as == "picture" else written(tmp_path / "whole.mp4", clip)
    made = run("PasteBackVideo", frames=frames, region=MOVING, whole=whole)
    read = frames_of(made["video"])
    assert read.shape == (5, 80, 72, 3)
    assert made["fps"] == (8 if frames_as == "video" else 12 if whole_as == "video" else 25)
    expected = run("PasteBack", frames=crops, region=MOVING, whole=whole)["images"]
    near(read.mean((1, 2)), expected.mean((1, 2)), 3 / 255, of=PICTURE)  # what encoding loses, on the mean
    near(read[:, 32:48, 26:40], 0.75, 4 / 255, of=PICTURE)  # flat inside: what encoding it loses


def test_clips_of_different_lengths_are_refused(run: Run, clip: Tensor, tmp_path: Path) -> None:
    crops = torch.ones(5, 32, 32, 3)
    with pytest.raises(ImageError, match="ends after 3"):
        run("PasteBackVideo", frames=crops, region=STILL, whole=clip[:3])
    with pytest.raises(ImageError, match="there are only 3"):
        run("PasteBackVideo", frames=crops[:3], region=STILL, whole=clip)
    with pytest.raises(RegionError, match="it has 5"):
        run("PasteBackVideo", frames=crops[:3], region=MOVING, whole=clip[:3])
    with pytest.raises(RegionError, match="72x80; got 72x40"):
        run("PasteBackVideo", frames=crops, region=STILL, whole=clip[:, :40])


def test_a_mask_limits_a_video_too(run: Run, portrait: Tensor) -> None:
    empty = torch.zeros(1, 32, 32)
    made = run("PasteBackVideo", frames=torch.ones(2, 32, 32, 3), region=STILL, whole=portrait, mask=empty)
    near(
        frames_of(made["video"]).mean((1, 2)), portrait.mean((1, 2)).expand(2, -1), 3 / 255, of=PICTURE
    )  # what encoding loses, on the mean
    with pytest.raises(RegionError, match="“mask”"):
        run(
            "PasteBackVideo",
            frames=torch.ones(5, 32, 32, 3),
            region=STILL,
            whole=portrait,
            mask=torch.ones(3, 32, 32),
        )


def test_uneven_clips_stay_in_step(run: Run, clip: Tensor, tmp_path: Path) -> None:
    # A frame held three times as long as the others: images come at the constant rate, five frames as seven.
    path = tmp_path / "uneven.mkv"
    with VideoWriter(path, fps=10, uneven=True) as writer:
        ends = [Fraction(tenths, 10) for tenths in (1, 2, 5, 6, 7)]
        writer.write((clip * 255).round().byte().numpy(), ends)
    found = run("FindRegion", images=path, movement="follow")["region"]
    crops = run("CropRegion", images=path, region=STILL)
    assert len(crops["crops"]) == 7
    moving = square([30, 31, 32, 32, 32, 33, 34], 40, 32)
    followed = run("CropRegion", images=path, region=moving)["crops"]
    assert len(followed) == 7
    assert torch.equal(followed[2], followed[4])
    assert len(run("PasteBack", frames=followed, region=moving, whole=path)["images"]) == 7
    video = run("PasteBackVideo", frames=followed, region=moving, whole=path)
    assert len(frames_of(video["video"])) == 7
    assert len(found) == 1  # no face: the middle


def test_several_faces_are_cropped_and_pasted_one_after_the_other(run: Run, clip: Tensor, portrait: Tensor) -> None:
    faces = (square(20, 40, 24), square(52, 44, 32))
    crops = run("CropRegion", images=portrait, region=faces, crop_size=32)["crops"]
    alone = [run("CropRegion", images=portrait, region=face, crop_size=32)["crops"] for face in faces]
    assert torch.equal(crops, torch.cat(alone))
    frames = torch.cat([torch.zeros(5, 32, 32, 3), torch.ones(5, 32, 32, 3)])
    made = run("PasteBack", frames=frames, region=faces, whole=portrait)
    first = run("PasteBack", frames=frames[:5], region=faces[0], whole=portrait)
    both = run("PasteBack", frames=frames[5:], region=faces[1], whole=first["images"])
    assert torch.equal(made["images"], both["images"])
    assert torch.equal(made["pasted"], torch.maximum(first["pasted"], both["pasted"]))
    with pytest.raises(ImageError, match="one face after the other; got 9"):
        run("PasteBack", frames=frames[:9], region=faces, whole=portrait)
    with pytest.raises(RegionError, match="got 2 faces: a video shows one at a time"):
        run("PasteBackVideo", frames=frames, region=faces, whole=portrait)


@pytest.mark.parametrize(("mismatch", "shown"), [("looped", [0, 1, 0, 1, 0]), ("held", [0, 1, 1, 1, 1])])
def test_a_whole_clip_of_another_length_goes_on_or_is_cut(run: Run, clip: Tensor, mismatch: str, shown: list) -> None:
    crops = torch.rand(5, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    made = run("PasteBack", frames=crops, region=STILL, whole=clip[:2], mismatch=mismatch)["images"]
    expected = run("PasteBack", frames=crops, region=STILL, whole=clip[shown])["images"]
    assert torch.equal(made, expected)
    cut = run("PasteBack", frames=crops[:3], region=STILL, whole=clip, mismatch=mismatch)["images"]
    assert torch.equal(cut, run("PasteBack", frames=crops[:3], region=STILL, whole=clip[:3])["images"])
    following = run("PasteBack", frames=crops[:3], region=MOVING, whole=clip, mismatch=mismatch)["images"]
    assert torch.equal(following, run("PasteBack", frames=crops[:3], region=MOVING[:3], whole=clip[:3])["images"])
