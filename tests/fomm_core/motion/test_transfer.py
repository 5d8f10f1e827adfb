from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints, inverse
from fomm_nodes.fomm_core.motion import TransferOptions, movement_scale, transfer
from nearness import NETWORK, near

PARITY = Path(__file__).parents[2] / "data" / "parity"
COMMITTED = sorted(path for path in PARITY.glob("*.npz") if not path.name.startswith("train-"))
PUBLISHED = [
    "bair-256-small-64",
    "fashion-256-small-64",
    "mgif-256-small-64",
    "nemo-256-small-64",
    "taichi-256-small-64",
    "taichi-adv-256-small-64",
    "vox-256-small-64",
    "vox-256-small-64-aligncorners0",
    "vox-256-small-64-nojacobian",
    "vox-adv-256-small-64",
]
MODES = {
    "abs": TransferOptions(mode="absolute"),
    "rel": TransferOptions(),
    "rel_noscale": TransferOptions(adapt_scale=False),
    "rel_nojac": TransferOptions(relative_jacobian=False),
}


def clip(frames: int, count: int = 10, *, jacobian: bool = True) -> Keypoints:
    maps = torch.eye(2) + 0.2 * torch.randn(frames, count, 2, 2) if jacobian else None
    return Keypoints(torch.rand(frames, count, 2) * 2 - 1, maps)


def assert_published(path: Path) -> None:
    with np.load(path) as arrays:

        def keypoints(name: str, value: str = "/value", jacobian: str = "/jacobian") -> Keypoints:
            maps = torch.from_numpy(arrays[name + jacobian]) if name + jacobian in arrays else None
            return Keypoints(torch.from_numpy(arrays[name + value]), maps)

        source, driving = keypoints("kp_source"), keypoints("kp_driving")
        compared = 0
        for mode, options in MODES.items():
            if f"{mode}/kp_norm_value" not in arrays:
                continue
            expected = keypoints(mode, "/kp_norm_value", "/kp_norm_jacobian")
            got = transfer(source, driving, driving[0], options)
            near(got.position, expected.position, about=mode)
            assert (got.jacobian is None) == (expected.jacobian is None), mode
            if got.jacobian is not None and expected.jacobian is not None:
                near(got.jacobian, expected.jacobian, about=mode)
            compared += 1
    assert compared >= 2


@pytest.mark.parametrize("name", PUBLISHED)
def test_agrees_with_published_code(shared: Path, name: str) -> None:
    assert_published(shared / "parity" / f"{name}.npz")


def test_every_published_case_is_listed(shared: Path) -> None:
    assert sorted(path.stem for path in (shared / "parity").glob("*.npz")) == PUBLISHED


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_agrees_with_committed_case(path: Path) -> None:
    assert_published(path)


def test_strength_one_is_the_formula_to_the_bit() -> None:
    source, driving, anchor = clip(1), clip(5), clip(1)
    scale = movement_scale(source, anchor)
    got = transfer(source, driving, anchor, TransferOptions(strength=1))
    assert scale != 1
    assert torch.equal(got.position, source.position + (driving.position - anchor.position) * scale)
    assert torch.equal(got.jacobian, driving.jacobian @ inverse(anchor.jacobian) @ source.jacobian)
    a = anchor.jacobian.double()
    expected = driving.jacobian.double() @ torch.linalg.inv(a) @ source.jacobian.double()
    assert got.jacobian.dtype == torch.float32
    near(got.jacobian.double(), expected, NETWORK)

    absolute = transfer(source, driving, None, TransferOptions(mode="absolute", strength=1))
    assert torch.equal(absolute.position, driving.position)
    assert torch.equal(absolute.jacobian, driving.jacobian)


@pytest.mark.parametrize(
    "options",
    [
        TransferOptions(strength=0),
        TransferOptions(strength=0, relative_jacobian=False),
        TransferOptions(strength=0, adapt_scale=False, relative_jacobian=True),
        TransferOptions(strength=0, mode="absolute"),
    ],
)
def test_strength_zero_is_the_source_exactly(options: TransferOptions) -> None:
    source, driving = clip(1), clip(4)
    got = transfer(source, driving, driving[2], options)
    assert torch.equal(got.position, source.position.expand(4, -1, -1))
    assert torch.equal(got.jacobian, source.jacobian.expand(4, -1, -1, -1))


