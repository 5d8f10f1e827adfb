"""Exported files compute what the model does, at any size and count of frames."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, drive
from fomm_nodes.fomm_core.checkpoints import load_builtin
from fomm_nodes.fomm_core.config import preset
from fomm_nodes.fomm_core.errors import CheckpointError, FommError, SizeError
from fomm_nodes.fomm_core.fitting import from_uint8, to_uint8
from fomm_nodes.fomm_core.model import MotionModel
from nearness import NETWORK, steps_near
from PIL import Image

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from fomm_nodes.fomm_core.exporting import FILES, MANIFEST, compare, export_onnx, read_manifest  # noqa: E402

SIZES = ((64, 64), (64, 96), (96, 72))
HALF = 2e-2
"""float16 has 10 bits; a dozen layers of it lose 4 of them."""


@pytest.fixture
def variants(make: Callable[..., MotionModel]) -> dict[str, MotionModel]:
    config = make().config
    return {
        "usual": make(),
        "no jacobians": make(estimate_jacobian=False),
        "one map": make(detector=replace(config.detector, single_jacobian_map=True, pad=3)),
        "not reduced": make(
            detector=replace(config.detector, scale_factor=1.0),
            dense_motion=replace(config.dense_motion, scale_factor=1),
        ),
        "no occlusion": make(generator=replace(config.generator, estimate_occlusion_map=False)),
        "blended": make(generator=replace(config.generator, blend_source=True, num_bottleneck_blocks=2)),
        "own corners, grey": make(align_corners=False, num_channels=1),
    }


@pytest.mark.parametrize(
    "name", ["usual", "no jacobians", "one map", "not reduced", "no occlusion", "blended", "own corners, grey"]
)
def test_kinds_of_models(name: str, variants: dict[str, MotionModel], tmp_path: Path) -> None:
    model = variants[name]
    folder = export_onnx(model, tmp_path / "model")
    found = compare(folder, model, sizes=SIZES, counts=(1, 2, 5))
    assert len(found) == 9
    assert max(one.value for one in found) < NETWORK, found


def test_the_builtin_model_at_its_own_and_a_larger_size(tmp_path: Path) -> None:
    model = load_builtin()
    for size in (None, (256, 256)):
        folder = export_onnx(model, tmp_path / str(size), size=size)
        found = compare(folder, model, counts=(1, 3) if size is None else (1,))
        assert max(one.value for one in found) < NETWORK, found


def test_half_precision_is_near_and_smaller(make: Callable[..., MotionModel], tmp_path: Path) -> None:
    model = make()
    whole, half = export_onnx(model, tmp_path / "a"), export_onnx(model, tmp_path / "b", dtype=torch.float16)
    found = compare(half, model, sizes=SIZES, counts=(2,))
    assert NETWORK / 100 < max(one.value for one in found) < HALF, found
    sizes = [(folder / FILES["animator"]).stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.7 * sizes[0]
    assert (half / FILES["detector"]).read_bytes() == (whole / FILES["detector"]).read_bytes()


def test_a_wrong_weight_is_seen(make: Callable[..., MotionModel], tmp_path: Path) -> None:
    folder = export_onnx(make(seed=1), tmp_path / "model")
    assert max(one.value for one in compare(folder, make(seed=2), sizes=SIZES[:1], counts=(1,))) > 100 * NETWORK


def test_sizes_and_counts_are_free(make: Callable[..., MotionModel], tmp_path: Path) -> None:
    folder = export_onnx(make(), tmp_path / "model")
    manifest = read_manifest(folder)
    for entry in manifest["files"].values():
        model = onnx.load(folder / entry["file"])
        assert [(one.domain, one.version) for one in model.opset_import] == [("", manifest["opset"])]
        for value in (*model.graph.input, *model.graph.output):
            dims = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
            assert all(dims), (value.name, dims)
            assert "driving" not in value.name or dims[0] == "n"
    assert manifest["config"]["num_keypoints"] == manifest["keypoints"]["count"]
    assert manifest["transfer"]["smallest_determinant"] > 0


def test_exports_are_the_same_each_time(make: Callable[..., MotionModel], tmp_path: Path) -> None:
    folders = [export_onnx(make(), tmp_path / name) for name in "ab"]
    for name in (*FILES.values(), MANIFEST):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_what_is_refused(make: Callable[..., MotionModel], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="dense motion"):
        export_onnx(make(dense_motion=None), tmp_path / "a")
    with pytest.raises(SizeError, match="multiples of"):
        export_onnx(make(), tmp_path / "a", size=(65, 64))
    with pytest.raises(FommError, match="float32 or float16"):
        export_onnx(make(), tmp_path / "a", dtype=torch.bfloat16)
    assert not (tmp_path / "a").exists()


def test_a_folder_of_others_is_never_replaced(make: Callable[..., MotionModel], tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "diary.txt").write_text("dear diary")
    with pytest.raises(FommError, match="something else"):
        export_onnx(make(), folder, overwrite=True)
    assert (folder / "diary.txt").read_text() == "dear diary"
    ours = export_onnx(make(), tmp_path / "ours")
    with pytest.raises(FommError, match="exists already"):
        export_onnx(make(), ours)
    assert export_onnx(make(seed=3), ours, overwrite=True) == ours


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "none that can be read"),
        ("[1]", "holds another"),
        ('{"format": "fomm-onnx", "format_version": 99}', "Update"),
        ('{"format": "fomm-onnx", "format_version": "1"}', "Update"),
        ("[" * 100_000, "none that can be read"),
        (" " * (1 << 20) + "{}", "at most 1 MiB"),
    ],
)
def test_damaged_manifests(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_manifest(tmp_path)


@pytest.mark.slow
def test_the_example_makes_the_frames_that_the_library_makes(root: Path, tmp_path: Path) -> None:
    """Without torch: its process could not import it."""
    model = load_builtin()
    folder = export_onnx(model, tmp_path / "model")
    clip = tmp_path / "clip"
    clip.mkdir()
    assets = root / "fomm_core" / "assets"
    portrait = np.array(Image.open(assets / "source.png").convert("RGB").resize((128, 128)))
    Image.fromarray(portrait).save(tmp_path / "portrait.png")
    pictures = [np.roll(portrait, (2 * number, -number), (0, 1)) for number in range(3)]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(clip / f"{number}.png")
    (tmp_path / "torch.py").write_text("raise ImportError('the example needs no torch')")
    made = tmp_path / "made.webp"
    ran = subprocess.run(
        [sys.executable, root / "examples" / "onnx" / "animate.py", folder, tmp_path / "portrait.png", clip, made],
        env={"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    session = AnimationSession(model)
    source = session.prepare(from_uint8(portrait))
    moved = drive(source.keypoints, session.detect(from_uint8(np.stack(pictures))), AnimationOptions())
    expected = np.concatenate([to_uint8(rendered.images) for rendered in session.render(source, moved)])
    with Image.open(made) as animation:
        assert animation.n_frames == len(expected)
        for number, frame in enumerate(expected):
            animation.seek(number)
            got = np.asarray(animation.convert("RGB"), np.float64)
            steps_near(got.mean((0, 1)), frame.astype(np.float64).mean((0, 1)), 2)  # lossy WebP keeps colours so well
            assert np.abs(got - frame).mean() < 6
    assert json.loads((folder / MANIFEST).read_text())["model"] == model.name


def test_models_of_other_families_are_refused(tmp_path: Path) -> None:
    with torch.device("meta"):
        model = MotionModel(preset("mraa-vox-256"), name="regions")
    with pytest.raises(CheckpointError, match="first-order model"):
        export_onnx(model, tmp_path / "out")
    assert not list(tmp_path.iterdir())
