"""Blocks that edit performances and show them as curves."""

from __future__ import annotations

from typing import Any

from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import (
    ENDINGS,
    Edits,
    edited,
    fill_gaps,
    parse_groups,
    parse_numbers,
    parse_weights,
    rate_of,
)
from ...fomm_core.plots import QUANTITIES, Marks, plot_curves
from ...fomm_core.video import frame_rate
from ..spec import (
    FLOAT,
    IMAGE,
    INT,
    KEYPOINTS,
    STRING,
    Host,
    NodeSpec,
    category,
    choice,
    decimal,
    integer,
    socket,
    text,
)
from ..spec import switch as on_off
from .border import images_to_graph
from .clips import keypoints_at_constant_rate
from .mixing import FPS_IN, GROUPS_IN

MOST = 1_000_000


def _edit(
    host: Host,
    keypoints: Keypoints,
    fps: float,
    start: int,
    frames: int,
    mirror: bool,
    reverse: bool,
    speed: float,
    frame_rate_: float,
    length: int,
    strength: str,
    anchor_frame: int,
    offset: float,
    wrap: bool,
    hold_first: int,
    hold_last: int,
    ending: str,
    crossfade: int,
    repeat: int,
    partners: str,
    following: Keypoints | None,
) -> tuple[Any, ...]:
    rate = rate_of(keypoints) or frame_rate(fps)
    edits = Edits(
        start=start,
        frames=frames or None,
        mirror=mirror,
        partners=_partners(partners, keypoints.count),
        reverse=reverse,
        speed=speed,
        fps=frame_rate(frame_rate_) if frame_rate_ else None,
        length=length or None,
        strength=strength,
        anchor=anchor_frame,
        offset=offset,
        wrap=wrap,
        hold_first=hold_first,
        hold_last=hold_last,
        crossfade=crossfade,
        ending=ending,  # type: ignore[arg-type]
        repeat=repeat,
    )
    behind = []
    if following is not None:
        behind = [keypoints_at_constant_rate(following)]
    done, rate = edited(keypoints, rate, edits, behind)
    return done, float(rate), len(done)


def _run_edit(host: Host, **values: Any) -> tuple[Any, ...]:
    return _edit(host, frame_rate_=values.pop("frame_rate"), **values)


def _partners(words: str, count: int) -> tuple[int, ...] | None:
    """Pairs such as "1-2, 4-7" as the partner of each keypoint, those unnamed being their own; None for no text."""
    if not words.strip():
        return None
    order = list(range(count))
    for pair in words.replace(" ", "").strip(",").split(","):
        first, _, second = pair.partition("-")
        ends = (*parse_numbers(first, count), *parse_numbers(second, count))
        if len(ends) == 2:
            order[ends[0]], order[ends[1]] = ends[1], ends[0]
    return tuple(order)


def _fill(host: Host, keypoints: Keypoints, least: float, longest: int) -> tuple[Any, ...]:
    filled, gaps = fill_gaps(keypoints, least=least, longest=longest)
    lost = sum(count for _, count in gaps)
    listed = ", ".join(f"{start}-{start + count - 1}" if count > 1 else str(start) for start, count in gaps)
    return filled, lost, f"{lost} of {len(keypoints)} frames were lost{': ' if lost else ''}{listed}"


def _plot(
    host: Host,
    keypoints: Keypoints,
    quantity: str,
    only_keypoints: str,
    groups: str,
    width: int,
    height: int,
    anchor_frame: int,
    before: Keypoints | None,
) -> tuple[Any, ...]:
    named = parse_groups(groups, keypoints.count)
    weights = parse_weights(only_keypoints, named, keypoints.count)
    chosen = None if weights is None else [number for number, weight in enumerate(weights[0]) if weight > 0]
    keypoints = keypoints_at_constant_rate(keypoints)
    before = None if before is None else keypoints_at_constant_rate(before)
    gaps = [] if keypoints.confidence is None else fill_gaps(keypoints)[1]
    picture = plot_curves(
        keypoints,
        before=before,
        quantities=("x", "y", "turning", "confidence") if quantity == "all" else (quantity,),
        select=chosen,
        marks=Marks(anchor=anchor_frame if anchor_frame >= 0 else None, gaps=gaps),
        width=width,
        height=height,
    )
    return (images_to_graph(picture),)


