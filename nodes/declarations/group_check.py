"""Blocks that look at a source before it is rendered: which keypoints move what, and whether a driver suits it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ...fomm_core.animation import AnimationOptions, anchor_index
from ...fomm_core.checking import check_drive
from ...fomm_core.faces import FaceFinder
from ...fomm_core.fitting import FitMode, resize, to_uint8
from ...fomm_core.geometry import Keypoints
from ...fomm_core.grouping import IDLE_NAME, group_by_masks, group_keypoints
from ...fomm_core.motion import TransferOptions, format_groups
from ...fomm_core.plots import check_sheet, draw_parts
from ...fomm_core.video.shots import ShotFinder
from ...fomm_core.whole import framing_of
from ..spec import FLOAT, IMAGE, INT, KEYPOINTS, MASK, STRING, VIDEO, Host, NodeSpec, category, choice, socket
from .border import (
    ANCHOR_FRAME_IN,
    ANCHOR_IN,
    FIT_IN,
    HEIGHT_IN,
    MODE_IN,
    MODEL_IN,
    PRECISION_IN,
    SIZE_IN,
    STRENGTH_IN,
    WIDTH_IN,
    Sizing,
    anchor_of,
    images_to_graph,
    one_image,
)
from .clips import Fitting, detect, even_frames, keypoints_at_constant_rate, open_clip

LOOKED_AT = 6
"""Frames of a driver in which faces are looked for."""
FACE_SIDE = 192


def _group(
    host: Host,
    model: Any,
    source: Tensor,
    names: str,
    size: str,
    width: int,
    height: int,
    fit: FitMode,
    precision: str,
    parts: Tensor | None = None,
) -> tuple[Any, ...]:
    picture = one_image(source)
    image = Sizing(size, width, height, fit).apply(model.model.config, picture)
    session = host.session(model, precision=precision, size=(image.shape[-2], image.shape[-1]))
    prepared = session.prepare(image)
    if parts is not None:
        found = group_by_masks(session, prepared, parts)
    else:
        face = FaceFinder().largest(prepared.image) if names == "face" else None
        found = group_keypoints(session, prepared, face)
    shown = {name: found.part(name) for name in found.groups if name != IDLE_NAME}
    return format_groups(found.groups), images_to_graph(draw_parts(prepared.image.cpu(), shown)), prepared.keypoints


def _check(
    host: Host,
    model: Any,
    source: Tensor,
    driving: Any,
    mode: str,
    strength: float,
    anchor: str,
    anchor_frame: int,
    faces: str,
    size: str,
    width: int,
    height: int,
    fit: FitMode,
    precision: str,
) -> tuple[Any, ...]:
    config, sizing, picture = model.model.config, Sizing(size, width, height, fit), one_image(source)
    image = sizing.apply(config, picture)
    working = (image.shape[-2], image.shape[-1])
    session = host.session(model, precision=precision, size=working)
    prepared = session.prepare(image)
    chosen = anchor_of(anchor, anchor_frame)
    options = AnimationOptions(TransferOptions(mode, None, True, strength), chosen)  # type: ignore[arg-type]
    source_face, seen, shown = None, None, None
    shots: tuple[int, ...] = (0,)
    if isinstance(driving, Keypoints):
        keypoints = keypoints_at_constant_rate(driving)
    else:
        fitting = Fitting(sizing.frame_size(config, picture), working, fit)
        with open_clip(host, driving, "driving") as clip:
            keypoints, _ = detect(session, clip, fitting, host.progress, even=True)
            first = anchor_index(prepared.keypoints, keypoints, chosen)
            wanted = [first, *(round(i * (len(keypoints) - 1) / (LOOKED_AT - 1)) for i in range(LOOKED_AT))]
            frames, shots = _frames_at(fitting.of(even_frames(clip)), wanted)
        shown = torch.stack([frames[number] for number in wanted])
        if faces == "look" and framing_of(config, model.model.name) is not None:
            finder = FaceFinder()
            source_face = finder.largest(image)
            seen = [finder.largest(frames[number][None]) for number in wanted]
    done = check_drive(session, prepared, keypoints, options=options, shots=shots, source_face=source_face, faces=seen)
    sheet = check_sheet(
        prepared.image.cpu(), prepared.keypoints, keypoints, done, None if shown is None else resize(shown, *working)
    )
    best = done.anchor if done.better_anchor is None else done.better_anchor
    return done.verdict, done.score, best, done.report, images_to_graph(sheet)


def _frames_at(batches: Iterator[Tensor], wanted: list[int]) -> tuple[dict[int, Tensor], tuple[int, ...]]:
    """The frames [3, H, W] of those numbers, of a shorter clip its last one; and where shots begin."""
    kept: dict[int, Tensor] = {}
    finder = ShotFinder()
    number = 0
    last = None
    for batch in batches:
        for frame in batch:
            last = frame
            finder.add(to_uint8(frame[None])[0])
            if number in wanted:
                kept[number] = frame.clone()
            number += 1
    for missing in set(wanted) - kept.keys():
        assert last is not None
        kept[missing] = last
    return kept, finder.starts


GROUP_KEYPOINTS = NodeSpec(
    id="FOMM_GroupKeypoints",
    title="Group Keypoints",
    category=category("Keypoints"),
    description="Finds which keypoints move which part of an image, and names them: mouth, eyes, head, body.",
    aliases=("fomm", "keypoint regions", "which keypoint", "mouth only", "parts", "segments"),
    inputs=(
        MODEL_IN,
        socket("source", IMAGE, "source", "The image to animate."),
        choice(
            "names",
            "names",
            ("face: derived from the face found in the image. numbers: part 0, part 1, ... one for each "
            "keypoint; also used if no face is found."),
            ("face", "numbers"),
        ),
        SIZE_IN,
        WIDTH_IN,
        HEIGHT_IN,
        FIT_IN,
        PRECISION_IN,
        socket(
            "parts",
            MASK,
            "parts",
            "Masks over the image, such as “each part” of Detect Parts: groups are then named part 0, part 1, ... in "
            "the order of the masks, by what the keypoints move. Nothing connected: see “names”.",
            optional=True,
        ),
    ),
    outputs=(
        socket("groups", STRING, "groups", "Such as mouth: 8; head: 1-3, 5. Keypoints in idle move nothing."),
        socket("image", IMAGE, "image", "The image, with the area that each group moves in its colour."),
        socket("keypoints", KEYPOINTS, "keypoints", "The image's keypoints."),
    ),
    run=_group,
)  # fmt: skip

WILL_IT_WORK = NodeSpec(
    id="FOMM_WillItWork",
    title="Will It Work",
    category=category("Keypoints"),
    description=(
        "Says before rendering how well a driver suits a source, what speaks against the pair, and whether "
        "there is a better anchor."
    ),
    aliases=("fomm", "check drive", "compatibility", "quality", "which driver", "diagnose"),
    inputs=(
        MODEL_IN,
        socket("source", IMAGE, "source", "The image to animate."),
        socket("driving", (VIDEO, IMAGE, KEYPOINTS), "driving", "The driver: a video, images, or keypoints."),
        MODE_IN,
        STRENGTH_IN,
        ANCHOR_IN,
        ANCHOR_FRAME_IN,
        choice(
            "faces",
            "faces",
            (
                "look: also find the faces in source and driver, and compare their poses. ignore: use keypoints "
                "only, as for bodies."
            ),
            ("look", "ignore"),
        ),
        SIZE_IN,
        WIDTH_IN,
        HEIGHT_IN,
        FIT_IN,
        PRECISION_IN,
    ),
    outputs=(
        socket("verdict", STRING, "verdict", "The verdict: good, doubtful or bad."),
        socket("score", FLOAT, "score", "From 0 to 1; from 0.7 it is good, below 0.45 bad."),
        socket("frame", INT, "better anchor", "The anchor frame to use: a clearly better one, or the current one."),
        socket("report", STRING, "report", "What speaks against the pair, one item a line."),
        socket("image", IMAGE, "image", "Source, driver at the anchor, and what would have to be invented."),
    ),
    run=_check,
)

SPECS = (GROUP_KEYPOINTS, WILL_IT_WORK)
