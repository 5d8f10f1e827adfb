"""Peak memory of `fomm animate` for a short and a long driving clip: it must not grow with the length."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter

ANIMATE = """
import resource, runpy, sys
from benchmarks.__main__ import bind_checkout
bind_checkout()
from fomm_nodes.nodes.cli import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def peak_mib(arguments: list[str]) -> float:
    """Run the command in a process of its own; its peak resident memory in MiB."""
    root = Path(__file__).resolve().parent.parent
    run = subprocess.run(
        [sys.executable, "-c", ANIMATE, *arguments],
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(run.stdout.strip().splitlines()[-1]) / 1024


def measure(*, short: int, long: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        peaks = []
        with VideoReader(ASSETS / "driving.mp4") as reader:
            frames = list(reader)
            rate = reader.info.fps
        for count in (short, long):
            clip = Path(folder) / f"{count}.mp4"
            with VideoWriter(clip, fps=rate) as writer:
                for frame in islice(cycle(frames), count):
                    writer.write(frame)
            result = Path(folder) / f"result-{count}.mp4"
            peaks.append(peak_mib(["animate", str(ASSETS / "source.png"), str(clip), "-o", str(result), "--quiet"]))
            print(f"{count:>7} driving frames: peak {peaks[-1]:7.1f} MiB")
        print(f"ratio {peaks[1] / peaks[0]:.3f}")
