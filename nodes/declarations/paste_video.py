"""Paste Back to Video: frames laid into a whole image or clip as they are read, into a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from typing import Any

from torch import Tensor

from ...fomm_core.background import read_ahead, write_behind
from ...fomm_core.errors import ImageError, RegionError
from ...fomm_core.fitting import to_uint8
from ...fomm_core.region import Paster
from ...fomm_core.video import VideoWriter
from ...fomm_core.video import frame_rate as exact_rate
from ..spec import AUDIO, FLOAT, IMAGE, VIDEO, FrameStream, Host, NodeSpec, category, decimal, socket, switch
from .clips import even_frames, first_frame, open_clip, rate_of_clip
from .crop_paste import FEATHER_IN, LINEAR_IN, MASK_IN, WHOLE_IN, limits_of
from .region_ports import REGION_IN
from .several import Regions, single


def _paste_video(
    host: Host,
    frames: Any,
    region: Regions,
    whole: Any,
    feather: float,
    linear_light: bool,
    frame_rate: float,
    keep_sound: bool,
    mask: Tensor | None,
    audio: Any,
) -> tuple[Any, ...]:
    region = single(region, "a video shows one at a time. Use Paste Back, or one of these blocks for each face")
    path = host.temporary_file(".mp4")
    with ExitStack() as stack:
        crops = stack.enter_context(open_clip(host, frames, "frames"))
        base = stack.enter_context(open_clip(host, whole, "whole"))
        rate = exact_rate(frame_rate) if frame_rate else _rate_of_both(crops, base)
        track = host.write_sound(audio) if audio is not None else None
        if track is None and keep_sound:
            track = crops.sound() or base.sound()
        still = not base.timed and base.length == 1
        ahead = stack.enter_context(read_ahead(_one_by_one(even_frames(crops))))
        if still:
            wholes = _repeated(_bytes(first_frame(base)[0]))
        else:
            wholes = stack.enter_context(read_ahead(_one_by_one(even_frames(base))))
        paster = Paster(region, feather=feather, linear=linear_light)
        writer = stack.enter_context(VideoWriter(path, fps=rate, audio_from=track))
        write = stack.enter_context(write_behind(writer.write))
        done, limits = 0, None
        for crop_pixels in ahead:
            picture = next(wholes, None)
            if picture is None:
                raise ImageError(f"“whole”: expected an image for each frame; the clip ends after {done}.")
            if mask is not None and limits is None:
                region.check_size(*picture.shape[:2])
                limits = limits_of(mask, region, crop_pixels.shape[0], max(len(mask), len(region), 1)).numpy()
            limit = None if limits is None else _at(limits, done)
            laid = paster(picture, crop_pixels, done, mask=limit)
            write(laid[None])
            done += 1
            host.progress(done, max(done, crops.length or 0))
        if not still and next(wholes, None) is not None:
            raise ImageError(f"“frames”: expected a frame for each whole image; there are only {done}.")
        if len(region) > 1:
            region.frames(done)
    return host.make_video(path), float(rate)


def _rate_of_both(frames: FrameStream, whole: FrameStream) -> Fraction:
    """The rate of the first of both that is a video; it is read through for it."""
    for clip in (frames, whole):
        if clip.timed:
            for _ in islice(even_frames(clip), 1):  # so that its times are known
                pass
            return rate_of_clip(clip)
    return rate_of_clip(frames)


def _one_by_one(parts: Iterable[Tensor]) -> Iterator[Any]:
    """Bytes [H, W, 3] of each frame."""
    for part in parts:
        for frame in part:
            yield _bytes(frame)


def _bytes(frame: Tensor) -> Any:
    return to_uint8(frame[None])[0]


def _repeated(picture: Any) -> Iterator[Any]:
    while True:
        yield picture


def _at(limits: Any, frame: int) -> Any:
    if len(limits) == 1:
        return limits[0]
    if frame >= len(limits):
        raise RegionError(f"“mask”: expected one mask, or one for each frame; there are only {len(limits)}.")
    return limits[frame]


PASTE_BACK_VIDEO = NodeSpec(
    id="FOMM_PasteBackVideo",
    title="Paste Back to Video",
    category=category("Region"),
    description="Like Paste Back, but streams videos: long clips need no more memory than short ones.",
    aliases=("fomm", "uncrop", "stitch", "composite", "long video", "streaming"),
    inputs=(
        socket("frames", (IMAGE, VIDEO), "frames", "What to paste: square images, or a video of them."),
        REGION_IN,
        WHOLE_IN,
        FEATHER_IN,
        LINEAR_IN,
        decimal(
            "frame_rate",
            "frame rate",
            "Frames per second of the result. 0 uses the rate of the frames' video, or of the whole clip, or 25.",
            default=0.0,
            minimum=0.0,
            maximum=240.0,
        ),
        switch(
            "keep_sound", "keep sound", "Carry over the audio of the frames' video, or of the whole clip.", default=True
        ),
        MASK_IN,
        socket("audio", AUDIO, "audio", "Other audio for the result.", optional=True),
    ),
    outputs=(
        socket("video", VIDEO, "video", "The result, for Save Video."),
        socket("fps", FLOAT, "fps", "Frames per second of the result."),
    ),
    run=_paste_video,
)

SPECS = (PASTE_BACK_VIDEO,)
