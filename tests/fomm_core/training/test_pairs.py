"""Pairs follow from their place in the run, and from nothing else."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
import torch
from fomm_nodes.fomm_core.errors import DataError
from fomm_nodes.fomm_core.training.data import ClipSet, PairSource, find_clips, prepare


def told_apart(count, frames=5, size=16):
    """Clips whose frames say which they are: red is the clip, green the frame (both in 1/255)."""
    clips = []
    for clip in range(count):
        pictures = torch.zeros(frames, 3, size, size)
        pictures[:, 0] = clip / 255
        pictures[:, 1] = torch.arange(frames)[:, None, None] / 255
        clips.append(pictures)
    return ClipSet.from_tensors(clips)


def read(pictures):
    """(clip, frame) of each image."""
    return [tuple(round(float(value) * 255) for value in picture[:2, 0, 0]) for picture in pictures]


def test_any_division_of_a_batch_gives_the_same_pairs(folder, varied):
    clips = find_clips(folder)
    whole = PairSource(clips, (32, 32), varied, 7, batch_size=12).batch(3, range(12))
    assert whole.source.shape == whole.driving.shape == (12, 3, 32, 32)
    for count in (1, 2, 3):
        others = [PairSource(find_clips(folder), (32, 32), varied, 7, batch_size=12) for _ in range(count)]
        for rank, other in enumerate(others):
            for step in (1, 5, 3):  # whatever came before
                part = other.batch(step, range(rank, 12, count))
            assert torch.equal(part.source, whole.source[rank::count])
            assert torch.equal(part.driving, whole.driving[rank::count])


def test_steps_and_seeds_differ(folder, varied):
    clips = find_clips(folder)
    source = PairSource(clips, (32, 32), varied, 7, batch_size=4)
    first = source.batch(0, range(4)).source
    assert not torch.equal(first, source.batch(1, range(4)).source)
    assert not torch.equal(first, PairSource(clips, (32, 32), varied, 8, batch_size=4).batch(0, range(4)).source)


@pytest.mark.parametrize("batch_size", [3, 7, 20])
def test_each_epoch_shows_each_clip_once(batch_size):
    """Also with a batch larger than the set."""
    source = PairSource(told_apart(7), (16, 16), None, 0, batch_size=batch_size)
    assert source.epoch_length == 7
    drawn = [clip for step in range(14) for clip, _ in read(source.batch(step, range(batch_size)).source)]
    epochs = [drawn[start : start + 7] for start in range(0, len(drawn) - 6, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 3  # in another order each time


def test_two_different_frames_in_the_order_of_time():
    source = PairSource(told_apart(3, frames=4), (16, 16), None, 0, batch_size=50)
    seen = Counter()
    for step in range(8):
        pairs = source.batch(step, range(50))
        for (clip, first), (same, second) in zip(read(pairs.source), read(pairs.driving), strict=True):
            assert clip == same
            assert first < second
            seen[first, second] += 1
    assert len(seen) == 6
    assert min(seen.values()) > 400 / 6 / 2  # of 400: all about as often


def test_time_flip(varied):
    from dataclasses import replace

    still = replace(
        varied, horizontal_flip=False, brightness=0, contrast=0, saturation=0, hue=0, rotation_degrees=0, zoom=0
    )
    pairs = PairSource(told_apart(3), (16, 16), still, 0, batch_size=200).batch(0, range(200))
    backwards = sum(a > b for a, b in zip(read(pairs.source), read(pairs.driving), strict=True))
    assert 60 < backwards < 140


def test_by_identity(tmp_path, write_clip):
    for name, shade in {"a#1": 0, "a#2": 0, "a#3": 0, "b#1": 200}.items():
        write_clip(tmp_path / f"{name}.gif", 3, shade=shade)
    source = PairSource(find_clips(tmp_path), (32, 32), None, 0, batch_size=2, by_identity=True)
    assert source.epoch_length == 2
    for step in range(4):  # each epoch has one clip of each
        shades = source.batch(step, range(2)).source[:, 0, -1, -1]
        assert (shades > 0.5).sum() == 1


def test_a_clip_that_breaks_later_is_reported_once_and_replaced(folder, caplog):
    clips = find_clips(folder)
    (folder / "a.mp4").write_bytes(b"overwritten while training")
    source = PairSource(clips, (32, 32), None, 0, batch_size=5)
    with caplog.at_level(logging.WARNING, "fomm.data"):
        batches = [source.batch(step, range(5)).source for step in range(3)]
    assert torch.stack(batches).isfinite().all()
    assert [record.getMessage().split(" can't")[0] for record in caplog.records] == ["a.mp4"]
    again = PairSource(clips, (32, 32), None, 0, batch_size=5)
    assert torch.equal(again.batch(2, range(5)).source, batches[2])


def test_a_set_that_can_not_be_read_any_more(folder):
    clips = find_clips(folder / "people" / "stills")
    for path in (folder / "people" / "stills").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="in turn could not be"):
        PairSource(clips, (32, 32), None, 0, batch_size=1).batch(0, [0])


def test_wrong_places():
    with pytest.raises(DataError, match="places 0 to 3"):
        PairSource(told_apart(2), (16, 16), None, 0, batch_size=4).batch(0, [4])
    with pytest.raises(DataError, match="at least one pair"):
        PairSource(told_apart(2), (16, 16), None, 0, batch_size=0)


def test_prepared_pairs_are_the_same_bit_for_bit(folder, varied, tmp_path):
    clips = find_clips(folder)
    prepared = prepare(clips, (24, 32), tmp_path / "cache")
    plain = PairSource(clips, (24, 32), varied, 0, batch_size=10).batch(1, range(10))
    fast = PairSource(prepared, (24, 32), varied, 0, batch_size=10).batch(1, range(10))
    assert torch.equal(plain.source, fast.source)
    assert torch.equal(plain.driving, fast.driving)
