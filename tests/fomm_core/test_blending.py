"""The warped source blended into the frame (`GeneratorConfig.blend_source`)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import load_model, save_model
from fomm_nodes.fomm_core.config import PRESETS, MotionModelConfig
from fomm_nodes.fomm_core.errors import ConfigError
from fomm_nodes.fomm_core.geometry import Motion, coordinate_grid
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.session import AnimationSession
from nearness import NETWORK, near
from torch import Tensor


@pytest.fixture
def blending(make) -> MotionModel:
    config = make().config
    return make(config, generator=replace(config.generator, blend_source=True)).eval()


@pytest.fixture
def source() -> Tensor:
    return torch.rand(1, 3, 64, 64)


def still(source: Tensor, shown: float) -> Motion:
    """Nothing moves; `shown` of every pixel comes from the source."""
    grid = coordinate_grid(32, 32, like=source)[None]
    return Motion(grid, torch.full((1, 1, 32, 32), shown), torch.ones(1, 6, 32, 32))


def test_what_is_not_occluded_is_the_source_itself(blending, source) -> None:
    near(blending.generator(source, still(source, 1.0)), source)


def test_what_is_occluded_is_painted(blending, source) -> None:
    motion = still(source, 0.0)
    generator = blending.generator
    assert torch.equal(
        generator(source, motion), generator.decode(generator.move(generator.encode(source)[-1], motion))
    )


@torch.no_grad()
def test_between_them_it_is_a_mixture(blending, source) -> None:
    motion, generator = still(source, 0.25), blending.generator
    painted = generator.decode(generator.move(generator.encode(source)[-1], motion))
    near(generator(source, motion), 0.75 * painted + 0.25 * source)


@torch.no_grad()
def test_a_model_that_did_not_learn_it_paints_everything(make, source) -> None:
    motion, generator = still(source, 1.0), make().eval().generator
    assert torch.equal(
        generator(source, motion), generator.decode(generator.move(generator.encode(source)[-1], motion))
    )


@torch.no_grad()
@pytest.mark.parametrize("exact", [True, False])
def test_a_session_blends_as_the_model_does(blending, source, exact: bool) -> None:
    driving = torch.rand(3, 3, 64, 64)
    session = AnimationSession(blending, exact=exact, chunk=2)
    prepared, keypoints = session.prepare(source), session.detect(driving)
    images = torch.cat([rendered.images for rendered in session.render(prepared, keypoints)])
    expected = blending(source, blending.detect(source), blending.detect(driving)).images
    near(images, expected, NETWORK)


def test_files_keep_it_and_older_ones_do_without(blending, tmp_path) -> None:
    save_model(blending, tmp_path / "mine.safetensors")
    assert load_model(tmp_path / "mine.safetensors").config.generator.blend_source
    values = PRESETS["vox-256"].to_dict()
    del values["generator"]["blend_source"]
    assert MotionModelConfig.from_dict(values) == PRESETS["vox-256"]


def test_it_needs_an_occlusion_map() -> None:
    with pytest.raises(ConfigError, match="estimate_occlusion_map"):
        replace(PRESETS["vox-256"].generator, blend_source=True, estimate_occlusion_map=False)
