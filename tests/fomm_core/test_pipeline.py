from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, drive, load_builtin, prepare_source
from fomm_nodes.fomm_core.animation import AnimationOptions
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.config import PRESETS
from fomm_nodes.fomm_core.errors import FommError, ImageError, KeypointError
from fomm_nodes.fomm_core.fitting import fit, from_uint8, to_uint8
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.motion import Performance, TransferOptions, load_keypoints, resample
from fomm_nodes.fomm_core.pipeline import FileOptions, Progress, animate_files, check_files
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image, write_image
from nearness import ONE_STEP, near, steps_near

SOURCE, DRIVING = ASSETS / "source.png", ASSETS / "driving.mp4"


@pytest.fixture(scope="module")
def session() -> AnimationSession:
    return AnimationSession(load_builtin())


def frames_of(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.stack(list(reader))


def line(count: int, *, jacobian: bool = False) -> Keypoints:
    """Keypoints that move evenly: frame i at x = i, y = -i."""
    time = torch.arange(count, dtype=torch.float32)
    position = torch.stack((time, -time), -1)[:, None].repeat(1, 3, 1)
    return Keypoints(position, time[:, None, None, None] * torch.ones(count, 3, 2, 2) if jacobian else None)


def test_resample_to_the_same_rate_changes_nothing() -> None:
    keypoints = line(5)
    same, positions = resample(keypoints, Fraction(25), Fraction(25))
    assert same is keypoints
    assert positions == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("old", "new", "count"), [(25, 50, 20), (25, 5, 2), (24, 30, 13), (30, 25, 9)])
def test_resample_keeps_the_pace(old: int, new: int, count: int) -> None:
    moved, positions = resample(line(10, jacobian=True), Fraction(old), Fraction(new))
    assert len(moved) == len(positions) == count
    expected = torch.tensor([min(index * old / new, 9) for index in range(count)])
    near(moved.position[:, 1, 0], expected)
    near(moved.position[:, 1, 1], -expected)
    assert moved.jacobian is not None
    near(moved.jacobian[:, 0, 0, 0], expected)
    assert max(abs(position - float(exact)) for position, exact in zip(positions, expected, strict=True)) <= 0.5


def test_resample_leaves_one_frame_of_a_short_clip() -> None:
    moved, positions = resample(line(1), Fraction(60), Fraction(1))
    assert len(moved) == 1
    assert positions == [0]


def test_report_and_progress_tell_what_happened(session: AnimationSession, tmp_path: Path) -> None:
    heard: list[Progress] = []
    output = tmp_path / "new" / "folder" / "out.mp4"
    report = animate_files(
        session, SOURCE, DRIVING, output, FileOptions(frames=70, size="model"), on_progress=heard.append
    )
    detected = [progress.done for progress in heard if progress.stage == "detect"]
    rendered = [progress.done for progress in heard if progress.stage == "render"]
    assert detected == rendered == list(range(1, 47))
    assert {progress.total for progress in heard} == {46}
    assert [progress.stage for progress in heard] == ["detect"] * 46 + ["render"] * 46
    assert (report.output, report.frames, report.size, report.fps) == (output, 46, (128, 128), 25)
    assert (report.anchor, report.warnings) == (0, ())
    assert len(frames_of(output)) == 46


def test_files_give_what_the_session_gives(session: AnimationSession, tmp_path: Path) -> None:
    options = AnimationOptions(transfer=TransferOptions(strength=1.5), anchor=2, smoothing="gaussian")
    animate_files(session, SOURCE, DRIVING, tmp_path / "stills", FileOptions(animation=options, frames=4, size="model"))
    source = prepare_source(session, from_uint8(read_image(SOURCE)), size="model")
    driving = session.detect(fit(from_uint8(frames_of(DRIVING)[:4]), 128, 128))
    rendered = session.render(source, drive(source.keypoints, driving, options))
    expected = to_uint8(torch.cat([chunk.images for chunk in rendered]))
    written = np.stack([read_image(path) for path in sorted((tmp_path / "stills").iterdir())])
    assert np.abs(written.astype(int) - expected).max() <= 1


