"""Reading weights: published `.pth` / `.pth.tar` files and our safetensors. Nothing in a file is ever executed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from ..checksums import is_as_written
from ..config import MotionModelConfig, preset
from ..cost import MOST, Cost, check_cost
from ..errors import CheckpointError, ConfigError
from ..library import find_model, foreign_folder
from ..model import MotionModel
from ..networks import MultiScaleDiscriminator
from ..wording import counted
from .checkpoint import Checkpoint
from .families import NAMES, check_family, check_whole, family_of_layout, ignored, layout_of
from .foreign import foreign_file, foreign_keys, part_of_unpacked
from .infer import KERNEL
from .keys import State, discriminator_scales, ours_from_published
from .layouts import NETWORKS, epoch_of, is_ours, published_networks, published_order
from .pickles import read_pickle
from .recognise import (
    expected_discriminator_shapes,
    expected_shapes,
    nearest_preset,
    recognise,
    with_extras,
)

FORMAT = "fomm"
FORMAT_VERSION = 2
"""2 since there are other families than the first-order model, which is still written as 1."""
LAYOUT = "published_layout"
"""The note of what layout a model was converted from, where its family has several."""
MOST_HEADER = 100_000_000
"""Bytes of a safetensors header: the limit of that format."""


def read_checkpoint(
    path: str | os.PathLike[str],
    *,
    config: MotionModelConfig | None = None,
    preset_name: str | None = None,
    most: Cost = MOST,
) -> Checkpoint:
    """Read a weights file without building the model.

    Args:
        path: A name ("demo-128", "vox"), or a `.safetensors`, `.pth` or `.pth.tar` file (see `library.find_model`).
        config: The configuration. By default, it is that of `preset_name`, or the one stored in the file, or it is
            identified from keys and shapes, in this order.
        preset_name: The name of a preset (see `PRESETS`).
        most: The largest model that is accepted, in parameters and memory.

    Returns:
        The weights under our names, with their configuration and metadata.

    Raises:
        CheckpointError: The file is missing, damaged, unsafe, too large or of another kind.

    Example:
        >>> from fomm_nodes.fomm_core import read_checkpoint
        >>> checkpoint = read_checkpoint("demo-128")
        >>> checkpoint.kind, checkpoint.config.num_keypoints
        ('safetensors', 10)
    """
    path = find_model(path)
    if path.stat().st_size == 0:
        raise CheckpointError(f"expected weights in '{path}'; the file is empty. Copy or download it again.")
    if preset_name is not None:
        config = preset(preset_name)
    if part_of_unpacked(path):
        raise CheckpointError(
            f"expected a weights file at '{path}'; it is a part of one. {foreign_folder(path.parent)}"
        )
    if (what := foreign_file(path)) is not None:
        raise CheckpointError(f"expected a weights file at '{path}'. {what}")
    try:
        checkpoint = _read_safetensors(path, config) if _is_safetensors(path) else _read_published(path, config)
    except ConfigError as problem:
        raise CheckpointError(f"'{path}': {problem}") from problem
    check_cost(checkpoint.config, most, what=f"a model in '{path}'")
    _check_size(checkpoint, most)
    broken = [key for key, tensor in checkpoint.state.items() if not _is_finite(tensor)]
    if broken:
        raise CheckpointError(
            f"expected finite weights in '{path}'; {counted(len(broken), 'tensor')} with NaN or Inf, first "
            f"'{broken[0]}'. The training that wrote it diverged, or the file is damaged."
        )
    return checkpoint


def _check_size(checkpoint: Checkpoint, most: Cost) -> None:
    """A pickle may hold a tensor of any size that has one stored number: strides of 0."""
    numbers = sum(tensor.numel() for tensor in checkpoint.state.values())
    if numbers > most.parameters + most.discriminator:
        raise CheckpointError(
            f"expected at most {most.parameters + most.discriminator:,} numbers in '{checkpoint.path}'; got shapes for "
            f"{numbers:,}. It is damaged, or another model's."
        )


def _is_finite(tensor: Tensor) -> bool:
    """By its extremes, which are NaN where anything is: a pass over the weights that makes no tensor of their size."""
    return not tensor.numel() or all(bool(torch.isfinite(extreme)) for extreme in tensor.aminmax())


def _is_safetensors(path: Path) -> bool:
    """By the start of its header, whatever the file is called; by its name where it starts like nothing known."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < MOST_HEADER:
        return True
    return path.suffix == ".safetensors" and not head.startswith((b"PK", b"\x80"))


