"""Blocks on keypoints over time: detect, transfer, smooth, blend, save and load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...fomm_core.animation import anchor_index
from ...fomm_core.fitting import FitMode
from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import (
    TransferOptions,
    anchor_distances,
    best_anchor,
    blend,
    load_keypoints,
    save_keypoints,
    smooth_gaussian,
    smooth_one_euro,
    transfer,
)
from ..spec import (
    FLOAT,
    IMAGE,
    INT,
    KEYPOINTS,
    MODEL,
    STRING,
    VIDEO,
    Host,
    NodeSpec,
    category,
    choice,
    decimal,
    socket,
    text,
)
from .border import (
    ADAPT_SCALE_IN,
    ANCHOR_FRAME_IN,
    ANCHOR_IN,
    FIT_IN,
    FPS_IN,
    HEIGHT_IN,
    JACOBIAN_IN,
    MODE_IN,
    MODEL_IN,
    PRECISION_IN,
    SIZE_IN,
    STILL_FPS,
    STRENGTH_IN,
    WIDTH_IN,
    Sizing,
    anchor_of,
    jacobian_of,
    parse_numbers,
)
from .clips import Fitting, detect, first_frame, open_clip
from .models import file_state

ONE_EURO, GAUSSIAN = "one-euro", "gaussian"


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
    model: Any,
) -> tuple[Any, ...]:
    frame = anchor_index(source, driving, anchor_of(anchor, anchor_frame))
    options = TransferOptions(mode, jacobian_of(relative_jacobian), adapt_scale, strength)  # type: ignore[arg-type]
    avd = None if mode != "avd" or model is None else model.model.disentangle
    return transfer(source, driving, driving[frame], options, avd=avd), frame


def _best_frame(host: Host, source: Keypoints, driving: Keypoints) -> tuple[Any, ...]:
    frame = best_anchor(source, driving)
    return frame, float(anchor_distances(source, driving)[frame]), driving[frame]


def _smooth(
    host: Host, keypoints: Keypoints, method: str, sigma: float, calmness: float, quickness: float, fps: float
) -> tuple[Any, ...]:
    if method == GAUSSIAN:
        return (smooth_gaussian(keypoints, sigma=sigma),)
    return (smooth_one_euro(keypoints, fps=fps, min_cutoff=calmness, beta=quickness),)


def _blend(
    host: Host, first: Keypoints, second: Keypoints, weight: float, only_keypoints: str, lengths: str
) -> tuple[Any, ...]:
    if lengths == "shorter" and 1 not in (len(first), len(second)):
        frames = min(len(first), len(second))
        first, second = first[:frames], second[:frames]
    return (blend(first, second, weight, select=parse_numbers(only_keypoints, first.count)),)


def _save(host: Host, keypoints: Keypoints, filename_prefix: str, fps: float) -> tuple[Any, ...]:
    path, name = host.new_file("performances", filename_prefix, ".safetensors")
    save_keypoints(path, keypoints, fps=fps)
    return keypoints, name


def _load(host: Host, file: str) -> tuple[Any, ...]:
    performance = load_keypoints(host.find("performances", file))
    return performance.keypoints, float(performance.fps or STILL_FPS), len(performance.keypoints)


def _file_state(host: Host, values: Mapping[str, Any]) -> str:
    return file_state(host.find("performances", values["file"]))


DETECT_KEYPOINTS = NodeSpec(
    id="FOMM_DetectKeypoints",
    title="Detect Keypoints",
    category=category("Keypoints"),
    description="Finds the model's keypoints, with their local turning and stretching, in each picture or video frame.",
    aliases=("fomm", "landmarks", "face tracking", "pose", "kp detector"),
    inputs=(
        MODEL_IN,
        socket("images", (IMAGE, VIDEO), "images", "One picture, a batch of pictures, or a video (read as a stream)."),
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
            "The keypoints of each frame. Where a video's frames are uneven, they carry their times.",
        ),
        socket(
            "fps",
            FLOAT,
            "fps",
            "Frames per second of the video, where they are uneven those of most of it; 25 for pictures.",
        ),
        socket("frames", INT, "frames", "How many frames there are."),
    ),
    run=_detect,
)

TRANSFER_MOTION = NodeSpec(
    id="FOMM_TransferMotion",
    title="Transfer Motion",
    category=category("Keypoints"),
    description="Carries the movement of a driving clip over to the keypoints of a source picture. No pixels involved.",
    aliases=("fomm", "retarget", "normalize kp", "relative motion", "drive"),
    inputs=(
        socket("source", KEYPOINTS, "source", "Keypoints of the source picture (one frame)."),
        socket("driving", KEYPOINTS, "driving", "Keypoints of the driving clip."),
        MODE_IN,
        STRENGTH_IN,
        ANCHOR_IN,
        ANCHOR_FRAME_IN,
        JACOBIAN_IN,
        ADAPT_SCALE_IN,
        socket("model", MODEL, "model", "Only for the mode avd: the model that has the network.", optional=True),
    ),
    outputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "Where the source's keypoints are in each frame to be rendered."),
        socket("frame", INT, "anchor frame", "The driving frame that was used as anchor."),
    ),
    run=_transfer,
)

FIND_BEST_FRAME = NodeSpec(
    id="FOMM_FindBestFrame",
    title="Find Best Frame",
    category=category("Keypoints"),
    description="Finds the driving frame whose pose is most like the source's: the best anchor for relative motion.",
    aliases=("fomm", "best frame", "anchor", "find_best_frame", "matching pose"),
    inputs=(
        socket("source", KEYPOINTS, "source", "Keypoints of the source picture (one frame)."),
        socket("driving", KEYPOINTS, "driving", "Keypoints of the driving clip."),
    ),
    outputs=(
        socket("frame", INT, "frame", "Number of the best frame, from 0. Goes into anchor frame, or ImageFromBatch."),
        socket("distance", FLOAT, "distance", "How different the two poses still are; 0 is the same pose."),
        socket("keypoints", KEYPOINTS, "keypoints", "The keypoints of that frame."),
    ),
    run=_best_frame,
)

SMOOTH_KEYPOINTS = NodeSpec(
    id="FOMM_SmoothKeypoints",
    title="Smooth Keypoints",
    category=category("Keypoints"),
    description="Takes jitter out of keypoints over time.",
    aliases=("fomm", "stabilize", "jitter", "one euro filter", "gaussian smoothing"),
    inputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "Keypoints of a clip."),
        choice(
            "method",
            "method",
            "one-euro: calms what is at rest and leaves quick movement alone. gaussian: an even blur over time.",
            (ONE_EURO, GAUSSIAN),
        ),
        decimal(
            "sigma",
            "sigma",
            "gaussian: the width of the blur in frames. 1 is light, 3 strong.",
            default=1.5,
            minimum=0.0,
            maximum=50.0,
            step=0.1,
        ),
        decimal(
            "calmness",
            "calmness",
            "one-euro: cut-off frequency at rest, in Hz. Lower is calmer, and slower.",
            default=1.0,
            minimum=0.01,
            maximum=30.0,
            step=0.05,
        ),
        decimal(
            "quickness",
            "quickness",
            "one-euro: how soon the filter lets go when something moves. Higher follows faster.",
            default=4.0,
            minimum=0.0,
            maximum=100.0,
            step=0.1,
        ),
        FPS_IN,
    ),
    outputs=(socket("smoothed", KEYPOINTS, "keypoints", "The same clip, calmer."),),
    run=_smooth,
)

BLEND_KEYPOINTS = NodeSpec(
    id="FOMM_BlendKeypoints",
    title="Blend Keypoints",
    category=category("Keypoints"),
    description="Mixes two performances: all keypoints, or only some of them.",
    aliases=("fomm", "mix", "merge performances", "lerp", "crossfade"),
    inputs=(
        socket("first", KEYPOINTS, "first", "A clip, or a single frame that is held."),
        socket("second", KEYPOINTS, "second", "A clip of the same length, or a single frame that is held."),
        decimal(
            "weight",
            "weight",
            "0 is the first alone, 1 the second alone.",
            default=0.5,
            minimum=0.0,
            maximum=1.0,
            step=0.05,
        ),
        text(
            "only_keypoints",
            "only keypoints",
            "Numbers of the keypoints to take from the mixture, such as 0, 3-5; the others stay as in the first. "
            "Empty: all. Draw Keypoints shows the numbers.",
        ),
        choice(
            "lengths",
            "lengths",
            "shorter: a longer clip is cut to the other's length. equal: clips of different length are refused.",
            ("shorter", "equal"),
            advanced=True,
        ),
    ),
    outputs=(socket("keypoints", KEYPOINTS, "keypoints", "The mixture."),),
    run=_blend,
)

SAVE_KEYPOINTS = NodeSpec(
    id="FOMM_SaveKeypoints",
    title="Save Keypoints",
    category=category("Keypoints"),
    description="Saves a performance as a small file that drives other pictures later, without its video.",
    aliases=("fomm", "save performance", "export motion", "template"),
    inputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "Keypoints of a driving clip, as Detect Keypoints gives them."),
        text(
            "filename_prefix",
            "filename prefix",
            "Name of the file, below output/fomm; a number is added. Sub-folders are possible: dance/take.",
            default="performance",
        ),
        FPS_IN,
    ),
    outputs=(
        socket("same", KEYPOINTS, "keypoints", "The same keypoints, to go on with."),
        socket("file", STRING, "file", "The file's name, as Load Keypoints will offer it."),
    ),
    run=_save,
    is_output=True,
)

LOAD_KEYPOINTS = NodeSpec(
    id="FOMM_LoadKeypoints",
    title="Load Keypoints",
    category=category("Keypoints"),
    description="Loads a performance that Save Keypoints wrote.",
    aliases=("fomm", "load performance", "import motion", "template"),
    inputs=(
        choice(
            "file",
            "file",
            "A performance from output/fomm or models/fomm_performances. Press R to see files that were just saved.",
            "performances",
        ),
    ),
    outputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "The keypoints of each frame."),
        socket("fps", FLOAT, "fps", "Frames per second that were saved with it, otherwise 25."),
        socket("frames", INT, "frames", "How many frames there are."),
    ),
    run=_load,
    fingerprint=_file_state,
)

SPECS = (
    DETECT_KEYPOINTS,
    TRANSFER_MOTION,
    FIND_BEST_FRAME,
    SMOOTH_KEYPOINTS,
    BLEND_KEYPOINTS,
    SAVE_KEYPOINTS,
    LOAD_KEYPOINTS,
)
