"""Find Region: where the face is, in an image or through a clip."""

from __future__ import annotations

from typing import Any

from ...fomm_core.errors import RegionError
from ...fomm_core.faces import FaceFinder, FaceTracker, Track, Tracking, choose
from ...fomm_core.model import MotionModel
from ...fomm_core.region import FRAMINGS, Framing, Region, region_middle
from ...fomm_core.whole import USUAL, framing_of
from ...fomm_core.wording import counted
from ..spec import INT, MODEL, STRING, FrameStream, Host, NodeSpec, category, choice, integer, socket, switch
from .clips import READ_AT_ONCE, first_frame, open_clip
from .region_ports import MOVEMENT_IN, OUTPUTS, PICTURES_IN, SCALE_IN, Samples, at_constant_rate, outputs_of

ALL = "all"
FACES = ("largest", "left", "right", "middle", "number", ALL)
AUTO, FACE_ALONE = "auto", "face"


def chosen_framing(framing: str, model: MotionModel | None) -> Framing:
    """How the face lies in the square, for a choice of the port `framing`."""
    if framing == FACE_ALONE:
        return Framing(1.0)
    if framing != AUTO:
        return FRAMINGS[framing]
    return (None if model is None else framing_of(model.config, model.name)) or FRAMINGS[USUAL]


def _find(
    host: Host,
    images: Any,
    which: str,
    number: int,
    framing: str,
    movement: str,
    level: bool,
    scale: float,
    no_face: str,
    model: Any,
) -> tuple[Any, ...]:
    wanted: Any = number if which == "number" else which
    frame = chosen_framing(framing, None if model is None else model.model)
    samples = Samples()
    with open_clip(host, images, "images") as clip:
        if clip.length == 1 and not clip.timed:
            found, report, regions, size = _in_picture(clip, wanted, frame, samples, level=level)
        else:
            tracking, size = _tracked(host, clip, wanted, samples)
            tracks = sorted(tracking.tracks, key=_place)
            found = len(tracks) if which == ALL else sum(int(track.found.sum()) for track in tracks)
            report = tracking.summary()
            regions = [track.region(frame, follow=movement == "follow", level=level) for track in tracks]
        if not regions and no_face == "stop":
            raise RegionError(f"expected a face in “images”; found {report}. Choose the square with a Region block.")
        if not regions:
            regions, report = [region_middle(*size)], f"{report}: used the middle"
        regions = [region.scaled(scale) for region in regions]
        preview = samples.drawn(*regions)
        regions = [at_constant_rate(region, clip) for region in regions]
    host.progress(1, 1, preview[0].movedim(-1, 0))
    return *outputs_of(regions[0] if len(regions) == 1 else tuple(regions), preview), found, report


def _place(track: Track) -> float:
    """Where it is first seen, from the left."""
    return float(track.square[track.found][0, 0])


def _in_picture(
    clip: FrameStream, which: Any, framing: Framing, samples: Samples, *, level: bool
) -> tuple[int, str, list[Region], tuple[int, int]]:
    picture = first_frame(clip)[0]
    samples.add(picture)
    faces = FaceFinder().find(picture)
    face = choose(faces, which) if which != ALL else None
    chosen = sorted(faces, key=lambda face: face.box[0]) if which == ALL else [face] if face is not None else []
    found = counted(len(faces), "face") if faces else "no face"
    size = (picture.shape[-2], picture.shape[-1])
    if not chosen:
        return 0, f"{found}, none of them number {which}" if faces else found, [], size
    sizes = ", ".join(f"{face.size:.0f}" for face in chosen)
    report = f"{found}, {sizes} px" if len(chosen) == len(faces) else f"{found}; the one of {sizes} px"
    return len(faces), report, [face.region(framing, level=level) for face in chosen], size


def _tracked(host: Host, clip: FrameStream, which: Any, samples: Samples) -> tuple[Tracking, tuple[int, int]]:
    tracker = FaceTracker(which=which)
    done, total = 0, clip.length or 0
    for frames in clip.batches(READ_AT_ONCE):
        for frame in frames:
            tracker.add(frame)
            samples.add(frame)
        done += len(frames)
        host.progress(done, max(done, total) + 1)
    tracking = tracker.finish(None if clip.times is None else list(clip.times)[:-1])
    assert tracker.size is not None
    return tracking, tracker.size


FIND_REGION = NodeSpec(
    id="FOMM_FindRegion",
    title="Find Region",
    category=category("Region"),
    description=(
        "Finds a face in an image, or tracks it through a clip, and outputs the square around it that the model"
        " expects."
    ),
    aliases=("fomm", "face detection", "face crop", "detect face", "auto crop", "track face", "bounding box"),
    inputs=(
        PICTURES_IN,
        choice(
            "which",
            "which",
            (
                "Which face, if there are several: the largest, the leftmost or rightmost, the one nearest to the "
                "middle, or a number. In a clip, those in the first frame that shows any. all: each of them, from "
                "left to right, for Animate and Paste Back."
            ),
            FACES,
        ),
        integer(
            "number",
            "number",
            "If which is number: counted from left to right, from 0.",
            default=0,
            minimum=0,
            maximum=63,
        ),
        choice(
            "framing",
            "framing",
            (
                "How the face is placed in the square. auto: as the connected model expects it, or like vox. vox: "
                "as in the clips of the published head model. demo: as the built-in model expects it. face: only "
                "the face, for blocks that restore faces."
            ),
            (AUTO, *FRAMINGS, FACE_ALONE),
        ),
        MOVEMENT_IN,
        switch(
            "level", "level", "Rotate the square with the head, so that the eyes are level in the crop.", default=False
        ),
        SCALE_IN,
        choice(
            "no_face",
            "no face",
            (
                "What to do if there is no face. middle: use the largest square in the middle, and say so in the "
                "report. stop: stop the graph."
            ),
            ("middle", "stop"),
            advanced=True,
        ),
        socket("model", MODEL, "model", "For framing auto: the model that will see the crop.", optional=True),
    ),
    outputs=(
        *OUTPUTS,
        socket(
            "found",
            INT,
            "found",
            (
                "Faces in the image, or frames of the clip that show the face; with all, faces in either. 0: none "
                "was found."
            ),
        ),
        socket("report", STRING, "report", "What was found, in words."),
    ),
    run=_find,
)

SPECS = (FIND_REGION,)
