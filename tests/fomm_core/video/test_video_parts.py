"""Parts of frames: of those that are read, only what is asked for; of those that are written, only what has changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fomm_nodes.fomm_core.faces import FaceFinder, track
from fomm_nodes.fomm_core.region import Cropper, region_at
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import StoredFrame, VideoReader, VideoWriter, read_image
from fomm_nodes.fomm_core.video.shots import small_frame
from fomm_nodes.fomm_core.video.yuv import Yuv420
from nearness import near, steps_near
from scenes import ground, placed

RNG = np.random.default_rng(5)


def noise(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def clip(path: Path, height: int, width: int) -> Path:
    """Four frames with a face and a band of coloured noise."""
    face = read_image(ASSETS / "source.png")
    with VideoWriter(path, fps=25) as writer:
        for i in range(4):
            frame = placed(ground(height, width), face, width // 3 + 6 * i, 20, height // 2)
            frame[-40:] = noise(40, width)
            writer.write(frame)
    return path


def box(height: int, width: int, most: int) -> tuple[int, int, int, int]:
    """Somewhere in an image, with sides of up to `most`: left, top, right, bottom."""
    left, top = int(RNG.integers(0, width)), int(RNG.integers(0, height))
    return left, top, min(left + int(RNG.integers(1, most)), width), min(top + int(RNG.integers(1, most)), height)


@pytest.mark.parametrize(("name", "height", "width"), [("a.mp4", 720, 1280), ("b.webm", 402, 604)])
def test_parts_have_the_bytes_of_the_whole(name: str, height: int, width: int, tmp_path: Path) -> None:
    path = clip(tmp_path / name, height, width)
    with VideoReader(path) as reader, VideoReader(path) as again:
        for stored, whole in zip(reader.stored(), again, strict=True):
            assert isinstance(stored, StoredFrame)
            assert stored.shape == whole.shape
            assert np.array_equal(stored.whole(), whole)
            for most in (80, 80, 300, 300, 2000):
                left, top, right, bottom = box(height, width, most)
                assert np.array_equal(stored[top:bottom, left:right], whole[top:bottom, left:right])
            assert stored[5:5, 3:9].shape == (0, 6, 3)
        assert reader.times == again.times


def test_frames_that_are_not_shown_as_stored_come_whole(tmp_path: Path) -> None:
    clear = np.full((20, 30, 4), 255, np.uint8)
    clear[:10, :, 3] = 0
    with VideoWriter(tmp_path / "clear.gif", fps=10) as writer:
        writer.write(clear)
    odd = clip(tmp_path / "odd.webm", 401, 603)
    for path in (tmp_path / "clear.gif", ASSETS / "source.png", odd):
        with VideoReader(path) as reader:
            assert {type(frame) for frame in reader.stored()} == {np.ndarray}


def test_shrunk_parts_are_means_by_area(tmp_path: Path) -> None:
    y, x = np.mgrid[:480, :640] / 150
    smooth = (np.stack([np.sin(x + y), np.cos(y), np.sin(x)], -1) * 100 + 128).astype(np.uint8)
    with VideoWriter(tmp_path / "smooth.mp4", fps=25, quality=100) as writer:
        writer.write(smooth)
    with VideoReader(tmp_path / "smooth.mp4") as reader, VideoReader(tmp_path / "smooth.mp4") as again:
        (stored,), (whole,) = list(reader.stored()), list(again)
    assert isinstance(stored, StoredFrame)
    means = whole[64:448, 32:608].reshape(96, 4, 144, 4, 3).mean((1, 3))
    # two roundings, and chroma that is averaged before it becomes colours
    steps_near(stored.shrunk(32, 64, 608, 448, 96, 144), means, 2)
    # sixteen single pixels make one, taken up to two aside: this image changes by up to 2 steps from one to the next
    steps_near(small_frame(stored).astype(float), small_frame(whole).astype(float), 6)


def test_crops_of_stored_frames_are_those_of_whole_ones(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mp4", 720, 1280)
    for side, angle, steps in ((120.5, 0.0, 0), (500, 0.3, 0), (700.2, 0.0, 3), (900, 0.4, 3)):
        cropper = Cropper(region_at(600, 300, side, angle, height=720, width=1280), 256)
        with VideoReader(path) as reader, VideoReader(path) as again:
            for stored, whole in zip(reader.stored(), again, strict=True):
                ours, theirs = cropper(stored)[:200], cropper(whole)[:200]
                # exact where it is not shrunk to a half; else areas begin elsewhere, and the face has edges
                assert np.abs(ours.astype(int) - theirs).mean() <= steps
                assert steps or np.array_equal(ours, theirs)


def test_faces_are_followed_alike_in_stored_frames(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mp4", 720, 1280)
    finder = FaceFinder()
    with VideoReader(path) as reader, VideoReader(path) as again:
        stored, whole = track(reader.stored(), finder=finder), track(again, finder=finder)
    assert stored.summary() == whole.summary() == "1 face, tracked 4 of 4 frames"
    ours, theirs = stored.tracks[0].square, whole.tracks[0].square
    near(ours, theirs, 0.01, of=float(theirs[0, 2]))  # of the face's side: areas begin elsewhere


@pytest.mark.parametrize(("height", "width"), [(40, 64), (33, 47), (1, 9), (2, 2)])
def test_what_has_not_changed_need_not_be_converted(height: int, width: int) -> None:
    kept, frame = Yuv420(), noise(height, width)
    kept.frame(frame)
    for _ in range(60):
        left, top, right, bottom = box(height, width, 40)
        frame = frame.copy()
        frame[top:bottom, left:right] = noise(bottom - top, right - left)
        ours, theirs = kept.frame(frame, (left, top, right, bottom)), Yuv420().frame(frame)
        for plane, expected in zip(ours.planes, theirs.planes, strict=True):
            mine, other = (
                np.frombuffer(memoryview(part), np.uint8).reshape(-1, part.line_size)[:, : part.width]
                for part in (plane, expected)
            )
            assert np.array_equal(mine, other)


@pytest.mark.parametrize("name", ["out.webm", "out.gif", "out"])
def test_files_are_the_same_with_changes_stated(name: str, tmp_path: Path) -> None:
    picture = ground(60, 80)
    found = []
    for folder in ("stated", "not"):
        path = tmp_path / folder / name
        path.parent.mkdir()
        with VideoWriter(path, fps=25) as writer:
            for i in range(5):
                frame = picture.copy()
                frame[11:31, 20:53] = 40 * i
                writer.write(frame, changed=(20, 11, 53, 31) if folder == "stated" else None)
        with VideoReader(path) as reader:
            found.append(np.stack(list(reader)))
    assert np.array_equal(*found)
