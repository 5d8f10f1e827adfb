"""How near a model's frames in reduced precision come to those in float32: measured once, and kept beside its file."""

from __future__ import annotations

import json
import logging
import math
import os
from pathlib import Path

import torch

from .animation import AnimationOptions, drive
from .errors import FommError, ImageError
from .files import atomic_path
from .fitting import fit_uint8
from .model import MotionModel
from .precision import fast_dtype
from .session import AnimationSession
from .shipped import ASSETS
from .video import VideoReader, read_image

log = logging.getLogger("fomm.session")

EVERY = 12
"""One of so many frames of the example clip is rendered."""
MOST = 200.0
"""Decibels of equal frames, so that files hold a number."""


def fidelity(model: MotionModel, dtype: torch.dtype, device: torch.device) -> float:
    """The PSNR in dB of frames in `dtype` against the same in float32, of the worst of the example clip's.

    Args:
        model: The model; its trained size is used.
        dtype: bfloat16 or float16.
        device: Where frames are computed.

    Returns:
        0 for frames that are not finite, at most 200.

    Raises:
        CheckpointError: The model does not animate.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import load_builtin
        >>> from fomm_nodes.fomm_core.fidelity import fidelity
        >>> fidelity(load_builtin(), torch.float32, torch.device("cpu"))
        200.0
    """
    size = model.config.frame_size
    source = fit_uint8(read_image(ASSETS / "source.png"), *size)
    with VideoReader(ASSETS / "driving.mp4") as reader:
        clip = torch.cat([fit_uint8(frame, *size) for frame in list(reader)[::EVERY]])
    try:
        reduced, exact = (_frames(model, source, clip, form, device) for form in (dtype, torch.float32))
    except ImageError:
        return 0.0
    error = (reduced - exact).square().mean((1, 2, 3)).amax().item()
    return min(MOST, -10 * math.log10(error)) if error else MOST


def _frames(
    model: MotionModel, source: torch.Tensor, clip: torch.Tensor, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    session = AnimationSession(model, device=device, dtype=dtype)
    prepared = session.prepare(source)
    driven = drive(prepared.keypoints, session.detect(clip), AnimationOptions())
    return torch.cat([rendered.images.float().cpu() for rendered in session.render(prepared, driven)])


def bounded_dtype(
    model: MotionModel,
    dtype: torch.dtype,
    device: torch.device,
    least: float,
    *,
    weights: str | os.PathLike[str] | None = None,
) -> torch.dtype:
    """`dtype` if the model's frames in it are near enough to those in float32, and float32 with a warning otherwise.

    Args:
        model: The model.
        dtype: The number format that is wanted.
        device: Where frames are computed.
        least: The PSNR in dB that the worst frame of `fidelity` must have.
        weights: The model's file. What was measured is kept beside it, as NAME.precision.json, and measured again if
            the file or torch changes; models that come with this package, and folders that can't be written to, are
            measured each time.

    Returns:
        `dtype` or float32.

    Raises:
        FommError: `least` is no number from 0.
        CheckpointError: The model does not animate.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import load_builtin
        >>> from fomm_nodes.fomm_core.fidelity import bounded_dtype
        >>> bounded_dtype(load_builtin(), torch.float32, torch.device("cpu"), 60)
        torch.float32
    """
    if not 0 <= least < math.inf:
        raise FommError(f"expected a PSNR in dB, such as 45; got {least}.")
    dtype = fast_dtype(dtype, device)
    if dtype == torch.float32:
        return dtype
    name = str(dtype).removeprefix("torch.")
    reached = _kept(model, dtype, device, None if weights is None else Path(weights))
    if reached >= least:
        log.info("%s: %s reaches %.1f dB, at least %g: it is used.", model.name, name, reached, least)
        return dtype
    log.warning("%s: %s reaches %.1f dB, less than %g: float32 is used instead.", model.name, name, reached, least)
    return torch.float32


def _kept(model: MotionModel, dtype: torch.dtype, device: torch.device, weights: Path | None) -> float:
    """`fidelity`, read from beside the file if it was measured for it."""
    if weights is None or weights.resolve().parent == ASSETS:
        return fidelity(model, dtype, device)
    path = weights.with_name(weights.name + ".precision.json")
    found = weights.stat()
    state: dict[str, int | str] = {"size": found.st_size, "modified": found.st_mtime_ns, "torch": torch.__version__}
    way = f"{dtype} on {device.type}".removeprefix("torch.")
    reached = _read(path, state)
    if way not in reached:
        reached[way] = fidelity(model, dtype, device)
        try:
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps({**state, "decibels": reached}, indent=2) + "\n", encoding="utf-8")
        except OSError as problem:
            log.info("%s: what %s reaches is measured again next time (%s).", model.name, way, problem)
    return reached[way]


def _read(path: Path, state: dict[str, int | str]) -> dict[str, float]:
    """What was measured of a file in this state; nothing if it can't be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if any(found[name] != value for name, value in state.items()):
            return {}
        return {str(way): float(decibels) for way, decibels in found["decibels"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
