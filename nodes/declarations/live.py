"""Live Preview: an image that follows a webcam, run after run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...fomm_core.animation import fitted, prepare_source
from ...fomm_core.errors import ImageError
from ...fomm_core.faces import FaceFinder, choose
from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import TransferOptions, transfer
from ...fomm_core.region import Region, crop, outlined, region_middle
from ...fomm_core.session import AnimationSession
from ...fomm_core.whole import framing_of
from ..spec import IMAGE, KEYPOINTS, Host, NodeSpec, category, integer, socket, switch
from .border import (
    HEIGHT_IN,
    MODEL_IN,
    PRECISION_IN,
    SIZE_IN,
    STRENGTH_IN,
    WIDTH_IN,
    Sizing,
    images_from_graph,
    images_to_graph,
    one_image,
)
from .motion import ClipBuffer

MOST_FRAMES = 256
"""Of one run: it is for what comes now; clips are for Animate."""


@dataclass(frozen=True, eq=False)
class Rest:
    """The driver in the source's pose: the square that drives, and its keypoints, one frame."""

    region: Region
    keypoints: Keypoints


def _live(
    host: Host,
    model: Any,
    source: Tensor,
    driving: Tensor,
    strength: float,
    take: int,
    mirror: bool,
    size: str,
    width: int,
    height: int,
    precision: str,
) -> tuple[Any, ...]:
    sizing, picture = Sizing(size, width, height, "crop"), one_image(source)
    frames = images_from_graph(driving, "driving")
    if len(frames) > MOST_FRAMES:
        raise ImageError(
            f"“driving”: expected the frames of a webcam, {MOST_FRAMES} frames at most; got {len(frames)}. "
            "To animate images with whole clips, use Animate."
        )
    if mirror:
        frames = frames.flip(-1)
    shown = sizing.frame_size(model.model.config, picture)
    session = host.session(model, precision=precision, size=sizing.working_size(model.model.config, picture))
    prepared = prepare_source(session, picture, size=shown)
    key = ("live", take, mirror, prepared.working, shown, tuple(frames.shape[-2:]))
    rest = host.remember(model, [source], key, lambda: _rest(session, frames[:1], prepared.working, shown))
    found = _detect(session, frames, rest.region, prepared.working, shown)
    moved = transfer(prepared.keypoints, found, rest.keypoints, TransferOptions(strength=strength))
    canvas = ClipBuffer(len(moved), shown)
    for rendered in session.render(prepared, moved):
        canvas.add(rendered)
        host.progress(canvas.done, len(moved), rendered.images[-1])
    return canvas.images, images_to_graph(outlined(frames, rest.region)), moved


def _rest(session: AnimationSession, frame: Tensor, working: tuple[int, int], shown: tuple[int, int]) -> Rest:
    """Of one frame [1, 3, H, W]: the square around the largest face, or in the middle where none is seen."""
    config = session.config
    framing = framing_of(config, session.model.name)
    height, width = frame.shape[-2:]
    region = region_middle(height, width)
    if framing is not None:
        face = choose(FaceFinder(session.device).find(frame, tiles="never"), "largest")
        region = region if face is None else face.region(framing)
    return Rest(region, _detect(session, frame, region, working, shown))


def _detect(
    session: AnimationSession, frames: Tensor, region: Region, working: tuple[int, int], shown: tuple[int, int]
) -> Keypoints:
    return session.detect(fitted((crop(frame[None], region, max(working)) for frame in frames), *working, shown=shown))


SPECS = (
    NodeSpec(
        id="FOMM_LivePreview",
        title="Live Preview",
        category=category(),
        description=(
            "Animates an image with the newest frame of a webcam, run after run: put Webcam Capture before it, "
            "and let the queue repeat by itself. The first frame shows the pose of the image."
        ),
        aliases=("webcam", "camera", "live", "real time", "puppet", "avatar"),
        inputs=(
            MODEL_IN,
            socket("source", IMAGE, "source", "The still image to animate."),
            socket("driving", IMAGE, "driving", "What the camera sees now, from Webcam Capture; or a few frames."),
            STRENGTH_IN,
            integer(
                "take",
                "take",
                (
                    "Increase it to start again: the next frame then shows the pose of the source, and the square "
                    "around the face is detected again. Another source does so by itself."
                ),
                default=1,
                minimum=1,
                maximum=1_000_000,
            ),
            switch("mirror", "mirror", "Mirror the driver left to right.", default=True),
            SIZE_IN,
            WIDTH_IN,
            HEIGHT_IN,
            PRECISION_IN,
        ),
        outputs=(
            socket("images", IMAGE, "images", "The animated image; as many frames as came in."),
            socket("driver", IMAGE, "driver", "The driver with the square that is used."),
            socket("keypoints", KEYPOINTS, "keypoints", "What was rendered, for Save Keypoints."),
        ),
        run=_live,
        is_output=True,
        shows="images",
    ),
)
