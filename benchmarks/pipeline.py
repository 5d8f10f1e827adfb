"""The whole of `fomm animate` against its networks alone, and from the start to the first frame.

Networks alone: the same model detects and renders the same frames, decoded and fitted beforehand, in a loop that keeps
nothing. Both in processes of their own on all the threads given, a second of wall time each in turn.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from fomm_nodes.fomm_core.checkpoints import ASSETS

from .processes import COMMAND, cpu_seconds, example_clip, published_size, run, run_in_turns

NETWORKS = """
import time, torch
from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, drive, load_model, prepare_source
from fomm_nodes.fomm_core.fitting import fit_uint8, from_uint8
from fomm_nodes.fomm_core.video import VideoReader, read_image
model, picture, clip = sys.argv[1:]
session = AnimationSession(load_model(model))
source = prepare_source(session, from_uint8(read_image(picture)))
frames = [fit_uint8(frame, *source.size) for frame in VideoReader(clip)]
session.detect(frames[0])
print("from", time.perf_counter())
driving = session.detect(frames)
for rendered in session.render(source, drive(source.keypoints, driving, AnimationOptions())):
    pass
print("to", time.perf_counter())
"""


def measure(*, frames: int, threads: int, rounds: int, model: Path | None, clip: Path | None) -> None:
    """Print both figures."""
    picture = str(ASSETS / "source.png")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        weights = str(model or published_size(here / "random-vox.safetensors"))
        driving = str(clip or example_clip(here / "clip.mp4", frames))
        result = str(here / "result.mp4")
        command = ["animate", picture, driving, "-o", result, "-y", "-q", "--model", weights, "--device", "cpu"]
        ratios = []
        for _ in range(rounds):
            whole, alone = run_in_turns((command, COMMAND), ([weights, picture, driving], NETWORKS), threads=threads)
            ratios.append(whole.wall / alone.wall)
            print(f"whole {whole.wall:.1f} s, networks alone {alone.wall:.1f} s: {ratios[-1]:.3f}x", flush=True)
        ratio = statistics.median(ratios)
        print(f"{Path(driving).name}, {threads} thread(s), float32: wall time {ratio:.3f}x of the networks alone")


def measure_start(*, rounds: int, threads: int) -> None:
    """Print how long a one-frame run of the built-in model takes, from the start of the process to its end, in CPU time
    and by the clock; and, in turn with it, how long Python takes to import torch alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = str(Path(folder) / "result.mp4")
        command = ["animate", "--example", "-o", result, "-y", "-q", "--frames", "1", "--device", "cpu"]
        ways = {"import torch": ([], "import torch"), "start to first frame, built-in model": (command, COMMAND)}
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(rounds + 1):
            for name, (arguments, work) in ways.items():
                before = cpu_seconds()
                wall = run(arguments, threads=threads, work=work).wall
                taken[name].append((cpu_seconds() - before, wall))
        for name, each in taken.items():
            cpu, wall = (statistics.median(kind) for kind in zip(*each[1:], strict=True))
            print(f"{name}, {threads} thread(s): {cpu:.2f} s CPU, {wall:.2f} s wall")
