"""Configurations from strangers: types and bounds of every field, and what they cost, without building."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core import model as model_module
from fomm_nodes.fomm_core.checkpoints import load_model, read_checkpoint, save_model
from fomm_nodes.fomm_core.config import PRESETS, MotionModelConfig
from fomm_nodes.fomm_core.cost import Cost, check_cost, cost_of
from fomm_nodes.fomm_core.errors import CheckpointError, ConfigError, FommError, TrainingError
from fomm_nodes.fomm_core.model import MotionModel, build_discriminator
from fomm_nodes.fomm_core.official import config_from_official, config_from_yaml
from fomm_nodes.fomm_core.training.config import TrainingConfig
from fomm_nodes.fomm_core.training.presets import training_preset
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

VOX = PRESETS["vox-adv-256"]
STRANGE: tuple[Any, ...] = (
    *(20_000, 10**9, 10**400, 1e-4, -1, 1e308, math.nan, math.inf, [1], (), {}, "5", "", None, True, [[1, 2], [3]]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def places(values: dict[str, Any], before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every value, parts included."""
    return [
        path
        for name, value in values.items()
        for path in ((*before, name), *(places(value, (*before, name)) if isinstance(value, dict) else ()))
    ]


def changed(values: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(values))
    part = made
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return made


@pytest.fixture
def never_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object, **__: object) -> None:
        raise AssertionError("a network was built")

    for name in ("KeypointDetector", "DenseMotionNetwork", "OcclusionAwareGenerator"):
        monkeypatch.setattr(model_module, name, build)


@pytest.mark.parametrize("path", places(VOX.to_dict()), ids=".".join)
def test_every_field_has_a_type_and_bounds(path: tuple[str, ...]) -> None:
    accepted, refused = [], []
    for value in STRANGE:
        try:
            config = MotionModelConfig.from_dict(changed(VOX.to_dict(), path, value))
            hash(config)
            accepted.append(value)
        except ConfigError as problem:
            refused.append(str(problem))
    assert all((path[-1] in text or "does not fit" in text) and len(text) < 600 for text in refused)
    lists = [value for value in accepted if isinstance(value, (list, tuple, dict, str))]
    assert lists == ([[1], ()] if path[-1] == "scales" else [])


@given(st.sampled_from(places(VOX.to_dict())), JSON)
def test_any_json_is_a_configuration_or_refused(path: tuple[str, ...], value: Any) -> None:
    try:
        config = MotionModelConfig.from_dict(changed(VOX.to_dict(), path, value))
        check_cost(config)
    except (CheckpointError, ConfigError):
        return
    assert MotionModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@given(JSON)
def test_any_json_at_all_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError):
        MotionModelConfig.from_dict(value)


@pytest.mark.parametrize("name", PRESETS)
def test_cost_is_that_of_the_model(name: str) -> None:
    config = PRESETS[name]
    with torch.device("meta"):
        model, discriminator = MotionModel(config), build_discriminator(config)
    assert cost_of(config).parameters == model.num_parameters
    judge = 0 if discriminator is None else sum(parameter.numel() for parameter in discriminator.parameters())
    assert cost_of(config).discriminator == judge
    check_cost(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({("generator", "num_bottleneck_blocks"): 20_000}, "num_bottleneck_blocks.*from 0 to 64.*20000"),
        ({("detector", "num_blocks"): 20_000}, "num_blocks.*from 1 to 12.*20000"),
        ({("detector", "scale_factor"): 1e-4}, "scale_factor.*0.0001"),
        ({("num_channels",): 10**9}, "num_channels.*1000000000"),
        ({("generator", "max_features"): [1, 2]}, "max_features.*a list of 2"),
        ({("generator", "block_expansion"): 8192, ("generator", "max_features"): 65_536}, r"at most 1,000,000,000 par"),
        ({("frame_size",): [16_384, 16_384]}, "bytes for weights and one frame"),
        ({("frame_size",): [1, 16_384]}, "bytes for weights and one frame"),
        ({("detector", "num_blocks"): 12, ("detector", "scale_factor"): 1 / 255}, "bytes for weights and one frame"),
    ],
)
def test_a_file_that_asks_for_too_much_is_refused_unbuilt(
    tmp_path: Path, never_built: None, changes: dict[tuple[str, ...], Any], message: str
) -> None:
    values = VOX.to_dict()
    for path, value in changes.items():
        values = changed(values, path, value)
    file = tmp_path / "strange.safetensors"
    notes = {"format": "fomm", "format_version": "1", "config": json.dumps(values)}
    save_file({"detector.heatmap_head.weight": torch.zeros(1)}, file, metadata=notes)
    with pytest.raises(CheckpointError, match=message):
        load_model(file)


