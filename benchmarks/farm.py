"""Jobs per minute on a Ray cluster of this machine: one worker against two, each bound to a core of its own.

Workers are up, and have their model, before the clock starts. A worker by itself would else decode and encode on the
other core, which is what the second worker has. The wall clock is worth something on a quiet machine only. Where other
programs use the cores too, the workers' CPU time says what it would be: that of the single worker against that of the
busier one of two.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fomm_nodes.batch.engine import InputFile, Job
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.batch.ray.engine import RayEngine, RayOptions
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.nodes.hosts.headless.files import Folders
from PIL import Image

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": ""}},
    "2": {"class_type": "FOMM_LoadExample", "inputs": {"picture": "astronaut"}},
    "3": {"class_type": "FOMM_LoadModel", "inputs": {"model": "demo-128 (built-in)", "preset": "auto"}},
    "4": {
        "class_type": "FOMM_AnimateVideo",
        "inputs": {"model": ["3", 0], "source": ["1", 0], "driving": ["2", 1], "size": "auto"},
    },
    "5": {"class_type": "SaveVideo", "inputs": {"video": ["4", 0], "filename_prefix": "x", "format": "auto"}},
}


def jobs(count: int, folder: Path) -> list[Job]:
    """Each with a portrait of its own."""
    made = []
    for number in range(count):
        name = f"{number}.png"
        with Image.open(ASSETS / "source.png") as picture:
            picture.convert("RGB").crop((number, 0, *picture.size)).save(folder / name)
        graph = json.loads(json.dumps(GRAPH))
        graph["1"]["inputs"]["image"] = name
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        file = InputFile("1", "image", name, folder / name, digest)
        made.append(Job(f"{number:05d}", graph, (file,), folder / "out" / str(number), digest))
    return made


def processes(engine: RayEngine) -> list[int]:
    import ray

    return [ray.get(engine._ask(slot, "process")) for slot in engine._slots]


def bind(engine: RayEngine) -> None:
    """Give each worker, with all its threads, one core."""
    for core, process in zip(sorted(os.sched_getaffinity(0)), processes(engine), strict=False):
        for thread in Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def cpu_seconds(engine: RayEngine) -> list[float]:
    """What each worker has used so far."""
    used = []
    for process in processes(engine):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        used.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return used


def run(workers: int, folder: Path, count: int) -> tuple[float, list[float]]:
    """Wall seconds of `count` jobs, and each worker's CPU seconds."""
    with RayEngine(RayOptions(workers=workers, cores=1), LocalOptions(Folders(()), device="cpu")) as engine:
        todo = jobs(count + workers, folder)
        with ThreadPoolExecutor(workers) as pool:
            warm = [pool.submit(engine.run, job, lambda told: None) for job in todo[count:]]
            assert len({future.result().worker for future in warm}) == workers
            bind(engine)
            used, began = cpu_seconds(engine), time.monotonic()
            outcomes = list(pool.map(lambda job: engine.run(job, lambda told: None), todo[:count]))
            seconds = time.monotonic() - began
        assert all(outcome.frames > 1 for outcome in outcomes)
        return seconds, [after - before for after, before in zip(cpu_seconds(engine), used, strict=True)]


def measure(*, count: int, rounds: int) -> None:
    """Print the table."""
    import ray

    os.environ["OMP_NUM_THREADS"] = "1"
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    print(f"{count} jobs; other programs' load: {os.getloadavg()[0]:.1f}")
    print(f"{'workers':>8}{'wall s':>10}{'jobs/min':>10}{'CPU s/job':>11}")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            walls, busiest = {}, {}
            for workers in (1, 2):
                wall, cpu = run(workers, Path(folder), count)
                walls[workers], busiest[workers] = wall, max(cpu)
                print(f"{workers:8}{wall:10.1f}{60 * count / wall:10.1f}{sum(cpu) / count:11.2f}", flush=True)
            by_wall, by_cpu = walls[1] / walls[2], busiest[1] / busiest[2]
            print(f"2 workers against 1: {by_wall:.2f}x by the clock, {by_cpu:.2f}x by CPU time", flush=True)
    ray.shutdown()
