"""`fomm` in a process of its own, measured from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import torch
from fomm_nodes.fomm_core import save_model
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.fitting import fit, from_uint8, to_uint8
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image

from .speed import lively_model

ROOT = Path(__file__).resolve().parent.parent
CHILD = """
import sys
from benchmarks.__main__ import bind_checkout
bind_checkout()
def peak():
    # Of this program alone (kB; Linux): ru_maxrss begins with what the process that started it held.
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
{work}
print("peak", peak())
"""
COMMAND = "from fomm_nodes.nodes.cli import main\nif code := main(sys.argv[1:]): sys.exit(code)"


@dataclass(frozen=True)
class Ran:
    """wall: seconds from start to end. peak: resident memory in MiB. printed: what it said."""

    wall: float
    peak: float
    printed: list[str]


def run(arguments: list[str], *, threads: int, work: str = COMMAND) -> Ran:
    """Run `work` (by default the `fomm` command) with `arguments`; an error of the child is raised with its words."""
    began = time.perf_counter()
    child = subprocess.run(
        [sys.executable, "-c", CHILD.format(work=work), *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    wall = time.perf_counter() - began
    *printed, last = child.stdout.strip().splitlines()
    return Ran(wall, int(last.removeprefix("peak ")) / 1024, printed)


def example_clip(path: Path, frames: int, *, width: int = 640, height: int = 360) -> Path:
    """The example clip, over and over, as a wide video with the face in its middle."""
    with VideoReader(ASSETS / "driving.mp4") as reader, VideoWriter(path, fps=reader.info.fps) as writer:
        wide = [fit(from_uint8(frame), height, width, mode="pad") for frame in reader]
        for frame in islice(cycle(wide), frames):
            writer.write(to_uint8(frame))
    return path


@torch.inference_mode()
def published_size(path: Path) -> Path:
    """A file of random weights of vox-256 size."""
    pictures = [fit(from_uint8(read_image(ASSETS / name)), 256, 256) for name in ("source.png", "source-mouse.png")]
    save_model(lively_model(torch.cat(pictures)), path)
    return path
