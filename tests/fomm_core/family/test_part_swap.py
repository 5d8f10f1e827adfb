"""Part swap against the published code's numbers, and as it is used."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from family_cases import PART_SWAP, Case
from fomm_nodes.fomm_core.errors import ImageError, KeypointError
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.networks import KeypointDetector, part_flows
from fomm_nodes.fomm_core.parts import (
    Parts,
    chosen_parts,
    detect_parts,
    mask_of,
    mixed,
    motion_between,
    moved_mask,
    swap_parts,
)
from fomm_nodes.fomm_core.session import AnimationSession
from nearness import near

SWAPS = {
    f"{name}{of_source}{hard}": (name, bool(of_source), bool(hard))
    for name in ("swap", "swap2")
    for of_source in ("", "_source")
    for hard in ("", "_hard")
}


@pytest.fixture(params=[PART_SWAP, f"{PART_SWAP}:float32"])
def case(request: pytest.FixtureRequest, family_case: Callable[..., Case]) -> Case:
    name, _, kind = request.param.partition(":")
    return family_case(name, single=bool(kind))


@torch.no_grad()
def parts_of(case: Case, who: str) -> Parts:
    assert isinstance(case.model.detector, KeypointDetector)
    return Parts(*case.model.detector.parts(case.arrays[who]))


@torch.no_grad()
def test_detected_parts(case: Case) -> None:
    detector = case.model.detector
    assert isinstance(detector, KeypointDetector)
    for who, name in (("source", "seg_source"), ("driving", "seg_target")):
        found = parts_of(case, who)
        case.is_near(found.masks, f"{name}/segmentation")
        case.is_near(found.keypoints.position, f"{name}/shift")
        assert found.keypoints.jacobian is not None
        case.is_near(found.keypoints.jacobian, f"{name}/affine")
        heatmap, _ = detector.heads(detector.features(case.arrays[who]))
        case.is_near(heatmap, f"{name}/shift_heatmap")


@torch.no_grad()
def test_reconstruction(case: Case) -> None:
    source, target = parts_of(case, "source"), parts_of(case, "driving")
    flows = part_flows(source.keypoints.expand(len(target)), target.keypoints, *target.masks.shape[-2:])
    case.is_near(flows, "reconstruction/segment_motions")
    motion = motion_between(case.model, source, target)
    case.is_near(motion.flow, "reconstruction/deformation")
    assert motion.occlusion is not None
    case.is_near(motion.occlusion, "reconstruction/visibility_maps")
    generator = case.model.generator
    features = generator.encode(case.arrays["source"])
    case.is_near(generator.warp_image(features[-1], motion)[-1:], "reconstruction/warped_features")
    case.is_near(generator.move(features[-1], motion)[-1:], "reconstruction/bottleneck_input")
    case.is_near(generator.warp_image(case.arrays["source"], motion), "reconstruction/deformed")
    case.is_near(generator.paint(features, case.arrays["source"], motion), "reconstruction/prediction")


@torch.no_grad()
@pytest.mark.parametrize("name", SWAPS)
def test_swaps(case: Case, name: str) -> None:
    if f"{name}/prediction" not in case.arrays:
        pytest.skip("this case has no such swap")
    chosen, of_source, hard = SWAPS[name]
    source, target = parts_of(case, "source"), parts_of(case, "driving")
    motion = motion_between(case.model, source, target)
    given = mask_of((source if of_source else target).masks, case.values["args"][chosen], hard=hard)
    case.is_near(given.expand(len(target), -1, -1, -1), f"{name}/blend_mask_given")
    mask = moved_mask(case.model, given, motion) if of_source else given
    case.is_near(mask, f"{name}/blend_mask")
    own, features = (case.model.generator.encode(case.arrays[who])[-1] for who in ("driving", "source"))
    moved = mixed(case.model, own, features, mask, motion)
    if f"{name}/bottleneck_input" in case.arrays:
        case.is_near(moved[-1:], f"{name}/bottleneck_input")
    case.is_near(case.model.generator.decode(moved), f"{name}/prediction")


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "lowered"])
@pytest.mark.parametrize("name", SWAPS)
def test_as_it_is_used(name: str, exact: bool, family_case: Callable[..., Case]) -> None:
    case = family_case(PART_SWAP, single=True)
    if f"{name}/prediction" not in case.arrays:
        pytest.skip("this case has no such swap")
    chosen, of_source, hard = SWAPS[name]
    session = AnimationSession(case.model, exact=exact, chunk=2)
    swapped = list(
        swap_parts(
            session,
            case.arrays["source"],
            case.arrays["driving"],
            case.values["args"][chosen],
            hard=hard,
            of_source=of_source,
        )
    )
    case.is_near(torch.cat([part.images for part in swapped]), f"{name}/prediction")
    assert all(part.mask.shape[1:] == (1, 64, 64) for part in swapped)


def test_masks_of_all_parts_are_everything(family_case: Callable[..., Case]) -> None:
    case = family_case(PART_SWAP, single=True)
    found = detect_parts(AnimationSession(case.model), case.arrays["driving"])
    assert len(found) == 3
    assert found.count == 11
    near(mask_of(found.masks, range(11)), torch.ones(3, 1, 16, 16))


def test_bad_input(family_case: Callable[..., Case], make: Callable[..., MotionModel]) -> None:
    case = family_case(PART_SWAP, single=True)
    session = AnimationSession(case.model)
    pictures = case.arrays["driving"]
    for parts, got in (([11], "got 11"), ([-1, 3], "got -1"), ([], "got none")):
        with pytest.raises(KeypointError, match=rf"from 0 \(the background\) to 10; {got}"):
            next(swap_parts(session, pictures[:1], pictures, parts))
    with pytest.raises(ImageError, match="one source image; got 3"):
        next(swap_parts(session, pictures, pictures, [1]))
    with pytest.raises(ImageError, match=r"of the source's size, \[64, 64\]; got \[64, 32\]"):
        next(swap_parts(session, pictures[:1], pictures[..., :32], [1]))
    with pytest.raises(KeypointError, match="swaps parts between images"):
        session.prepare(pictures[:1])
    with pytest.raises(KeypointError, match="expected a model of part swap"):
        detect_parts(AnimationSession(make()), pictures)


def test_parts_are_chosen_once() -> None:
    assert chosen_parts([3, 1, 3], 5) == [1, 3]