def test_a_saved_performance_drives_like_its_video(session: AnimationSession, tmp_path: Path) -> None:
    saved = tmp_path / "performance.safetensors"
    options = FileOptions(frames=4, start=10)
    animate_files(
        session, SOURCE, DRIVING, tmp_path / "a", FileOptions(frames=4, start=10, size="model", keypoints=saved)
    )
    performance = load_keypoints(saved)
    assert (len(performance.keypoints), performance.fps) == (4, 25)
    assert dict(performance.metadata) == {"model": "demo-128", "driving": "driving.mp4"}
    assert performance.source_size == (128, 128)
    assert {"mouth", "head"} <= set(performance.groups)
    animate_files(session, SOURCE, None, tmp_path / "b", FileOptions(size="model"), performance=performance)
    for name in ("frame-00000.png", "frame-00003.png"):
        assert np.array_equal(read_image(tmp_path / "a" / name), read_image(tmp_path / "b" / name))
    with pytest.raises(KeypointError, match="more than 10 frames"):
        animate_files(session, SOURCE, None, tmp_path / "c", options, performance=performance)


def test_another_picture_is_the_anchor(session: AnimationSession, tmp_path: Path) -> None:
    """A frame of the clip as an image is what the frame itself would be; and a single pose moves, too."""
    write_image(tmp_path / "pose.png", frames_of(DRIVING)[3])
    saved = {}
    for name, options in {
        "frame": FileOptions(animation=AnimationOptions(anchor=3), frames=6, size="model"),
        "picture": FileOptions(anchor_picture=tmp_path / "pose.png", frames=6, size="model"),
    }.items():
        report = animate_files(session, SOURCE, DRIVING, tmp_path / name, options)
        saved[name] = np.stack([read_image(path) for path in sorted((tmp_path / name).iterdir())])
        assert report.anchor == (3 if name == "frame" else None)
    steps_near(saved["picture"], saved["frame"], ONE_STEP)
    write_image(tmp_path / "other.png", frames_of(DRIVING)[5])
    posed = FileOptions(anchor_picture=tmp_path / "pose.png", size="model")
    animate_files(session, SOURCE, tmp_path / "other.png", tmp_path / "one", posed)
    (one,) = (tmp_path / "one").iterdir()
    steps_near(read_image(one), saved["frame"][5], ONE_STEP)
    assert not np.array_equal(saved["frame"][5], saved["frame"][3])
    absolute = replace(posed, animation=AnimationOptions(TransferOptions("absolute")))
    with pytest.raises(KeypointError, match="relative mode"):
        animate_files(session, SOURCE, DRIVING, tmp_path / "no", absolute)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("known", "asked", "frames", "rate"), [(None, 10, 6, 10), (20, 10, 3, 10), (None, None, 6, 25)]
)
def test_a_rate_is_kept_where_there_is_one(
    session: AnimationSession, tmp_path: Path, known: int | None, asked: int | None, frames: int, rate: int
) -> None:
    keypoints = session.detect(torch.rand(6, 3, 128, 128))
    performance = Performance(keypoints, None if known is None else Fraction(known))
    options = FileOptions(fps=None if asked is None else Fraction(asked), size="model")
    report = animate_files(session, SOURCE, None, tmp_path / "out.mp4", options, performance=performance)
    assert (report.frames, report.fps) == (frames, rate)


def test_pictures_as_driving_clip_have_the_rate_that_is_asked_for(session: AnimationSession, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "stills", fps=25) as writer:
        writer.write(frames_of(DRIVING)[:3])
    report = animate_files(session, SOURCE, tmp_path / "stills", tmp_path / "o.mp4", FileOptions(fps=Fraction(10)))
    assert (report.frames, report.fps) == (3, 10)