def _read_safetensors(path: Path, config: MotionModelConfig | None) -> Checkpoint:
    try:
        state = load_file(path)
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
    except (safetensors.SafetensorError, OSError) as problem:
        raise CheckpointError(
            f"expected a safetensors file at '{path}'; it can't be read ({problem}). It may be truncated."
        ) from problem
    if not is_as_written(state, metadata):
        raise CheckpointError(
            f"expected a whole file at '{path}'; it is damaged: what it holds is not what was stored (checksum). Copy "
            "or download it again."
        )
    if metadata.get("format") != FORMAT:
        return _without_format(path, state, metadata, config)
    version = metadata.get("format_version", "?")
    if (number := _number(version)) is None or number > FORMAT_VERSION:
        raise CheckpointError(
            f"expected format version {FORMAT_VERSION} or older in '{path}'; got {version[:80]}. Update fomm-nodes."
        )
    if config is None:
        try:
            config = MotionModelConfig.from_dict(json.loads(metadata["config"]))
        except (KeyError, json.JSONDecodeError, RecursionError) as problem:
            raise CheckpointError(f"expected a configuration in the metadata of '{path}'; got {problem}.") from problem
    return _stored(path, state, config, metadata)


def _without_format(path: Path, state: State, metadata: dict[str, str], config: MotionModelConfig | None) -> Checkpoint:
    """A file that another program wrote: with published keys, with ours, or of another model."""
    notes = {key: value for key, value in metadata.items() if key != "format"}
    if is_ours(state):
        return _stored(path, state, config or recognise(state, file_name=path.name), notes)
    tables = dict(sorted(state.items(), key=lambda entry: published_order(entry[0])))
    if published_networks(tables, path).state:
        return _from_tables(tables, path, config, notes)
    raise CheckpointError(
        f"expected a model written by `fomm convert`, or published weights, at '{path}'; got keys such as "
        f"{sorted(state)[:3]}. It is {foreign_keys(state, metadata)}. Weights of other programs don't fit."
    )


def _stored(path: Path, state: State, config: MotionModelConfig, metadata: dict[str, str]) -> Checkpoint:
    return Checkpoint(path, "safetensors", state, config, _number(metadata.get("epoch", "")), metadata)


