"""Clips made by several processes side by side, each with the clips of one origin at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import groupby, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from .clips import Entry, Folder, Planned


def make_side_by_side(folder: Folder, planned: Iterable[Planned], jobs: int, limit: int | None = None) -> int:
    """Make the clips of a plan, up to about `limit` that are of use; returns how many there are. What is made does not
    depend on the number of processes. The index is written at the end, however it comes.
    """
    batches = (list(clips) for _, clips in groupby(planned, lambda clip: clip.origin))
    count = 0
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=on_one_thread)
    try:
        for entries in _in_order(pool, folder, batches, 2 * jobs):
            for entry in entries:
                folder.add(entry)
                count += not entry.left_out
            if limit is not None and count >= limit:
                break
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        folder.write_index()
    return count


def _in_order(
    pool: ProcessPoolExecutor, folder: Folder, batches: Iterator[list[Planned]], ahead: int
) -> Iterator[list[Entry]]:
    """What comes of each batch, a few of them under way."""

    def begin(batch: list[Planned]) -> Future[list[Entry]]:
        return pool.submit(_make, folder.path, folder.settings, batch)

    under_way = [begin(batch) for batch in islice(batches, ahead)]
    while under_way:
        yield under_way.pop(0).result()
        under_way += [begin(batch) for batch in islice(batches, 1)]


def _make(path: Path, settings: dict[str, Any], batch: list[Planned]) -> list[Entry]:
    folder = Folder(path, settings)
    return [folder.make(planned) for planned in batch]


def on_one_thread() -> None:
    """So that processes do not wait for each other, and pixels do not depend on how work is shared out in OpenCV."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
