"""Prepared clips: whole or not there, made once, made anew when the clip changes."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple

import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import DataError, ImageError
from fomm_nodes.fomm_core.training.data import ClipSet, find_clips, prepare
from fomm_nodes.fomm_core.training.data.cache import prepared_bytes

SIZE = (24, 32)


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_same_frames(folder, tmp_path):
    clips = find_clips(folder)
    heard = []
    prepared = prepare(clips, SIZE, tmp_path / "cache", on_progress=lambda done, total: heard.append((done, total)))
    assert heard == [(done, 5) for done in range(1, 6)]
    for before, after in zip(clips, prepared, strict=True):
        assert (before.name, before.identity, before.group) == (after.name, after.identity, after.group)
        assert len(before) == len(after)
        places = [len(before) - 1, 0, 1]
        assert np.array_equal(before.read(places, SIZE), after.read(places, SIZE))
        assert np.array_equal(np.stack(list(before.frames(SIZE))), np.stack(list(after.frames(SIZE))))
    pixels = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.npy"))
    assert 0 <= pixels - prepared_bytes(clips, SIZE) <= 5 * 256  # and their headers


def test_an_interrupted_run_goes_on(folder, tmp_path):
    class Cancelled(Exception):
        pass

    def cancel(done, total):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        prepare(find_clips(folder), SIZE, tmp_path / "cache", on_progress=cancel)
    before = files(tmp_path / "cache")
    assert len(before) == 2
    prepare(find_clips(folder), SIZE, tmp_path / "cache")
    after = files(tmp_path / "cache")
    assert len(after) == 5
    assert before.items() <= after.items()  # what was there was not made again


def test_a_clip_that_fails_half_way_leaves_nothing(folder, tmp_path, monkeypatch):
    clips = find_clips(folder)
    monkeypatch.setattr(type(clips[0]), "frames", lambda self, size: iter([np.zeros((*SIZE, 3), np.uint8), 1 / 0]))
    with pytest.raises(ZeroDivisionError):
        prepare(clips, SIZE, tmp_path / "cache")
    assert files(tmp_path / "cache") == {}


def test_a_changed_clip_is_made_anew(folder, tmp_path, write_clip):
    prepare(find_clips(folder), SIZE, tmp_path / "cache")
    write_clip(folder / "a.mp4", 4, shade=250)
    prepared = prepare(find_clips(folder), SIZE, tmp_path / "cache")
    assert len(prepared[0]) == 4
    assert prepared[0].read([0], SIZE)[0, -1, -1].mean() > 240


def test_a_damaged_file_of_the_cache_is_made_anew(folder, tmp_path):
    whole = prepare(find_clips(folder), SIZE, tmp_path / "cache")
    whole[0].path.write_bytes(whole[0].path.read_bytes()[:500])
    with pytest.raises(ImageError, match="prepared frames"):
        whole[0].read([0, 1], SIZE)
    assert len(prepare(find_clips(folder), SIZE, tmp_path / "cache")[0].read([0, 5], SIZE)) == 2


def test_sizes_share_a_folder(folder, tmp_path):
    clips = find_clips(folder)
    small, large = prepare(clips, (16, 16), tmp_path), prepare(clips, SIZE, tmp_path)
    assert small[0].read([0], (16, 16)).shape == (1, 16, 16, 3)
    with pytest.raises(DataError, match="prepared size"):
        large[0].read([0], (16, 16))


def test_repeated_clips_are_stored_once(folder, tmp_path):
    prepared = prepare(find_clips(folder).repeated({"people": 3}), SIZE, tmp_path / "cache")
    assert len(prepared) == 2 + 9
    assert len(files(tmp_path / "cache")) == 5


def test_a_disk_that_is_too_small(folder, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10_000, 0, 10_000))
    with pytest.raises(DataError, match=r"GB of room .* Make room"):
        prepare(find_clips(folder), SIZE, tmp_path / "cache")


def test_a_folder_that_can_not_be_written(folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="that can be written"):
        prepare(find_clips(folder), SIZE, tmp_path / "file" / "cache")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # permissions do not bind who runs tests as root
    with pytest.raises(DataError, match="Permission denied"):
        prepare(find_clips(folder), SIZE, tmp_path / "cache")


def test_a_disk_that_fills_up_meanwhile(folder, tmp_path, monkeypatch):
    clips = find_clips(folder)
    whole = prepare(ClipSet(clips.clips[:2]), SIZE, tmp_path / "cache")

    def full(self, size):
        yield np.zeros((*SIZE, 3), np.uint8)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(clips[0]), "frames", full)
    with pytest.raises(OSError, match="No space left"):
        prepare(clips, SIZE, tmp_path / "cache")
    assert set(files(tmp_path / "cache")) == {clip.path for clip in whole}


def test_a_clip_that_is_lost_meanwhile(folder, tmp_path):
    clips = find_clips(folder)
    (folder / "a.mp4").write_bytes(b"no video")
    prepared = prepare(clips, SIZE, tmp_path / "cache")
    assert [clip.name for clip in prepared] == [clip.name for clip in clips][1:]
    assert [problem.name for problem in prepared.problems] == ["a.mp4"]
