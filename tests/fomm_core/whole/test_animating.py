"""Photographs and clips of any shape, from files to files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, drive, prepare_source
from fomm_nodes.fomm_core.animation import AnimationOptions
from fomm_nodes.fomm_core.errors import RegionError
from fomm_nodes.fomm_core.faces import FaceFinder
from fomm_nodes.fomm_core.fitting import fit, from_uint8, to_uint8
from fomm_nodes.fomm_core.motion import load_keypoints
from fomm_nodes.fomm_core.options import FileOptions, Progress
from fomm_nodes.fomm_core.pipeline import animate_files
from fomm_nodes.fomm_core.region import FRAMINGS, Region
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image, read_picture
from fomm_nodes.fomm_core.whole import CropOptions, Square, find_source
from scenes import ground, placed

Save = Callable[..., Path]
OFF = CropOptions(source="off", driving="off")
MODEL = FileOptions(size="model")


def stills(folder: Path) -> np.ndarray:
    return np.stack([read_picture(path) for path in sorted(folder.iterdir())])


def outside(region: Region) -> np.ndarray:
    left, top, right, bottom = (round(edge) for edge in region.bounds()[0].tolist())
    mask = np.ones(region.size, bool)
    mask[max(top, 0) : bottom, max(left, 0) : right] = False
    return mask


def test_a_photograph_comes_back_whole_with_its_face_moved(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, finder: FaceFinder, tmp_path: Path
) -> None:
    said: list[str] = []
    heard: list[Progress] = []
    report = animate_files(
        session, saved(photo), clip, tmp_path / "out", MODEL, on_found=said.append, on_progress=heard.append
    )
    assert said == [report.found]
    assert report.found.startswith("1 face in photo.png, 10")
    assert report.found.endswith("px; 1 face in wide.mp4, tracked 5 of 5 frames")
    assert (report.frames, report.size, report.pasted, report.warnings) == (5, (360, 640), True, ())
    assert [progress.stage for progress in heard] == ["track"] * 5 + ["detect"] * 5 + ["render"] * 5
    frames = stills(tmp_path / "out")
    assert frames.shape == (5, 360, 640, 3)
    moved = (frames != photo).any(-1).any(0)
    (region,) = find_source(photo, "", CropOptions(), FRAMINGS["demo"], finder).regions
    assert not moved[outside(region)].any()  # all else has its very bytes
    still = np.abs(frames[0].astype(int) - photo)[moved].mean()
    assert np.abs(frames[4].astype(int) - photo)[moved].mean() > 2 * still


def test_off_is_the_middle_fitted_and_nothing_looked_for(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    report = animate_files(session, saved(photo), clip, tmp_path / "out", replace(MODEL, crop=OFF))
    assert (report.found, report.pasted, report.size) == ("", False, (128, 128))
    source = prepare_source(session, from_uint8(photo), size="model")
    with VideoReader(clip) as reader:
        driving = session.detect(torch.cat([fit(from_uint8(frame), 128, 128) for frame in reader]))
    rendered = session.render(source, drive(source.keypoints, driving, AnimationOptions()))
    expected = to_uint8(torch.cat([chunk.images for chunk in rendered]))
    assert np.abs(stills(tmp_path / "out").astype(int) - expected).max() <= 1


def test_close_crops_stay_as_they_are(session: AnimationSession, tmp_path: Path) -> None:
    options = replace(MODEL, frames=2)
    source, driving = ASSETS / "source.png", ASSETS / "driving.mp4"
    report = animate_files(session, source, driving, tmp_path / "a", options)
    animate_files(session, source, driving, tmp_path / "b", replace(options, crop=OFF))
    assert report.size == (128, 128)
    assert "close crop" in report.found
    assert np.array_equal(stills(tmp_path / "a"), stills(tmp_path / "b"))


def test_another_fit_or_shape_means_the_whole_picture(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    for number, options in enumerate((replace(MODEL, fit="pad"), replace(MODEL, size=(64, 128)))):
        report = animate_files(session, saved(photo), clip, tmp_path / str(number), replace(options, frames=1))
        assert not report.pasted
        assert report.found == ""


def test_faces_of_other_models_are_left_alone(photo: np.ndarray, finder) -> None:
    assert find_source(photo, "a.png", CropOptions(), None, finder).regions == ()
    assert len(find_source(photo, "a.png", CropOptions(source="face"), None, finder).regions) == 1


def test_all_faces_move_and_one_can_be_chosen(
    session: AnimationSession, photo: np.ndarray, portrait: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    two = placed(photo.copy(), portrait[:, ::-1], 60, 100, 220)
    changed = {}
    for face in ("all", 0, "largest"):
        options = replace(MODEL, crop=CropOptions(face=face))
        report = animate_files(session, saved(two), clip, tmp_path / str(face), options)
        changed[face] = (stills(tmp_path / str(face)) != two).any(-1).any(0)
        assert bool(report.warnings) == (face == "largest")
    assert "2 faces" in report.warnings[0]
    assert "`crop.face=0` to 1" in report.warnings[0]
    assert changed["all"][:, :320].any()
    assert changed["all"][:, 320:].any()
    assert changed[0][:, :320].any()
    assert not changed[0][:, 320:].any()
    assert changed["largest"][:, 320:].any()
    assert not changed["largest"][:, :320].any()
    with pytest.raises(RegionError, match="2 faces, and got 5"):
        animate_files(session, saved(two), clip, tmp_path / "x", replace(MODEL, crop=CropOptions(face=5)))


def test_ten_faces(portrait: np.ndarray, finder) -> None:
    whole = ground(600, 1400)
    for number in range(10):
        placed(whole, portrait, 20 + number % 5 * 275, 20 + number // 5 * 290, 256)
    found = find_source(whole, "ten.png", CropOptions(face="all"), FRAMINGS["vox"], finder)
    assert len(found.regions) == 10
    assert found.words.startswith("10 faces in ten.png")


def test_no_face_is_told_and_the_middle_taken(
    session: AnimationSession, clip: Path, saved: Save, tmp_path: Path
) -> None:
    report = animate_files(session, saved(ground(90, 160)), clip, tmp_path / "out", MODEL)
    assert (report.size, report.pasted) == ((128, 128), False)
    assert [warning for warning in report.warnings if "no face was found in photo.png" in warning]
    animate_files(
        session, saved(ground(90, 160)), clip, tmp_path / "off", replace(MODEL, crop=CropOptions(source="off"))
    )
    assert np.array_equal(stills(tmp_path / "out"), stills(tmp_path / "off"))


def test_a_clip_without_a_face_drives_with_its_middle(
    session: AnimationSession, photo: np.ndarray, saved: Save, tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "empty.mp4", fps=25) as writer:
        writer.write(np.stack([ground(90, 160)] * 2))
    report = animate_files(session, saved(photo), tmp_path / "empty.mp4", tmp_path / "out", MODEL)
    assert report.pasted
    assert "no face in empty.mp4" in report.found
    assert len(report.warnings) == 1


def test_a_face_half_outside_is_pasted_at_the_border(
    session: AnimationSession, portrait: np.ndarray, clip: Path, saved: Save, finder, tmp_path: Path
) -> None:
    whole = placed(ground(360, 640), portrait, 490, 60, 256)
    (region,) = find_source(whole, "", CropOptions(source="face"), FRAMINGS["demo"], finder).regions
    assert float(region.bounds()[0, 2]) > 640
    report = animate_files(session, saved(whole), clip, tmp_path / "out", replace(MODEL, frames=2))
    frames = stills(tmp_path / "out")
    assert report.size == (360, 640)
    assert (frames == whole)[:, outside(region)].all()


@pytest.mark.parametrize("size", [(1, 1), (4000, 1), (1, 4000)])
def test_pictures_of_odd_shapes(
    size: tuple[int, int], session: AnimationSession, clip: Path, saved: Save, tmp_path: Path
) -> None:
    report = animate_files(session, saved(ground(*size)), clip, tmp_path / "out", replace(MODEL, frames=1))
    assert report.size == (128, 128)


def test_squares_by_hand_without_pasting(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    crop = CropOptions(source=Square(478, 180, 200), driving=Square(160, 140, 200))
    options = replace(MODEL, crop=crop, frames=2)
    report = animate_files(session, saved(photo), clip, tmp_path / "whole", options)
    assert (report.found, report.pasted, report.size) == ("", True, (360, 640))
    frames = stills(tmp_path / "whole")
    assert (frames == photo)[:, outside(Square(478, 180, 200).region(360, 640))].all()
    report = animate_files(
        session, saved(photo), clip, tmp_path / "square", replace(options, crop=replace(crop, paste=False))
    )
    assert (report.pasted, report.size) == (False, (128, 128))
    middle = cv2.resize(stills(tmp_path / "square")[0], (200, 200), interpolation=cv2.INTER_CUBIC)[60:140, 60:140]
    assert np.abs(middle.astype(int) - frames[0, 140:220, 438:518]).mean() < 2  # the very frame, enlarged
    with pytest.raises(RegionError, match="lies outside"):
        animate_files(
            session, saved(photo), clip, tmp_path / "x", replace(options, crop=CropOptions(source=Square(2000, 0, 9)))
        )


def test_a_turned_square(
    session: AnimationSession, portrait: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    turned = cv2.warpAffine(
        portrait, cv2.getRotationMatrix2D((128, 128), -25, 0.7), (400, 256), borderMode=cv2.BORDER_REPLICATE
    )
    crop = CropOptions(source=Square(128, 128, 150, 25))
    report = animate_files(session, saved(turned), clip, tmp_path / "out", replace(MODEL, crop=crop, frames=1))
    (frame,) = stills(tmp_path / "out")
    assert report.size == (256, 400)
    assert (frame == turned)[:, 260:].all()
    # nothing moves in the anchor's frame: what is seen is the photograph, softer
    assert np.abs(frame.astype(int) - turned)[80:180, 80:180].mean() < 12


def test_saved_movement_needs_no_clip(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    moves = tmp_path / "moves.safetensors"
    animate_files(session, saved(photo), clip, tmp_path / "a", replace(MODEL, keypoints=moves))
    report = animate_files(session, saved(photo), None, tmp_path / "b", MODEL, performance=load_keypoints(moves))
    assert report.pasted
    assert report.found.startswith("1 face in photo.png")
    assert np.array_equal(stills(tmp_path / "a"), stills(tmp_path / "b"))


def test_comparison_and_mask_have_the_whole_picture(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    options = replace(MODEL, compare=True, occlusion=tmp_path / "mask")
    report = animate_files(session, saved(photo), clip, tmp_path / "out", options)
    assert report.size == (360, 640)
    frames, masks = stills(tmp_path / "out"), stills(tmp_path / "mask")
    assert frames.shape == (5, 360, 640 + 360 + 640, 3)
    assert masks.shape == (5, 360, 640, 3)
    assert not masks[:, :, :340].any()
    assert masks[4].max() > masks[0].max()  # the head turns, and uncovers something
    assert np.abs(frames[0, 200:, 640:700].astype(int) - ground(270, 480)[150:, :60].mean((0, 1))).mean() > 10


def test_a_cut_out_keeps_its_alpha(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    alpha = np.zeros((360, 640), np.uint8)
    alpha[60:316, 350:606] = 255
    path = saved(np.dstack([photo, alpha]))
    report = animate_files(session, path, clip, tmp_path / "out", replace(MODEL, frames=2))
    assert report.warnings == ()
    frames = stills(tmp_path / "out")
    assert frames.shape == (2, 360, 640, 4)
    assert not frames[..., :340, 3].any()
    assert (frames[:, 100:200, 450:520, 3] == 255).all()
    report = animate_files(
        session, path, clip, tmp_path / "blue.png-%d.png", replace(MODEL, frames=1, background=(0, 0, 255))
    )
    (frame,) = [read_image(path) for path in tmp_path.glob("blue*")]
    assert (frame[:, :340] == (0, 0, 255)).all()


def test_each_shot_has_a_square_and_an_anchor_of_its_own(
    session: AnimationSession, photo: np.ndarray, head: list[np.ndarray], saved: Save, tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "cut", fps=25) as writer:
        for frame in head:
            writer.write(placed(ground(270, 480), frame, 20, 40, 200))
        for frame in head[6:]:
            writer.write(placed(ground(270, 480)[:, ::-1].copy(), frame, 280, 20, 160))
    report = animate_files(session, saved(photo), tmp_path / "cut", tmp_path / "out", MODEL)
    assert "2 shots" in report.found
    assert "at frame 12" in report.warnings[0]
    frames = stills(tmp_path / "out").astype(int)
    face = (slice(100, 250), slice(420, 540))
    # frame 12 begins a shot, and so shows the photograph's own pose, as frame 0 does
    again = np.abs(frames[12][face] - frames[0][face]).mean()
    assert again < 0.5 * np.abs(frames[11][face] - frames[0][face]).mean()


def test_a_following_square(
    session: AnimationSession, photo: np.ndarray, head: list[np.ndarray], saved: Save, tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "walk", fps=25) as writer:
        for number, frame in enumerate(head):
            writer.write(placed(ground(270, 480), frame, 10 + 20 * number, 40, 200))
    crop = CropOptions(follow=True)
    report = animate_files(session, saved(photo), tmp_path / "walk", tmp_path / "out", replace(MODEL, crop=crop))
    assert report.found.endswith("tracked 12 of 12 frames")
    fixed = animate_files(session, saved(photo), tmp_path / "walk", tmp_path / "fixed", MODEL)
    assert fixed.frames == report.frames
    last = [np.abs(stills(tmp_path / name)[-1].astype(int) - photo).mean() for name in ("out", "fixed")]
    assert last[0] < last[1]  # a walk across the image is not carried over


def test_a_region_of_another_clip_is_refused(
    session: AnimationSession, photo: np.ndarray, clip: Path, saved: Save, tmp_path: Path
) -> None:
    region = Region(torch.tensor([[100.0, 100.0]]), torch.tensor([50.0]), torch.zeros(1), 200, 300)
    for crop in (CropOptions(source=region), CropOptions(driving=region)):
        with pytest.raises(RegionError, match="300x200"):
            animate_files(session, saved(photo), clip, tmp_path / "out", replace(MODEL, crop=crop))
    short = Region(torch.full((2, 2), 100.0), torch.full((2,), 50.0), torch.zeros(2), 270, 480)
    with pytest.raises(RegionError, match="2 frames"):
        animate_files(session, saved(photo), clip, tmp_path / "out", replace(MODEL, crop=CropOptions(driving=short)))
    assert not (tmp_path / "out").exists()
