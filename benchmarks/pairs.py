"""Pairs of frames per CPU second: decoded from videos as they are asked for, and from the prepared cache.

The ways take turns, so that a machine whose speed drifts slows all alike; the figures are medians of process CPU time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fomm_nodes.fomm_core.training.config import AugmentationConfig
from fomm_nodes.fomm_core.training.data import ClipSet, PairSource, find_clips, prepare
from fomm_nodes.fomm_core.video import VideoWriter

BATCH = 16
EVERYTHING = AugmentationConfig(
    horizontal_flip=True,
    time_flip=True,
    brightness=0.1,
    contrast=0.1,
    saturation=0.1,
    hue=0.1,
    rotation_degrees=5.0,
    zoom=0.1,
)
VARIATIONS = {
    "not varied": None,
    "varied, without hue": replace(EVERYTHING, hue=0.0),
    "varied": EVERYTHING,
}


def made_up_clips(folder: Path, *, count: int = 16, frames: int = 48, side: int = 256) -> ClipSet:
    """H.264 clips of drifting waves with some noise."""
    y, x = np.mgrid[0:side, 0:side] * (12 / side)
    noise = np.random.default_rng(0).normal(0, 6, (side, side, 1))
    for clip in range(count):
        with VideoWriter(folder / f"{clip}.mp4", fps=25) as writer:
            for time_ in range(frames):
                waves = [np.sin(x + 0.1 * time_), np.cos(y + clip), np.sin(x * y / 6 + 0.05 * time_)]
                frame = 128 + 90 * np.stack(waves, -1) + noise
                writer.write(frame.clip(0, 255).astype(np.uint8))
    return find_clips(folder)


def measure(*, size: int, rounds: int, threads: int, clips: Path | None) -> None:
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        found = made_up_clips(Path(folder, "clips")) if clips is None else find_clips(clips)
        before = time.process_time()
        prepared = prepare(found, (size, size), Path(folder, "cache"))
        seconds = time.process_time() - before
        frames = sum(len(clip) for clip in prepared)
        print(f"{len(found)} clips, {size}x{size}, batches of {BATCH}, {threads} thread(s)")
        print(f"preparing: {seconds:.1f} s of CPU, {frames} frames, {frames / seconds:.0f} a second\n")
        ways = {
            (kind, name): PairSource(source, (size, size), variation, 0, batch_size=BATCH)
            for kind, source in (("decoded", found), ("prepared", prepared))
            for name, variation in VARIATIONS.items()
        }
        taken: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
        for step in range(rounds + 1):
            for way, source in ways.items():
                before = time.process_time()
                source.batch(step, range(BATCH))
                if step:  # the first round warms up
                    taken[way].append(time.process_time() - before)
    print("| frames | pairs | pairs per CPU second | milliseconds of a batch |")
    print("|---|---|---|---|")
    for (kind, name), times in taken.items():
        middle = statistics.median(times)
        print(f"| {kind} | {name} | {BATCH / middle:.0f} | {1e3 * middle:.1f} |")