@pytest.mark.parametrize("mode", ["relative", "absolute"])
@pytest.mark.parametrize("strength", [0.3, 0.5, 1.7, 2.0])
def test_strength_is_linear_in_positions_and_maps(mode: str, strength: float) -> None:
    source, driving = clip(1), clip(4)
    full = transfer(source, driving, driving[1], TransferOptions(mode=mode))
    some = transfer(source, driving, driving[1], TransferOptions(mode=mode, strength=strength))
    near(some.position - source.position, strength * (full.position - source.position))
    expected = source.jacobian + strength * (full.jacobian - source.jacobian)  # (I + s (R - I)) J = J + s (R J - J)
    near(some.jacobian, expected, NETWORK)


def test_anchor_frame_gives_the_source_pose() -> None:
    source, driving = clip(1), clip(6)
    got = transfer(source, driving, driving[3])
    assert torch.equal(got.position[3], source.position[0])
    near(got.jacobian[3], source.jacobian[0], NETWORK)


def test_parts_of_a_clip_give_the_whole() -> None:
    source, driving = clip(1), clip(7)
    whole = transfer(source, driving, driving[2])
    parts = Keypoints.cat([transfer(source, driving[start : start + 3], driving[2]) for start in (0, 3, 6)])
    assert torch.equal(whole.position, parts.position)
    near(whole.jacobian, parts.jacobian)


def test_given_scale_replaces_the_computed_one() -> None:
    source, driving = clip(1), clip(3)
    expected = source.position + (driving.position - driving.position[:1]) * 0.25
    for adapt in (True, False):
        got = transfer(source, driving, driving[0], TransferOptions(adapt_scale=adapt), scale=0.25)
        near(got.position, expected)


def test_inputs_are_left_alone() -> None:
    source, driving = clip(1), clip(3)
    before = [value.clone() for value in (source.position, source.jacobian, driving.position, driving.jacobian)]
    transfer(source, driving, driving[1], TransferOptions(strength=1.5))
    after = (source.position, source.jacobian, driving.position, driving.jacobian)
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))


def test_singular_anchor_map_stays_finite() -> None:
    source, driving = clip(1), clip(3)
    flat = Keypoints(driving.position[:1], torch.ones(1, 10, 2, 2))
    assert transfer(source, driving, flat).jacobian.isfinite().all()


def test_zero_order_keypoints_move_by_position() -> None:
    source, driving = clip(1, jacobian=False), clip(3, jacobian=False)
    for options in MODES.values():
        assert transfer(source, driving, driving[0], options).jacobian is None


def test_zero_order_keypoints_refuse_relative_jacobians() -> None:
    source, driving = clip(1, jacobian=False), clip(3, jacobian=False)
    with pytest.raises(KeypointError, match=r"relative_jacobian=True; got positions only"):
        transfer(source, driving, driving[0], TransferOptions(relative_jacobian=True))


def test_jacobians_in_some_inputs_only_are_refused() -> None:
    source, driving = clip(1), clip(3)
    with pytest.raises(KeypointError, match="in source but not in driving"):
        transfer(source, driving.without_jacobian(), driving[0], TransferOptions(mode="absolute"))
    with pytest.raises(KeypointError, match="in driving but not in source"):
        transfer(source.without_jacobian(), driving, driving[0])
    with pytest.raises(KeypointError, match="in source but not in anchor"):
        transfer(source, driving, driving[0].without_jacobian())


def test_bad_clips_are_refused() -> None:
    source, driving = clip(1), clip(3)
    with pytest.raises(KeypointError, match=r"expected 10 keypoints in each driving frame.*got 5"):
        transfer(source, clip(3, 5), driving[0])
    with pytest.raises(KeypointError, match=r"expected 10 keypoints in each anchor frame.*got 5"):
        transfer(source, driving, clip(1, 5))
    with pytest.raises(KeypointError, match="at least one frame of driving keypoints; got none"):
        transfer(source, driving[:0], driving[0])
    with pytest.raises(KeypointError, match="source keypoints of one frame; got 3"):
        transfer(driving, driving, driving[0])
    with pytest.raises(KeypointError, match="anchor keypoints of one frame; got 3"):
        transfer(source, driving, driving)
    with pytest.raises(KeypointError, match="expected an anchor frame"):
        transfer(source, driving)
    with pytest.raises(KeypointError, match=r"a movement scale above 0; got nan"):
        transfer(source, driving, driving[0], scale=float("nan"))


@pytest.mark.parametrize("strength", [-0.01, 2.01, float("nan"), float("inf")])
def test_strength_outside_its_range_is_refused(strength: float) -> None:
    with pytest.raises(KeypointError, match="strength of at least 0 and at most 2; got"):
        TransferOptions(strength=strength)


def test_unknown_mode_is_refused() -> None:
    with pytest.raises(KeypointError, match="relative, absolute or avd; got 'Relative'"):
        TransferOptions(mode="Relative")
