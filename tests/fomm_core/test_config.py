from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fomm_nodes import fomm_core
from fomm_nodes.fomm_core.config import PRESETS, MotionModelConfig, preset
from fomm_nodes.fomm_core.errors import ConfigError, SizeError
from fomm_nodes.fomm_core.official import config_from_official, config_from_yaml
from hypothesis import given
from hypothesis import strategies as st

VOX = PRESETS["vox-256"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", PRESETS)
def test_stored_form_is_exact(name: str) -> None:
    stored = json.loads(json.dumps(PRESETS[name].to_dict()))
    assert MotionModelConfig.from_dict(stored) == PRESETS[name]


def test_stored_form_must_be_complete() -> None:
    stored = VOX.to_dict()
    del stored["detector"]["temperature"]
    with pytest.raises(ConfigError, match="temperature"):
        MotionModelConfig.from_dict(stored)


def test_unknown_preset_names_the_choices() -> None:
    with pytest.raises(ConfigError, match=r"vox-256.*got 'nope'"):
        preset("nope")


def test_published_models_need_multiples_of_128() -> None:
    assert VOX.size_multiple() == 128
    assert PRESETS["demo-64"].size_multiple() == 32


@given(height=st.integers(1, 2000), width=st.integers(1, 2000))
def test_nearest_size_fits_and_is_nearest(height: int, width: int) -> None:
    good = VOX.nearest_size(height, width)
    VOX.check_size(*good)
    for length, found in zip((height, width), good, strict=True):
        assert all(abs(found - length) <= abs(other - length) for other in range(128, 2304, 128))


def test_bad_size_names_the_good_ones_nearby() -> None:
    with pytest.raises(SizeError, match=r"multiples of 128; got 300x200.*256 or 384.*128 or 256"):
        VOX.check_size(200, 300)
    with pytest.raises(SizeError):
        VOX.check_size(0, 128)


@pytest.mark.parametrize(
    ("size", "scale"), [((256, 256), 0.25), ((512, 512), 0.125), ((1024, 1024), 0.0625), ((384, 384), 0.25)]
)
def test_larger_pictures_are_shown_more_reduced(size: tuple[int, int], scale: float) -> None:
    config = VOX.for_size(*size)
    assert config.detector.scale_factor == scale
    assert config.dense_motion is not None
    assert config.dense_motion.scale_factor == scale
    config.check_size(*size)
    assert config.for_size(*size) == config
    assert replace(config, frame_size=(256, 256), detector=VOX.detector, dense_motion=VOX.dense_motion) == VOX


def test_automatic_sizes_are_comfortable() -> None:
    assert VOX.auto_size() == (256, 256)
    assert PRESETS["demo-64"].auto_size() == (256, 256)
    assert replace(VOX, frame_size=(384, 256)).auto_size() == (384, 256)
    assert replace(VOX, frame_size=(110, 220)).auto_size() == (330, 660)  # 2.3 times would do: whole ones only, upwards


def test_smaller_pictures_keep_the_scale() -> None:
    assert VOX.for_size(128, 256) == VOX


YAML = """
dataset_params: {frame_shape: [256, 256, 3], root_dir: somewhere}
model_params:
  common_params: {num_kp: 10, num_channels: 3, estimate_jacobian: True}
  kp_detector_params:
     {temperature: 0.1, block_expansion: 32, max_features: 1024, scale_factor: 0.25, num_blocks: 5, MORE}
  generator_params:
    {block_expansion: 64, max_features: 512, num_down_blocks: 2, num_bottleneck_blocks: 6,
     estimate_occlusion_map: True,
     dense_motion_params: {block_expansion: 64, max_features: 1024, num_blocks: 5, scale_factor: 0.25}}
  discriminator_params: {scales: [1], block_expansion: 32, max_features: 512, num_blocks: 4, DISC}
train_params: {num_epochs: 100}
"""


@pytest.mark.parametrize(
    ("more", "disc", "expected"),
    [
        ("", "sn: True", "vox-256"),
        ("", "use_kp: True", "vox-adv-256"),
        ("", "", "taichi-256"),
        ("single_jacobian_map: True", "sn: True", "mgif-256"),
    ],
)
def test_published_yaml(tmp_path, more: str, disc: str, expected: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(YAML.replace("MORE", more).replace("DISC", disc))
    assert config_from_yaml(path) == PRESETS[expected]
    assert config_from_yaml(path, align_corners=False).align_corners is False


@pytest.mark.parametrize(
    "name", [name for name, config in PRESETS.items() if config.family == "fomm" and "demo" not in name]
)
def test_presets_equal_the_published_files(shared, name: str) -> None:
    """The parity data keeps each published configuration, with smaller widths: all else must be the preset's."""
    values = json.loads((shared / "parity" / f"{name}-small-64.json").read_text())["config"]
    got, want = config_from_official(values), PRESETS[name]
    assert got.discriminator is not None
    assert want.discriminator is not None
    assert (got.frame_size, got.num_keypoints, got.estimate_jacobian) == (
        want.frame_size,
        want.num_keypoints,
        want.estimate_jacobian,
    )
    assert got.detector.single_jacobian_map == want.detector.single_jacobian_map
    assert got.discriminator.spectral_norm == want.discriminator.spectral_norm
    assert got.discriminator.use_keypoints == want.discriminator.use_keypoints
    assert got.detector.scale_factor == want.detector.scale_factor


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "expected a YAML mapping"),
        ("a: [", "readable YAML"),
        ("other: 1", "model_params"),
        (YAML.replace("MORE", "colour: 3").replace("DISC", ""), "colour"),
        (YAML.replace("temperature: 0.1, ", "").replace("MORE", "").replace("DISC", ""), "temperature"),
        ("!!python/object/apply:os.system ['true']", "readable YAML"),
    ],
)
def test_bad_yaml(tmp_path, text: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        config_from_yaml(path)


def test_missing_yaml(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        config_from_yaml(tmp_path / "none.yaml")


def test_the_core_is_imported_name_by_name() -> None:
    script = "import sys, fomm_nodes.fomm_core.errors; assert 'torch' not in sys.modules; "
    script += "import fomm_nodes.fomm_core as core; [getattr(core, name) for name in core.__all__]; "
    script += "assert set(core.__all__) <= set(dir(core))"
    bound = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmarks.__main__ import bind_checkout as b; b(); "
    subprocess.run([sys.executable, "-c", bound + script], check=True, timeout=120)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        fomm_core.Nonsense  # noqa: B018
