"""A file's streams put into another container as they are, packet by packet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

Kinds = tuple[str, ...]
KEPT: tuple[Kinds, ...] = (("video", "audio", "subtitle"), ("video", "audio"))
"""What is tried to be kept: MP4 takes few kinds of subtitles."""


def copy_streams(source: Path, target: Path, metadata: Mapping[str, str]) -> int | None:
    """Copy all packets whose codec is known; returns the number of images, or None where the container of `target`
    does not take them.
    """
    for kinds in KEPT:
        try:
            with av.open(str(source)) as opened:
                return _copy(opened, target, {**opened.metadata, **metadata}, kinds)
        except (FFmpegError, ValueError):
            continue
    return None


def _copy(source: InputContainer, path: Path, metadata: Mapping[str, str], kinds: Kinds) -> int:
    pictures = 0
    options = {"movflags": "use_metadata_tags+faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as target:
        target.metadata.update(metadata)
        streams = {
            stream.index: target.add_stream_from_template(stream, opaque=True)
            for stream in source.streams
            if stream.type in kinds and getattr(stream, "codec_context", None) is not None
        }
        for packet in with_decoding_times(packet for packet in source.demux() if packet.stream.index in streams):
            if packet.stream.type == "video":
                pictures += 1
                packet.duration = packet.duration or _length(packet)  # MP4 drops a last image that lasts no time
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    return pictures


def with_decoding_times(packets: Iterable[av.Packet]) -> Iterator[av.Packet]:
    """All packets that hold something, with a decoding time each.

    Matroska stores none: where images are stored in another order than shown, FFmpeg knows them from the third packet
    or so on. Those before get theirs counted back from it.
    """
    held: dict[int, list[av.Packet]] = {}
    begun: set[int] = set()
    for packet in packets:
        index = packet.stream.index
        if packet.size == 0:
            continue
        if index not in begun:
            waiting = held.setdefault(index, [])
            waiting.append(packet)
            if packet.dts is None:
                continue
            begun.add(index)
            yield from _counted_back(held.pop(index), packet.dts)
        elif packet.dts is not None or packet.pts is not None:
            yield packet
    for waiting in held.values():  # a stream that knows no decoding times at all: as shown
        for packet in waiting:
            packet.dts = packet.pts
            if packet.pts is not None:
                yield packet


def _counted_back(packets: list[av.Packet], known: int) -> list[av.Packet]:
    """Packets before the one whose time is known, each a picture's length (at least a tick) before the next."""
    length = packets[-1].duration or _length(packets[-1])
    for number, packet in enumerate(reversed(packets)):
        packet.dts = known - number * max(length, 1)
    return packets


def _length(packet: av.Packet) -> int:
    """Of an image at its stream's rate, in the packet's ticks; 0 where no rate is known."""
    rate = getattr(packet.stream, "average_rate", None)
    return round(1 / (Fraction(rate) * packet.time_base)) if rate and packet.time_base else 0
