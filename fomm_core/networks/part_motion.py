"""The motion of parts (Siarohin et al., Motion-supervised Co-Part Segmentation, 2020): no network weighs it."""

import torch
from einops import einsum
from torch import Tensor

from ..geometry import Keypoints, Motion
from .blocks import without_autocast
from .dense_motion import background_flow, local_flows


def part_flows(source: Keypoints, target: Keypoints, height: int, width: int) -> Tensor:
    """Each part's motion, the background's (none) first, [B, K + 1, h, w, 2]."""
    moved = local_flows(source, target, height, width)
    still = background_flow(None, height, width, like=moved)
    return torch.cat([still.expand(len(moved), -1, -1, -1, -1), moved], dim=1)


def part_motion(
    source: Keypoints, target: Keypoints, source_masks: Tensor, target_masks: Tensor, *, visibility: bool
) -> Motion:
    """Where each pixel of the target's pose comes from in the source, by the target's own segmentation.

    source_masks, target_masks: [B, K + 1, h, w]. visibility: with an occlusion map, 0 where the source has a part and
    the target has none; as published, the source's masks stay where they are.
    """
    with without_autocast(target_masks):
        flows = part_flows(source, target, *target_masks.shape[-2:])
        flow = einsum(flows, target_masks, "b k h w xy, b k h w -> b h w xy")
    if not visibility:
        return Motion(flow, None, target_masks)
    of_source, of_target = (masks[:, 1:].sum(1, keepdim=True) for masks in (source_masks, target_masks))
    return Motion(flow, 1 - of_source * (1 - of_target), target_masks)
