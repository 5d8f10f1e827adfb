"""`fomm` in a process of its own, measured from outside."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import torch
from fomm_nodes.fomm_core import MotionModel, save_model
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.fitting import fit_uint8, to_uint8
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image
from torch import nn

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
COMMAND = "from fomm_nodes.cli.main import program\nif code := program(): sys.exit(code)"


@dataclass(frozen=True)
class Ran:
    """wall: seconds from start to end. peak: resident memory in MiB. printed: what it said."""

    wall: float
    peak: float
    printed: list[str]


def run(arguments: list[str], *, threads: int, work: str = COMMAND) -> Ran:
    """Run `work` (by default the `fomm` command) with `arguments`; an error of the child is raised with its words."""
    began = time.perf_counter()
    child = _start(arguments, threads, work)
    printed = _said(child)
    return _ran(printed, time.perf_counter() - began)


def cpu_seconds() -> float:
    """Of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_in_turns(first: tuple[list[str], str], second: tuple[list[str], str], *, threads: int) -> tuple[Ran, Ran]:
    """Run two (arguments, work) at the same time, one always stopped while the other has a second of the machine.

    A shared machine that slows down for a minute then slows down both. `wall` is the time that each was awake; for work
    that prints "from SECONDS" and "to SECONDS" (of its `time.perf_counter`), between these two.
    """
    children = [_start(arguments, threads, work) for arguments, work in (first, second)]
    awake: list[list[tuple[float, float]]] = [[], []]
    for child in children:
        child.send_signal(signal.SIGSTOP)
    while any(child.poll() is None for child in children):
        for child, turns in zip(children, awake, strict=True):
            if child.poll() is None:
                turns.append(_turn(child))
    results = []
    for child, turns in zip(children, awake, strict=True):
        printed = _said(child)
        clock = {line.split()[0]: float(line.split()[1]) for line in printed if line.startswith(("from ", "to "))}
        began, ended = clock.get("from", turns[0][0]), clock.get("to", turns[-1][1])
        results.append(_ran(printed, sum(max(0.0, min(to, ended) - max(since, began)) for since, to in turns)))
    return results[0], results[1]


def _turn(child: subprocess.Popen[str], seconds: float = 1.0) -> tuple[float, float]:
    """Let the child go on for so long, or to its end; when it was awake."""
    began = time.perf_counter()
    child.send_signal(signal.SIGCONT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
    child.send_signal(signal.SIGSTOP)
    return began, time.perf_counter()


def _start(arguments: list[str], threads: int, work: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD.format(work=work), *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "OPENCV_FOR_THREADS_NUM": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
    )


def _said(child: subprocess.Popen[str]) -> list[str]:
    """The lines of a child that ended, or will."""
    said, _ = child.communicate()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, child.args)
    return said.strip().splitlines()


def _ran(printed: list[str], wall: float) -> Ran:
    return Ran(wall, int(printed[-1].removeprefix("peak ")) / 1024, printed[:-1])


def example_clip(path: Path, frames: int, *, width: int = 640, height: int = 360) -> Path:
    """The example clip, over and over, as a wide video with the face in its middle."""
    with VideoReader(ASSETS / "driving.mp4") as reader, VideoWriter(path, fps=reader.info.fps) as writer:
        wide = [fit_uint8(frame, height, width, mode="pad") for frame in reader]
        for frame in islice(cycle(wide), frames):
            writer.write(to_uint8(frame))
    return path


@torch.inference_mode()
def published_size(path: Path) -> Path:
    """A file of random weights of vox-256 size whose frames look like pictures: the warped source shows through a faint
    texture. What random weights paint alone is noise, and costs a video encoder four times as much as a face does.
    """
    pictures = [fit_uint8(read_image(ASSETS / name), 256, 256) for name in ("source.png", "source-mouse.png")]
    model = lively_model(torch.cat(pictures))
    generator = replace(model.config.generator, blend_source=True)
    shown = MotionModel.from_state(replace(model.config, generator=generator), model.state_dict(), name=model.name)
    assert isinstance(shown.generator.final, nn.Conv2d)
    shown.generator.final.weight *= 0.1
    save_model(shown, path)
    return path
