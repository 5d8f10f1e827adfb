"""What is kept of the picture: parts that hold still, and its own detail; several clips, one for each face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, drive, prepare_source
from fomm_nodes.fomm_core.animation import AnimationOptions
from fomm_nodes.fomm_core.detail import DETAIL_MODES, transfer_detail
from fomm_nodes.fomm_core.errors import FommError, ImageError, RegionError
from fomm_nodes.fomm_core.fitting import fit, from_uint8, to_uint8
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.motion import hold
from fomm_nodes.fomm_core.options import FileOptions
from fomm_nodes.fomm_core.pipeline import animate_files
from fomm_nodes.fomm_core.region import Region, region_at
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import Seconds, VideoReader, VideoWriter, read_picture
from fomm_nodes.fomm_core.whole import Canvas, CropOptions, Square
from nearness import ONE_STEP, steps_near
from scenes import ground, placed

Save = Callable[..., Path]
OFF = CropOptions(source="off", driving="off")
MODEL = FileOptions(size="model", frames=4)


def stills(folder: Path) -> np.ndarray:
    return np.stack([read_picture(path) for path in sorted(folder.iterdir())])


def mask_of(picture: np.ndarray, rows: slice) -> np.ndarray:
    mask = np.zeros_like(picture)
    mask[rows] = 255
    return mask


def test_detail_and_hold_are_those_of_the_blocks(
    session: AnimationSession, portrait: np.ndarray, saved: Save, tmp_path: Path
) -> None:
    clip = ASSETS / "driving.mp4"
    mask = mask_of(portrait, slice(180, None))
    source = prepare_source(session, from_uint8(portrait), size="model")
    with VideoReader(clip, length=4) as reader:
        driving = session.detect(torch.cat([fit(from_uint8(frame), 128, 128) for frame in reader]))
    keypoints = drive(source.keypoints, driving, AnimationOptions())
    motion = joined(session, source, keypoints)
    held = hold(motion, from_uint8(mask)[:, 0])
    frames = torch.cat([part.images for part in session.generate(source, held)])
    options = replace(MODEL, crop=OFF, hold=saved(mask, "mask.png"))
    for mode in DETAIL_MODES:
        expected = transfer_detail(frames, held, from_uint8(portrait), align_corners=True, mode=mode)
        report = animate_files(
            session,
            saved(portrait),
            clip,
            tmp_path / mode,
            replace(options, detail=mode, occlusion=tmp_path / f"{mode}m"),
        )
        assert (report.size, report.warnings) == ((256, 256), ())
        steps_near(stills(tmp_path / mode), to_uint8(expected), ONE_STEP)
        assert stills(tmp_path / f"{mode}m").shape == (4, 256, 256, 3)


def joined(session: AnimationSession, source, keypoints):
    parts = list(session.motion(source, keypoints))
    motion = parts[0]
    for name in ("flow", "occlusion", "mask"):
        motion = replace(motion, **{name: torch.cat([getattr(part, name) for part in parts])})
    return motion


def test_what_is_held_stays_and_the_rest_moves(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    options = replace(MODEL, detail="transfer")
    animate_files(session, saved(photo), clip, tmp_path / "free", options)
    mask = saved(mask_of(photo, slice(190, None)), "mask.png")
    animate_files(session, saved(photo), clip, tmp_path / "held", replace(options, hold=mask))
    free, held = stills(tmp_path / "free").astype(int), stills(tmp_path / "held").astype(int)
    moved = [np.abs(frames - photo)[3].mean((1, 2)) for frames in (free, held)]
    assert moved[1][230:].max() < 0.2 * moved[0][230:].max()
    assert moved[1][100:160].max() > 0.5 * moved[0][100:160].max()


def test_detail_makes_the_square_as_sharp_as_the_photograph(
    session: AnimationSession, portrait: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    large = placed(ground(720, 1280), portrait, 300, 60, 600)
    large = np.clip(large.astype(int) + np.random.default_rng(1).normal(0, 12, large.shape), 0, 255).astype(np.uint8)
    sharpness = {}
    for mode in (None, *DETAIL_MODES):
        report = animate_files(session, saved(large), clip, tmp_path / str(mode), replace(MODEL, detail=mode))
        assert (report.size, report.pasted) == ((720, 1280), True)
        face = stills(tmp_path / str(mode))[-1, 250:450, 500:700]
        sharpness[mode] = cv2.Laplacian(face.astype(np.float32), cv2.CV_32F).std()
    of_photo = cv2.Laplacian(large[250:450, 500:700].astype(np.float32), cv2.CV_32F).std()
    assert sharpness[None] < 0.3 * of_photo
    assert min(sharpness["transfer"], sharpness["high-pass"]) > 0.5 * of_photo


def test_a_cut_out_keeps_its_alpha_with_detail(
    session: AnimationSession, portrait: np.ndarray, saved: Save, tmp_path: Path
) -> None:
    alpha = np.zeros((256, 256), np.uint8)
    cv2.circle(alpha, (128, 128), 100, 255, -1)
    options = replace(MODEL, crop=OFF, detail="transfer")
    source = saved(np.dstack([portrait, alpha]))
    animate_files(session, source, ASSETS / "driving.mp4", tmp_path / "out", options)
    frames = stills(tmp_path / "out")
    assert frames.shape == (4, 256, 256, 4)
    assert not frames[:, :10, :10, 3].any()
    assert (frames[:, 100:150, 100:150, 3] == 255).all()


@pytest.mark.parametrize(
    ("mask", "words"), [(0, "black where the image moves"), (255, "white all over"), (None, "no larger")]
)
def test_masks_that_do_nothing_are_told(
    mask: int | None, words: str, session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    options = replace(MODEL, size=512, detail="transfer") if mask is None else MODEL
    if mask is not None:
        options = replace(options, hold=saved(np.full_like(photo, mask), "mask.png"))
    report = animate_files(session, saved(photo), clip, tmp_path / "out", replace(options, frames=2))
    assert [warning for warning in report.warnings if words in warning]
    if mask == 255:
        first, last = stills(tmp_path / "out").astype(int)
        steps_near(last, first, ONE_STEP)


def test_masks_and_models_that_do_not_fit(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    square = saved(np.zeros((90, 90, 3), np.uint8), "square.png")
    with pytest.raises(ImageError, match=r"shape, 640x360; '.*square.png' is 90x90"):
        animate_files(session, saved(photo), clip, tmp_path / "out", replace(MODEL, hold=square))
    half = saved(mask_of(cv2.resize(photo, (320, 180)), slice(90, None)), "half.png")
    animate_files(session, saved(photo), clip, tmp_path / "out", replace(MODEL, hold=half, frames=1))
    bare = AnimationSession(MotionModel(replace(session.config, dense_motion=None)))
    with pytest.raises(ImageError, match="dense motion"):
        animate_files(bare, saved(photo), clip, tmp_path / "x", replace(MODEL, hold=half))
    with pytest.raises(FommError, match="for both"):
        animate_files(session, saved(photo), clip, half, replace(MODEL, hold=half, overwrite=True))


def test_clips_of_several_rates_and_lengths(
    session: AnimationSession,
    photo: np.ndarray,
    portrait: np.ndarray,
    head: list[np.ndarray],
    saved: Save,
    tmp_path: Path,
) -> None:
    pair = saved(placed(photo.copy(), portrait[:, ::-1], 60, 100, 220))
    for name, fps, count in (("a.mp4", 10, 3), ("b.mp4", 20, 12)):
        with VideoWriter(tmp_path / name, fps=fps) as writer:
            for frame in head[:count]:
                writer.write(placed(ground(270, 480), frame, 60, 40, 200))
    options = replace(MODEL, frames=None, crop=CropOptions(face="all"))
    report = animate_files(session, pair, [tmp_path / "a.mp4", tmp_path / "b.mp4"], tmp_path / "out", options)
    assert (report.frames, report.fps) == (6, 10)  # 0.3 and 0.6 s, at the first one's rate
    assert report.found.count("tracked") == 2
    frames = stills(tmp_path / "out").astype(int)
    left, right = (frames[:, :, span] for span in (slice(60, 260), slice(400, 560)))
    steps_near(left[5], left[2], ONE_STEP)  # rests in its last pose
    assert np.abs(right[5] - right[2]).mean() > 1
    for others in ({"fps": "keep"}, {"keypoints": tmp_path / "k.safetensors"}):
        with pytest.raises(FommError, match="one clip"):
            animate_files(session, pair, [tmp_path / "a.mp4"] * 2, tmp_path / "x", replace(options, **others))


def test_squares_of_a_whole_clip_serve_a_part_of_it(
    session: AnimationSession, photo: np.ndarray, head: list[np.ndarray], saved: Save, tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "walk.mp4", fps=25) as writer:
        for number, frame in enumerate(head[:8]):
            writer.write(placed(ground(270, 480), frame, 10 + 25 * number, 40, 200))
    times = torch.arange(8) / 25
    region = region_at([110.0 + 25 * number for number in range(8)], 140, 200, height=270, width=480, times=times)
    made = {}
    for start, squares in ((3, region), (Seconds(Fraction(12, 100)), region), (3, region[3:])):
        crop = CropOptions(driving=replace(squares, times=squares.times - squares.times[0]))
        options = replace(MODEL, crop=crop, start=start, frames=None)
        if len(squares) < 8:
            with pytest.raises(RegionError):
                animate_files(session, saved(photo), tmp_path / "walk.mp4", tmp_path / "x", options)
            continue
        animate_files(session, saved(photo), tmp_path / "walk.mp4", tmp_path / str(start), options)
        made[start] = stills(tmp_path / str(start))
    first, second = made.values()
    assert len(first) == 5
    steps_near(first, second, ONE_STEP)
    crop = CropOptions(driving=replace(region, times=None))
    with pytest.raises(RegionError, match="times of its frames"):
        animate_files(session, saved(photo), tmp_path / "walk.mp4", tmp_path / "x", replace(MODEL, crop=crop, start=3))
    still = replace(region, times=None)
    crop = CropOptions(driving=Region.cat([still, still[7]]))
    with pytest.raises(RegionError, match="it has 9"):
        animate_files(
            session, saved(photo), tmp_path / "walk.mp4", tmp_path / "x", replace(MODEL, crop=crop, frames=None)
        )


def test_squares_that_overlap_leave_each_other_their_own(photo: np.ndarray) -> None:
    regions = [Square(200, 180, 240).region(360, 640), Square(330, 170, 300).region(360, 640)]
    colours = [np.full((120, 120, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255))]
    for order in (slice(None), slice(None, None, -1)):
        frame = Canvas(photo, regions[order], 0.1).frame(colours[order])
        assert (frame[180, 200] == colours[0][0, 0]).all()  # the middles are their own, whatever the order
        assert (frame[170, 330] == colours[1][0, 0]).all()
        assert (frame[180, 240] == colours[0][0, 0]).all()  # though the other square reaches over it
        assert (frame[:, 485:] == photo[:, 485:]).all()
    apart = [regions[0], Square(500, 180, 240).region(360, 640)]
    alone = Canvas(photo, apart[:1], 0.1).frame(colours[:1])
    assert (Canvas(photo, apart, 0.1).frame(colours)[:, :370] == alone[:, :370]).all()
