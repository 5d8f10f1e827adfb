"""The folder that travels: three ONNX files, and a JSON file that says how to use them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from ..config import MotionModelConfig
from ..errors import CheckpointError, FommError
from ..files import atomic_path, check_new
from ..geometry.affine import SMALLEST_DETERMINANT
from ..lowering import cast, fold_normalisation, plain_copy
from ..model import MotionModel
from ..motion import TransferOptions
from ..motion.scale import SMALLEST_AREA
from ..networks import KeypointDetector
from ..region import Framing
from .graph import OPSET, TYPES, Graph
from .networks import animator_graph, detector_graph, encoder_graph

FORMAT, FORMAT_VERSION = "fomm-onnx", 1
MANIFEST = "fomm.json"
FILES: Mapping[str, str] = MappingProxyType(
    {"detector": "detector.onnx", "encoder": "encoder.onnx", "animator": "animator.onnx"}
)
LARGEST_MANIFEST = 1 << 20
"""Bytes of a manifest that is read."""

FORMULAS = (
    "scale = sqrt(hull_area(source_position)) / sqrt(hull_area(anchor_position)), or 1 without adapt_scale",
    "position = source_position + (driving_position - anchor_position) * scale * strength",
    "change = identity + ((driving_jacobian @ inverse(anchor_jacobian)) - identity) * strength",
    "jacobian = change @ source_jacobian",
    "inverse: a determinant nearer to 0 than smallest_determinant is replaced by that, with its sign",
)
"""How the keypoints to render follow from those of the source, of a driving frame and of the anchor frame."""


def export_onnx(
    model: MotionModel,
    folder: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    dtype: torch.dtype = torch.float32,
    framing: Framing | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `model` as a folder, whole or not at all, and return its path.

    The graphs take any number of frames, and images of any height and width that the strides divide.

    size: (height, width) that the networks shall be at home with (see `MotionModelConfig.for_size`); the trained size
        by default. dtype: float32, or float16 for the layers that bear it (see `lowering.cast`); inputs and outputs
        stay float32. framing: how the model wants to see a face, to be noted.

    Raises CheckpointError for a model without dense motion or of another family; SizeError for a size that does not
    fit; FommError where the folder exists, and with `overwrite` where it is none that this function wrote.
    """
    folder = Path(folder)
    if dtype not in TYPES:
        raise FommError(f"expected float32 or float16 to export; got {str(dtype).removeprefix('torch.')}.")
    if model.config.family != "fomm":
        raise CheckpointError(
            f"expected a first-order model to export; '{model.name}' is of the family {model.config.family}, whose "
            "networks have no ONNX form here yet."
        )
    if model.dense_motion is None:
        raise CheckpointError(f"expected a model with dense motion to export; '{model.name}' has none.")
    check_folder(folder, overwrite=overwrite)
    config = model.config
    if size is not None:
        config = config.for_size(*size)
        config.check_size(*size)
    graphs = _graphs(model.with_config(config), dtype)
    notes = {"format": FORMAT, "format_version": str(FORMAT_VERSION), "model": model.name}
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        files = {}
        for part, graph in graphs.items():
            data = graph.model(notes).SerializeToString()
            (temporary / FILES[part]).write_bytes(data)
            files[part] = {"file": FILES[part], "sha256": hashlib.sha256(data).hexdigest()}
        manifest = _manifest(model.name, config, size or config.frame_size, dtype, framing, files)
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return folder


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise FommError where `export_onnx` may not write there."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    check_new(folder, overwrite=overwrite)
    try:
        read_manifest(folder)
    except CheckpointError as problem:
        raise FommError(
            f"expected a folder that an export wrote before, to be replaced; '{folder}' is something else ({problem}) "
            "Choose another name."
        ) from problem


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of an exported folder. Raises CheckpointError where it is none, damaged, or of a later version."""
    path = Path(folder) / MANIFEST
    try:
        if path.stat().st_size > LARGEST_MANIFEST:
            raise CheckpointError(f"expected a {MANIFEST} of at most 1 MiB; got {path.stat().st_size} bytes.")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        raise CheckpointError(
            f"expected a folder with {MANIFEST}, as `fomm export` writes it; '{folder}' has none that can be read."
        ) from problem
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CheckpointError(f"expected {MANIFEST} of the format {FORMAT}; '{folder}' holds another.")
    version = values.get("format_version")
    if not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
        raise CheckpointError(
            f"expected {FORMAT} of version {FORMAT_VERSION} at most; got {str(version)[:20]}. Update fomm-nodes."
        )
    return values


def _graphs(model: MotionModel, dtype: torch.dtype) -> dict[str, Graph]:
    config = model.config
    copy = plain_copy(model)
    fold_normalisation(copy)
    cast(copy, dtype)
    channels, keypoints = config.num_channels, config.num_keypoints
    assert copy.dense_motion is not None
    assert isinstance(copy.detector, KeypointDetector)
    return {
        "detector": detector_graph(copy.detector, channels, keypoints),
        "encoder": encoder_graph(copy.generator, copy.dense_motion, channels),
        "animator": animator_graph(
            copy.generator, copy.dense_motion, channels, keypoints, local=config.estimate_jacobian
        ),
    }


def _manifest(
    name: str,
    config: MotionModelConfig,
    size: tuple[int, int],
    dtype: torch.dtype,
    framing: Framing | None,
    files: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    usual = TransferOptions()
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "opset": OPSET,
        "model": name,
        "precision": str(dtype).removeprefix("torch."),
        "files": files,
        "pictures": {
            "layout": "NCHW",
            "colours": "RGB" if config.num_channels == 3 else f"{config.num_channels} channels",
            "range": [0, 1],
            "size": list(size),
            "multiple_of": config.size_multiple(),
        },
        "keypoints": {
            "count": config.num_keypoints,
            "jacobians": config.estimate_jacobian,
            "coordinates": "(x, y) from -1 to 1, the centres of the first and the last pixel",
        },
        "transfer": {
            "mode": usual.mode,
            "adapt_scale": usual.adapt_scale,
            "strength": usual.strength,
            "smallest_determinant": SMALLEST_DETERMINANT,
            "smallest_hull_area": SMALLEST_AREA,
            "formulas": list(FORMULAS),
        },
        "framing": None if framing is None else asdict(framing),
        "config": config.to_dict(),
    }
