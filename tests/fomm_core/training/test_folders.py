"""What counts as a clip, what is left out and why, and how sets are divided."""

from __future__ import annotations

import logging
import shutil

import pytest
import torch
from fomm_nodes.fomm_core.errors import DataError
from fomm_nodes.fomm_core.training.data import ClipSet, find_clips


def names(clips):
    return [clip.name for clip in clips]


def test_every_kind_of_clip_is_found(folder):
    clips = find_clips(folder)
    assert names(clips) == ["a.mp4", "people/id1#x.mp4", "people/id1#y.gif", "people/stills", "z.webp"]
    assert [len(clip) for clip in clips] == [6, 5, 4, 3, 7]
    assert [clip.group for clip in clips] == ["", "people", "people", "people", ""]
    assert [clip.identity for clip in clips] == ["a.mp4", "id1", "id1", "people/stills", "z.webp"]
    assert clips.problems == ()
    for clip, shade in zip(clips, (20, 70, 120, 170, 220), strict=True):
        frames = clip.read([len(clip) - 1, 0], (16, 16))
        assert frames.shape == (2, 16, 16, 3)
        assert abs(int(frames[0, -1, -1].mean()) - shade) < 4, clip.name
        assert (frames[0] != frames[1]).any()


def test_frames_in_order_are_those_read_by_number(folder):
    for clip in find_clips(folder):
        in_order = torch.from_numpy(clip.read(range(len(clip)), (24, 24)))
        assert torch.equal(torch.stack([torch.from_numpy(frame) for frame in clip.frames((24, 24))]), in_order)


def test_a_folder_of_pictures_is_a_clip_itself(folder):
    (clip,) = find_clips(folder / "people" / "stills")
    assert (clip.name, len(clip)) == ("stills", 3)


def test_pictures_of_different_sizes_in_one_clip(folder, write_clip):
    write_clip(folder / "mixed", 2, shade=50)
    write_clip(folder / "larger", 3, shade=200, height=60, width=44).rename(folder / "later")
    (folder / "later" / "2.png").rename(folder / "mixed" / "2.png")
    (clip,) = find_clips(folder / "mixed")
    frames = clip.read([0, 2], (24, 24))
    assert frames.shape == (2, 24, 24, 3)
    assert [round(float(frame[-1, -1].mean())) for frame in frames] == [50, 200]


def test_other_files_are_passed_over_in_silence(folder, caplog):
    (folder / "index.json").write_text("{}")
    (folder / ".hidden.mp4").write_bytes(b"no video")
    shutil.copy(folder / "people" / "stills" / "0.png", folder / "thumbnail.png")  # beside videos
    assert len(find_clips(folder)) == 5
    assert caplog.records == []


def test_damaged_files_among_good_ones(folder, caplog):
    (folder / "broken.mp4").write_bytes(b"no video at all")
    (folder / "empty.webm").touch()
    whole = (folder / "a.mp4").read_bytes()
    (folder / "headless.mp4").write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING, "fomm.data"):
        clips = find_clips(folder)
    assert len(clips) == 5
    assert sorted(problem.name for problem in clips.problems) == ["broken.mp4", "empty.webm", "headless.mp4"]
    told = [record.getMessage() for record in caplog.records if record.name == "fomm.data"]
    assert len(told) == 3
    assert all("was left out: expected" in line for line in told)


def test_many_damaged_files_do_not_flood_the_log(folder, caplog):
    for index in range(25):
        (folder / f"broken{index}.mp4").write_bytes(b"no video")
    with caplog.at_level(logging.WARNING, "fomm.data"):
        assert len(find_clips(folder).problems) == 25
    assert caplog.records[-1].getMessage() == "15 more clips were left out"
    assert len(caplog.records) == 11


def test_clips_that_are_too_short(folder, write_clip):
    write_clip(folder / "one.mp4", 1)
    write_clip(folder / "one", 1)
    write_clip(folder / "one.gif", 1)
    clips = find_clips(folder)
    assert len(clips) == 5
    assert {problem.name for problem in clips.problems} == {"one", "one.gif", "one.mp4"}
    assert all("at least 2 frames; it has 1" in problem.reason for problem in clips.problems)
    longer = find_clips(folder, fewest_frames=6)
    assert names(longer) == ["a.mp4", "z.webp"]
    with pytest.raises(DataError, match="of 100 frames or more"):
        find_clips(folder, fewest_frames=100)


