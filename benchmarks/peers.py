"""Frames per CPU second against the published code of two peers, out of folders that the user names.

Each program runs in a process of its own, on one thread, with random weights of its published size and normalisation
statistics of the example's images. They take turns, a frame each; the figures are medians of process CPU time. As in
their demos, a peer detects the driver, transfers its motion and generates the frame; what their demos compute once for
a source is computed once here as well. Thin-Plate-Spline Motion Model makes frames of 256x256; LivePortrait reads
256x256 and makes 512x512, so it is compared with our 512x512 as well.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.fitting import fit_uint8
from fomm_nodes.fomm_core.video import VideoReader, read_image

CHILD = Path(__file__).with_name("peer_frames.py")
INPUTS = 6
"""The source and driving frames that a program gets."""


@dataclass(frozen=True)
class Program:
    """One of those that take turns. kind: as `peer_frames` knows it. folder: of its code."""

    title: str
    kind: str
    folder: str


def programs(tps: Path | None, live_portrait: Path | None) -> list[Program]:
    """Ours and those whose folders are given."""
    found = [Program(f"ours, {kind.replace(':', ' at ')}", kind, "") for kind in ("float32:256", "bfloat16:256")]
    if tps is not None:
        found.append(Program("Thin-Plate-Spline Motion Model", "tps", str(tps.resolve())))
    if live_portrait is not None:
        found += [Program(f"ours, {kind} at 512", f"{kind}:512", "") for kind in ("float32", "bfloat16")]
        found.append(Program("LivePortrait (512x512)", "live-portrait", str(live_portrait.resolve())))
    return found


class Running:
    """A program that makes one frame whenever it is asked for one."""

    def __init__(self, program: Program, inputs: Path) -> None:
        self.program = program
        self._child = subprocess.Popen(
            [sys.executable, str(CHILD), program.kind, str(inputs), program.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._line()

    def frame(self) -> float:
        """CPU seconds of the next frame."""
        assert self._child.stdin is not None
        print(file=self._child.stdin, flush=True)
        return float(self._line())

    def end(self) -> None:
        """Stop the process."""
        self._child.kill()
        self._child.wait()

    def _line(self) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit(f"{self.program.title} ended early, see above; exit code {self._child.wait()}.")
        return line


def write_inputs(path: Path) -> None:
    """The example's image and frames of its clip, uint8 [n, 256, 256, 3]."""
    with VideoReader(ASSETS / "driving.mp4") as reader:
        frames = [fit_uint8(frame, 256, 256) for frame, _ in zip(reader, range(INPUTS - 1), strict=False)]
    images = [fit_uint8(read_image(ASSETS / "source.png")[..., :3], 256, 256), *frames]
    np.save(path, np.stack([(255 * image[0].permute(1, 2, 0)).round().byte().numpy() for image in images]))


def measure(tps: Path | None, live_portrait: Path | None, rounds: int) -> None:
    """Print a line for each program."""
    with TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npy"
        write_inputs(inputs)
        running: list[Running] = []
        try:
            for program in programs(tps, live_portrait):
                running.append(Running(program, inputs))
            times = [[one.frame() for one in running] for _ in range(rounds)]
        finally:
            for one in running:
                one.end()
    _print([one.program for one in running], [statistics.median(column) for column in zip(*times, strict=True)])


def _print(named: Sequence[Program], seconds: Sequence[float]) -> None:
    print("CPU seconds a frame, and how many of ours a program takes")
    ours = {program.kind: taken for program, taken in zip(named, seconds, strict=True) if not program.folder}
    for program, taken in zip(named, seconds, strict=True):
        shares = "  ".join(f"{taken / own:6.1f}x {kind}" for kind, own in ours.items()) if program.folder else ""
        print(f"{program.title:32} {taken:8.3f} s  {shares}".rstrip())
