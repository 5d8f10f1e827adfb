"""The whole path in one block: as images, or streamed into a video file."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from ...fomm_core.background import one_core, write_behind
from ...fomm_core.fitting import to_uint8
from ...fomm_core.geometry import Keypoints
from ...fomm_core.video import VideoWriter
from ..spec import (
    AUDIO,
    FLOAT,
    IMAGE,
    INT,
    KEYPOINTS,
    MASK,
    REGION,
    VIDEO,
    Host,
    NodeSpec,
    category,
    choice,
    decimal,
    socket,
    switch,
)
from .animating import Settings, begin
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
)
from .motion import ClipBuffer
from .several import single
from .source_clip import MISMATCHES

SMOOTHINGS = ("none", "one-euro", "gaussian")


def _animate(
    host: Host,
    model: Any,
    source: Any,
    driving: Any,
    mask: Tensor | None,
    frame_rate: float,
    **settings: Any,
) -> tuple[Any, ...]:
    with ExitStack() as stack:
        job, clip = begin(host, stack, model, source, driving, Settings(**settings), frame_rate, mask)
        sound = None if clip is None else clip.sound()
        canvas = ClipBuffer(len(job), job.size)
        hidden = torch.zeros(len(job), *job.size)
        for rendered in job.frames:
            with one_core():
                if (alpha := rendered.alpha) is not None:
                    hidden[canvas.done : canvas.done + len(rendered)] = 1 - alpha[:, 0].cpu()
            canvas.add(rendered)
            job.report_progress(host, canvas.done, rendered.images[-1])
        heard = None if sound is None else host.read_sound(sound)
    keypoints = job.keypoints[0] if len(job.keypoints) == 1 else Keypoints.cat(job.keypoints)
    return canvas.images, canvas.masks, keypoints, float(job.fps), hidden, job.count, heard


def _animate_video(
    host: Host,
    model: Any,
    source: Any,
    driving: Any,
    frame_rate: float,
    keep_sound: bool,
    audio: Any,
    **settings: Any,
) -> tuple[Any, ...]:
    for name in ("source_region", "driving_region"):
        if settings[name] is not None:
            single(settings[name], "one video shows one face. For several, use Animate and Paste Back")
    path = host.temporary_file(".mp4")
    with ExitStack() as stack:
        job, clip = begin(host, stack, model, source, driving, Settings(**settings), frame_rate)
        track = None
        if audio is not None:
            track = host.write_sound(audio)
        elif keep_sound and clip is not None:
            track = clip.sound()
        done = 0
        with VideoWriter(path, fps=job.fps, audio_from=track) as writer, write_behind(writer.write) as write:
            for rendered in job.frames:
                write(to_uint8(rendered.images))
                done += len(rendered)
                job.report_progress(host, done, rendered.images[-1])
    return host.make_video(path), job.keypoints[0], float(job.fps), job.count


SETTINGS_IN = (
    SIZE_IN,
    FIT_IN,
    MODE_IN,
    STRENGTH_IN,
    ANCHOR_IN,
    choice(
        "smoothing",
        "smoothing",
        (
            "Removes jitter from the driving motion. one-euro: steadies what is at rest. gaussian: an even, light "
            "blur over time. Smooth Keypoints has more settings."
        ),
        SMOOTHINGS,
    ),
    PRECISION_IN,
    WIDTH_IN,
    HEIGHT_IN,
    ANCHOR_FRAME_IN,
    JACOBIAN_IN,
    ADAPT_SCALE_IN,
)
SOURCE_IN = socket(
    "source",
    (IMAGE, VIDEO),
    "source",
    "The still image to animate. A video, or several images, are animated frame by frame.",
)
SOURCE_REGION_IN = socket(
    "source_region",
    REGION,
    "source region",
    (
        "The square of the source to animate, from Find Region, instead of a Crop Region before this block. The "
        "frames show the square; Paste Back pastes them back. With several faces, the frames of each follow one "
        "another."
    ),
    optional=True,
)
DRIVING_REGION_IN = socket(
    "driving_region",
    REGION,
    "driving region",
    (
        "The square of the driver to use, from Find Region. Several faces drive as many faces of the source, from "
        "left to right; one face drives them all."
    ),
    optional=True,
)
MISMATCH_IN = choice(
    "mismatch",
    "mismatch",
    (
        "What to do if the source is a clip with another number of frames than the driver. stop: report an error. "
        "Otherwise the result is as long as the driver: a longer source is cut, and a shorter one continues looped,"
        " held at its last frame, or ping-pong, back and forth."
    ),
    MISMATCHES,
    advanced=True,
)
COUNT_OUT = socket("count", INT, "frames", "Number of frames in the result; with several faces, of each.")
DRIVING_IN = socket(
    "driving",
    (VIDEO, IMAGE, KEYPOINTS),
    "driving",
    "The driver: a video, a batch of images, or keypoints from Load Keypoints or Smooth Keypoints.",
)
KEYPOINTS_OUT = socket("keypoints", KEYPOINTS, "keypoints", "The source's keypoints in each frame, as rendered.")

ANIMATE = NodeSpec(
    id="FOMM_Animate",
    title="Animate",
    category=category(),
    description="Animates a still image with a driving clip. The whole path in one block.",
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
            "The source's mask, from Load Image: white where the source is transparent. It is moved with the source.",
            optional=True,
        ),
        SOURCE_REGION_IN,
        DRIVING_REGION_IN,
        decimal(
            "frame_rate",
            "frame rate",
            (
                "Frames per second of the result. 0 uses the driving video's rate; images and plain keypoints, "
                "which have none, are played at 25. A video keeps its pace at any rate."
            ),
            default=0.0,
            minimum=0.0,
            maximum=240.0,
        ),
        MISMATCH_IN,
    ),
    outputs=(
        socket("images", IMAGE, "images", "The frames."),
        socket(
            "repaint",
            MASK,
            "repaint mask",
            "White where the source shows nothing: what an inpainting model may repaint.",
        ),
        KEYPOINTS_OUT,
        socket(
            "fps",
            FLOAT,
            "fps",
            (
                "Frames per second, for Create Video: the frame rate as set, or the driving clip's own; 25 if it "
                "has none. If frames are uneven, the most common rate."
            ),
        ),
        socket("hidden", MASK, "mask", "The source's mask, moved along, for Join Image with Alpha. Black without one."),
        COUNT_OUT,
        socket("sound", AUDIO, "sound", "The driving video's audio, in sync with the frames, for Create Video."),
    ),
    run=_animate,
)

ANIMATE_VIDEO = NodeSpec(
    id="FOMM_AnimateVideo",
    title="Animate to Video",
    category=category(),
    description=(
        "Like Animate, but streams to a video file: long clips need no more memory than short ones. Keeps the "
        "driving clip's frame rate and audio."
    ),
    aliases=("fomm", "first order motion", "animate image", "talking head", "long video", "streaming"),
    inputs=(
        MODEL_IN,
        SOURCE_IN,
        DRIVING_IN,
        *SETTINGS_IN,
        decimal(
            "frame_rate",
            "frame rate",
            (
                "Frames per second of the result. 0 uses the driving video's rate, or 25. A video keeps its pace at"
                " any rate; keypoints and images are played at this one."
            ),
            default=0.0,
            minimum=0.0,
            maximum=240.0,
        ),
        switch("keep_sound", "keep sound", "Carry over the driving video's audio.", default=True),
        socket("audio", AUDIO, "audio", "Other audio for the result, instead of the driving video's.", optional=True),
        SOURCE_REGION_IN,
        DRIVING_REGION_IN,
        MISMATCH_IN,
    ),
    outputs=(
        socket("video", VIDEO, "video", "The result, for Save Video."),
        KEYPOINTS_OUT,
        socket("fps", FLOAT, "fps", "Frames per second of the result."),
        COUNT_OUT,
    ),
    run=_animate_video,
)

SPECS = (ANIMATE, ANIMATE_VIDEO)
