"""Published files, ours, and the way between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import (
    builtin_models,
    convert,
    load_builtin,
    load_discriminator,
    load_model,
    read_checkpoint,
    recognise,
    save_model,
)
from fomm_nodes.fomm_core.checkpoints.keys import TABLES, ours_from_published, published_from_ours, scale_name
from fomm_nodes.fomm_core.checkpoints.recognise import expected_discriminator_shapes, expected_shapes
from fomm_nodes.fomm_core.config import PRESETS, MotionModelConfig
from fomm_nodes.fomm_core.errors import CheckpointError

DATA = Path(__file__).parent.parent.parent / "data" / "parity"
CASES = sorted(path.name.removesuffix(".pth.tar") for path in DATA.glob("*.pth.tar"))
PUBLISHED = [name for name, config in PRESETS.items() if name.endswith("-256") and config.family == "fomm"]


def published_file(path: Path, config: MotionModelConfig, *, prefix: str = "") -> Path:
    """A full-size file in the published layout; each tensor is one number repeated, so that it stays small."""
    shapes = {**expected_shapes(config), **expected_discriminator_shapes(config)}
    state = {
        key: torch.zeros(shape, dtype=torch.long)
        if key.endswith("num_batches_tracked")
        else torch.full((1,), 0.01).expand(shape)
        for key, shape in shapes.items()
    }
    assert config.discriminator is not None
    networks = published_from_ours(state, config.discriminator.scales)
    content = {name: {prefix + key: value for key, value in network.items()} for name, network in networks.items()}
    torch.save({**content, "epoch": 99, "optimizer_generator": {"state": {}, "param_groups": []}}, path)
    return path


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_preset_loads_the_published_layout(tmp_path, name: str, prefix: str) -> None:
    path = published_file(tmp_path / f"{name}.pth.tar", PRESETS[name], prefix=prefix)
    model = load_model(path, preset_name=name)
    assert model.config == PRESETS[name]
    assert model.num_parameters == 45_575_391 + 14_215_368 - (0 if name != "mgif-256" else 9 * 4 * (35 * 49 + 1))
    recognised = read_checkpoint(path)
    assert recognised.config == PRESETS[name]
    assert name in recognised.presets
    assert recognised.left_out == ("optimizer_generator",)
    assert load_discriminator(recognised) is not None


def test_names_choose_among_equal_presets(tmp_path) -> None:
    path = published_file(tmp_path / "unknown.pth.tar", PRESETS["taichi-256"])
    checkpoint = read_checkpoint(path)
    assert checkpoint.presets == ("taichi-256", "fashion-256")
    assert recognise(checkpoint.state, file_name="fashion.pth.tar") == PRESETS["fashion-256"]


@pytest.mark.parametrize("case", CASES)
def test_shapes_are_recognised_without_a_preset(case: str) -> None:
    checkpoint = read_checkpoint(DATA / f"{case}.pth.tar")
    model = load_model(DATA / f"{case}.pth.tar")
    assert model.config == checkpoint.config
    assert checkpoint.config.estimate_jacobian == (case != "zero-order")
    assert checkpoint.config.generator.estimate_occlusion_map == (case not in ("zero-order", "no-motion"))
    assert (checkpoint.config.dense_motion is None) == (case == "no-motion")
    assert checkpoint.config.detector.scale_factor == (1 if case == "full-resolution" else 0.5)
    assert checkpoint.config.detector.single_jacobian_map == (case == "single-jacobian")
    assert load_discriminator(checkpoint) is not None


@pytest.mark.parametrize("case", CASES)
def test_conversion_there_and_back_is_bit_identical(tmp_path, case: str) -> None:
    original = DATA / f"{case}.pth.tar"
    converted, back = tmp_path / "model.safetensors", tmp_path / "model.pth.tar"
    convert(original, converted)
    convert(converted, back)
    first, middle, last = (read_checkpoint(path) for path in (original, converted, back))
    assert set(first.state) == set(middle.state) == set(last.state)
    for key, tensor in first.state.items():
        for other in (middle, last):
            assert other.state[key].dtype == tensor.dtype
            assert torch.equal(other.state[key], tensor), key
    assert first.config == middle.config
    assert first.epoch == middle.epoch == last.epoch == 3
    raw, again = (torch.load(path, weights_only=True) for path in (original, back))
    for network in ("generator", "kp_detector", "discriminator"):
        stripped = {key.removeprefix("module."): value for key, value in raw[network].items()}
        assert set(stripped) == set(again[network])
        assert all(torch.equal(again[network][key], value) for key, value in stripped.items())


def test_the_warp_convention_is_stored(tmp_path) -> None:
    source = DATA / "full-resolution.pth.tar"
    config = replace(read_checkpoint(source).config, align_corners=False)
    convert(source, tmp_path / "model.safetensors", config=config, metadata={"licence": "MIT"})
    stored = read_checkpoint(tmp_path / "model.safetensors")
    assert stored.config == config
    assert stored.metadata["warp_convention"] == "grid_sample(align_corners=False)"
    assert stored.metadata["licence"] == "MIT"
    assert stored.metadata["format_version"] == "1"


def test_another_scale_recomputes_the_kernels() -> None:
    path = DATA / "first-order.pth.tar"
    config = read_checkpoint(path).config.reduced(2)
    model = load_model(path, config=config)
    assert model.detector.downsample is not None
    assert model.detector.downsample.scale == 0.25
    assert model.detector.downsample.kernel.shape[-1] == 13


def test_old_files_lack_counters_and_second_vectors(tmp_path) -> None:
    content = torch.load(DATA / "first-order.pth.tar", weights_only=True)
    for network in ("generator", "kp_detector", "discriminator"):
        content[network] = {
            key: value
            for key, value in content[network].items()
            if not key.endswith(("num_batches_tracked", "weight_v"))
        }
    torch.save(content, tmp_path / "old.pth.tar", _use_new_zipfile_serialization=False)
    assert load_model(tmp_path / "old.pth.tar").num_parameters > 0
    assert load_discriminator(read_checkpoint(tmp_path / "old.pth.tar")) is not None


def test_saving_a_model(tmp_path, make) -> None:
    model = make()
    save_model(model, tmp_path / "mine.safetensors", metadata={"title": "mine"})
    loaded = load_model(tmp_path / "mine.safetensors")
    assert loaded.name == "mine"
    assert loaded.config == model.config
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in loaded.state_dict().items())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training


def test_the_built_in_model_loads_and_has_a_card() -> None:
    model = load_builtin()
    assert model.config == PRESETS["demo-128"]
    card = read_checkpoint(builtin_models()["demo-128"]).metadata
    assert "mouths" in card["about"].lower()
    assert card["licence"] == "MIT"
    with pytest.raises(CheckpointError, match="demo-128, demo-128-acting; got 'best'"):
        load_builtin("best")


@pytest.mark.parametrize("layout", TABLES)
def test_the_key_table_has_no_two_ways(layout: str) -> None:
    for column in (0, 1):
        rows = [row[column] for row in TABLES[layout]]
        assert len(set(rows)) == len(rows)


def test_scales_in_key_names() -> None:
    assert [scale_name(scale) for scale in (1.0, 0.5, 0.25)] == ["1", "0-5", "0-25"]
    keys = {f"discriminator.discs.{name}.conv.bias": torch.zeros(1) for name in ("1", "0-5")}
    state, unknown = ours_from_published(keys)
    assert unknown == []
    assert set(published_from_ours(state, (1.0, 0.5))["discriminator"]) == {"discs.1.conv.bias", "discs.0-5.conv.bias"}
