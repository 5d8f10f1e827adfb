"""What the header of a file says of its video, mended where it is known to mislead."""

from __future__ import annotations

import re
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from .rate import HIGHEST_RATE
from .source import MediaSource, animated_png_delays


def average_rate(container: InputContainer, stream: VideoStream) -> Fraction:
    """Frames per second on average; 25 where nothing is said."""
    if container.format.name == "gif" and stream.frames > 1 and stream.duration and stream.time_base:
        return stream.frames / (stream.duration * stream.time_base)  # FFmpeg looks at the first delays only
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= HIGHEST_RATE:
            return Fraction(rate)
    return Fraction(25)


def video_duration(stream: VideoStream) -> Fraction | None:
    """Seconds that the header announces for the video itself, from its first frame on."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    if match := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")):  # Matroska: its end
        end = int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3])
        return max(Fraction(0), end - seconds(stream.start_time, stream.time_base)) or None
    return None


def duration(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Seconds of the video, as far as the header tells; sound may make it too long."""
    if (known := video_duration(stream)) is not None:
        return known
    if not container.duration:
        return None
    late = seconds(stream.start_time, stream.time_base) - Fraction(container.start_time or 0, av.time_base)
    return max(Fraction(0), Fraction(container.duration, av.time_base) - max(Fraction(0), late)) or None


def frame_count(container: InputContainer, stream: VideoStream, fps: Fraction) -> int | None:
    """About how many frames there are; None where nothing is said."""
    if stream.frames > 0:
        return stream.frames
    length = duration(container, stream)
    return max(1, round(length * fps)) if length else None


def seconds(time: int | None, time_base: Fraction | None) -> Fraction:
    """A stated time; 0 where there is none."""
    return Fraction(0) if time is None or time_base is None else time * time_base


def delays(
    container: InputContainer, stream: VideoStream, media: MediaSource, first: Fraction
) -> list[Fraction] | None:
    """The seconds that each frame of a GIF of one frame, or of an APNG, is shown; None for others, which tell it as
    they go. first: those of the first frame.
    """
    if container.format.name == "apng":
        return animated_png_delays(media)
    return [first] if container.format.name == "gif" and stream.frames == 1 and first > 0 else None


def is_cut_avi(media: MediaSource) -> bool:
    """Whether an AVI is shorter than it says. Frames that a recorder dropped are in its count, but not in the file."""
    return int.from_bytes(media.head(8)[4:], "little") + 8 > media.size
