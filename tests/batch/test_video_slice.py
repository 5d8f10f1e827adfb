"""The local engine's parts of videos, and input files that lie anywhere."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from fomm_nodes.nodes.hosts.headless.files import Folders
from fomm_nodes.nodes.hosts.headless.video import FileVideo, SlicedVideo, open_video
from hypothesis import given, settings
from hypothesis import strategies as st

FRAMES, RATE = 12, Fraction(30000, 1001)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames that are told apart by their grey."""
    path = tmp_path_factory.mktemp("clips") / "counted.mp4"
    with VideoWriter(path, fps=RATE, quality=100) as writer:
        for index in range(FRAMES):
            writer.write(np.full((16, 16, 3), 20 + 15 * index, np.uint8))
    return path


def numbers(video: SlicedVideo) -> list[int]:
    with open_video(video, lambda suffix: Path("none"), lambda *size: None) as stream:
        pictures = torch.cat(list(stream.batches(5)))
    return [round((float(picture.mean()) * 255 - 20) / 15) for picture in pictures]


@settings(max_examples=25, deadline=None)
@given(start=st.integers(0, FRAMES - 1), data=st.data())
def test_a_part_has_the_frames_that_were_asked_for(clip: Path, start: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, FRAMES - start))
    wanted = list(range(start, start + count))
    exact = FileVideo(clip).slice(start / float(RATE), count / float(RATE))
    between = FileVideo(clip).slice(max(0.0, (start - 0.5) / float(RATE)), (count - 0.5 * (start == 0)) / float(RATE))
    assert numbers(exact) == numbers(between) == wanted
    assert len(exact.frames(lambda *size: None).images) == count


def test_a_part_goes_to_the_end_and_counts_from_it(clip: Path) -> None:
    assert numbers(FileVideo(clip).slice(5 / float(RATE), 0)) == [5, 6, 7, 8, 9, 10, 11]
    assert numbers(FileVideo(clip).slice(-3 / float(RATE), 0)) == [9, 10, 11]


def test_a_part_of_a_part(clip: Path) -> None:
    part = FileVideo(clip).slice(2 / float(RATE), 6 / float(RATE))
    assert numbers(part.slice(1 / float(RATE), 0)) == [3, 4, 5, 6, 7]
    assert numbers(part.slice(1 / float(RATE), 2 / float(RATE))) == [3, 4]


def test_a_part_past_the_end_is_refused(clip: Path) -> None:
    with pytest.raises(ImageError, match="fewer"):
        numbers(FileVideo(clip).slice(100.0, 1.0))


def test_frames_are_those_of_the_reader(clip: Path) -> None:
    ours = FileVideo(clip).slice(4 / float(RATE), 3 / float(RATE)).frames(lambda *size: None)
    theirs = np.stack(list(VideoReader(clip, start=4, stop=7)))
    assert np.array_equal((ours.images * 255).round().byte().numpy(), theirs)
    assert ours.fps == RATE


def test_files_of_a_job_are_found_wherever_they_lie(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "counted.mp4").write_bytes(b"another")
    folders = Folders((tmp_path,), files={"driving.mp4": clip, "gone.mp4": tmp_path / "gone.mp4"})
    assert folders.input_file("driving.mp4") == clip
    assert folders.input_file("counted.mp4") == tmp_path / "counted.mp4"
    with pytest.raises(ValueError, match=r"gone\.mp4"):
        folders.input_file("gone.mp4")
