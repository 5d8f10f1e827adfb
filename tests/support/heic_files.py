"""HEIC files made by hand: HEVC images from PyAV in the boxes of ISO/IEC 23008-12."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_box(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def hevc(values: np.ndarray, *, ten_bit: bool = False) -> tuple[bytes, bytes]:
    """(hvcC box, one intra image as length-prefixed NAL units) of uint8 or uint16 RGB [H, W, 3] with even sides."""
    coder = av.CodecContext.create("libx265", "w")
    coder.height, coder.width = values.shape[:2]
    coder.pix_fmt, coder.time_base = "yuv444p10le" if ten_bit else "yuv444p", Fraction(1, 25)
    coder.options = {"x265-params": "log-level=none:crf=4:repeat-headers=1:range=full:colormatrix=bt709"}
    coder.options |= {"preset": "ultrafast"}
    frame = av.VideoFrame.from_ndarray(values, format="rgb48le" if values.dtype == np.uint16 else "rgb24")
    frame = frame.reformat(format=coder.pix_fmt, dst_colorspace=1, dst_color_range=2)
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in [*coder.encode(frame), *coder.encode(None)])
    units = [unit for unit in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
    kinds = {unit[0] >> 1 & 63: unit for unit in units}
    depth = 2 if ten_bit else 0
    profile = bytes([4]) + struct.pack(">I", 0x08000000) + b"\x90" + bytes(5) + bytes([93])
    record = b"\1" + profile + struct.pack(">HBBBBHB", 0xF000, 0xFC, 0xFC | 3, 0xF8 | depth, 0xF8 | depth, 0, 0x0F)
    record += bytes([3]) + b"".join(
        bytes([0x80 | kind]) + struct.pack(">HH", 1, len(kinds[kind])) + kinds[kind] for kind in (32, 33, 34)
    )
    picture = [unit for unit in units if unit[0] >> 1 & 63 < 32]
    return box(b"hvcC", record), b"".join(struct.pack(">I", len(unit)) + unit for unit in picture)


@dataclass
class Heic:
    """A file in the making: items, their properties, and what refers to what."""

    brand: bytes = b"heic"
    items: list[tuple[bytes, bytes, list[bytes]]] = field(default_factory=list)  # kind, data, properties
    references: list[tuple[bytes, int, list[int]]] = field(default_factory=list)
    primary: int = 1
    hidden: set[int] = field(default_factory=set)

    def add(self, kind: bytes, data: bytes, properties: list[bytes]) -> int:
        self.items.append((kind, data, properties))
        return len(self.items)

    def picture(self, values: np.ndarray, *properties: bytes, ten_bit: bool = False) -> int:
        config, data = hevc(values, ten_bit=ten_bit)
        height, width = values.shape[:2]
        return self.add(b"hvc1", data, [config, extent(width, height), *properties])

    def grid(self, values: np.ndarray, tile: int, *properties: bytes) -> int:
        """Joined of square tiles, as phones write them; the last ones reach over the picture's edge."""
        height, width = values.shape[:2]
        rows, columns = -(-height // tile), -(-width // tile)
        padded = np.pad(values, ((0, rows * tile - height), (0, columns * tile - width), (0, 0)), mode="edge")
        tiles = []
        for row in range(rows):
            for column in range(columns):
                part = padded[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
                tiles.append(self.picture(np.ascontiguousarray(part)))
        self.hidden |= set(tiles)
        layout = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
        whole = self.add(b"grid", layout, [extent(width, height), *properties])
        self.references.append((b"dimg", whole, tiles))
        return whole

    def alpha(self, of: int, values: np.ndarray) -> None:
        """Opacity, uint8 [H, W], as an auxiliary image."""
        kind = full_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
        item = self.picture(np.repeat(values[..., None], 3, -1), kind)
        self.hidden.add(item)
        self.references.append((b"auxl", item, [of]))

    def exif(self, of: int, orientation: int) -> None:
        """An EXIF block that claims a turn."""
        tiff = b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHIHH", 274, 3, 1, orientation, 0) + bytes(4)
        item = self.add(b"Exif", struct.pack(">I", 6) + b"Exif\0\0" + tiff, [])
        self.references.append((b"cdsc", item, [of]))

    def bytes(self) -> bytes:
        """The whole file."""
        properties: list[bytes] = []
        numbered = []
        for _, _, own in self.items:
            for each in own:
                if each not in properties:
                    properties.append(each)
            numbered.append([properties.index(each) + 1 for each in own])
        associated = b"".join(
            struct.pack(">HB", number, len(own))
            + bytes(0x80 | at if properties[at - 1][4:8] == b"hvcC" else at for at in own)
            for number, own in enumerate(numbered, 1)
        )
        entries = b"".join(
            full_box(b"infe", struct.pack(">HH", number, 0), kind, b"\0", version=2, flags=int(number in self.hidden))
            for number, (kind, _, _) in enumerate(self.items, 1)
        )
        refer = b"".join(
            box(kind, struct.pack(">HH", of, len(to)), *(struct.pack(">H", item) for item in to))
            for kind, of, to in self.references
        )
        start = box(b"ftyp", self.brand, bytes(4), b"mif1", b"heic")

        def meta(offset: int) -> bytes:
            places, at = b"", offset
            for number, (_, data, _) in enumerate(self.items, 1):
                places += struct.pack(">HHHII", number, 0, 1, at, len(data))
                at += len(data)
            return full_box(
                b"meta",
                full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
                full_box(b"pitm", struct.pack(">H", self.primary)),
                full_box(b"iloc", struct.pack(">HH", 0x4400, len(self.items)), places),
                full_box(b"iinf", struct.pack(">H", len(self.items)), entries),
                *([full_box(b"iref", refer)] if refer else []),
                box(
                    b"iprp",
                    box(b"ipco", *properties),
                    full_box(b"ipma", struct.pack(">I", len(self.items)), associated),
                ),
            )

        offset = len(start) + len(meta(0)) + 8
        return start + meta(offset) + box(b"mdat", *(data for _, data, _ in self.items))


def extent(width: int, height: int) -> bytes:
    return full_box(b"ispe", struct.pack(">II", width, height))


def turned(quarters: int) -> bytes:
    """Shown turned by so many quarters against the clock."""
    return box(b"irot", bytes([quarters]))


def mirrored(axis: int) -> bytes:
    """1 is left to right, 0 is upside down."""
    return box(b"imir", bytes([axis]))


def colours(primaries: int, transfer: int, matrix: int = 1, *, full: bool = True) -> bytes:
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, matrix, 0x80 if full else 0))


def profile(data: bytes) -> bytes:
    return box(b"colr", b"prof", data)