@pytest.mark.parametrize("fps", [None, Fraction(50)])
def test_comparison_shows_the_frame_that_drove(session: AnimationSession, tmp_path: Path, fps: Fraction | None) -> None:
    options = FileOptions(compare=True, start=5, frames=8, fps=fps, size="model")
    animate_files(session, SOURCE, DRIVING, tmp_path / "out", options)
    below_titles = slice(32, None)
    shown = [read_image(path)[below_titles, 128:256].astype(int) for path in sorted((tmp_path / "out").iterdir())]
    driving = to_uint8(fit(from_uint8(frames_of(DRIVING)[5:13]), 128, 128)).astype(int)[:, below_titles]
    assert len(shown) == (8 if fps is None else 16)
    per_frame = len(shown) // 8
    for index, picture in enumerate(shown):
        nearest = {index // per_frame, min(7, -(-index // per_frame))}
        assert any(np.abs(driving[number] - picture).max() <= 1 for number in nearest)


def test_comparison_without_a_clip_shows_source_and_result(session: AnimationSession, tmp_path: Path) -> None:
    performance = Performance(session.detect(torch.rand(2, 3, 128, 128)))
    animate_files(
        session, SOURCE, None, tmp_path / "out", FileOptions(compare=True, size="model"), performance=performance
    )
    assert read_image(tmp_path / "out" / "frame-00000.png").shape == (128, 256, 3)


def test_occlusion_is_white_where_nothing_is_known(session: AnimationSession, tmp_path: Path) -> None:
    options = FileOptions(frames=2, size="model", occlusion=tmp_path / "mask")
    animate_files(session, SOURCE, DRIVING, tmp_path / "out", options)
    source = prepare_source(session, from_uint8(read_image(SOURCE)), size="model")
    driving = session.detect(fit(from_uint8(frames_of(DRIVING)[:2]), 128, 128))
    rendered = list(session.render(source, drive(source.keypoints, driving, AnimationOptions())))[1]
    assert rendered.occlusion is not None
    expected = (1 - rendered.occlusion[0, 0]) * 255
    mask = read_image(tmp_path / "mask" / "frame-00001.png")
    assert mask.shape == (128, 128, 3)
    assert np.abs(mask[..., 0] - expected.numpy()).max() <= 0.51


def test_no_occlusion_of_a_model_without_it(tmp_path: Path) -> None:
    config = PRESETS["demo-64"]
    config = replace(config, generator=replace(config.generator, estimate_occlusion_map=False))
    bare = AnimationSession(MotionModel(config, name="bare").eval())
    with pytest.raises(ImageError, match="'bare' has none"):
        animate_files(bare, SOURCE, DRIVING, tmp_path / "o.mp4", FileOptions(occlusion=tmp_path / "m.mp4"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stage", ["detect", "render"])
def test_cancelling_leaves_nothing_behind(session: AnimationSession, tmp_path: Path, stage: str) -> None:
    class CancelledError(Exception):
        pass

    def cancel(progress: Progress) -> None:
        if progress.stage == stage and progress.done == 2:
            raise CancelledError

    options = FileOptions(occlusion=tmp_path / "mask.webm", frames=6, size="model")
    with pytest.raises(CancelledError):
        animate_files(session, SOURCE, DRIVING, tmp_path / "out.mp4", options, on_progress=cancel)
    assert not list(tmp_path.iterdir())


def test_pixels_that_are_no_numbers_end_the_run(tmp_path: Path) -> None:
    model = load_builtin()
    session = AnimationSession(model)
    network = session.network(128, 128)
    with torch.inference_mode():
        next(network.generator.final.parameters()).fill_(float("nan"))
    with pytest.raises(ImageError, match="float32 instead"):
        animate_files(session, SOURCE, DRIVING, tmp_path / "out.mp4", FileOptions(frames=2, size="model"))
    assert not list(tmp_path.iterdir())


def test_check_files_protects_what_is_there(tmp_path: Path) -> None:
    source, output = tmp_path / "a.png", tmp_path / "b.mp4"
    check_files([source, None], output, FileOptions())
    with pytest.raises(FommError, match="for both"):
        check_files([source], tmp_path / "x" / ".." / "a.png", FileOptions(overwrite=True))
    with pytest.raises(FommError, match="twice"):
        check_files([source], output, FileOptions(occlusion=output))
    output.touch()
    with pytest.raises(FommError, match="exists already"):
        check_files([source], output, FileOptions())
    check_files([source], output, FileOptions(overwrite=True))


def test_something_has_to_drive(session: AnimationSession, tmp_path: Path) -> None:
    with pytest.raises(FommError, match="got neither"):
        animate_files(session, SOURCE, None, tmp_path / "out.mp4")
    with pytest.raises(ImageError, match="at least one frame"):
        animate_files(session, SOURCE, DRIVING, tmp_path / "out.mp4", FileOptions(frames=0))
