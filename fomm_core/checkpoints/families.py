"""Whose networks are in a file? Told by their names."""

from __future__ import annotations

from collections.abc import Collection

from ..config import MotionModelConfig
from ..errors import CheckpointError

NEEDED = {
    "fomm": ("generator", "kp_detector"),
    "tps": ("inpainting_network", "dense_motion_network", "kp_detector"),
    "mraa": ("generator", "region_predictor"),
    "partswap": ("generator", "kp_detector"),
    "partswap-modules": ("reconstruction_module", "segmentation_module"),
}
"""The networks without which a layout (see `keys.TABLES`) is not whole."""

NAMES = {
    "fomm": "a First Order Motion Model",
    "tps": "a Thin-Plate Spline Motion Model (TPS)",
    "mraa": "a model of Articulated Animation (MRAA)",
    "partswap": "a model of part swap (co-part segmentation)",
}


def layout_of(keys: Collection[str], networks: Collection[str]) -> str:
    """The layout of published keys (`generator.first.conv.weight`), and of the networks' names."""
    if "inpainting_network" in networks or any(key.startswith("kp_detector.fg_encoder.") for key in keys):
        return "tps"
    if "region_predictor" in networks:
        return "mraa"
    if {"segmentation_module", "reconstruction_module"} & set(networks):
        return "partswap-modules"
    if "kp_detector.semantic_seg.weight" in keys:
        return "partswap"
    return "fomm"


def family_of_layout(layout: str) -> str:
    """One of `config.FAMILIES`."""
    return layout.partition("-")[0]


def ignored(key: str, layout: str) -> bool:
    """Whether a published key belongs to a network that a model of this layout has no use for."""
    return layout == "partswap" and key.startswith("generator.dense_motion_network.")


def check_whole(layout: str, networks: Collection[str], path: object) -> None:
    """Raise CheckpointError where a network is missing."""
    lacking = [name for name in NEEDED[layout] if name not in networks]
    if lacking:
        missing = " and ".join(f"'{name}'" for name in lacking)
        raise CheckpointError(
            f"expected {missing} in '{path}' as well; got {sorted(networks)}. It is a part of "
            f"{NAMES[family_of_layout(layout)]}: get the whole file."
        )


def check_family(config: MotionModelConfig, family: str, path: object) -> None:
    """Raise CheckpointError where a configuration is not of the family that the weights are of."""
    if config.family != family:
        raise CheckpointError(
            f"expected a configuration of {NAMES[family]} for '{path}', whose networks have its names; got one of "
            f"{NAMES[config.family]}. Leave the preset or configuration out, or choose another."
        )
