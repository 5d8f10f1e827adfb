"""The key table between the published checkpoints and ours. One row a group of keys; `{}` is an index.

Published files hold one state dict a network (in a first-order model's `generator`, which includes dense motion;
`kp_detector`; `discriminator`); ours hold one for everything. Nothing is renamed by guess: a key without a row is
reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

State = dict[str, Tensor]

PUBLISHED_NETWORKS = ("generator", "kp_detector", "discriminator")


def _hourglass(published: str, ours: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"{published}.encoder.down_blocks.{{}}.", f"{ours}.down.{{}}."),
        (f"{published}.decoder.up_blocks.{{}}.", f"{ours}.up.{{}}."),
    )


def _generator(published: str, bottleneck: str = "bottleneck.r{}.") -> tuple[tuple[str, str], ...]:
    return (
        (f"{published}.first.", "generator.first."),
        (f"{published}.down_blocks.{{}}.", "generator.down.{}."),
        (f"{published}.{bottleneck}", "generator.bottleneck.{}."),
        (f"{published}.up_blocks.{{}}.", "generator.up.{}."),
        (f"{published}.final.", "generator.final."),
    )


def _detector(published: str, heads: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        (f"{published}.down.weight", "detector.downsample.kernel"),
        *_hourglass(f"{published}.predictor", "detector.hourglass"),
        *((f"{published}.{theirs}.", f"detector.{ours}.") for theirs, ours in heads.items()),
    )


def _dense_motion(published: str, mask: str, occlusion: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        (f"{published}.down.weight", "dense_motion.downsample.kernel"),
        *_hourglass(f"{published}.hourglass", "dense_motion.hourglass"),
        (f"{published}.{mask}.", "dense_motion.mask_head."),
        (f"{published}.{occlusion[0]}", f"dense_motion.{occlusion[1]}"),
    )


AVD = (("avd_network.", "avd."),)

TABLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "fomm": (
        *_detector("kp_detector", {"kp": "heatmap_head", "jacobian": "jacobian_head"}),
        *_dense_motion("generator.dense_motion_network", "mask", ("occlusion.", "occlusion_head.")),
        *_generator("generator"),
        ("discriminator.discs.{}.down_blocks.{}.", "discriminator.at_scale.{}.blocks.{}."),
        ("discriminator.discs.{}.conv.", "discriminator.at_scale.{}.scores."),
        *AVD,
    ),
    "tps": (
        ("kp_detector.fg_encoder.", "detector.encoder."),
        ("bg_predictor.bg_encoder.", "background.encoder."),
        *_dense_motion("dense_motion_network", "maps", ("occlusion.{}.", "occlusion_heads.{}.")),
        ("dense_motion_network.up.{}.", "dense_motion.up.{}."),
        *_generator("inpainting_network", "resblock.{}."),
        *AVD,
    ),
    "mraa": (
        *_detector("region_predictor", {"regions": "heatmap_head", "jacobian": "jacobian_head"}),
        ("bg_predictor.encoder.down_blocks.{}.", "background.encoder.down.{}."),
        ("bg_predictor.fc.", "background.fc."),
        *_dense_motion("generator.pixelwise_flow_predictor", "mask", ("occlusion.", "occlusion_head.")),
        *_generator("generator"),
        *AVD,
    ),
    "partswap": (
        *_detector(
            "kp_detector", {"kp": "heatmap_head", "jacobian": "jacobian_head", "semantic_seg": "segmentation_head"}
        ),
        *_generator("generator"),
    ),
    "partswap-modules": (
        *_detector(
            "segmentation_module",
            {"shift": "heatmap_head", "affine": "jacobian_head", "segmentation": "segmentation_head"},
        ),
        *_generator("reconstruction_module"),
    ),
}
"""The layouts: one for each family, and another for part swap, whose files come in two."""

_INDEX = r"(\d+(?:-\d+)?)"


def _rules(rows: tuple[tuple[str, str], ...]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile("^" + re.escape(left).replace(r"\{\}", _INDEX)), right) for left, right in rows]


_TO_OURS = {layout: _rules(rows) for layout, rows in TABLES.items()}
_TO_PUBLISHED = {
    layout: _rules(tuple((ours, published) for published, ours in rows)) for layout, rows in TABLES.items()
}


def _renamed(key: str, rules: list[tuple[re.Pattern[str], str]]) -> str | None:
    for pattern, replacement in rules:
        found = pattern.match(key)
        if found:
            return replacement.format(*found.groups()) + key[found.end() :]
    return None


def scale_name(scale: float) -> str:
    """How published checkpoints write the scale of a discriminator: 1 -> '1', 0.5 -> '0-5'."""
    return (str(int(scale)) if scale == int(scale) else str(scale)).replace(".", "-")


def discriminator_scales(published: Mapping[str, Tensor]) -> tuple[float, ...]:
    """Scales of the discriminators in a published state, in the file's order."""
    prefix = re.compile(rf"^discriminator\.discs\.{_INDEX}\.")
    names = [found[1] for key in published if (found := prefix.match(key))]
    return tuple(float(name.replace("-", ".")) for name in dict.fromkeys(names))


def ours_from_published(published: Mapping[str, Tensor], layout: str = "fomm") -> tuple[State, list[str]]:
    """Rename keys of a layout (see `TABLES`): `generator.*` and others; returns (state, keys without a row)."""
    scales = discriminator_scales(published)
    state: State = {}
    unknown: list[str] = []
    for key, tensor in published.items():
        for index, scale in enumerate(scales):
            for written in (scale_name(scale), str(scale).replace(".", "-")):
                key = key.replace(f"discriminator.discs.{written}.", f"discriminator.discs.{index}.", 1)
        renamed = _renamed(key, _TO_OURS[layout])
        if renamed is None:
            unknown.append(key)
        else:
            state[renamed] = tensor
    return state, unknown


def published_from_ours(
    state: Mapping[str, Tensor], scales: tuple[float, ...], layout: str = "fomm"
) -> dict[str, State]:
    """The inverse: one state a network, `{'generator': ..., 'kp_detector': ...}`, and the discriminator's if there."""
    networks: dict[str, State] = {}
    for key, tensor in state.items():
        renamed = _renamed(key, _TO_PUBLISHED[layout])
        assert renamed is not None, f"no row for {key}"
        network, _, rest = renamed.partition(".")
        if network == "discriminator":
            _, index, tail = rest.split(".", 2)
            rest = f"discs.{scale_name(scales[int(index)])}.{tail}"
        networks.setdefault(network, {})[rest] = tensor
    return networks
