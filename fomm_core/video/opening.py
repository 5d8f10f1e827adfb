"""Files as PyAV opens them, and their packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

from ..errors import ImageError
from .source import MediaSource

DEMUXERS = (
    "mov,matroska,avi,gif,apng,mpegts,mpeg,flv,asf,ogg,ivf,yuv4mpegpipe,nut,mxf,"  # video
    "mjpeg,h264,hevc,dv,"  # video without a container
    "mp3,wav,w64,flac,aac,aiff,caf"  # sound alone, for `audio_from`
)
"""Nothing that follows links to other files or the network (playlists), nothing that takes text for an image."""
BARE_SUFFIXES = frozenset(
    (
        *(".h261", ".h263", ".263", ".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".h266", ".266", ".vvc"),
        *(".av1", ".obu", ".m1v", ".m2v", ".mpv", ".m4e", ".vc1", ".dv"),
    )
)


@contextmanager
def opened_container(media: MediaSource) -> Iterator[InputContainer]:
    """The file as PyAV sees it. Raises ImageError where FFmpeg knows no video or sound in it."""
    try:
        # Not as `options`: with those, PyAV before 18 crashes at files whose streams are found late (FLV).
        container = av.open(
            media.for_av(), mode="r", container_options={"format_whitelist": DEMUXERS}, metadata_errors="replace"
        )
    except (FFmpegError, ValueError) as error:
        raise ImageError(
            f"expected a video (mp4, mov, webm, mkv, avi, gif, apng, webp); {media.name} cannot be read as one: it is "
            f"of another kind, or cut off before its index ({reason(error)}). {_advice(media.name)}"
        ) from error
    with container:
        yield container


def demuxed(
    container: InputContainer, streams: list[Stream], ended_by: Callable[[FFmpegError], None]
) -> Iterator[av.Packet]:
    """Packets up to the end, or to where the file can be read no further; `ended_by` hears why."""
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, IndexError):  # PyAV stumbles at the very end where streams turned up on the way
            return
        except FFmpegError as error:
            ended_by(error)
            return
        yield packet


def _advice(name: str) -> str:
    path = PurePath(name)
    if path.suffix.lower() in BARE_SUFFIXES:
        return f'A stream without a container has to be wrapped: ffmpeg -i "{name}" -c copy "{path.stem}.mp4"'
    return "Try to play it, or export it again."


def reason(error: Exception) -> str:
    """What FFmpeg says, in a few words."""
    return getattr(error, "strerror", None) or str(error)
