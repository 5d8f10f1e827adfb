"""Memory that lowering needs no more goes back to the system at once, rather than when it asks for it (Linux)."""

from __future__ import annotations

import ctypes
import mmap
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

SMAPS = Path("/proc/self/smaps")
WORTH = 16 << 20
"""Bytes from which weights are let go: to ask what is mapped takes as long as lowering a small network."""
_HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+)")


def let_go(network: nn.Module) -> None:
    """Unmap the pages of weights that are mapped from their file; whoever reads them again gets them from there.

    A file in which anything was changed in memory stays as it is: its changes are nowhere else.
    """
    tensors = [*network.parameters(), *network.buffers()]
    if sum(tensor.nbytes for tensor in tensors) >= WORTH:
        _drop(tensors, _unchanged())


def trim() -> None:
    """Give back what was freed and is still held by the C library (glibc), in pieces too small to go by itself."""
    if trim := getattr(_libc(), "malloc_trim", None):
        trim(0)


def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def _unchanged() -> list[tuple[int, int]]:
    """Ranges of addresses that are mapped from files and hold what these hold, upwards."""
    found: list[tuple[int, int]] = []
    try:
        text = SMAPS.read_text()
    except OSError:  # another system
        return found
    place: tuple[int, int] | None = None
    for line in text.splitlines():
        if head := _HEAD.match(line):
            place = (int(head[1], 16), int(head[2], 16)) if head[3] != "0" else None
        elif place is not None and line.startswith("Anonymous:") and line.split()[1] == "0":
            found.append(place)
    return found


def _drop(tensors: Iterable[Tensor], mapped: list[tuple[int, int]]) -> None:
    libc = _libc()
    if libc is None or not mapped:
        return
    for tensor in tensors:
        if tensor.device.type != "cpu" or not tensor.is_contiguous():
            continue
        begin, end = tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes
        number = bisect_right(mapped, (begin, sys.maxsize)) - 1
        if number < 0 or end > mapped[number][1]:
            continue
        begin, end = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
        if begin < end:
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)
