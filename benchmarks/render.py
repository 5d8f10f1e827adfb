"""`fomm render` against calls of `fomm animate` and against itself without a worker; what a large table costs."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter

from .processes import cpu_seconds, run

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "source.png"}},
    "2": {"class_type": "LoadVideo", "inputs": {"file": "0.mp4"}},
    "3": {"class_type": "FOMM_LoadModel", "inputs": {"model": "demo-128 (built-in)", "preset": "auto"}},
    "4": {
        "class_type": "FOMM_AnimateVideo",
        "inputs": {"model": ["3", 0], "source": ["1", 0], "driving": ["2", 0], "size": "auto"},
    },
    "5": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["4", 0], "filename_prefix": "x", "format": "auto", "codec": "auto"},
    },
}
OVERHEAD = """
import time
from pathlib import Path
from fomm_nodes.nodes.hosts.headless.files import Folders
from fomm_nodes.batch import render as b
from fomm_nodes.batch.engine import Outcome
from fomm_nodes.batch.manifest import PENDING, Manifest
folder = Path(sys.argv[1])
folders = Folders((folder,))
schemas = b.local_schemas(folders)
graph, name = b.read_any(folder / "graph.json", schemas)
batch = b.Batch(graph, name, schemas, folders, folder / "out", table=folder / "table.csv")
made = folder / "out" / "made.mp4"
made.parent.mkdir(exist_ok=True)
made.write_bytes(b"x")
print(peak())
began, wall, jobs = time.process_time(), time.perf_counter(), 0
with Manifest(batch.output) as manifest:
    digests = b.Digests(manifest.digest, manifest.learn)
    manifest.register(b.plan(batch, digests), "now")
    for job in b.plan(batch, digests, only=manifest.numbers("now", PENDING)):
        manifest.finish(job, "now", Outcome((made,), 1.0, 1, "none"), attempts=1, strip=b"")
        jobs += 1
print(jobs, time.process_time() - began, time.perf_counter() - wall)
"""


def clips(folder: Path, count: int, frames: int) -> None:
    """Clips that differ: windows of the example, each a frame later."""
    with VideoReader(ASSETS / "driving.mp4") as reader:
        shown, rate = list(reader), reader.info.fps
    for number in range(count):
        with VideoWriter(folder / f"{number}.mp4", fps=rate) as writer:
            for frame in islice(cycle(shown), number, number + frames):
                writer.write(frame)


def measure(*, jobs: int, frames: int, table: int) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if jobs:
            _against_animate(folder, jobs, frames)
        if table:
            _overhead(folder, table)


def _against_animate(folder: Path, jobs: int, frames: int) -> None:
    clips(folder, jobs, frames)
    shutil.copy(ASSETS / "source.png", folder)
    (folder / "graph.json").write_text(json.dumps(GRAPH))
    options = ["--device", "cpu", "--quiet"]
    spent: dict[str, tuple[float, float]] = {}
    for way in ("fomm animate", "--workers 0", "fomm render"):
        cpu, wall = cpu_seconds(), time.perf_counter()
        if way == "fomm animate":
            for number in range(jobs):
                given = [str(folder / "source.png"), str(folder / f"{number}.mp4")]
                run(["animate", *given, "-o", str(folder / f"alone-{number}.mp4"), *options], threads=1)
        else:
            given = ["render", str(folder / "graph.json"), "--input", str(folder), "-o", str(folder / way[-6:])]
            given += way.split() if way.startswith("--") else []
            run([*given, "--set", "2.file=[0-9]*.mp4", *options], threads=1)
        spent[way] = cpu_seconds() - cpu, time.perf_counter() - wall
        print(f"{way:>12}: {jobs} jobs of {frames} frames, {spent[way][0]:7.1f} s CPU, {spent[way][1]:7.1f} s wall")
    alone, together = spent["fomm animate"], spent["fomm render"]
    inside = spent["--workers 0"]
    print(f" in a worker: {together[0] / inside[0] - 1:+.1%} CPU time, {together[1] / inside[1] - 1:+.1%} wall time")
    print(f"       ratio: {alone[0] / together[0]:.1f} by CPU time, {alone[1] / together[1]:.1f} by wall time")


def _overhead(folder: Path, jobs: int) -> None:
    for name in ("source.png", "driving.mp4"):
        shutil.copy(ASSETS / name, folder / name.replace("driving", "0"))
    (folder / "graph.json").write_text(json.dumps(GRAPH))
    lines = ["1.image,2.file,4.strength", *(f"source.png,0.mp4,{number % 2000 / 1000}" for number in range(jobs))]
    (folder / "table.csv").write_text("\n".join(lines))
    ran = run([str(folder)], threads=1, work=OVERHEAD)
    before, (count, cpu, wall) = int(ran.printed[0]) / 1024, map(float, ran.printed[1].split())
    each = 1000 / count
    print(f"{count:.0f} jobs planned, registered and finished: {cpu * each:.2f} ms CPU, {wall * each:.2f} ms wall each")
    print(f"peak memory {ran.peak:.0f} MiB, of which {before:.0f} are the libraries")
