"""Frames and sound into files, as ComfyUI 0.33's Save Video writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream
from torch import Tensor

from ....fomm_core.errors import ImageError
from ....fomm_core.video.encoders import AAC, OPUS
from ....fomm_core.video.sound_writing import encoded, new_stream
from ..sound import sounds

CONTAINERS: Mapping[str, str] = {"mp4": "mp4", "mkv": "matroska", "webm": "webm"}
"""FFmpeg's name of each."""

ENCODERS = {"h264": "libx264", "av1": "libsvtav1"}
SRGB, HDR, HDR_PQ = "sRGB", "HDR", "HDR PQ"
BT709, BT2020, BT2020_NCL, LIMITED = 1, 9, 9, 1
CURVES = {SRGB: 13, HDR: 18, HDR_PQ: 16}
"""The transfer characteristics (ITU-T H.273) of each colour space."""

STATED = {1: SRGB, **{curve: space for space, curve in CURVES.items()}}
"""The colour space that a file's transfer characteristics state."""

WEBM_TAKES = {
    "video": {"av1", "vp8", "vp9"},
    "audio": {"opus", "vorbis"},
    "subtitle": {"webvtt"},
}


@dataclass(frozen=True)
class Encoding:
    """What Save Video is asked for. format: auto, mp4, mkv or webm. codec: auto, h264 or av1.

    crf: the encoder's quality factor; None: its own. color_space: a key of `CURVES`; None: that of the video.
    """

    format: str = "auto"
    codec: str = "auto"
    crf: float | None = None
    color_space: str | None = None

    @property
    def suffix(self) -> str:
        """Of the file."""
        return f".{self.container}"

    @property
    def container(self) -> str:
        """A key of `CONTAINERS`."""
        return self.format if self.format in CONTAINERS else "mp4"

    @property
    def coder(self) -> str:
        """FFmpeg's name of the encoder of the images."""
        codec = ("av1" if self.container == "webm" else "h264") if self.codec == "auto" else self.codec
        if self.container == "webm" and codec != "av1":
            raise ImageError(f"expected AV1 in a WebM file; got {codec}. Choose the codec av1, or mp4 or mkv.")
        return ENCODERS[codec]

    @property
    def options(self) -> dict[str, str]:
        """Of that encoder."""
        if self.crf is None:
            return {}
        return {"svtav1-params": "lossless=1"} if (self.coder, self.crf) == ("libsvtav1", 0) else {"crf": str(self.crf)}

    def can_copy(self, path: Path) -> bool:
        """Whether a file's streams can be copied as they are."""
        with av.open(str(path)) as source:
            if not source.streams.video or source.streams.video[0].codec_context is None:
                return False
            names, coded = source.format.name.split(","), source.streams.video[0].codec.canonical_name
            is_taken = self.container != "webm" or all(
                stream.codec_context is None or stream.codec.canonical_name in WEBM_TAKES.get(stream.type, {None})
                for stream in source.streams
                if stream.type in WEBM_TAKES
            )
        same_container = self.format == "auto" or CONTAINERS[self.format] in names
        is_asked_for = self.crf is not None or self.color_space is not None
        return is_taken and same_container and self.codec in ("auto", coded) and not is_asked_for


def write(
    images: Tensor,
    fps: Fraction,
    audio: Any,
    path: Path,
    encoding: Encoding,
    *,
    bit_depth: int = 8,
    color_space: str = SRGB,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Frames [T, H, W, 3] in 0..1, whose numbers are of `color_space`, 4:2:0 with 8 or 10 bits. HDR always has 10."""
    rate = Fraction(round(fps * 1000), 1000)
    is_deep = bit_depth >= 10 or color_space != SRGB
    pixels = "yuv420p10le" if is_deep else "yuv420p"
    sound = next(iter(sounds(audio)), None)
    options = {"movflags": "use_metadata_tags+faststart"} if encoding.container == "mp4" else {}
    with av.open(str(path), "w", format=CONTAINERS[encoding.container], options=options) as target:
        target.metadata.update(metadata or {})
        pictures = target.add_stream(encoding.coder, rate=rate, options=encoding.options)
        assert isinstance(pictures, VideoStream)
        pictures.height, pictures.width, pictures.pix_fmt = images.shape[1], images.shape[2], pixels
        _state_colours(pictures.codec_context, color_space)
        track = None
        if sound is not None:
            track = new_stream(target, OPUS if encoding.container == "webm" else AAC, sound)
        for image in images:
            frame = av.VideoFrame.from_ndarray(*(_words(image) if is_deep else (bytes_of(image), "rgb24")))
            frame = frame.reformat(format=pixels, dst_colorspace=BT709 if color_space == SRGB else BT2020_NCL)
            _state_colours(frame, color_space)
            target.mux(pictures.encode(frame))
        target.mux(pictures.encode(None))
        if sound is not None and track is not None:
            for _, packet in encoded(sound.until(len(images) / rate), track):
                target.mux_one(packet)


def _state_colours(target: Any, color_space: str) -> None:
    is_hdr = color_space != SRGB
    target.color_primaries = BT2020 if is_hdr else BT709
    target.color_trc = CURVES[color_space]
    target.colorspace = BT2020_NCL if is_hdr else BT709
    target.color_range = LIMITED


def bytes_of(image: Tensor) -> np.ndarray:
    """[..., C] in 0..1 as bytes, rounded down, as ComfyUI does it."""
    return (image.cpu() * 255).clamp(0, 255).byte().numpy()


def _words(image: Tensor) -> tuple[np.ndarray, str]:
    """The same with 16 bits, and the name of that format."""
    return (image.cpu().float() * 65535).clamp(0, 65535).numpy().astype(np.uint16), "rgb48le"
