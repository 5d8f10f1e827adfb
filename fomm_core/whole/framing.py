"""How each kind of model wants to see what it animates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from ..config import PRESETS, MotionModelConfig
from ..region import FRAMINGS, Framing

FAMILIES: Mapping[str, str | None] = MappingProxyType(
    {
        "vox": "vox",
        "nemo": "vox",
        "demo": "demo",
        "taichi": None,
        "fashion": None,
        "mgif": None,
        "bair": None,
        "ted": None,
    }
)
"""The data set in a preset's name to its row in `FRAMINGS`; None where the model was not trained on faces."""

USUAL = "vox"
"""The row for faces where no model says another."""


def framing_of(config: MotionModelConfig, name: str) -> Framing | None:
    """How a model of that configuration and name wants to see a face; None for one that was not trained on faces.

    Published models of different kinds share a configuration, so the name (their files', "vox-cpk", "taichi-adv-cpk")
    decides where it says the kind. Others are taken as models of faces: like the built-in one where they have its
    layers, like vox otherwise.
    """
    words = re.split(r"[^a-z]+", name.lower())
    for word in words:
        if word in FAMILIES:
            row = FAMILIES[word]
            return None if row is None else FRAMINGS[row]
    small = {PRESETS[preset].generator for preset in PRESETS if preset.startswith("demo")}
    return FRAMINGS["demo" if config.generator in small else USUAL]