EDIT_PERFORMANCE = NodeSpec(
    id="FOMM_EditPerformance",
    title="Edit Performance",
    category=category("Keypoints"),
    description="Trims, mirrors, reverses, slows, loops and joins a performance: keypoints over time, without a pixel.",
    aliases=("fomm", "trim", "loop", "reverse", "ping pong", "mirror", "speed", "retime", "crossfade", "join"),
    inputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "A performance. What is set below is done to it in that order."),
        FPS_IN,
        integer(
            "start",
            "start",
            "First frame to use; below 0 it counts from the end.",
            default=0,
            minimum=-MOST,
            maximum=MOST,
        ),
        integer(
            "frames", "frames", "How many frames to use; 0 is all that follow.", default=0, minimum=0, maximum=MOST
        ),
        on_off("mirror", "mirror", "Left and right are exchanged, each keypoint with its partner.", default=False),
        on_off("reverse", "reverse", "The last frame comes first.", default=False),
        decimal(
            "speed",
            "speed",
            "2 is twice as fast, in half as many frames; 0.5 half as fast.",
            default=1.0,
            minimum=0.01,
            maximum=100.0,
            step=0.05,
        ),
        decimal(
            "frame_rate",
            "frame rate",
            "Frames per second of the result, at the same pace; 0 keeps those there are.",
            default=0.0,
            minimum=0.0,
            maximum=1000.0,
            step=1.0,
        ),
        integer(
            "length",
            "length",
            "Stretch or squeeze it to so many frames; 0 keeps its length.",
            default=0,
            minimum=0,
            maximum=MOST,
        ),
        text(
            "strength",
            "strength",
            "How much of the movement stays: 0.5, or a curve over time as frame: strength, such as 0: 0, 25: 1, 4s: 0.",
            default="1",
        ),
        integer(
            "anchor_frame",
            "anchor frame",
            "The frame from which strength is measured: at 0 all stands in its pose. Below 0 it counts from the end.",
            default=0,
            minimum=-MOST,
            maximum=MOST,
            advanced=True,
        ),
        decimal(
            "offset",
            "offset",
            "Later by so many frames, below 0 earlier; the first or last pose is held.",
            default=0.0,
            minimum=-float(MOST),
            maximum=float(MOST),
            step=0.5,
        ),
        on_off(
            "wrap",
            "wrap",
            "With offset: what leaves at one end comes in at the other, as a loop wants it.",
            default=False,
            advanced=True,
        ),
        integer(
            "hold_first", "hold first", "Hold the first pose for so many frames.", default=0, minimum=0, maximum=MOST
        ),
        integer("hold_last", "hold last", "Hold the last pose for so many frames.", default=0, minimum=0, maximum=MOST),
        choice(
            "ending",
            "ending",
            "ping-pong: there and back, to be looped. loop: the last frames fade into the first. as it is: neither.",
            ENDINGS,
        ),
        integer(
            "crossfade",
            "crossfade",
            "How many frames fade into each other where it loops, and where the next performance follows.",
            default=0,
            minimum=0,
            maximum=MOST,
        ),
        integer("repeat", "repeat", "How often in a row.", default=1, minimum=1, maximum=1000),
        text(
            "partners",
            "partners",
            "With mirror: which keypoints change places, such as 1-2, 4-7; the others stay. Empty: found by where they "
            "are in the first frame.",
            advanced=True,
        ),
        socket(
            "following",
            KEYPOINTS,
            "following",
            "A performance that follows this one, of the same model and frame rate.",
            optional=True,
        ),
    ),
    outputs=(
        socket("edited", KEYPOINTS, "keypoints", "The edited performance."),
        socket("rate", FLOAT, "fps", "Its frames per second."),
        socket("count", INT, "frames", "How many frames it has."),
    ),
    run=_run_edit,
)

FILL_GAPS = NodeSpec(
    id="FOMM_FillGaps",
    title="Fill Gaps",
    category=category("Keypoints"),
    description="Bridges frames in which the detector was lost: a hand before the face, a turned head, a bad frame.",
    aliases=("fomm", "confidence", "missing face", "interpolate", "dropped frames", "occlusion"),
    inputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "Keypoints of a clip, as Detect Keypoints gives them."),
        decimal(
            "least",
            "least",
            "Frames with less than this share of the clip's usual confidence are lost. Higher finds more of them.",
            default=0.8,
            minimum=0.0,
            maximum=1.0,
            step=0.01,
        ),
        integer(
            "longest",
            "longest",
            "Up to so many frames are bridged by a movement; over longer gaps the poses before and after are held.",
            default=25,
            minimum=0,
            maximum=10_000,
        ),
    ),
    outputs=(
        socket("filled", KEYPOINTS, "keypoints", "The same clip without gaps."),
        socket("lost", INT, "lost", "How many frames were bridged."),
        socket("report", STRING, "report", "Which ones, in words."),
    ),
    run=_fill,
)

CURVES = NodeSpec(
    id="FOMM_Curves",
    title="Curves",
    category=category("View"),
    description="Plots a performance: where each keypoint is, how it turns, how sure it is, over time.",
    aliases=("fomm", "plot", "graph editor", "f-curves", "timeline", "confidence"),
    inputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "A performance."),
        choice(
            "quantity",
            "quantity",
            "x, y: place, from -1 to 1. turning: of the keypoint's surroundings, in degrees. size: how they stretch. "
            "confidence: how sure the detector was. all: one panel each.",
            ("all", *QUANTITIES),
        ),
        text("only_keypoints", "only keypoints", "Names of groups or numbers of keypoints: mouth, 3-5. Empty: all."),
        GROUPS_IN,
        integer("width", "width", "Width of the image in pixels.", default=960, minimum=160, maximum=4096, step=8),
        integer("height", "height", "Height of the image in pixels.", default=720, minimum=120, maximum=4096, step=8),
        integer(
            "anchor_frame",
            "anchor frame",
            "The anchor, drawn as a yellow line; -1 draws none.",
            default=-1,
            minimum=-1,
            maximum=MOST,
        ),
        socket(
            "before",
            KEYPOINTS,
            "before",
            "The same performance as it was before smoothing or an edit, drawn faintly beneath.",
            optional=True,
        ),
    ),
    outputs=(socket("plot", IMAGE, "image", "The plot. Dark red are frames in which the detector was lost."),),
    run=_plot,
)

SPECS = (EDIT_PERFORMANCE, FILL_GAPS, CURVES)