def test_the_limit_may_be_raised(tmp_path: Path, small_config: MotionModelConfig) -> None:
    path = tmp_path / "a.safetensors"
    save_model(MotionModel(small_config), path)
    with pytest.raises(CheckpointError, match="at most 10 parameters; its configuration asks for"):
        load_model(path, most=Cost(10, 10, 10))
    assert load_model(path).config == small_config


@pytest.mark.parametrize(("name", "value"), [("format_version", "²"), ("format_version", "9" * 5000), ("epoch", "²")])
def test_numbers_in_metadata(tmp_path: Path, small_config: MotionModelConfig, name: str, value: str) -> None:
    path = tmp_path / "a.safetensors"
    save_model(MotionModel(small_config), path)
    with safe_open(path, framework="pt") as file:
        notes, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    del notes["checksum"]
    save_file(tensors, path, metadata={**notes, name: value})
    if name == "epoch":
        assert read_checkpoint(path).epoch is None
    else:
        with pytest.raises(CheckpointError, match="format version"):
            read_checkpoint(path)


@pytest.mark.parametrize("config", ["5", "[]", "null", "{}", "[" * 100_000, '{"frame_size": 7}', '"a"', "NaN"])
def test_metadata_that_is_no_configuration(tmp_path: Path, config: str) -> None:
    path = tmp_path / "a.safetensors"
    notes = {"format": "fomm", "format_version": "1", "config": config}
    save_file({"detector.heatmap_head.weight": torch.zeros(1)}, path, metadata=notes)
    with pytest.raises(CheckpointError):
        load_model(path)


def test_a_tensor_that_is_not_stored_whole(tmp_path: Path, small_config: MotionModelConfig) -> None:
    """Without a pass over its 10**12 numbers."""
    state = MotionModel(small_config).state_dict()
    state["detector.heatmap_head.bias"] = torch.zeros(1).expand(10**12)
    path = tmp_path / "a.pth"
    networks: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        network, _, name = key.partition(".")
        networks.setdefault({"detector": "kp_detector"}.get(network, network), {})[name] = value
    torch.save(networks, path)
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_pictures_far_larger_than_in_training_stay_within_bounds() -> None:
    config = replace(VOX, frame_size=(16, 16)).for_size(16 * 1024, 16 * 1024)
    assert config.detector.scale_factor >= 1 / 256


TRAINING = training_preset("vox-adv-256")[1]


@pytest.mark.parametrize("path", places(TRAINING.to_dict()), ids=".".join)
def test_every_field_of_a_training_has_a_type_and_bounds(path: tuple[str, ...]) -> None:
    for value in STRANGE:
        try:
            config = TrainingConfig.from_dict(changed(TRAINING.to_dict(), path, value))
        except TrainingError:
            continue
        hash(config)
        assert not isinstance(value, (dict, list)) or value == [1]


@given(st.sampled_from(["model_params", "dataset_params", "train_params"]), JSON)
def test_a_published_layout_with_anything_in_it(part: str, value: Any) -> None:
    common = {"num_kp": 10, "num_channels": 3}
    hourglass = {"block_expansion": 8, "max_features": 8, "num_blocks": 2, "temperature": 0.1}
    generator = {"block_expansion": 8, "max_features": 8, "num_down_blocks": 2, "num_bottleneck_blocks": 2}
    good = {"common_params": common, "kp_detector_params": hourglass, "generator_params": generator}
    with_it = {"model_params": good, part: value}
    for name in good:
        for values in (
            with_it,
            {"model_params": {**good, name: value}},
            {"model_params": {**good, name: {"sn": value}}},
        ):
            with contextlib.suppress(FommError):
                config_from_official(values)


@pytest.mark.parametrize("text", ["[" * 5000, "a: &a [*a]", "model_params: 5", "5", "", "\0", "a: 1e999"])
def test_yaml_of_strangers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        config_from_yaml(path)
