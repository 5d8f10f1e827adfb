"""The whole path in one block: as pictures, or streamed into a video file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from ...fomm_core.animation import AnimationOptions, drive, prepare_source
from ...fomm_core.background import write_behind
from ...fomm_core.fitting import FitMode, to_uint8
from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import TransferOptions, rate_of, resample
from ...fomm_core.session import Rendered
from ...fomm_core.video import VideoWriter
from ...fomm_core.video import frame_rate as exact_rate
from ..spec import (
    AUDIO,
    FLOAT,
    IMAGE,
    KEYPOINTS,
    MASK,
    VIDEO,
    FrameStream,
    Host,
    NodeSpec,
    category,
    choice,
    decimal,
    socket,
    switch,
)
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
    STILL_FPS,
    STRENGTH_IN,
    WIDTH_IN,
    Sizing,
    anchor_of,
    jacobian_of,
    one_image,
    with_mask,
)
from .clips import detect, open_driving
from .motion import Canvas

SMOOTHINGS = ("none", "one-euro", "gaussian")


@dataclass(frozen=True)
class Settings:
    """The values of the ports that both blocks share, `SETTINGS_IN`."""

    size: str
    fit: FitMode
    mode: str
    strength: float
    anchor: str
    smoothing: str
    precision: str
    width: int
    height: int
    anchor_frame: int
    relative_jacobian: str
    adapt_scale: bool

    def options(self) -> AnimationOptions:
        """As the core takes them."""
        carry = TransferOptions(
            self.mode,  # type: ignore[arg-type]
            jacobian_of(self.relative_jacobian),
            self.adapt_scale,
            self.strength,
        )
        return AnimationOptions(
            transfer=carry,
            anchor=anchor_of(self.anchor, self.anchor_frame),
            smoothing=self.smoothing,  # type: ignore[arg-type]
        )


@dataclass(frozen=True, eq=False)
class Job:
    """An animation that is ready to be rendered: all keypoints are known."""

    keypoints: Keypoints
    size: tuple[int, int]
    fps: Fraction
    frames: Iterator[Rendered]

    def __len__(self) -> int:
        return len(self.keypoints)


def _begin(
    host: Host,
    held: Any,
    source: Tensor,
    driving: Keypoints | FrameStream,
    settings: Settings,
    frame_rate: Fraction | None = None,
    mask: Tensor | None = None,
) -> Job:
    """Detect the driving clip, transfer its motion, and start the stream of frames. Detection is half of the bar.

    frame_rate: of the result, None for the clip's own. A video keeps its pace, and so do keypoints with times; pictures
        and other keypoints have none.
    mask: white where the source is transparent.
    """
    sizing = Sizing(settings.size, settings.width, settings.height, settings.fit)
    picture = one_image(source)
    size = sizing.frame_size(held.model.config, picture)
    session = host.session(held, precision=settings.precision, size=held.model.config.nearest_size(*size))
    own: Fraction | None
    if isinstance(driving, Keypoints):
        own = rate_of(driving)
    else:
        timed = driving.timed
        driving, own = detect(session, driving, size, settings.fit, lambda done, total: host.progress(done, 2 * total))
        own = own if timed else None
    rate = own or frame_rate or exact_rate(STILL_FPS)
    fps = frame_rate or rate
    prepared = prepare_source(session, with_mask(picture, mask), size=size, mode=settings.fit)
    driven = drive(prepared.keypoints, driving, settings.options(), fps=float(rate))
    keypoints, _ = resample(driven, rate, fps)
    return Job(keypoints, size, fps, session.render(prepared, keypoints))


def _animate(
    host: Host, model: Any, source: Tensor, driving: Any, mask: Tensor | None, **settings: Any
) -> tuple[Any, ...]:
    with open_driving(host, driving) as clip:
        job = _begin(host, model, source, clip, Settings(**settings), mask=mask)
    canvas = Canvas(len(job), job.size)
    hidden = torch.zeros(len(job), *job.size)
    for rendered in job.frames:
        if (alpha := rendered.alpha) is not None:
            hidden[canvas.done : canvas.done + len(rendered)] = 1 - alpha[:, 0].cpu()
        canvas.add(rendered)
        host.progress(len(job) + canvas.done, 2 * len(job), rendered.images[-1])
    return canvas.images, canvas.masks, job.keypoints, float(job.fps), hidden


def _animate_video(
    host: Host,
    model: Any,
    source: Tensor,
    driving: Any,
    frame_rate: float,
    keep_sound: bool,
    audio: Any,
    **settings: Any,
) -> tuple[Any, ...]:
    path = host.temporary_file(".mp4")
    with open_driving(host, driving) as clip:
        rate = exact_rate(frame_rate) if frame_rate else None
        job = _begin(host, model, source, clip, Settings(**settings), rate)
        track = None
        if audio is not None:
            track = host.write_sound(audio)
        elif keep_sound and not isinstance(clip, Keypoints):
            track = clip.sound()
        done = 0
        with VideoWriter(path, fps=job.fps, audio_from=track) as writer, write_behind(writer.write) as write:
            for rendered in job.frames:
                write(to_uint8(rendered.images))
                done += len(rendered)
                host.progress(len(job) + done, 2 * len(job), rendered.images[-1])
    return host.make_video(path), job.keypoints, float(job.fps)


SETTINGS_IN = (
    SIZE_IN,
    FIT_IN,
    MODE_IN,
    STRENGTH_IN,
    ANCHOR_IN,
    choice(
        "smoothing",
        "smoothing",
        "Takes jitter out of the driving movement. one-euro: calms what is at rest. gaussian: an even, light blur over "
        "time. Smooth Keypoints has more settings.",
        SMOOTHINGS,
    ),
    PRECISION_IN,
    WIDTH_IN,
    HEIGHT_IN,
    ANCHOR_FRAME_IN,
    JACOBIAN_IN,
    ADAPT_SCALE_IN,
)
SOURCE_IN = socket("source", IMAGE, "source", "The still picture to bring to life (one).")
DRIVING_IN = socket(
    "driving",
    (VIDEO, IMAGE, KEYPOINTS),
    "driving",
    "Who moves it: a video, a batch of pictures, or keypoints from Load Keypoints or Smooth Keypoints.",
)
KEYPOINTS_OUT = socket("keypoints", KEYPOINTS, "keypoints", "The source's keypoints in each frame, as rendered.")

ANIMATE = NodeSpec(
    id="FOMM_Animate",
    title="Animate",
    category=category(),
    description="Brings a still picture to life: it moves as the driving clip moves. The whole path in one block.",
    aliases=("fomm", "first order motion", "animate image", "talking head", "deepfake", "live portrait", "puppeteer"),
    inputs=(
        MODEL_IN,
        SOURCE_IN,
        DRIVING_IN,
        *SETTINGS_IN,
        socket(
            "mask",
            MASK,
            "mask",
            "The source's mask, from Load Image: white where the source is transparent. It moves along.",
            optional=True,
        ),
    ),
    outputs=(
        socket("images", IMAGE, "images", "The frames."),
        socket("repaint", MASK, "repaint mask", "White where the source shows nothing: what an inpainter may repaint."),
        KEYPOINTS_OUT,
        socket(
            "fps",
            FLOAT,
            "fps",
            "Frames per second of the driving clip, for Create Video; 25 where it has none. Uneven frames come at the "
            "rate of most of them.",
        ),
        socket("hidden", MASK, "mask", "The source's mask as it moves, for Join Image with Alpha. Black without one."),
    ),
    run=_animate,
)

ANIMATE_VIDEO = NodeSpec(
    id="FOMM_AnimateVideo",
    title="Animate to Video",
    category=category(),
    description="Like Animate, but writes a video as it goes: long clips need no more memory than short ones. Keeps "
    "the driving clip's frame rate and sound.",
    aliases=("fomm", "first order motion", "animate image", "talking head", "long video", "streaming"),
    inputs=(
        MODEL_IN,
        SOURCE_IN,
        DRIVING_IN,
        *SETTINGS_IN,
        decimal(
            "frame_rate",
            "frame rate",
            "Frames per second of the result. 0 takes the driving video's own, or 25. A video keeps its pace at any "
            "rate; keypoints and pictures are played at this one.",
            default=0.0,
            minimum=0.0,
            maximum=240.0,
        ),
        switch("keep_sound", "keep sound", "Take the driving video's sound over.", default=True),
        socket(
            "audio", AUDIO, "audio", "Another sound for the result, in place of the driving video's.", optional=True
        ),
    ),
    outputs=(
        socket("video", VIDEO, "video", "The result, for Save Video."),
        KEYPOINTS_OUT,
        socket("fps", FLOAT, "fps", "Frames per second of the result."),
    ),
    run=_animate_video,
)

SPECS = (ANIMATE, ANIMATE_VIDEO)
