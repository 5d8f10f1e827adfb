"""Blocks on keypoints: detect them, carry their movement over."""

from __future__ import annotations

from typing import Any

from ...fomm_core.animation import anchor_index
from ...fomm_core.fitting import FitMode
from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import TransferOptions, anchor_distances, best_anchor, transfer
from ..spec import FLOAT, IMAGE, INT, KEYPOINTS, MODEL, VIDEO, Host, NodeSpec, category, socket
from .border import (
    ADAPT_SCALE_IN,
    ANCHOR_FRAME_IN,
    ANCHOR_IN,
    FIT_IN,
    HEIGHT_IN,
    JACOBIAN_IN,
    MODE_IN,
    MODEL_IN,
    PRECISION_IN,
    SIZE_IN,
    STRENGTH_IN,
    WIDTH_IN,
    Sizing,
    anchor_of,
    jacobian_of,
)
from .clips import Fitting, detect, first_frame, open_clip


def _detect(
    host: Host, model: Any, images: Any, size: str, width: int, height: int, fit: FitMode, precision: str
) -> tuple[Any, ...]:
    with open_clip(host, images, "images") as clip:
        shown = Sizing(size, width, height, fit).frame_size(model.model.config, first_frame(clip))
        fitting = Fitting(shown, model.model.config.nearest_size(*shown), fit)
        session = host.session(model, precision=precision, size=fitting.working)
        found, rate = detect(session, clip, fitting, host.progress)
        return found, float(rate), len(found)


def _transfer(
    host: Host,
    source: Keypoints,
    driving: Keypoints,
    mode: str,
    strength: float,
    anchor: str,
    anchor_frame: int,
    relative_jacobian: str,
    adapt_scale: bool,
    anchor_keypoints: Keypoints | None,
    model: Any,
) -> tuple[Any, ...]:
    options = TransferOptions(mode, jacobian_of(relative_jacobian), adapt_scale, strength)  # type: ignore[arg-type]
    avd = None if mode != "avd" or model is None else model.model.disentangle
    if anchor_keypoints is not None:
        return transfer(source, driving, anchor_keypoints, options, avd=avd), 0
    frame = anchor_index(source, driving, anchor_of(anchor, anchor_frame))
    return transfer(source, driving, driving[frame], options, avd=avd), frame


def _best_frame(host: Host, source: Keypoints, driving: Keypoints) -> tuple[Any, ...]:
    frame = best_anchor(source, driving)
    return frame, float(anchor_distances(source, driving)[frame]), driving[frame]


DETECT_KEYPOINTS = NodeSpec(
    id="FOMM_DetectKeypoints",
    title="Detect Keypoints",
    category=category("Keypoints"),
    description="Detects the model's keypoints, with local rotation and stretching, in each image or video frame.",
    aliases=("fomm", "landmarks", "face tracking", "pose", "kp detector"),
    inputs=(
        MODEL_IN,
        socket("images", (IMAGE, VIDEO), "images", "One image, a batch of images, or a video (read as a stream)."),
        SIZE_IN,
        WIDTH_IN,
        HEIGHT_IN,
        FIT_IN,
        PRECISION_IN,
    ),
    outputs=(
        socket(
            "keypoints",
            KEYPOINTS,
            "keypoints",
            "The keypoints of each frame. If a video's frames are uneven, they carry their times.",
        ),
        socket(
            "fps",
            FLOAT,
            "fps",
            "Frames per second of the video, or the most common rate if frames are uneven; 25 for images.",
        ),
        socket("frames", INT, "frames", "How many frames there are."),
    ),
    run=_detect,
)

TRANSFER_MOTION = NodeSpec(
    id="FOMM_TransferMotion",
    title="Transfer Motion",
    category=category("Keypoints"),
    description="Transfers the motion of a driving clip to the keypoints of a source image. No pixels are involved.",
    aliases=("fomm", "retarget", "normalize kp", "relative motion", "drive"),
    inputs=(
        socket("source", KEYPOINTS, "source", "Keypoints of the source image (one frame)."),
        socket("driving", KEYPOINTS, "driving", "Keypoints of the driving clip."),
        MODE_IN,
        STRENGTH_IN,
        ANCHOR_IN,
        ANCHOR_FRAME_IN,
        JACOBIAN_IN,
        ADAPT_SCALE_IN,
        socket(
            "anchor_keypoints",
            KEYPOINTS,
            "anchor keypoints",
            (
                "Relative mode: keypoints of another image of the driver, at rest, as the pose that equals the "
                "source's; anchor is then ignored. With it, a single image can drive: the source moves by the "
                "difference between the two."
            ),
            optional=True,
        ),
        socket("model", MODEL, "model", "Only for the mode avd: the model that has the network.", optional=True),
    ),
    outputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "The source's keypoints in each frame to render."),
        socket("frame", INT, "anchor frame", "The driving frame that was used as anchor."),
    ),
    run=_transfer,
)

FIND_BEST_FRAME = NodeSpec(
    id="FOMM_FindBestFrame",
    title="Find Best Frame",
    category=category("Keypoints"),
    description=(
        "Finds the driving frame whose pose is most similar to the source's: the best anchor for relative motion."
    ),
    aliases=("fomm", "best frame", "anchor", "find_best_frame", "matching pose"),
    inputs=(
        socket("source", KEYPOINTS, "source", "Keypoints of the source image (one frame)."),
        socket("driving", KEYPOINTS, "driving", "Keypoints of the driving clip."),
    ),
    outputs=(
        socket("frame", INT, "frame", "Number of the best frame, counted from 0, for anchor frame or ImageFromBatch."),
        socket("distance", FLOAT, "distance", "How much the two poses still differ; 0 is the same pose."),
        socket("keypoints", KEYPOINTS, "keypoints", "The keypoints of that frame."),
    ),
    run=_best_frame,
)

SPECS = (DETECT_KEYPOINTS, TRANSFER_MOTION, FIND_BEST_FRAME)
