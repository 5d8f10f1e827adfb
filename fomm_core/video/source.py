"""Where images and clips come from: files, file objects, folders and patterns of stills, told apart by content."""

from __future__ import annotations

import glob
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from ..errors import ImageError
from ..wording import odd_name, why_missing

PathLike: TypeAlias = str | os.PathLike[str]
Readable: TypeAlias = PathLike | BinaryIO
Kind: TypeAlias = Literal["container", "animated-webp", "animated-avif", "still"]

APNG_DEFAULT_DELAY = Fraction(1, 15)  # FFmpeg's, where a frame states none
STILL_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif")


@dataclass(frozen=True)
class NumberedName:
    """A file name with a running number, as in `frame-%05d.png` (or `%d`)."""

    before: str
    digits: int
    after: str

    @classmethod
    def parse(cls, name: str) -> NumberedName | None:
        """The parts of a pattern; None for a name without a number field."""
        field = re.search(r"%(?:0(\d+))?d", name)
        return cls(name[: field.start()], int(field[1] or 0), name[field.end() :]) if field else None

    def format(self, number: int) -> str:
        """The name of one file."""
        return f"{self.before}{number:0{self.digits}d}{self.after}"

    def number(self, name: str) -> int | None:
        """The number in a file's name; None where the name is not of this pattern."""
        middle = name[len(self.before) : len(name) - len(self.after)]
        fits = middle.isascii() and middle.isdigit() and self.format(int(middle)) == name
        return int(middle) if fits else None


