"""Find Region: where the face is, in a picture or through a clip."""

from __future__ import annotations

from typing import Any

from ...fomm_core.errors import RegionError
from ...fomm_core.faces import FaceFinder, FaceTracker, Tracking, choose
from ...fomm_core.model import MotionModel
from ...fomm_core.region import FRAMINGS, Framing, Region, region_middle
from ...fomm_core.whole import USUAL, framing_of
from ...fomm_core.wording import counted
from ..spec import INT, MODEL, STRING, FrameStream, Host, NodeSpec, category, choice, integer, socket, switch
from .clips import READ_AT_ONCE, first_frame, open_clip
from .region_ports import MOVEMENT_IN, OUTPUTS, PICTURES_IN, SCALE_IN, Samples, at_constant_rate, outputs_of

FACES = ("largest", "left", "right", "middle", "number")
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
            found, report, region, size = _in_picture(clip, wanted, frame, samples, level=level)
        else:
            tracking, size = _tracked(host, clip, wanted, samples)
            track = tracking.tracks[0] if tracking.tracks else None
            found, report = 0 if track is None else int(track.found.sum()), tracking.summary()
            region = None if track is None else track.region(frame, follow=movement == "follow", level=level)
        if region is None and no_face == "stop":
            raise RegionError(f"expected a face in “images”; found {report}. Choose the square with a Region block.")
        if region is None:
            region, report = region_middle(*size), f"{report}: took the middle"
        region = region.scaled(scale)
        preview = samples.drawn(region)
        region = at_constant_rate(region, clip)
    host.progress(1, 1, preview[0].movedim(-1, 0))
    return *outputs_of(region, preview), found, report


def _in_picture(
    clip: FrameStream, which: Any, framing: Framing, samples: Samples, *, level: bool
) -> tuple[int, str, Region | None, tuple[int, int]]:
    picture = first_frame(clip)[0]
    samples.add(picture)
    faces = FaceFinder().find(picture)
    face = choose(faces, which)
    found = counted(len(faces), "face") if faces else "no face"
    size = (picture.shape[-2], picture.shape[-1])
    if face is None:
        return 0, f"{found}, none of them number {which}" if faces else found, None, size
    report = f"{found}, {face.size:.0f} px" if len(faces) == 1 else f"{found}; the one of {face.size:.0f} px"
    return len(faces), report, face.region(framing, level=level), size


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
    description="Finds a face in a picture, or follows it through a clip, and gives the square that the model wants to "
    "see around it.",
    aliases=("fomm", "face detection", "face crop", "detect face", "auto crop", "track face", "bounding box"),
    inputs=(
        PICTURES_IN,
        choice(
            "which",
            "which",
            "Which face, where there are several: the largest, the one farthest left or right, the one nearest to the "
            "middle, or a number. Of a clip, in the first frame that shows any.",
            FACES,
        ),
        integer(
            "number",
            "number",
            "Where which is number: counted from left to right, from 0.",
            default=0,
            minimum=0,
            maximum=63,
        ),
        choice(
            "framing",
            "framing",
            "How the face lies in the square. auto: as the connected model wants it, or as vox. vox: as in the clips "
            "of the published model of heads. demo: as the built-in model wants it. face: the face alone, for blocks "
            "that restore faces.",
            (AUTO, *FRAMINGS, FACE_ALONE),
        ),
        MOVEMENT_IN,
        switch(
            "level", "level", "Turn the square with the head, so that its eyes are level in the crop.", default=False
        ),
        SCALE_IN,
        choice(
            "no_face",
            "no face",
            "What to do where there is none. middle: take the largest square in the middle, and say so in the report. "
            "stop: stop the graph.",
            ("middle", "stop"),
            advanced=True,
        ),
        socket("model", MODEL, "model", "For framing auto: the model that will see the crop.", optional=True),
    ),
    outputs=(
        *OUTPUTS,
        socket(
            "found", INT, "found", "Faces in the picture, or frames of the clip that show the face. 0: there is none."
        ),
        socket("report", STRING, "report", "What was found, in words."),
    ),
    run=_find,
)

SPECS = (FIND_REGION,)
