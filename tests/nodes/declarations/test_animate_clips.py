"""Animate and Animate to Video: clips as sources, squares of both, several faces, rates and sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from clip_files import frames_of, written
from fomm_nodes.fomm_core.errors import ImageError, RegionError
from fomm_nodes.fomm_core.region import Region, region_at
from fomm_nodes.fomm_core.video import VideoWriter
from fomm_nodes.nodes.declarations import source_clip
from fomm_nodes.nodes.declarations.source_clip import in_order, played
from nearness import NETWORK, PICTURE, near
from torch import Tensor

Run = Callable[..., dict]
LEFT = region_at(30, 40, 48, height=80, width=72)
RIGHT = region_at(42, 38, 56, height=80, width=72)
MOVING = region_at([30, 31, 32, 33, 34], 40, 48, height=80, width=72)


@pytest.fixture
def video(tmp_path: Path, clip: Tensor) -> Path:
    return written(tmp_path / "clip.mp4", clip)


@pytest.mark.parametrize("region", [LEFT, MOVING], ids=["fixed", "moving"])
def test_a_square_of_the_driver_is_as_if_it_were_cropped(
    run: Run, held: Any, portrait: Tensor, clip: Tensor, video: Path, region: Region
) -> None:
    for driving in (clip, video):
        crops = run("CropRegion", images=driving, region=region, crop_size=128)["crops"]
        expected = run("Animate", model=held, source=portrait, driving=crops)
        made = run("Animate", model=held, source=portrait, driving=driving, driving_region=region)
        assert torch.equal(made["images"], expected["images"])
        assert (made["count"], made["fps"]) == (5, 12.0 if driving is video else 25.0)


def test_a_square_of_the_source_is_as_if_it_were_cropped(run: Run, held: Any, portrait: Tensor, clip: Tensor) -> None:
    crop = run("CropRegion", images=portrait, region=LEFT, crop_size=128)["crops"]
    expected = run("Animate", model=held, source=crop, driving=clip)["images"]
    made = run("Animate", model=held, source=portrait, driving=clip, source_region=LEFT)
    assert torch.equal(made["images"], expected)
    own = run("Animate", model=held, source=portrait, driving=clip, source_region=LEFT, size="picture")
    assert own["images"].shape == (5, 48, 48, 3)
    with pytest.raises(RegionError, match="made for"):
        run("Animate", model=held, source=portrait[:, :70], driving=clip, source_region=LEFT)


def test_a_mask_is_cropped_with_its_source(run: Run, held: Any, portrait: Tensor, clip: Tensor) -> None:
    mask = torch.zeros(1, 80, 72)
    mask[:, :, :30] = 1
    still = {"model": held, "source": portrait, "driving": clip, "source_region": LEFT, "strength": 0.0}
    hidden = run("Animate", mask=mask, **still)["hidden"]
    assert float(hidden[0, :, :56].min()) > 0.9  # 24 of 48 pixels are hidden, and the flow is not quite at rest
    assert float(hidden[0, :, 72:].max()) < 0.1


def test_pictures_and_keypoints_are_played_at_the_rate_that_is_set(
    run: Run, held: Any, portrait: Tensor, clip: Tensor, video: Path
) -> None:
    keypoints = run("DetectKeypoints", model=held, images=clip)["keypoints"]
    for driving in (clip, keypoints):
        made = run("Animate", model=held, source=portrait, driving=driving, frame_rate=50.0)
        assert (made["fps"], made["count"], len(made["images"])) == (50.0, 5, 5)
        assert run("Animate", model=held, source=portrait, driving=driving)["fps"] == 25.0
    made = run("Animate", model=held, source=portrait, driving=video, frame_rate=24.0)
    assert (made["fps"], made["count"], len(made["keypoints"])) == (24.0, 10, 10)  # a video keeps its pace


def test_the_driving_videos_sound_comes_along(run: Run, held: Any, portrait: Tensor, clip: Tensor, host: Any) -> None:
    assert run("Animate", model=held, source=portrait, driving=clip)["sound"] is None
    silent = written(host.folder / "silent.mp4", clip)
    assert run("Animate", model=held, source=portrait, driving=silent)["sound"] is None
    talking = host.folder / "talking.mp4"
    with VideoWriter(talking, fps=12, audio_from=_beep(host.folder / "beep.wav")) as writer:
        writer.write((clip * 255).round().byte().numpy())
    assert run("Animate", model=held, source=portrait, driving=talking)["sound"] == "the sound of talking.mp4"


def _beep(path: Path) -> Path:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    return path


def test_each_frame_of_a_source_clip_moves_from_its_own_pose(run: Run, held: Any, clip: Tensor) -> None:
    driving = clip.flip(0)
    moved = {"model": held, "driving": driving, "adapt_scale": False}
    made = run("Animate", source=clip, **moved)
    assert made["count"] == 5
    for frame in range(5):
        alone = run("Animate", source=clip[frame : frame + 1], **moved)
        near(made["images"][frame], alone["images"][frame], NETWORK, of=1)
        near(made["keypoints"].position[frame], alone["keypoints"].position[frame], NETWORK)


def test_a_source_clip_at_rest_is_the_clip_as_the_model_paints_it(run: Run, held: Any, clip: Tensor) -> None:
    made = run("Animate", model=held, source=clip, driving=clip.flip(0), strength=0.0)
    for frame in range(5):
        own = clip[frame : frame + 1]
        near(made["images"][frame], run("Animate", model=held, source=own, driving=own)["images"][0], PICTURE, of=1)


@pytest.mark.parametrize(
    ("mismatch", "expected"),
    [
        ("looped", [0, 1, 2, 0, 1, 2, 0, 1]),
        ("held", [0, 1, 2, 2, 2, 2, 2, 2]),
        ("ping-pong", [0, 1, 2, 1, 0, 1, 2, 1]),
    ],
)
def test_a_shorter_source_goes_on(mismatch: str, expected: list[int]) -> None:
    assert played(3, 8, mismatch) == expected
    assert played(9, 4, mismatch) == [0, 1, 2, 3]
    assert played(1, 3, mismatch) == [0, 0, 0]


def test_without_a_choice_a_mismatch_is_said(run: Run, held: Any, clip: Tensor) -> None:
    with pytest.raises(ImageError, match=r"as many as the driver has frames, 5; got 3\. Choose what to do in mismatch"):
        run("Animate", model=held, source=clip[:3], driving=clip)
    assert len(run("Animate", model=held, source=clip[:3], driving=clip, mismatch="held")["images"]) == 5
    with pytest.raises(ImageError, match="expected none if the source is a clip"):
        run("Animate", model=held, source=clip, driving=clip, mask=torch.ones(5, 80, 72))


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_frames_come_in_any_order_with_few_of_them_held(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_clip, "BACKWARDS_AT_ONCE", 4)
    made: list[int] = []

    def read() -> Iterator[Tensor]:
        for frame in range(count):
            made.append(frame)
            yield torch.full((1, 3, 2, 2), float(frame))

    for mismatch in ("looped", "held", "ping-pong"):
        order = played(count, 3 * count + 2, mismatch)
        assert [int(frame[0, 0, 0, 0]) for frame in in_order(read, order)] == order
    passes = sum(after <= before for before, after in pairwise(made)) + 1
    assert passes <= 8 + 2 * count


def test_a_video_as_source_keeps_its_pace(run: Run, held: Any, clip: Tensor, video: Path, tmp_path: Path) -> None:
    """Twice as many frames a second show the same movement."""
    twice = written(tmp_path / "twice.mp4", clip.repeat_interleave(2, 0), fps=24)
    settings = {"model": held, "driving": video, "strength": 0.0}
    slow, fast = (run("Animate", source=source, **settings)["images"] for source in (video, twice))
    assert len(slow) == len(fast) == 5
    near(slow, fast, 0.1, of=1)  # H.264 codes the copies anew
    assert float((slow[0] - slow[4]).abs().max()) > 0.2


def test_videos_stream_from_clip_to_clip(run: Run, held: Any, clip: Tensor, video: Path, tmp_path: Path) -> None:
    short = written(tmp_path / "short.mp4", clip[:3])
    same = {"model": held, "source": short, "driving": video, "mismatch": "ping-pong"}
    made = run("AnimateVideo", source_region=LEFT, driving_region=MOVING, **same)
    assert (made["count"], made["fps"]) == (5, 12.0)
    direct = run("Animate", source_region=LEFT, driving_region=MOVING, **same)["images"]
    frames = frames_of(made["video"])
    assert (frames - direct).abs().mean() < 0.01  # what the encoder changes
    assert (frames - direct.flip(0)).abs().mean() > 3 * (frames - direct).abs().mean()


def test_several_faces_are_moved_by_one_driver_or_by_one_each(
    run: Run, held: Any, portrait: Tensor, clip: Tensor
) -> None:
    faces, drivers = (LEFT, RIGHT), (RIGHT, MOVING)
    one = run("Animate", model=held, source=portrait, source_region=faces, driving=clip, driving_region=LEFT)
    two = run("Animate", model=held, source=portrait, source_region=faces, driving=clip, driving_region=drivers)
    assert (one["count"], len(one["images"]), len(two["keypoints"])) == (5, 10, 10)
    for made, driving in ((one, (LEFT, LEFT)), (two, drivers)):
        for number, (face, driver) in enumerate(zip(faces, driving, strict=True)):
            alone = run("Animate", model=held, source=portrait, source_region=face, driving=clip, driving_region=driver)
            assert torch.equal(made["images"][5 * number : 5 * number + 5], alone["images"])
    with pytest.raises(RegionError, match="one for each of 2 in the source; got 3"):
        run("Animate", model=held, source=portrait, source_region=faces, driving=clip, driving_region=(LEFT,) * 3)
    with pytest.raises(RegionError, match="got 2 faces: one video shows one face"):
        run("AnimateVideo", model=held, source=portrait, driving=clip, source_region=faces)
