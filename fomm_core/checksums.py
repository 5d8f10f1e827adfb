"""Whether a file is as it was written: checksums that its format has, and those that we add.

CRC-32 tells of flipped bits and lost blocks, at 3 GB/s of one core; it is no protection from who changes a file on
purpose, which no checksum inside of that file is.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from .errors import CheckpointError

CHECKSUM = "checksum"
"""The metadata entry of our safetensors files that holds it."""
KIND = "crc32:"
PIECE = 1 << 20
MOST_UNPACKED = 8 << 30
"""Bytes that a compressed checkpoint may unpack to."""


def check_archive(path: Path) -> None:
    """Read a zip archive, such as torch writes, through, a piece at a time, and compare its members' CRC-32.

    A stored CRC-32 of 0 counts as none: `torch.serialization.set_crc32_options(False)` writes that. Anything but a zip
    archive passes; so does one whose table can't be read, which torch's own reader explains better.

    Raises:
        CheckpointError: a member is damaged, or unpacks to far more than a model has.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, struct.error):
        return
    with archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members if member.compress_type != zipfile.ZIP_STORED)
        if unpacked > MOST_UNPACKED:
            raise CheckpointError(
                f"expected a checkpoint in '{path}'; it is an archive that unpacks to {unpacked >> 20:,} MB, more than "
                f"the {MOST_UNPACKED >> 20:,} MB that are unpacked."
            )
        for member in members:
            if not _is_whole(archive, member):
                raise CheckpointError(
                    f"expected a whole file at '{path}'; it is damaged: what it holds as '{member.filename}' is not "
                    "what was stored (CRC-32). Copy or download it again."
                )


def _is_whole(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    if member.CRC == 0:
        return True
    try:
        with archive.open(member) as file:
            while file.read(PIECE):
                pass
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        return False
    return True


def checksum_of(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> str:
    """Of tensors (names, types, shapes and numbers) and of the texts beside them; the order counts for nothing."""
    crc = 0
    for name in sorted(notes):
        if name != CHECKSUM:
            crc = zlib.crc32(f"{name}\0{notes[name]}\0".encode("utf-8", "surrogatepass"), crc)
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name}\0{tensor.dtype}{list(tensor.shape)}\0".encode("utf-8", "surrogatepass"), crc)
        flat = tensor.detach().cpu().contiguous().as_strided((tensor.numel(),), (1,))  # sides of 1 have any stride
        if flat.numel():
            crc = zlib.crc32(flat.view(torch.uint8).numpy().data, crc)
    return f"{KIND}{crc:08x}"


def with_checksum(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> dict[str, str]:
    """The texts that go into the file, with its checksum among them."""
    return {**notes, CHECKSUM: checksum_of(tensors, notes)}


def is_as_written(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> bool:
    """Whether what came out of a file is what went into it; True where it has no checksum, or one of another kind."""
    stored = notes.get(CHECKSUM, "")
    return not stored.startswith(KIND) or stored == checksum_of(tensors, notes)
