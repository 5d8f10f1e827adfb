"""Every block run on a small model, as a host runs it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import FommError, Keypoints, Motion
from fomm_nodes.fomm_core.errors import ImageError, KeypointError
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from fomm_nodes.nodes.declarations.border import MotionClip
from fomm_nodes.nodes.spec import Absent
from nearness import NETWORK, PICTURE, near, within_seconds
from torch import Tensor

Run = Callable[..., dict]


@pytest.fixture
def video(tmp_path: Path, clip: Tensor) -> Path:
    path = tmp_path / "driving.mp4"
    with VideoWriter(path, fps=12) as writer:
        writer.write((clip * 255).round().byte().numpy())
    return path


@pytest.fixture
def moved(run: Run, held: Any, portrait: Tensor, clip: Tensor) -> dict:
    """The steps up to dense motion."""
    source = run("DetectKeypoints", model=held, images=portrait)["keypoints"]
    driving = run("DetectKeypoints", model=held, images=clip)["keypoints"]
    keypoints = run("TransferMotion", source=source, driving=driving)["keypoints"]
    motion = run("DenseMotion", model=held, source=portrait, keypoints=keypoints)["motion"]
    return {"source": source, "driving": driving, "keypoints": keypoints, "motion": motion}


def test_load_example(run: Run, host: Any) -> None:
    made = run("LoadExample")
    assert made["source"].shape[0] == 1
    assert made["source"].shape[-1] == 3
    with VideoReader(made["driving"]) as reader:
        assert reader.info.frame_count > 10


def test_save_and_load_a_model(run: Run, held: Any, host: Any) -> None:
    file = run("SaveModel", model=held, filename_prefix="mine")["file"]
    assert file in host.options("models")
    again = run("LoadModel", model=file)["loaded"].model
    assert again.state_dict().keys() == held.model.state_dict().keys()
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in held.model.state_dict().items())


def test_a_replaced_file_is_noticed(run: Run, held: Any, host: Any) -> None:
    from fomm_nodes.nodes.declarations import BY_ID

    file = run("SaveModel", model=held)["file"]
    fingerprint = BY_ID["FOMM_LoadModel"].fingerprint
    before = fingerprint(host, {"model": file})
    assert fingerprint(host, {"model": file}) == before
    host.find("models", file).write_bytes(b"replaced")
    assert fingerprint(host, {"model": file}) != before


def test_a_model_that_is_none_is_refused(run: Run, host: Any) -> None:
    path, name = host.new_file("models", "broken", ".safetensors")
    path.write_bytes(b"")
    with pytest.raises(FommError, match="empty"):
        run("LoadModel", model=name)


def test_detection_in_a_video_equals_that_in_its_frames(run: Run, held: Any, video: Path) -> None:
    with VideoReader(video) as reader:
        frames = torch.stack([torch.from_numpy(frame.copy()) for frame in reader]).float() / 255
    streamed = run("DetectKeypoints", model=held, images=video)
    whole = run("DetectKeypoints", model=held, images=frames)
    assert torch.equal(streamed["keypoints"].position, whole["keypoints"].position)
    assert (streamed["fps"], whole["fps"]) == (12, 25)
    assert streamed["frames"] == whole["frames"] == 5


def test_detection_reports_each_chunk_and_can_be_cancelled(run: Run, held: Any, clip: Tensor, host: Any) -> None:
    run("DetectKeypoints", model=held, images=clip)
    assert [done for done, *_ in host.told] == [2, 4, 5]
    assert {total for _, total, _ in host.told} == {5}
    host.told.clear()
    host.cancel_after = 2
    with pytest.raises(host.Cancelled):
        run("DetectKeypoints", model=held, images=clip)
    assert len(host.told) == 2


def test_transfer(run: Run, moved: dict) -> None:
    still = run("TransferMotion", source=moved["source"], driving=moved["driving"], strength=0.0)["keypoints"]
    near(still.position, moved["source"].position.expand_as(still.position))
    absolute = run("TransferMotion", source=moved["source"], driving=moved["driving"], mode="absolute")["keypoints"]
    assert torch.equal(absolute.position, moved["driving"].position)
    numbered = run("TransferMotion", source=moved["source"], driving=moved["driving"], anchor="number", anchor_frame=2)
    assert numbered["frame"] == 2
    near(numbered["keypoints"].position[2], moved["source"].position[0])
    with pytest.raises(KeypointError, match="from 0 to 4; got 9"):
        run("TransferMotion", source=moved["source"], driving=moved["driving"], anchor="number", anchor_frame=9)


def test_transfer_without_jacobians(run: Run, moved: dict) -> None:
    source, driving = moved["source"].without_jacobian(), moved["driving"].without_jacobian()
    assert run("TransferMotion", source=source, driving=driving)["keypoints"].jacobian is None
    with pytest.raises(KeypointError, match="jacobian"):
        run("TransferMotion", source=source, driving=driving, relative_jacobian="on")


def test_best_frame_is_the_one_with_the_same_pose(run: Run, moved: dict) -> None:
    driving = moved["driving"]
    posed = Keypoints(driving.position.clone(), driving.jacobian)
    posed.position[3] = moved["source"].position[0] * 0.9 + 0.05  # the same shape, elsewhere and smaller
    made = run("FindBestFrame", source=moved["source"], driving=posed)
    assert made["frame"] == 3
    near(made["distance"], 0, NETWORK, of=1)  # of a hull whose area is 1
    assert torch.equal(made["keypoints"].position, posed.position[3:4])
    assert run("TransferMotion", source=moved["source"], driving=posed, anchor="best")["frame"] == 3


@pytest.mark.parametrize("settings", [{"method": "one-euro"}, {"method": "gaussian", "sigma": 2.0}])
def test_smoothing_calms(run: Run, settings: dict) -> None:
    trembling = Keypoints(torch.randn(40, 10, 2) * 0.01, torch.eye(2).expand(40, 10, 2, 2))
    calm = run("SmoothKeypoints", keypoints=trembling, **settings)["smoothed"]
    assert calm.position.std() < 0.7 * trembling.position.std()


def test_blend(run: Run, moved: dict) -> None:
    first, second = moved["driving"], moved["driving"][:3]
    second = Keypoints(second.position + 1, second.jacobian)
    mixed = run("BlendKeypoints", first=first, second=second, weight=1.0, only_keypoints="0, 3-4")["keypoints"]
    change = (mixed.position - first.position[:3]).mean((0, 2))
    assert [round(float(value), 4) for value in change] == [1, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    with pytest.raises(KeypointError, match="5 and 3"):
        run("BlendKeypoints", first=first, second=second, lengths="equal")


@pytest.mark.parametrize("only", ["ten", "3-", "10", "5-2", "-1"])
def test_blend_refuses_numbers_that_are_none(run: Run, moved: dict, only: str) -> None:
    with pytest.raises(KeypointError, match=r"keypoint numbers|keypoint's number|names or numbers"):
        run("BlendKeypoints", first=moved["driving"], second=moved["driving"], only_keypoints=only)


def test_save_and_load_keypoints(run: Run, moved: dict) -> None:
    saved = run("SaveKeypoints", keypoints=moved["driving"], filename_prefix="nod", fps=12.5)
    assert saved["same"] is moved["driving"]
    loaded = run("LoadKeypoints", file=saved["file"])
    assert torch.equal(loaded["keypoints"].position, moved["driving"].position)
    assert torch.equal(loaded["keypoints"].jacobian, moved["driving"].jacobian)
    assert (loaded["fps"], loaded["frames"]) == (12.5, 5)


def test_fit_to_model(run: Run, held: Any, portrait: Tensor, video: Path) -> None:
    made = run("FitToModel", model=held, images=portrait)
    assert made["fitted"].shape == (1, 128, 128, 3)
    assert (made["new_width"], made["new_height"]) == (128, 128)
    assert run("FitToModel", model=held, images=video)["fitted"].shape == (5, 128, 128, 3)
    multiple = held.model.config.size_multiple()
    wide = run("FitToModel", model=held, images=portrait, size="custom", width=128, height=64, fit="pad")["fitted"]
    assert wide.shape == (1, 64, 128, 3)
    assert run("FitToModel", model=held, images=portrait, size="auto")["fitted"].shape == (1, 256, 256, 3)
    near = run("FitToModel", model=held, images=portrait, size="picture")["fitted"]
    assert near.shape[1] % multiple == near.shape[2] % multiple == 0
    odd = run("FitToModel", model=held, images=portrait, size="custom", width=125, height=61)["fitted"]
    assert odd.shape[1:3] == held.model.config.nearest_size(61, 125)


@pytest.mark.parametrize(("width", "height"), [(125, 61), (64, 64), (17, 200)])
def test_frames_have_the_size_that_was_asked_for(
    run: Run, held: Any, portrait: Tensor, clip: Tensor, width: int, height: int
) -> None:
    size = {"size": "custom", "width": width, "height": height}
    whole = run("Animate", model=held, source=portrait, driving=clip, **size)
    assert whole["images"].shape[1:3] == whole["repaint"].shape[1:3] == (height, width)
    found = run("DetectKeypoints", model=held, images=clip, **size)["keypoints"]
    still = run("DetectKeypoints", model=held, images=portrait, **size)["keypoints"]
    moved = run("TransferMotion", source=still, driving=found)["keypoints"]
    motion = run("DenseMotion", model=held, source=portrait, keypoints=moved, **size)["motion"]
    painted = run("GenerateFrames", model=held, source=portrait, motion=motion)
    near(painted["images"], whole["images"], NETWORK, of=PICTURE)
    near(painted["repaint"], whole["repaint"], NETWORK, of=PICTURE)


def test_a_mask_moves_with_its_picture(run: Run, held: Any, portrait: Tensor, clip: Tensor) -> None:
    """As Load Image gives it: white where the image is transparent; of another size where there is no alpha."""
    mask = torch.zeros(portrait.shape[:3])
    mask[:, :, :20] = 1
    made = run("Animate", model=held, source=portrait, driving=clip, mask=mask)
    assert made["hidden"].shape == made["repaint"].shape
    assert made["hidden"].min() == 0
    assert made["hidden"].max() > 0.99
    opaque = run("Animate", model=held, source=portrait, driving=clip)
    black = run("Animate", model=held, source=portrait, driving=clip, mask=torch.zeros(1, 64, 64))
    for plain in (opaque, black):
        assert not plain["hidden"].any()
    assert torch.equal(opaque["images"], black["images"])
    with pytest.raises(ImageError, match="one mask"):
        run("Animate", model=held, source=portrait, driving=clip, mask=torch.ones(2, 64, 64))


def test_a_video_has_the_size_of_its_picture(run: Run, held: Any, portrait: Tensor, clip: Tensor) -> None:
    odd = portrait[:, :71, :55]
    assert run("Animate", model=held, source=odd, driving=clip, size="picture")["images"].shape[1:3] == (71, 55)


def test_steps_equal_the_whole_path(run: Run, held: Any, portrait: Tensor, clip: Tensor, moved: dict) -> None:
    stepwise = run("GenerateFrames", model=held, source=portrait, motion=moved["motion"])
    whole = run("Animate", model=held, source=portrait, driving=clip)
    assert whole["images"].shape == (5, 128, 128, 3)
    assert whole["repaint"].shape == (5, 128, 128)
    near(whole["images"], stepwise["images"])
    near(whole["repaint"], stepwise["repaint"])
    near(whole["keypoints"].position, moved["keypoints"].position)


def test_the_mask_is_white_where_the_source_shows_nothing(run: Run, held: Any, portrait: Tensor, moved: dict) -> None:
    clip = moved["motion"]
    nothing_shown = Motion(clip.motion.flow, torch.zeros_like(clip.motion.occlusion), clip.motion.mask)
    motion = MotionClip(nothing_shown, clip.size, clip.fit, clip.align_corners)
    assert run("GenerateFrames", model=held, source=portrait, motion=motion)["repaint"].min() == 1
    without = MotionClip(Motion(clip.motion.flow), clip.size, clip.fit, clip.align_corners)
    assert run("GenerateFrames", model=held, source=portrait, motion=without)["repaint"].max() == 0


def test_animate_tells_how_far_it_is(run: Run, held: Any, portrait: Tensor, clip: Tensor, host: Any) -> None:
    run("Animate", model=held, source=portrait, driving=clip)
    done = [step for step, *_ in host.told]
    assert done == sorted(done)
    assert host.told[-1] == (10, 10, True)
    assert [shown for *_, shown in host.told] == [False] * 3 + [True] * 3
    host.told.clear()
    host.cancel_after = 4
    with pytest.raises(host.Cancelled):
        run("Animate", model=held, source=portrait, driving=clip)
    assert len(host.told) == 4


def test_animate_takes_keypoints(run: Run, held: Any, portrait: Tensor, clip: Tensor, moved: dict) -> None:
    from_frames = run("Animate", model=held, source=portrait, driving=clip)
    from_keypoints = run("Animate", model=held, source=portrait, driving=moved["driving"])
    near(from_frames["images"], from_keypoints["images"])
    other = Keypoints(moved["driving"].position[:, :5], moved["driving"].jacobian[:, :5])
    with pytest.raises(KeypointError, match="10"):
        run("Animate", model=held, source=portrait, driving=other)


def test_animate_one_frame(run: Run, held: Any, portrait: Tensor) -> None:
    assert len(run("Animate", model=held, source=portrait, driving=portrait)["images"]) == 1


def test_animate_refuses_no_frame(run: Run, held: Any, portrait: Tensor, clip: Tensor) -> None:
    with pytest.raises(ImageError, match="at least one frame"):
        run("Animate", model=held, source=portrait, driving=clip[:0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_animate_refuses_pixels_that_are_no_numbers(run: Run, held: Any, portrait: Tensor, bad: float) -> None:
    broken = portrait.clone()
    broken[0, 3, 4, 1] = bad
    with pytest.raises(ImageError, match=r"“source”.*NaN or Inf"):
        run("Animate", model=held, source=broken, driving=portrait)
    with pytest.raises(ImageError, match="NaN or Inf"):
        run("Animate", model=held, source=portrait, driving=broken)


@pytest.mark.parametrize("channels", [1, 4])
def test_animate_takes_grey_and_transparent_pictures(run: Run, held: Any, portrait: Tensor, channels: int) -> None:
    picture = portrait[..., :1] if channels == 1 else torch.cat((portrait, torch.ones_like(portrait[..., :1])), -1)
    frames = run("Animate", model=held, source=picture, driving=portrait)["images"]
    assert frames.shape == (1, 128, 128, 3)
    assert frames.isfinite().all()


def test_animate_to_video(run: Run, held: Any, portrait: Tensor, video: Path, host: Any) -> None:
    made = run("AnimateVideo", model=held, source=portrait, driving=video)
    with VideoReader(made["video"]) as reader:
        assert (reader.info.width, reader.info.height, reader.info.fps) == (128, 128, 12)
        frames = torch.stack([torch.from_numpy(frame.copy()) for frame in reader]).float() / 255
    direct = run("Animate", model=held, source=portrait, driving=video)
    assert (frames - direct["images"]).abs().mean() < 0.05
    assert made["fps"] == direct["fps"] == 12


def test_animate_to_video_cancelled_leaves_no_file(run: Run, held: Any, portrait: Tensor, clip: Tensor, host) -> None:
    host.cancel_after = 5
    with pytest.raises(host.Cancelled):
        run("AnimateVideo", model=held, source=portrait, driving=clip)
    assert list(host.folder.iterdir()) == []


def test_animate_to_video_with_another_sound(run: Run, held: Any, portrait: Tensor, clip: Tensor, host) -> None:
    made = run("AnimateVideo", model=held, source=portrait, driving=clip, audio="a sound", frame_rate=10.0)
    assert host.sounds == ["a sound"]
    assert made["fps"] == 10


def test_warp_of_standing_still_changes_nothing(run: Run, moved: dict, portrait: Tensor) -> None:
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 16), indexing="ij")
    still = MotionClip(Motion(torch.stack((columns, rows), -1).expand(3, -1, -1, -1)), (64, 64), "stretch", True)
    latent = {"samples": torch.randn(1, 4, 10, 9)}
    made = run("WarpImage", motion=still, image=portrait[:, :16, :16], mask=portrait[:, :16, :16, 2], latent=latent)
    near(made["moved_image"], portrait[:, :16, :16].expand(3, -1, -1, -1))
    near(made["moved_mask"], portrait[:, :16, :16, 2].expand(3, -1, -1), of=PICTURE)
    assert made["moved_latent"]["samples"].shape == (3, 4, 10, 9)


def test_warp_keeps_the_resolution_of_what_it_moves(run: Run, moved: dict, portrait: Tensor) -> None:
    made = run("WarpImage", motion=moved["motion"], image=portrait)
    assert made["moved_image"].shape == (5, 72, 72, 3)  # cropped to the square that the model saw
    assert isinstance(made["moved_mask"], Absent)
    assert "connect a mask" in made["moved_mask"].reason
    dark = run("WarpImage", motion=moved["motion"], image=portrait, darken_hidden=True)["moved_image"]
    assert dark.mean() < made["moved_image"].mean()


def test_warp_refuses_other_lengths(run: Run, moved: dict, clip: Tensor) -> None:
    with pytest.raises(ImageError, match="5 frames; got 3"):
        run("WarpImage", motion=moved["motion"], image=clip[:3])
    with pytest.raises(ImageError, match="connect an image, a mask or a latent"):
        run("WarpImage", motion=moved["motion"])


def test_draw_keypoints(run: Run, moved: dict, clip: Tensor) -> None:
    drawn = run("DrawKeypoints", images=clip, keypoints=moved["driving"], numbers=True, local_maps=True)["drawn"]
    assert drawn.shape == clip.shape
    assert (drawn != clip).any(-1).flatten(1).sum(1).min() > 20


@pytest.mark.parametrize(("shows", "columns"), [("flow", 1), ("occlusion", 1), ("grid", 1), ("parts", 1), ("all", 4)])
def test_view_motion(run: Run, moved: dict, shows: str, columns: int) -> None:
    pictures = run("ViewMotion", motion=moved["motion"], view=shows, height=48)["images"]
    assert pictures.shape == (5, 48, 48 * columns, 3)
    assert pictures.std() > 0


def test_flow_colours_share_one_scale(run: Run, moved: dict) -> None:
    motion = moved["motion"]
    whole = run("ViewMotion", motion=motion, height=32)["images"]
    busiest = int((whole.amin(-1)).flatten(1).amin(1).argmin())
    calm = 0  # the anchor frame moves nothing
    assert busiest != calm
    assert whole[calm].amin() > whole[busiest].amin()


def test_compare(run: Run, held: Any, moved: dict, portrait: Tensor, clip: Tensor, video: Path) -> None:
    frames = run("GenerateFrames", model=held, source=portrait, motion=moved["motion"])["images"]
    alone = run("Compare", result=frames, height=64)["images"]
    assert alone.shape == (5, 64, 64, 3)
    full = run(
        "Compare",
        result=frames,
        height=64,
        source=portrait,
        driving=video,
        keypoints=moved["keypoints"],
        motion=moved["motion"],
    )["images"]
    assert full.shape == (5, 64, 2 * round(64 * 72 / 80) + 4 * 64, 3)
    with pytest.raises(ImageError, match="3"):
        run("Compare", result=frames, driving=clip[:3])


def test_animate_to_video_at_another_rate_keeps_its_pace(run: Run, held: Any, portrait: Tensor, video: Path) -> None:
    made = run("AnimateVideo", model=held, source=portrait, driving=video, frame_rate=24.0)
    with VideoReader(made["video"]) as reader:
        assert reader.info.fps == 24
        assert len(list(reader)) == 10  # twice the clip's 5 frames at 12 a second
    assert len(made["keypoints"]) == 10


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """Six images at 10 per second, of which the third stands for 0.4 s."""
    path = tmp_path / "uneven.mkv"
    with VideoWriter(path, fps=10, uneven=True) as writer:
        for index, end in enumerate((1, 2, 6, 7, 8, 9)):
            picture = np.full((72, 80, 3), 40, np.uint8)
            picture[20:60, 10 * index : 10 * index + 20] = 220
            writer.write(picture, [Fraction(end, 10)])
    return path


def test_keypoints_of_an_uneven_video_carry_times(run: Run, held: Any, portrait: Tensor, uneven: Path) -> None:
    found = run("DetectKeypoints", model=held, images=uneven)
    keypoints = found["keypoints"]
    assert (found["fps"], found["frames"], len(keypoints)) == (10, 6, 6)
    within_seconds(keypoints.times.tolist(), [0, 0.1, 0.2, 0.6, 0.7, 0.8, 0.9], 0.001)  # Matroska counts milliseconds
    smooth = run("SmoothKeypoints", keypoints=keypoints)["smoothed"]
    moved = run("TransferMotion", source=keypoints[0], driving=smooth)["keypoints"]
    assert moved.times is keypoints.times
    made = run("Animate", model=held, source=portrait, driving=keypoints)
    assert (made["fps"], len(made["images"])) == (10, 9)
    assert len(next(iter(run("FitToModel", model=held, images=uneven).values()))) == 9
    assert len(run("DenseMotion", model=held, source=portrait, keypoints=moved)["motion"]) == 9
    same = run("AnimateVideo", model=held, source=portrait, driving=uneven)
    with VideoReader(same["video"]) as reader:
        assert (reader.info.fps, reader.count()) == (10, 9)


def test_a_saved_performance_of_an_uneven_video_keeps_its_times(run: Run, held: Any, uneven: Path) -> None:
    found = run("DetectKeypoints", model=held, images=uneven)
    name = run("SaveKeypoints", keypoints=found["keypoints"], fps=found["fps"])["file"]
    loaded = run("LoadKeypoints", file=name)
    assert loaded["keypoints"].times.tolist() == found["keypoints"].times.tolist()
    assert loaded["fps"] == 10


def test_pixels_that_half_precision_broke_are_not_handed_on(run: Run, held: Any, portrait: Tensor) -> None:
    broken = replace(held, model=copy.deepcopy(held.model))
    broken.model.generator.final.bias.data[0] = torch.nan
    with pytest.raises(ImageError, match="precision to float32"):
        run("Animate", model=broken, source=portrait, driving=portrait)
