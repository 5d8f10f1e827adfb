"""Writing weights: our one-file safetensors, and the published layout for programs that read only that."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..checksums import with_checksum
from ..config import MotionModelConfig
from ..errors import CheckpointError
from ..files import atomic_path
from ..model import MotionModel
from ..wording import did_you_mean
from .checkpoint import Checkpoint
from .families import family_of_layout
from .keys import TABLES, published_from_ours
from .reading import FORMAT, LAYOUT, check_fit, read_checkpoint
from .recognise import expected_discriminator_shapes, expected_shapes


def _metadata(config: MotionModelConfig, epoch: int | None, extra: Mapping[str, str]) -> dict[str, str]:
    own = {
        "format": FORMAT,
        "format_version": str(config.format_version),
        "config": json.dumps(config.to_dict()),
        "warp_convention": f"grid_sample(align_corners={config.align_corners})",
    }
    if epoch is not None:
        own["epoch"] = str(epoch)
    return {**extra, **own}


def write_safetensors(
    path: str | os.PathLike[str],
    state: Mapping[str, Tensor],
    config: MotionModelConfig,
    *,
    epoch: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a state in our key names with its configuration, whole or not at all."""
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in state.items()}
    notes = with_checksum(tensors, _metadata(config, epoch, metadata or {}))
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=notes)


def save_model(model: MotionModel, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None) -> None:
    """Save a model as safetensors, with its configuration. The file appears only when it is complete.

    Args:
        model: The model.
        path: A name that ends in .safetensors.
        metadata: Text to store beside the weights, such as a model card, a licence or a source.

    Raises:
        CheckpointError: The name has another ending.

    Example:
        >>> from fomm_nodes.fomm_core import load_builtin, load_model, save_model
        >>> save_model(load_builtin(), "copy.safetensors", metadata={"licence": "MIT"})
        >>> load_model("copy.safetensors").config == load_builtin().config
        True
    """
    if Path(path).suffix != ".safetensors":
        raise CheckpointError(f"expected a name that ends in .safetensors; got '{Path(path).name}'.")
    write_safetensors(path, model.state_dict(), model.config, metadata=metadata)


def write_published(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write the family's published layout (`generator`, `kp_detector`, `epoch` and others), whole or not at all."""
    discriminator = checkpoint.config.discriminator
    family = checkpoint.config.family
    layout = checkpoint.metadata.get(LAYOUT, family)
    if layout not in TABLES or family_of_layout(layout) != family:
        raise CheckpointError(f"expected a published layout of '{family}' in the metadata; got '{layout[:80]}'.")
    networks = published_from_ours(checkpoint.state, discriminator.scales if discriminator else (), layout)
    content: dict[str, object] = dict(networks)
    if family == "mraa":
        content.setdefault("bg_predictor", {})  # as published where nothing is estimated
    if checkpoint.epoch is not None:
        content["epoch_reconstruction" if family == "mraa" else "epoch"] = checkpoint.epoch
    with atomic_path(path) as temporary, temporary.open("wb") as file:  # of a file, torch passes on why it failed
        torch.save(content, file)


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    config: MotionModelConfig | None = None,
    preset_name: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Checkpoint:
    """Convert the published layout to safetensors, or back. Weights stay bit-identical; optimizer states are left out.

    Args:
        source: A name or file, as for `read_checkpoint`.
        target: The file to write; its ending (.safetensors, .pth or .pth.tar) chooses the layout.
        config: The configuration, as for `read_checkpoint`.
        preset_name: The name of a preset, as for `read_checkpoint`.
        metadata: Text to store beside the weights in a safetensors file.

    Returns:
        What was read; `left_out` names what was not written.

    Raises:
        CheckpointError: The weights do not fit their configuration, or the target has another ending.

    Example:
        >>> from fomm_nodes.fomm_core import convert
        >>> convert("demo-128", "demo.pth.tar").kind
        'safetensors'
    """
    target = Path(target)
    if not target.name.endswith((".safetensors", ".pth", ".pth.tar")):
        raise CheckpointError(
            f"expected a target that ends in .safetensors, .pth or .pth.tar; got '{target.name}'."
            f"{did_you_mean(''.join(target.suffixes[-2:]), ('.safetensors', '.pth', '.pth.tar'))}"
        )
    checkpoint = read_checkpoint(source, config=config, preset_name=preset_name)
    expected = expected_shapes(checkpoint.config)
    if checkpoint.has_discriminator:
        expected = {**expected, **expected_discriminator_shapes(checkpoint.config)}
    check_fit(checkpoint.state, expected, what=f"'{checkpoint.path.name}'")
    if target.suffix == ".safetensors":
        extra = {"converted_from": checkpoint.path.name, **checkpoint.metadata, **(metadata or {})}
        write_safetensors(target, checkpoint.state, checkpoint.config, epoch=checkpoint.epoch, metadata=extra)
    else:
        write_published(target, checkpoint)
    return checkpoint
