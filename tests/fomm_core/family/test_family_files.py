"""Files of the other families: recognised by their networks and shapes, loaded strictly, converted to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from family_cases import MRAA, PART_SWAP, TPS, Case
from fomm_nodes.fomm_core.checkpoints import convert, load_model, read_checkpoint
from fomm_nodes.fomm_core.config import PRESETS
from fomm_nodes.fomm_core.errors import CheckpointError

FILES = {
    "tps-vox-256": ("tps", "vox-256.yaml", "vox.pth.tar"),
    "tps-taichi-256": ("tps", "taichi-256.yaml", "taichi.pth.tar"),
    "tps-ted-384": ("tps", "ted-384.yaml", "ted.pth.tar"),
    "tps-mgif-256": ("tps", "mgif-256.yaml", "mgif.pth.tar"),
    "mraa-vox-256": ("mraa", "vox256.yaml", "vox256.pth"),
    "mraa-taichi-256": ("mraa", "taichi256.yaml", "taichi256.pth"),
    "mraa-ted-384": ("mraa", "ted384.yaml", "ted384.pth"),
    "mraa-ted-youtube-384": ("mraa", "ted-youtube384.yaml", "ted-youtube384.pth"),
    "mraa-mgif-256": ("mraa", "mgif256.yaml", "mgif256.pth"),
    "partswap-vox-5segments-256": ("partswap", "vox-256-sem-5segments.yaml", "vox-5segments.pth.tar"),
    "partswap-vox-10segments-256": ("partswap", "vox-256-sem-10segments.yaml", "vox-10segments.pth.tar"),
    "partswap-vox-15segments-256": ("partswap", "vox-256-sem-15segments.yaml", "vox-15segments.pth.tar"),
    "partswap-taichi-256": ("partswap", "taichi-256-sem.yaml", "taichi-10segments.pth.tar"),
    "partswap-vox-first-order-256": ("partswap", "vox-256-sem-10segments.yaml", "vox-first-order.pth.tar"),
}
"""Of each preset: its model and configuration in `published-keys.json`, and the name of a file."""


def published_file(folder: Path, preset: str, path: Path, *, without: tuple[str, ...] = ()) -> Path:
    """A full-size file with the published keys and shapes; each tensor is one number, so that it stays small."""
    model, config, _ = FILES[preset]
    entry = next(e for e in json.loads((folder / "published-keys.json").read_text())[model] if config in e["configs"])
    content = {
        network: {
            key: torch.zeros(shape, dtype=torch.long)
            if key.endswith("num_batches_tracked")
            else torch.full((1,), 0.01).expand(shape)
            for key, shape in keys.items()
        }
        for network, keys in entry["keys"].items()
        if network not in without
    }
    torch.save({**content, "epoch": 99, "optimizer": {"state": {}}}, path)
    return path


@pytest.mark.parametrize("preset", FILES)
def test_every_published_configuration_loads_strictly(preset: str, family_folder: Path, tmp_path: Path) -> None:
    path = published_file(family_folder, preset, tmp_path / FILES[preset][2])
    checkpoint = read_checkpoint(path)
    assert checkpoint.config == PRESETS[preset]
    assert preset in checkpoint.presets
    assert checkpoint.left_out == ("optimizer",)
    model = load_model(path)
    assert model.config == PRESETS[preset]
    assert set(model.state_dict()) == set(checkpoint.state)


@pytest.mark.parametrize(
    ("network", "field"), [("avd_network", "avd"), ("bg_predictor", "background")], ids=["avd", "background"]
)
@pytest.mark.parametrize("preset", ["tps-ted-384", "mraa-vox-256"])
def test_a_file_may_lack_what_not_every_training_makes(
    preset: str, network: str, field: str, family_folder: Path, tmp_path: Path
) -> None:
    path = published_file(family_folder, preset, tmp_path / FILES[preset][2], without=(network,))
    assert read_checkpoint(path).config == replace(PRESETS[preset], **{field: None})
    assert preset in read_checkpoint(path).presets
    model = load_model(path, preset_name=preset)
    assert getattr(model, field) is None
    assert getattr(load_model(published_file(family_folder, preset, path)), field) is not None


@pytest.mark.parametrize("preset", ["tps-vox-256", "mraa-vox-256"])
def test_half_a_background_predictor_is_refused(preset: str, family_folder: Path, tmp_path: Path) -> None:
    path = published_file(family_folder, preset, tmp_path / FILES[preset][2])
    content = torch.load(path, weights_only=True)
    content["bg_predictor"] = {key: value for key, value in content["bg_predictor"].items() if "fc" not in key}
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"background"):
        load_model(path)


def test_a_name_decides_where_shapes_cannot(family_folder: Path, tmp_path: Path) -> None:
    path = published_file(family_folder, "mraa-taichi-256", tmp_path / "mine.pth")
    with pytest.raises(CheckpointError, match=r"'vox' \(mraa-vox-256\) or 'taichi'.*got 'mine.pth'.*Choose the preset"):
        read_checkpoint(path)
    assert read_checkpoint(path, preset_name="mraa-ted-384").config == PRESETS["mraa-ted-384"]
    published_file(family_folder, "mraa-vox-256", path, without=("bg_predictor",))  # MGif's never had one
    with pytest.raises(CheckpointError, match=r"'vox' \(mraa-vox-256\).*or 'mgif' \(mraa-mgif-256\)"):
        read_checkpoint(path)


def test_a_name_that_says_nothing_is_told_where_it_matters_little(
    family_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = published_file(family_folder, "tps-ted-384", tmp_path / "mine.pth")
    assert read_checkpoint(path).config == PRESETS["tps-vox-256"]
    assert "'ted' (tps-ted-384), and its name says nothing: tps-vox-256 is assumed" in caplog.text


def test_presets_of_another_family_are_refused(family_folder: Path, tmp_path: Path) -> None:
    path = published_file(family_folder, "tps-vox-256", tmp_path / "vox.pth.tar")
    with pytest.raises(CheckpointError, match=r"configuration of a Thin-Plate.*got one of a First Order"):
        read_checkpoint(path, preset_name="vox-256")


def test_a_missing_network_is_named(family_folder: Path, tmp_path: Path) -> None:
    for preset, missing in (("tps-vox-256", "dense_motion_network"), ("mraa-vox-256", "generator")):
        path = published_file(family_folder, preset, tmp_path / FILES[preset][2], without=(missing,))
        with pytest.raises(CheckpointError, match=f"expected '{missing}'"):
            read_checkpoint(path)


@pytest.mark.parametrize("name", [*TPS, *MRAA, PART_SWAP])
def test_converted_there_and_back_to_the_bit(name: str, family_case: Callable[..., Case], tmp_path: Path) -> None:
    case = family_case(name, single=True)
    ours, back = tmp_path / "a.safetensors", tmp_path / "back.pth.tar"
    convert(case.checkpoint, ours, config=case.config)
    convert(ours, back)
    was = torch.load(case.checkpoint, weights_only=True)
    became = torch.load(back, weights_only=True)
    assert set(became) == set(was) - {"epoch_avd"}  # MRAA counts its second phase too
    for network, tensors in ((name, was[name]) for name in became):
        if not isinstance(tensors, dict):
            assert became[network] == tensors
            continue
        assert set(became[network]) == set(tensors)
        for key, tensor in tensors.items():
            assert torch.equal(became[network][key], tensor)
            assert became[network][key].dtype == tensor.dtype
    assert read_checkpoint(ours).config == read_checkpoint(case.checkpoint, config=case.config).config


def test_part_swap_keeps_its_layout(family_folder: Path, family_case: Callable[..., Case], tmp_path: Path) -> None:
    case = family_case(PART_SWAP, single=True)
    modules = family_folder / "partswap-small-modules.pth.tar"
    first, second = (read_checkpoint(path, config=case.config) for path in (case.checkpoint, modules))
    assert set(first.state) == set(second.state)
    assert all(torch.equal(tensor, second.state[key]) for key, tensor in first.state.items())
    convert(modules, tmp_path / "a.safetensors", config=case.config)
    convert(tmp_path / "a.safetensors", tmp_path / "back.pth.tar")
    assert {"segmentation_module", "reconstruction_module"} <= set(
        torch.load(tmp_path / "back.pth.tar", weights_only=True)
    )


@pytest.mark.parametrize("name", [*TPS, *MRAA, PART_SWAP])
def test_small_models_are_read_off_their_shapes(name: str, family_case: Callable[..., Case]) -> None:
    """All but what no shape tells: the padding, and MRAA's switches."""
    case = family_case(name, single=True)
    found = read_checkpoint(case.checkpoint).config
    assert found.family == case.config.family
    assert found.num_keypoints == case.config.num_keypoints
    assert found.avd == case.config.avd or "avd_network" not in torch.load(case.checkpoint, weights_only=True)
    if name in (*TPS, PART_SWAP):
        widest = replace(case.config.generator, max_features=found.generator.max_features)  # no layer is as wide
        assert replace(found, avd=None) == replace(case.config, avd=None, generator=widest)
    load_model(case.checkpoint)


def test_first_order_files_are_what_they_were() -> None:
    """No key of a later version is written where nothing asks for it."""
    values = PRESETS["vox-256"].to_dict()
    assert set(values) == {
        *("frame_size", "num_keypoints", "num_channels", "estimate_jacobian", "align_corners"),
        *("detector", "generator", "dense_motion", "discriminator"),
    }
    assert set(values["generator"]) == {
        *("block_expansion", "max_features", "num_down_blocks", "num_bottleneck_blocks"),
        *("estimate_occlusion_map", "blend_source"),
    }
    assert PRESETS["vox-256"].format_version == 1
    assert PRESETS["mraa-vox-256"].format_version == 2
