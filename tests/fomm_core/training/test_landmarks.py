"""Where mouth and eyes are: carried through pairs and their variation, tied to keypoints, weighed in the losses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.config import MotionModelConfig
from fomm_nodes.fomm_core.errors import TrainingError
from fomm_nodes.fomm_core.geometry import Keypoints, coordinate_grid
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.training.config import AugmentationConfig
from fomm_nodes.fomm_core.training.data import PairSource, find_clips, prepare
from fomm_nodes.fomm_core.training.data.augment import Augmentation, augment, augment_points
from fomm_nodes.fomm_core.training.data.points import (
    CORNERS,
    LIDS,
    LOWER_LIP,
    MIRRORED,
    UPPER_LIP,
    fitted,
    mirrored,
    openings,
    points_file,
    write_points,
)
from fomm_nodes.fomm_core.training.landmarks import (
    GAPS,
    TIED,
    acting_map,
    check_tied,
    opening_difference,
    read_again,
    tied,
    tied_difference,
)
from fomm_nodes.fomm_core.training.presets import training_preset
from fomm_nodes.fomm_core.training.start import GROWN_SHARE, Start, build_networks, grown
from nearness import NETWORK, near

PLAIN = replace(
    training_preset("demo")[1], backbone="none", losses=replace(training_preset("demo")[1].losses, perceptual=())
)
STILL = AugmentationConfig(
    horizontal_flip=False,
    time_flip=False,
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    hue=0.0,
    rotation_degrees=0.0,
    zoom=0.0,
)


def blobs(places: torch.Tensor, side: int = 65) -> torch.Tensor:
    """A soft dot at each place [..., 2] in -1..1, [..., side, side]."""
    away = coordinate_grid(side, side, like=places) - places[..., None, None, :]
    return torch.exp(-away.square().sum(-1) / 0.01)


def centres(pictures: torch.Tensor) -> torch.Tensor:
    """Where dots [..., H, W] are, [..., 2]."""
    grid = coordinate_grid(*pictures.shape[-2:], like=pictures)
    return (pictures[..., None] * grid).sum((-3, -2)) / pictures.sum((-2, -1))[..., None]


def face(mouth: float = 0.2, eyes: float = 0.4, count: int = 1) -> np.ndarray:
    """[count, 64, 2] in -1..1: a mouth and two eyes that are open by so much of their widths."""
    points = np.zeros((count, 64, 2), np.float32)
    points[:, CORNERS[0]], points[:, CORNERS[1]] = (-0.2, 0.4), (0.2, 0.4)
    points[:, 2:13, 0] = points[:, 13:22, 0].mean() + np.linspace(-0.2, 0.2, 11)
    points[:, 13:22, 0] = np.linspace(-0.16, 0.16, 9)
    points[:, 2:13, 1], points[:, 13:22, 1] = 0.4 - 0.2 * mouth, 0.4 + 0.2 * mouth
    for middle, (outer, lower, inner, upper) in zip((-0.3, 0.3), LIDS, strict=True):
        points[:, outer : outer + 16] = (middle, -0.2)
        points[:, outer], points[:, inner] = (middle - 0.1, -0.2), (middle + 0.1, -0.2)
        points[:, lower], points[:, upper] = (middle, -0.2 + 0.1 * eyes), (middle, -0.2 - 0.1 * eyes)
    points[:, 54:59], points[:, 59:] = (-0.3, -0.2), (0.3, -0.2)
    return points


@pytest.fixture
def acted(tmp_path: Path, write_clip: Callable[..., Path]) -> Path:
    """A folder of two clips: the first has points, of a mouth that opens from frame to frame, the other has none."""
    clip = write_clip(tmp_path / "set" / "a.mp4", 6, height=48, width=64)
    opening = np.concatenate([face(share) for share in (0, 0.1, 0.2, 0.3, 0.4, 1.5)])
    write_points(points_file(clip), (opening + 1) * 24 + (8, 0), 48, 64)
    write_clip(tmp_path / "set" / "b.mp4", 6, shade=200, height=48, width=64)
    return tmp_path / "set"


def test_varied_points_are_where_varied_pictures_show_them() -> None:
    config = replace(STILL, rotation_degrees=20.0, zoom=0.3, horizontal_flip=True, time_flip=True)
    places = torch.rand(12, 2, 64, 2) * 0.8 - 0.4
    changes = [Augmentation.draw(config, seed) for seed in range(12)]
    assert any(one.time_flip for one in changes)
    assert any(one.horizontal_flip for one in changes)
    pictures = augment(blobs(places), changes, config)
    moved = augment_points(places, changes, (65, 65))
    mirror = torch.tensor([one.horizontal_flip for one in changes])
    seen = centres(pictures)
    expected = torch.where(mirror[:, None, None, None], seen[:, :, MIRRORED], seen)
    near(moved, expected, 0.01)  # a dot that is resampled keeps its centre to a fraction of a pixel (0.03)


def test_mirrored_twice_is_as_before() -> None:
    points = np.random.default_rng(0).uniform(0, 64, (3, 64, 2)).astype(np.float32)
    near(mirrored(mirrored(points, 64), 64), points)


def test_openings() -> None:
    near(openings(face(0.25, 0.5))[0], np.array([0.25, 0.5, 0.5]), NETWORK)


def test_points_are_cut_and_scaled_as_pictures_are() -> None:
    """From 48x64 to 24x24: the middle 48 columns, halved; -1 and 1 are the centres of the first and last pixels."""
    points = np.zeros((1, 64, 2), np.float32)
    points[0, 0], points[0, 1] = (8 + 1, 1), (8 + 47, 47)
    near(fitted(points, (48, 64), (24, 24))[0, :2], np.array([[-1, -1], [1, 1]]))


def test_pairs_carry_points_and_unlike_faces_are_preferred(acted: Path) -> None:
    clips = find_clips(acted)
    plain = PairSource(clips, (32, 32), STILL, 0, batch_size=40).batch(0, range(40))
    assert plain.points is not None
    known = plain.points.isfinite().all((1, 2, 3))
    assert known.sum() == 20
    assert plain.points[~known].isnan().all()
    choosy = PairSource(clips, (32, 32), replace(STILL, choices=5), 0, batch_size=40).batch(0, range(40))
    assert choosy.points is not None

    def difference(points: torch.Tensor) -> float:
        opened = openings(points[known].numpy())[..., 0]
        return float(np.abs(opened[:, 0] - opened[:, 1]).mean())

    assert difference(choosy.points) > 1.1 > difference(plain.points)  # with all others to choose from: the widest
    assert PairSource(find_clips(acted / "b.mp4"), (32, 32), STILL, 0, batch_size=4).batch(0, range(4)).points is None


def test_a_cache_keeps_points(acted: Path, tmp_path: Path) -> None:
    clips = find_clips(acted)
    prepared = prepare(clips, (32, 32), tmp_path / "cache")
    pairs = [PairSource(some, (32, 32), STILL, 0, batch_size=8).batch(2, range(8)) for some in (clips, prepared)]
    assert torch.equal(pairs[0].source, pairs[1].source)
    assert torch.equal(pairs[0].points.nan_to_num(9), pairs[1].points.nan_to_num(9))


def test_points_of_another_clip_are_left_out_with_a_warning(acted: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_points(points_file(acted / "b.mp4"), face(count=3), 48, 64)
    source = PairSource(find_clips(acted / "b.mp4"), (32, 32), STILL, 0, batch_size=4)
    with caplog.at_level(logging.WARNING):
        assert source.batch(0, range(4)).points is None
        source.batch(1, range(4))
    assert [record for record in caplog.records if "6 frames" in record.getMessage()] == caplog.records[:1]


def test_tied_keypoints_are_pulled_to_their_points() -> None:
    points = torch.from_numpy(face(count=3))
    position = torch.rand(3, 14, 2, requires_grad=True)
    exact = torch.cat([position[:, :4], points[:, TIED]], 1)
    assert tied_difference(tied(Keypoints(exact)), points[:, TIED]) == 0
    points[1] = torch.nan
    loss = tied_difference(tied(Keypoints(position)), points[:, TIED])
    expected = (position[[0, 2], 4:] - points[[0, 2]][:, TIED]).abs().mean()
    near(loss.detach(), expected.detach())
    (gradient,) = torch.autograd.grad(loss, position)
    assert not gradient[:, :4].any()
    assert not gradient[1].any()
    assert gradient[[0, 2], 4:].abs().min() > 0
    assert tied_difference(tied(Keypoints(position)), torch.full_like(points[:, TIED], torch.nan)) == 0


def test_what_is_read_back_teaches_the_image_and_not_the_detector(small_config: MotionModelConfig) -> None:
    detector = MotionModel(replace(small_config, num_keypoints=12)).detector.train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    images = torch.rand(2, 3, *small_config.frame_size, requires_grad=True)
    with torch.no_grad():
        as_driven = detector(images)
        detector.load_state_dict(before)  # running statistics too
    read = read_again(detector, images)
    assert torch.equal(read.detach(), as_driven.position[:, 2:])  # the last ten
    read.square().mean().backward()
    assert images.grad is not None
    assert images.grad.any()
    assert all(parameter.grad is None for parameter in detector.parameters())
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_gaps_differ_where_a_mouth_opens_and_not_where_it_moves() -> None:
    pairs = [{UPPER_LIP, LOWER_LIP}, *({lower, upper} for _, lower, _, upper in LIDS)]
    assert [{TIED[first], TIED[second]} for first, second in GAPS] == pairs
    points = torch.rand(3, len(TIED), 2, requires_grad=True)
    wanted = points.detach() + torch.tensor([0.3, -0.1])
    near(opening_difference(points.detach(), wanted), torch.tensor(0.0), of=1)
    wanted[0, GAPS[1][1]] += torch.tensor([0.0, 0.6])
    wanted[2] = torch.nan
    loss = opening_difference(points, wanted)
    near(loss.detach(), torch.tensor(0.6 / 12))  # of two samples' three gaps, two numbers each
    (gradient,) = torch.autograd.grad(loss, points)
    assert gradient[0, list(GAPS[1])].any(1).all()
    assert not gradient[2].any()
    assert opening_difference(points, torch.full_like(wanted, torch.nan)) == 0
    found = Keypoints(torch.cat([torch.rand(3, 2, 2), points.detach()], 1))
    assert torch.equal(tied(found), points)


def test_what_counts_more_is_mouth_and_eyes() -> None:
    points = torch.from_numpy(np.stack([face(0.0, 0.0), face(1.5, 0.4)], 1))  # [1, 2, 64, 2]: shut, wide open
    unknown = torch.full_like(points, torch.nan)
    weights = acting_map(torch.cat([points, unknown]), 65, 65)
    assert weights.shape == (2, 1, 65, 65)
    assert not weights[1].any()

    def at(x: float, y: float) -> float:
        return float(weights[0, 0, round((y + 1) * 32), round((x + 1) * 32)])

    assert at(0, 0.4) == at(0, 0.65) == at(-0.3, -0.2) == at(0.3, -0.2) == 1
    assert at(0, -0.15) == at(-0.9, -0.9) == at(0.9, 0.4) == 0


def test_too_few_keypoints_cannot_be_tied(small_config: MotionModelConfig) -> None:
    check_tied(len(TIED))
    with pytest.raises(TrainingError, match="at least 10 keypoints"):
        check_tied(len(TIED) - 1)
    for loss in ("landmarks", "readback", "openings"):
        config = replace(PLAIN, losses=replace(PLAIN.losses, **{loss: 1.0}))
        with pytest.raises(TrainingError, match="at least 10 keypoints"):
            build_networks(small_config, config, None, 0, None)


def test_a_model_with_more_keypoints_begins_as_the_one_with_fewer(make: Callable[..., MotionModel]) -> None:
    small = make().eval()
    start, count = Start.of(small), small.config.num_keypoints
    larger = replace(small.config, num_keypoints=count + 2)
    large = build_networks(larger, PLAIN, start, 0, None).model.eval()
    pictures = torch.rand(2, 3, *small.config.frame_size)
    with torch.no_grad():
        before, after = small.detect(pictures), large.detect(pictures)
        near(after.position[:, :count], before.position)
        reduced = small.dense_motion.reduce(pictures[:1])
        then, now = (model.dense_motion(reduced, at[:1], at[1:]) for model, at in ((small, before), (large, after)))
        near(now.occlusion, then.occlusion)
        background, added = now.mask[:, :1], now.mask[:, count + 1 :]
        near(added, (GROWN_SHARE * background).expand_as(added))
        near(now.mask[:, 1 : count + 1] / background, then.mask[:, 1:] / then.mask[:, :1])
    assert grown(start, small) is start
    with pytest.raises(TrainingError, match="differs"):
        build_networks(small.config, PLAIN, Start.of(large), 0, None)
