"""The key table between the published checkpoints and ours. One row a group of keys; `{}` is an index.

Published files hold one state dict a network (`generator`, which includes dense motion; `kp_detector`;
`discriminator`); ours hold one for everything. Nothing is renamed by guess: a key without a row is reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

State = dict[str, Tensor]

PUBLISHED_NETWORKS = ("generator", "kp_detector", "discriminator")

TABLE: tuple[tuple[str, str], ...] = (
    ("kp_detector.down.weight", "detector.downsample.kernel"),
    ("kp_detector.predictor.encoder.down_blocks.{}.", "detector.hourglass.down.{}."),
    ("kp_detector.predictor.decoder.up_blocks.{}.", "detector.hourglass.up.{}."),
    ("kp_detector.kp.", "detector.heatmap_head."),
    ("kp_detector.jacobian.", "detector.jacobian_head."),
    ("generator.dense_motion_network.down.weight", "dense_motion.downsample.kernel"),
    ("generator.dense_motion_network.hourglass.encoder.down_blocks.{}.", "dense_motion.hourglass.down.{}."),
    ("generator.dense_motion_network.hourglass.decoder.up_blocks.{}.", "dense_motion.hourglass.up.{}."),
    ("generator.dense_motion_network.mask.", "dense_motion.mask_head."),
    ("generator.dense_motion_network.occlusion.", "dense_motion.occlusion_head."),
    ("generator.first.", "generator.first."),
    ("generator.down_blocks.{}.", "generator.down.{}."),
    ("generator.bottleneck.r{}.", "generator.bottleneck.{}."),
    ("generator.up_blocks.{}.", "generator.up.{}."),
    ("generator.final.", "generator.final."),
    ("discriminator.discs.{}.down_blocks.{}.", "discriminator.at_scale.{}.blocks.{}."),
    ("discriminator.discs.{}.conv.", "discriminator.at_scale.{}.scores."),
)

_INDEX = r"(\d+(?:-\d+)?)"


def _rules(*, to_ours: bool) -> list[tuple[re.Pattern[str], str]]:
    rows = TABLE if to_ours else tuple((ours, published) for published, ours in TABLE)
    return [(re.compile("^" + re.escape(left).replace(r"\{\}", _INDEX)), right) for left, right in rows]


_TO_OURS = _rules(to_ours=True)
_TO_PUBLISHED = _rules(to_ours=False)


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


def ours_from_published(published: Mapping[str, Tensor]) -> tuple[State, list[str]]:
    """Rename `generator.*`, `kp_detector.*` and `discriminator.*` keys; returns (state, keys without a row)."""
    scales = discriminator_scales(published)
    state: State = {}
    unknown: list[str] = []
    for key, tensor in published.items():
        for index, scale in enumerate(scales):
            for written in (scale_name(scale), str(scale).replace(".", "-")):
                key = key.replace(f"discriminator.discs.{written}.", f"discriminator.discs.{index}.", 1)
        renamed = _renamed(key, _TO_OURS)
        if renamed is None:
            unknown.append(key)
        else:
            state[renamed] = tensor
    return state, unknown


def published_from_ours(state: Mapping[str, Tensor], scales: tuple[float, ...]) -> dict[str, State]:
    """The inverse: one state a network, `{'generator': ..., 'kp_detector': ...}`, and the discriminator's if there."""
    networks: dict[str, State] = {}
    for key, tensor in state.items():
        renamed = _renamed(key, _TO_PUBLISHED)
        assert renamed is not None, f"no row for {key}"
        network, _, rest = renamed.partition(".")
        if network == "discriminator":
            _, index, tail = rest.split(".", 2)
            rest = f"discs.{scale_name(scales[int(index)])}.{tail}"
        networks.setdefault(network, {})[rest] = tensor
    return networks
