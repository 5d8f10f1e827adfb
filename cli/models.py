"""Options and messages about models that several commands share."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..nodes.hosts.headless.devices import choose_device
from .terminal import say

if TYPE_CHECKING:
    from ..fomm_core.config import MotionModelConfig
    from ..fomm_core.session import AnimationSession

PRESET_NAMES = (
    "vox-256, vox-adv-256, taichi-256, taichi-adv-256, fashion-256, mgif-256, bair-256, nemo-256, demo-64, demo-128; "
    "thin-plate splines: tps-vox-256, tps-taichi-256, tps-ted-384, tps-mgif-256; regions: mraa-vox-256, "
    "mraa-taichi-256, mraa-ted-384, mraa-ted-youtube-384, mraa-mgif-256; part swap: "
    "partswap-vox-5segments-256, partswap-vox-10segments-256, partswap-vox-15segments-256, partswap-taichi-256 or "
    "partswap-vox-first-order-256"
)


def add_config_arguments(group: Any) -> None:
    """How a weights file is to be understood."""
    which = group.add_mutually_exclusive_group()
    which.add_argument("--preset", metavar="NAME", help=f"kind of model, if it is not recognised: {PRESET_NAMES}")
    which.add_argument("--config", metavar="YAML", help="a configuration file of the published code, for custom models")
    group.add_argument(
        "--align-corners",
        type=truth,
        metavar="true|false",
        help=(
            "warp convention that the weights were trained with: true for all published ones (the default), "
            "false for those trained with torch 1.3 or newer by code that did not set it"
        ),
    )


def truth(text: str) -> bool:
    """An argument of true or false."""
    values = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected true or false; got {text!r}")
    return values[text.lower()]


def chosen_config(arguments: argparse.Namespace, path: Path) -> MotionModelConfig | None:
    """The configuration that the options of `add_config_arguments` ask for; None leaves it to the file."""
    from ..fomm_core.checkpoints import read_checkpoint
    from ..fomm_core.config import preset
    from ..fomm_core.official import config_from_yaml

    corners: bool | None = arguments.align_corners
    if arguments.config is not None:
        return config_from_yaml(arguments.config, align_corners=corners is not False)
    config = None if arguments.preset is None else preset(arguments.preset)
    if corners is None:
        return config
    return replace(config or read_checkpoint(path).config, align_corners=corners)


def find_weights(name: str) -> Path:
    """The file that `--model` means; see `library.find_model`. Raises CheckpointError naming what there is."""
    from ..fomm_core.library import find_model

    return find_model(name)


def hint_at_better_models() -> None:
    """Say once that the built-in model is not what this can do."""
    say(
        "using the built-in demo model: small, for a first try. For real work, get one that the authors of the "
        "First Order Motion Model published, such as vox for faces: `fomm models get vox`, then add --model vox"
    )


def open_session(arguments: argparse.Namespace) -> AnimationSession:
    """The session that the options of `add_computing_arguments`, `add_config_arguments` and --model ask for."""
    from ..fomm_core.checkpoints import DEFAULT_MODEL, load_model
    from ..fomm_core.precision import dtype_of
    from ..fomm_core.session import AnimationSession

    device = choose_device(arguments.device)
    weights = find_weights(arguments.model or DEFAULT_MODEL)
    model = load_model(weights, config=chosen_config(arguments, weights))
    dtype = dtype_of(arguments.precision, device)
    if arguments.least_db is not None:
        from ..fomm_core.fidelity import bounded_dtype

        dtype = bounded_dtype(model, dtype, device, arguments.least_db, weights=weights)
    return AnimationSession(
        model,
        device=device,
        dtype=dtype,
        chunk=arguments.chunk,
        exact=arguments.exact,
        compile=arguments.compile,
    )