class SharedFile:
    """A read-only view of a file object with a position of its own, so that several readers can take turns."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes from this view's position."""
        self._file.seek(self._position)
        data = self._file.read(size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move this view; the position counts from the start of the file."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
        if start is None:
            start = self._file.seek(0, os.SEEK_END)
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """This view's position."""
        return self._position


class MediaSource:
    """One file on disk or in memory that can be opened again and again.

    Raises ImageError where the file is missing, empty, a folder, or a file object that cannot seek.
    """

    def __init__(self, source: Readable, *, name: str | None = None) -> None:
        self._source: Path | BinaryIO
        if isinstance(source, (str, os.PathLike)):
            self._source = Path(os.path.abspath(source))
            self.name = name or Path(source).name
            if self._source.is_dir():
                raise ImageError(f"expected a file; got the folder {source}. Name a file inside it.")
            if not self._source.is_file():
                raise ImageError(f"expected an existing file; {source} does not exist. {why_missing(source)}")
        else:
            if not (hasattr(source, "seekable") and source.seekable()):
                raise ImageError(
                    f"expected a path or a binary file object that can seek; got {type(source).__name__}. "
                    "Read it into io.BytesIO first."
                )
            self._source = source
            self.name = name or "the file in memory"
        if self.size == 0:
            raise ImageError(f"expected an image or video; {self.name} is empty (0 bytes). Write or copy it again.")

    @property
    def size(self) -> int:
        """Bytes in the file."""
        if isinstance(self._source, Path):
            return self._source.stat().st_size
        return SharedFile(self._source).seek(0, os.SEEK_END)

    def for_av(self) -> str | SharedFile:
        """What `av.open` reads: an absolute path (never taken for a URL), or a fresh view of the file object."""
        return str(self._source) if isinstance(self._source, Path) else SharedFile(self._source)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes from their start, for everything that is not PyAV."""
        if isinstance(self._source, Path):
            with self._source.open("rb") as file:
                yield file
        else:
            yield io.BufferedReader(_Raw(SharedFile(self._source)))

    def head(self, size: int) -> bytes:
        """The first `size` bytes."""
        with self.open() as file:
            return file.read(size)

    def tail(self, size: int) -> bytes:
        """The last `size` bytes."""
        with self.open() as file:
            file.seek(max(0, self.size - size))
            return file.read(size)


class _Raw(io.RawIOBase):
    """`SharedFile` as a raw stream; closing it leaves the caller's file open."""

    def __init__(self, view: SharedFile) -> None:
        self._view = view

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._view.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._view.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def kind_of(source: MediaSource) -> Kind:
    """What a file is, by its first bytes; file names are not trusted. Whatever is unknown is left to FFmpeg."""
    head = source.head(64)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "container" if animated_png_frames(source) is not None else "still"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "animated-webp" if head[12:16] == b"VP8X" and head[20] & 0x02 else "still"
    if head.startswith(b"\xff\xd8\xff"):
        return "container" if is_picture_stream(source) else "still"
    if head.startswith((b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "still"
    if head[4:8] == b"ftyp" and b"avis" in _brands(head):
        return "animated-avif"
    if head[4:8] == b"ftyp" and (head[8:12] in (b"avif", b"mif1", b"mif2") or is_heif(head)):
        return "still"
    return "container"


def _brands(head: bytes) -> list[bytes]:
    """The brands of an ISO file, the major one first."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return [head[8:12], *(head[place : place + 4] for place in range(16, end - 3, 4))]


MADE_OF_HEVC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
OTHER_CODECS = frozenset({b"avif", b"avis", b"crx "})


def is_heif(head: bytes) -> bool:
    """Whether a file, by its first bytes, is a HEIF image or sequence of images in another codec than AV1."""
    if head[4:8] != b"ftyp":
        return False
    if head[8:12] in MADE_OF_HEVC:
        return True
    return head[8:12] in (b"mif1", b"mif2", b"msf1") and not OTHER_CODECS.intersection(_brands(head))


def animated_png_frames(source: MediaSource) -> int | None:
    """The number of frames that an APNG announces; None for a PNG that does not move."""
    for chunk, head in _png_chunks(source):
        if chunk == b"acTL":
            return int.from_bytes(head[:4], "big")
        if chunk == b"IDAT":
            return None
    return None


def animated_png_delays(source: MediaSource) -> list[Fraction]:
    """The seconds that each frame of an APNG is shown, as FFmpeg takes them."""
    delays = []
    for chunk, head in _png_chunks(source):
        if chunk == b"fcTL" and len(head) == 24:
            shown, parts = int.from_bytes(head[20:22], "big"), int.from_bytes(head[22:24], "big")
            delays.append(Fraction(shown, parts or 100) if shown else APNG_DEFAULT_DELAY)
    return delays


def _png_chunks(source: MediaSource) -> Iterator[tuple[bytes, bytes]]:
    """The name of each chunk of a PNG and its first 24 bytes."""
    with source.open() as file:
        file.seek(8)
        while len(header := file.read(8)) == 8:
            length, chunk = int.from_bytes(header[:4], "big"), header[4:]
            head = file.read(min(length, 24))
            yield chunk, head
            file.seek(length - len(head) + 4, os.SEEK_CUR)


def is_picture_stream(source: MediaSource) -> bool:
    """Whether a JPEG is followed at once by others: a clip of them in a file of their own (`.mjpeg`).

    Cameras append a second image, too; they say so (MPF), or it is the only one.
    """
    with source.open() as file:
        for _ in range(3):
            if not _skip_jpeg(file):
                return False
    return True


def _skip_jpeg(file: BinaryIO) -> bool:
    """Move behind one JPEG; false where none begins, where it has no end, or where it announces others (MPF)."""
    if file.read(2) != b"\xff\xd8":
        return False
    while len(marker := file.read(2)) == 2 and marker[0] == 0xFF:
        if marker[1] == 0xD9:
            return True
        if marker[1] in (0xFF, 0x01) or 0xD0 <= marker[1] <= 0xD7:
            file.seek(-1 if marker[1] == 0xFF else 0, os.SEEK_CUR)
            continue
        length = int.from_bytes(file.read(2), "big")
        if length < 2:
            return False
        if file.read(min(4, length - 2)) == b"MPF\0":
            return False
        file.seek(max(0, length - 6), os.SEEK_CUR)
        if marker[1] == 0xDA and not _skip_scan(file):
            return False
    return False


def _skip_scan(file: BinaryIO) -> bool:
    """Move to the marker that ends coded data; false where the file ends first."""
    left = b""
    while block := file.read(1 << 16):
        data = left + block
        if found := re.search(rb"\xff[^\x00\xff\xd0-\xd7]", data):
            file.seek(found.start() - len(data), os.SEEK_CUR)
            return True
        left = data[-1:]
    return False


def still_paths(source: PathLike) -> list[Path] | None:
    """The images of a folder, of a pattern such as `frame-%05d.png`, or of a glob such as `*.png`, in order.

    None where `source` names one file. Names are sorted as people count: frame-2 before frame-10.
    Raises ImageError where a folder or pattern holds no image.
    """
    path = Path(source)
    if path.is_dir():
        found = [p for p in path.iterdir() if p.suffix.lower() in STILL_SUFFIXES and not p.name.startswith(".")]
        found.sort(key=lambda p: counting_order(p.name))
    elif path.exists():
        return None
    elif pattern := NumberedName.parse(path.name):
        numbered = [(number, p) for p in _siblings(path) if (number := pattern.number(p.name)) is not None]
        found = [p for _, p in sorted(numbered)]
    elif glob.has_magic(path.name):
        found = sorted((p for p in path.parent.glob(path.name) if p.is_file()), key=lambda p: counting_order(p.name))
    else:
        return None
    if not found:
        what = odd_name(str(source)) or "Check the name."
        raise ImageError(f"expected images ({', '.join(STILL_SUFFIXES)}) in {source}; got none. {what}")
    return found


def counting_order(name: str) -> list[tuple[bool, int, str]]:
    """A sort key under which frame-2 stands before frame-10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"([0-9]+)", name)]


def _siblings(path: Path) -> list[Path]:
    return [p for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