def _number(text: str) -> int | None:
    """A whole number from metadata; None for any other text."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def _read_published(path: Path, config: MotionModelConfig | None) -> Checkpoint:
    content = read_pickle(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"expected 'generator' and 'kp_detector' in '{path}'; got {type(content).__name__}. It is another model's."
        )
    return _from_tables(content, path, config, {})


def _from_tables(
    content: Mapping[Any, Any], path: Path, config: MotionModelConfig | None, metadata: dict[str, str]
) -> Checkpoint:
    """A checkpoint from tables of tensors with published names, however they are nested."""
    found = published_networks(content, path)
    flat = found.state
    present = {key.partition(".")[0] for key in flat} | {str(key) for key in content if key in NETWORKS}
    layout = layout_of(flat, present)
    if layout != "fomm":
        check_whole(layout, present, path)
    elif not {"generator", "kp_detector"} <= present:
        keys = sorted(map(str, content))
        inner = content.get("state_dict", content.get("model", content))
        whose = foreign_keys([*keys, *map(str, inner if isinstance(inner, Mapping) else ())], metadata)
        lacking = " and ".join(f"'{name}'" for name in ("generator", "kp_detector"))
        raise CheckpointError(f"expected {lacking} in '{path}'; got keys {keys[:6]}. It is {whose}.")
    for key in [key for key in flat if ignored(key, layout)]:
        found.leave(".".join(key.split(".")[:2]))
        del flat[key]
    state, unknown = ours_from_published(flat, layout)
    _complete_old_layers(state)
    if unknown:
        name, differences = nearest_preset(state)
        raise CheckpointError(
            f"expected the layers of {NAMES[family_of_layout(layout)]} in '{path}'; of none of them "
            f"{'is' if len(unknown) == 1 else 'are'} {counted(len(unknown), 'key')}: {_some(unknown)}. The nearest "
            f"preset is '{name}' ({counted(differences, 'difference')})."
        )
    if config is None:
        config = recognise(state, file_name=path.name, family=family_of_layout(layout))
        scales = discriminator_scales(flat)
        if config.discriminator is not None and scales and config.discriminator.scales != scales:
            config = replace(config, discriminator=replace(config.discriminator, scales=scales))
    else:
        check_family(config, family_of_layout(layout), path)
        config = with_extras(config, state)
    if layout == "partswap-modules":
        metadata = {**metadata, LAYOUT: layout}
    return Checkpoint(path, "published", state, config, epoch_of(content), metadata, tuple(found.left_out))


def _complete_old_layers(state: State) -> None:
    """What older versions of torch did not store: batch counters, and the second vector of the spectral norm."""
    for key in list(state):
        if key.endswith(".running_var"):
            state.setdefault(key.replace("running_var", "num_batches_tracked"), torch.tensor(0))
        if key.endswith(".weight_orig"):
            layer = key.removesuffix("_orig")
            state.pop(layer, None)
            if layer + "_v" not in state:
                state[layer + "_v"] = F.normalize(state[key].flatten(1).T @ state[layer + "_u"], dim=0)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")


def check_fit(state: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], *, what: str) -> None:
    """Raise CheckpointError listing what is missing, extra and of another shape, with the nearest preset."""
    missing = sorted(set(expected) - set(state))
    extra = sorted(set(state) - set(expected))
    shapes = [
        f"{key} (expected {list(expected[key])}, got {list(state[key].shape)})"
        for key in sorted(set(expected) & set(state))
        if tuple(state[key].shape) != expected[key]
    ]
    if not (missing or extra or shapes):
        return
    name, differences = nearest_preset(state)
    parts = [
        f"{label} {len(keys)}: {_some(keys)}"
        for label, keys in (("missing", missing), ("extra", extra), ("of another shape", shapes))
        if keys
    ]
    raise CheckpointError(
        f"{what} does not fit the configuration: {'; '.join(parts)}. The nearest preset is '{name}' "
        f"({counted(differences, 'difference')}). Leave the preset out to have it recognised, or give "
        "the model's own configuration."
    )


def model_from_checkpoint(checkpoint: Checkpoint, *, name: str | None = None) -> MotionModel:
    """A MotionModel in eval mode, strictly loaded, in float32 whatever the file holds. Kernels of anti-alias filters
    follow the configuration's scale.
    """
    expected = expected_shapes(checkpoint.config)
    state = {key: tensor for key, tensor in checkpoint.state.items() if not key.startswith("discriminator.")}
    without_kernels = {key: shape for key, shape in expected.items() if not key.endswith(KERNEL)}
    check_fit(
        {key: tensor for key, tensor in state.items() if not (key.endswith(KERNEL) and key in expected)},
        without_kernels,
        what=f"'{checkpoint.path.name}'",
    )
    state = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    model = MotionModel.from_state(checkpoint.config, state, name=name or checkpoint.path.name.split(".")[0])
    return model.eval().requires_grad_(False)


def load_model(
    path: str | os.PathLike[str],
    *,
    config: MotionModelConfig | None = None,
    preset_name: str | None = None,
    most: Cost = MOST,
) -> MotionModel:
    """Load a model for inference.

    Args:
        path: A name ("demo-128", "vox"), or a `.safetensors`, `.pth` or `.pth.tar` file.
        config: The configuration, if neither the file states it nor its keys and shapes identify it.
        preset_name: Instead of `config`, the name of a preset (see `PRESETS`).
        most: The largest model that is accepted, in parameters and memory.

    Returns:
        The model in eval mode, float32, on the CPU.

    Raises:
        CheckpointError: The file is missing, damaged, unsafe or of another kind, or the weights do not fit the
            configuration.

    Example:
        >>> from fomm_nodes.fomm_core import load_model
        >>> load_model("demo-128").name
        'demo-128'
    """
    return model_from_checkpoint(read_checkpoint(path, config=config, preset_name=preset_name, most=most))


def load_discriminator(checkpoint: Checkpoint) -> MultiScaleDiscriminator | None:
    """The discriminator of a checkpoint, strictly loaded; None where the file holds none."""
    state = {key: tensor for key, tensor in checkpoint.state.items() if key.startswith("discriminator.")}
    config = checkpoint.config
    if not state or config.discriminator is None:
        return None
    check_fit(state, expected_discriminator_shapes(config), what=f"the discriminator of '{checkpoint.path.name}'")
    discriminator = MultiScaleDiscriminator(
        config.discriminator, num_channels=config.num_channels, num_keypoints=config.num_keypoints
    )
    discriminator.load_state_dict({key.removeprefix("discriminator."): value for key, value in state.items()})
    return discriminator
