"""A small case of MRAA that comes with the tests: the published code's numbers, without the other reference data.

`tests/data/parity-family` holds a checkpoint with seeded weights in torch's old format, two driving frames, and of what
the published code computed in float64 the regions, the transferred ones, and one frame with its flow.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from family_cases import Case

DATA = Path(__file__).parents[2] / "data" / "parity-family"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(DATA, "mraa-bg", tmp_path_factory.mktemp("family"))


def test_regions(case: Case) -> None:
    for who in ("source", "driving"):
        found = case.found(who)
        assert found.jacobian is not None
        assert found.covariance is not None
        for got, name in ((found.position, "shift"), (found.jacobian, "affine"), (found.covariance, "covar")):
            case.is_near(got, f"region_{who}/{name}")


@torch.no_grad()
def test_a_frame_of_relative_motion(case: Case) -> None:
    moved = case.moved("relative")
    assert moved.jacobian is not None
    assert moved.covariance is not None
    for got, name in ((moved.position, "shift"), (moved.jacobian, "affine"), (moved.covariance, "covar")):
        case.is_near(got, f"relative/new_{name}")
    frames = case.model(case.arrays["source"], case.found("source"), moved[-1])
    assert frames.motion is not None
    assert frames.motion.occlusion is not None
    case.is_near(frames.images, "relative/prediction")
    case.is_near(frames.motion.flow, "relative/optical_flow")
    case.is_near(frames.motion.occlusion, "relative/occlusion_map")


def test_it_would_be_seen_where_a_region_was_wrong(case: Case) -> None:
    with pytest.raises(AssertionError):
        case.is_near(case.found("source").position + 1e-4, "region_source/shift")
