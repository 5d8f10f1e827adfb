"""What a file holds, whatever its name says: the check of what somebody else has made."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import av
from PIL import Image

from ..fomm_core.errors import FommError

PICTURES = {
    **{".png": ("PNG",), ".apng": ("PNG",), ".jpg": ("JPEG", "MPO"), ".jpeg": ("JPEG", "MPO"), ".webp": ("WEBP",)},
    **{".gif": ("GIF",), ".bmp": ("BMP",), ".tif": ("TIFF",), ".tiff": ("TIFF",), ".avif": ("AVIF",)},
}
"""Pillow's names of the formats that a suffix may stand for."""

CLIPS = {
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".m4a"), "mp4"),
    **{".mkv": "matroska", ".webm": "matroska", ".avi": "avi", ".wav": "wav", ".flac": "flac", ".mp3": "mp3"},
    **{".ogg": "ogg", ".opus": "ogg"},
}
"""FFmpeg's demuxer for a suffix; naming it keeps a file from being taken for another kind, such as a list of URLs."""

SOUNDS = {".m4a", ".wav", ".flac", ".mp3", ".ogg", ".opus"}
TEXTS = {".html", ".htm", ".xml", ".svg", ".txt", ".md", ".css", ".js", ".csv"}
MAGIC = {".glb": b"glTF", ".exr": b"\x76\x2f\x31\x01", ".zip": b"PK", ".npz": b"PK", ".npy": b"\x93NUMPY"}
TABLES = {".safetensors", ".latent"}
LARGEST_TABLE = 100 << 20
LARGEST_JSON = 64 << 20


class ContentError(FommError):
    """A file does not hold what its name promises."""


def check(path: Path) -> int:
    """How many images a file holds; 0 where it is of another kind. Its suffix says what it has to be.

    Images are decoded; of clips, the first image, and every packet has to be there.

    Raises:
        ContentError: It is empty, cut, or of another kind; the message says which.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise ContentError("it is empty")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if suffix not in TEXTS and start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        raise ContentError("it is a web page")
    if suffix in PICTURES:
        return _pictures(path, PICTURES[suffix])
    if suffix in CLIPS:
        return _clip(path, suffix)
    if suffix in TABLES:
        _tensors(path)
    elif suffix == ".json":
        _json(path)
    elif not head.startswith(MAGIC.get(suffix, b"")):
        raise ContentError(f"it is no {suffix} file")
    return 0


def _pictures(path: Path, formats: tuple[str, ...]) -> int:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=formats) as picture:
                count = int(getattr(picture, "n_frames", 1))
                picture.load()
                if count > 1:
                    picture.seek(count - 1)
                    picture.load()
    except Image.DecompressionBombError as problem:
        raise ContentError(f"it is too large to be checked ({problem})") from None
    except Exception as problem:  # each of Pillow's formats has its own
        raise ContentError(f"it can't be read as {formats[0]} ({problem})") from None
    return count


def _clip(path: Path, suffix: str) -> int:
    try:
        with av.open(str(path), format=CLIPS[suffix]) as container:
            streams = container.streams.audio if suffix in SOUNDS else container.streams.video
            if not streams:
                raise ContentError("there is no audio in it" if suffix in SOUNDS else "there are no images in it")
            stream = streams[0]
            if next(iter(container.decode(stream)), None) is None:
                raise ContentError("nothing in it can be decoded")
            expected = stream.frames
        with av.open(str(path), format=CLIPS[suffix]) as container:
            stream = (container.streams.audio if suffix in SOUNDS else container.streams.video)[0]
            packets = sum(packet.size > 0 and not packet.is_corrupt for packet in container.demux(stream))
    except (av.FFmpegError, ValueError) as problem:
        raise ContentError(f"it can't be read as {suffix} ({problem})") from None
    if packets < expected:
        raise ContentError(f"it is cut: {packets} of {expected} packets are there")
    return 0 if suffix in SOUNDS else expected or packets


def _tensors(path: Path) -> None:
    """The header of a safetensors file, and whether all is there that it names."""
    total = path.stat().st_size
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > min(LARGEST_TABLE, total - 8):
                raise ValueError("the header is longer than the file")
            table = json.loads(file.read(size))
        ends = [entry["data_offsets"][1] for name, entry in table.items() if name != "__metadata__"]
        if 8 + size + max(ends, default=0) != total:
            raise ValueError("tensors are missing")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as problem:
        raise ContentError(f"it can't be read as safetensors ({problem})") from None


def _json(path: Path) -> None:
    if path.stat().st_size > LARGEST_JSON:
        return
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError) as problem:
        raise ContentError(f"it can't be read as JSON ({problem})") from None