def test_nothing_but_single_frames(tmp_path, write_clip):
    for index in range(3):
        write_clip(tmp_path / f"{index}.mp4", 1)
    with pytest.raises(DataError, match=r"3 were left out. The first: 0.mp4: expected at least 2 frames; it has 1"):
        find_clips(tmp_path)


def test_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match="at least one usable clip"):
        find_clips(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        find_clips(tmp_path / "nowhere")
    (tmp_path / "file.mp4").touch()
    with pytest.raises(DataError, match=r"The first: file\.mp4"):
        find_clips(tmp_path / "file.mp4")


def test_one_file_is_a_set_of_one_clip(folder):
    for split in ("all", "test", "train"):
        (clip,) = find_clips(folder / "a.mp4", split=split)
        assert (clip.name, len(clip), clip.group) == ("a.mp4", 6, "")


def test_folders_named_train_and_test(folder, write_clip, tmp_path):
    folder.rename(tmp_path / "train")
    write_clip(tmp_path / "test" / "t.mp4")
    assert len(find_clips(tmp_path, split="train")) == 5
    assert find_clips(tmp_path, split="train")[1].group == "people"
    assert names(find_clips(tmp_path, split="test")) == ["t.mp4"]
    assert len(find_clips(tmp_path)) == 6


def test_identities_are_held_out_whole_and_stay_where_they_are(tmp_path, write_clip):
    for index in range(12):
        write_clip(tmp_path / f"id{index % 6}#{index}.gif", 2)
    train, test = find_clips(tmp_path, split="train"), find_clips(tmp_path, split="test")
    assert sorted(names(train) + names(test)) == sorted(names(find_clips(tmp_path)))
    held_out = {clip.identity for clip in test}
    assert len(held_out) == 2  # a fifth of six, rounded up
    assert held_out.isdisjoint(clip.identity for clip in train)
    assert names(test) == names(find_clips(tmp_path, split="test"))
    others = [names(find_clips(tmp_path, split="test", seed=seed)) for seed in range(1, 5)]
    assert any(other != names(test) for other in others)


def test_one_identity_can_not_be_divided(tmp_path, write_clip):
    write_clip(tmp_path / "id#1.gif", 2)
    write_clip(tmp_path / "id#2.gif", 2)
    assert len(find_clips(tmp_path, split="train")) == 2
    with pytest.raises(DataError, match="at least two identities"):
        find_clips(tmp_path, split="test")


def test_progress(folder):
    heard = []
    find_clips(folder, on_progress=lambda done, total: heard.append((done, total)))
    assert heard == [(done, 5) for done in range(1, 6)]


def test_clips_in_memory():
    clips = ClipSet.from_tensors(
        [
            torch.rand(4, 3, 20, 20),
            torch.rand(1, 3, 9, 9),
            torch.rand(2, 1, 30, 24),
            torch.full((3, 3, 8, 8), torch.nan),
        ]
    )
    assert [len(clip) for clip in clips] == [4, 2]
    assert [problem.name for problem in clips.problems] == ["clip 1", "clip 3"]
    assert clips[1].read([1, 0], (16, 16)).shape == (2, 16, 16, 3)
    with pytest.raises(DataError, match="got none"):
        ClipSet.from_tensors([])
    with pytest.raises(DataError, match="a name for each"):
        ClipSet.from_tensors([torch.rand(2, 3, 8, 8)], names=["a", "b"])


def test_groups_can_be_repeated(folder):
    clips = find_clips(folder)
    assert list(clips.groups) == ["", "people"]
    assert names(clips.repeated({"people": 2})).count("people/stills") == 2
    assert names(clips.repeated({"people": 0})) == ["a.mp4", "z.webp"]
    with pytest.raises(DataError, match="out of"):
        clips.repeated({"cats": 2})
    with pytest.raises(DataError, match="leaves none"):
        clips.repeated({"people": 0, "": 0})
