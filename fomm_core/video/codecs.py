"""Other encoders than a kind of file's own: AV1 in software, and those of graphics cards and processors."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Final

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from ..errors import ImageError
from .encoders import CONTAINERS, ContainerRules, av1_options
from .info import Warn

AUTO: Final = "auto"
H264: Final = (".mp4", ".m4v", ".mov", ".mkv")
AV1: Final = (".mp4", ".m4v", ".mkv", ".webm", ".avif")


def _nvenc(quality: int) -> dict[str, str]:
    return {"preset": "p5", "rc": "vbr", "cq": str(_quantiser(quality)), "bf": "0"}


def _qsv(quality: int) -> dict[str, str]:
    return {"preset": "medium", "global_quality": str(_quantiser(quality)), "bf": "0"}


def _amf(quality: int) -> dict[str, str]:
    quantiser = str(_quantiser(quality))
    return {"quality": "balanced", "rc": "cqp", "qp_i": quantiser, "qp_p": quantiser, "bf": "0"}


def _videotoolbox(quality: int) -> dict[str, str]:
    scale = 118  # FFmpeg's steps of a quality (FF_QP2LAMBDA); 1 to 100, upwards
    return {"flags": "+qscale", "global_quality": str(scale * max(1, quality)), "bf": "0"}


def _quantiser(quality: int) -> int:
    """As x264's constant rate factor, which means about the same to these encoders: 80 is 18."""
    return round(46 - 0.35 * quality)


HARDWARE: Final = {
    "nvenc": ("h264_nvenc", "yuv420p", _nvenc),
    "qsv": ("h264_qsv", "nv12", _qsv),
    "amf": ("h264_amf", "nv12", _amf),
    "videotoolbox": ("h264_videotoolbox", "nv12", _videotoolbox),
}
"""FFmpeg's name of each, the pixels that it takes, and what a quality of 0 to 100 means to it."""
ENCODERS: Final = (AUTO, "av1", *HARDWARE)


def check_encoder(name: str, suffix: str) -> None:
    """Raises ImageError where there is no such encoder, or where files of this suffix cannot hold what it makes."""
    if name not in ENCODERS:
        raise ImageError(f"expected an encoder out of {', '.join(ENCODERS)}; got {name!r}.")
    suffixes = AV1 if name == "av1" else H264
    if name != AUTO and suffix not in suffixes:
        what = "AV1" if name == "av1" else "H.264"
        raise ImageError(
            f"expected a file that can hold {what} ({', '.join(suffixes)}) for the encoder {name}; got "
            f"{suffix or 'stills'}. Choose such a name, or the encoder {AUTO}."
        )


def rules_of(name: str, suffix: str, size: tuple[int, int], fps: Fraction, quality: int, warn: Warn) -> ContainerRules:
    """How the file is written. Where the machine lacks an encoder, as `CONTAINERS` says, and `warn` hears why.

    size: (height, width) of the frames.
    """
    own = CONTAINERS[suffix]
    if name == AUTO:
        return own
    if name == "av1":
        return replace(own, codec="libsvtav1", even_sides=False, codec_options=av1_options, pixels="yuv420p")
    codec, pixels, options = HARDWARE[name]
    rules = replace(own, codec=codec, codec_options=options, pixels=pixels)
    if problem := _problem(rules, size, fps, quality):
        warn(
            f"the encoder {name} cannot be used: {problem}. {own.codec}, which needs no such hardware, writes the file "
            "instead."
        )
        return own
    return rules


def _problem(rules: ContainerRules, size: tuple[int, int], fps: Fraction, quality: int) -> str:
    """Why an encoder would not start; empty where it does. To open it is the only way to know."""
    height, width = size
    try:
        context = av.CodecContext.create(rules.codec, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = width + width % 2, height + height % 2, rules.pixels
        context.framerate, context.time_base = fps, 1 / fps
        context.options = rules.codec_options(quality)
        context.open()
    except FFmpegError as error:
        return f"this machine has no hardware or driver for it ({type(error).__name__}), or not for {width}x{height}"
    except ValueError:  # UnknownCodecError
        return "this PyAV has none"
    return ""
