"""Blocks of part swap: soft masks of a face's or body's parts, and images whose parts come from another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...fomm_core.animation import fitted
from ...fomm_core.fitting import FitMode, resize
from ...fomm_core.geometry import resize_maps
from ...fomm_core.motion import parse_numbers
from ...fomm_core.parts import detect_parts, mask_of, swap_parts
from ...fomm_core.view import mask_colours
from ..spec import IMAGE, INT, MASK, VIDEO, Host, NodeSpec, category, choice, socket, text
from .border import (
    FIT_IN,
    HEIGHT_IN,
    MODEL_IN,
    PRECISION_IN,
    SIZE_IN,
    WIDTH_IN,
    Sizing,
    images_to_graph,
    one_image,
)
from .clips import READ_AT_ONCE, at_constant_rate, first_frame, open_clip

SOFT, HARD = "soft-edged", "hard-edged"
OF_TARGET, OF_SOURCE = "of-target", "of-source"


def numbers_of(parts: str, count: int) -> list[int]:
    """The numbers that a text names, of 0..count-1; all but the background, 0, for an empty text."""
    return list(parse_numbers(parts, count, "numbers of parts")) or list(range(1, count))


def _detect(
    host: Host,
    model: Any,
    images: Any,
    parts: str,
    edges: str,
    size: str,
    width: int,
    height: int,
    fit: FitMode,
    precision: str,
) -> tuple[Any, ...]:
    config = model.model.config
    with open_clip(host, images, "images") as clip:
        shown = Sizing(size, width, height, fit).frame_size(config, first_frame(clip))
        working = config.nearest_size(*shown)
        session = host.session(model, precision=precision, size=working)
        chosen = numbers_of(parts, config.num_keypoints + 1)
        masks: list[Tensor] = []
        pictures: list[Tensor] = []
        each: Tensor | None = None
        for frames in fitted(clip.batches(READ_AT_ONCE), *working, mode=fit, shown=shown):
            found = detect_parts(session, frames)
            full = resize(resize_maps(found.masks, *working), *shown)
            each = full[0] if each is None else each
            masks.append(mask_of(full, chosen, hard=edges == HARD)[:, 0])
            pictures.append(torch.lerp(resize(frames, *shown), mask_colours(found.masks, *shown), 0.5))
            done = sum(map(len, masks))
            host.progress(done, max(done, clip.length or 0), pictures[-1][-1])
        mask, picture = (at_constant_rate(torch.cat(values), clip) for values in (masks, pictures))
    assert each is not None
    return mask, each, images_to_graph(picture), len(each) - 1


def _swap(
    host: Host,
    model: Any,
    source: Tensor,
    target: Any,
    parts: str,
    edges: str,
    place: str,
    size: str,
    width: int,
    height: int,
    fit: FitMode,
    precision: str,
) -> tuple[Any, ...]:
    config, sizing = model.model.config, Sizing(size, width, height, fit)
    with open_clip(host, target, "target") as clip:
        shown = sizing.frame_size(config, first_frame(clip))
        working = config.nearest_size(*shown)
        session = host.session(model, precision=precision, size=working)
        (picture,) = fitted([one_image(source)], *working, mode=fit, shown=shown)
        swapped = swap_parts(
            session,
            picture,
            fitted(clip.batches(READ_AT_ONCE), *working, mode=fit, shown=shown),
            numbers_of(parts, config.num_keypoints + 1),
            hard=edges == HARD,
            of_source=place == OF_SOURCE,
        )
        images: list[Tensor] = []
        masks: list[Tensor] = []
        for part in swapped:
            images.append(images_to_graph(resize(part.images, *shown)).cpu())
            masks.append(resize(part.mask, *shown)[:, 0].cpu())
            done = sum(map(len, images))
            host.progress(done, max(done, clip.length or 0), part.images[-1])
        made, mask = (at_constant_rate(torch.cat(values), clip) for values in (images, masks))
    return made, mask


PARTS_IN = text(
    "parts",
    "parts",
    (
        "Numbers of the parts, such as 1, 3-5; 0 is the background. Empty: all but the background. Detect Parts "
        "shows them in colour."
    ),
)
EDGES_IN = choice(
    "edges",
    "edges",
    "soft-edged: as certain as the model is at each pixel. hard-edged: black or white.",
    (SOFT, HARD),
)

DETECT_PARTS = NodeSpec(
    id="FOMM_DetectParts",
    title="Detect Parts",
    category=category("Parts"),
    description="Detects the parts of faces or bodies that a part swap model has learned, as masks.",
    aliases=("fomm", "segmentation", "co-part", "face parts", "motion-cosegmentation", "part mask"),
    inputs=(
        MODEL_IN,
        socket("images", (IMAGE, VIDEO), "images", "One image, a batch of images, or a video."),
        PARTS_IN,
        EDGES_IN,
        SIZE_IN,
        WIDTH_IN,
        HEIGHT_IN,
        FIT_IN,
        PRECISION_IN,
    ),
    outputs=(
        socket("mask", MASK, "mask", "The chosen parts together, one mask for each image."),
        socket("each", MASK, "each part", "A mask for each part of the first image, starting with the background."),
        socket("picture", IMAGE, "picture", "The images with each part in its own colour."),
        socket("count", INT, "parts", "How many parts the model knows, not counting the background."),
    ),
    run=_detect,
)

SWAP_PARTS = NodeSpec(
    id="FOMM_SwapParts",
    title="Swap Parts",
    category=category("Parts"),
    description="Transfers parts of one person to another: hair, eyes or a chin, moved to the other's pose.",
    aliases=("fomm", "part swap", "face swap", "motion-cosegmentation", "transplant", "hair swap"),
    inputs=(
        MODEL_IN,
        socket("source", IMAGE, "source", "The image that the parts come from (one)."),
        socket("target", (IMAGE, VIDEO), "target", "The images or video that receive them."),
        PARTS_IN,
        EDGES_IN,
        choice(
            "place",
            "place",
            (
                "of-target: take from the source where the target has these parts. of-source: where the source has "
                "them, moved to the target's pose."
            ),
            (OF_TARGET, OF_SOURCE),
        ),
        SIZE_IN,
        WIDTH_IN,
        HEIGHT_IN,
        FIT_IN,
        PRECISION_IN,
    ),
    outputs=(
        socket("images", IMAGE, "images", "The target's images with the source's parts."),
        socket("mask", MASK, "mask", "White for what comes from the source."),
    ),
    run=_swap,
)

SPECS = (DETECT_PARTS, SWAP_PARTS)
