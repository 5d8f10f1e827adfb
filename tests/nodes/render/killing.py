"""Batches whose driver and workers are killed at random. Also a command: `python tests/nodes/render/killing.py`."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
COMMAND = """
import importlib.util, sys
root = sys.argv.pop(1)
spec = importlib.util.spec_from_file_location("fomm_nodes", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["fomm_nodes"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from fomm_nodes.nodes.cli import main
sys.exit(main())
"""


@dataclass
class Told:
    """What happened. results: digests that each file ever had, looked at between the kills."""

    drivers_killed: int = 0
    workers_killed: int = 0
    calls: int = 0
    seconds: float = 0.0
    results: dict[str, set[str]] | None = None
    strays: tuple[str, ...] = ()


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """`fomm` in a process of its own."""
    with log.open("ab") as file:
        return subprocess.Popen([sys.executable, "-c", COMMAND, str(ROOT), *arguments], stdout=file, stderr=file)


def children(pid: int) -> list[int]:
    """Process ids of the workers of a driver."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        if lines.get("PPid", "").strip() == str(pid):
            found.append(int(status.parent.name))
    return found


def still(graph: dict[str, Any]) -> dict[str, Any]:
    """The graph with one frame of its animation as a PNG file: the same pixels are the same bytes there."""
    animate = next(name for name, node in graph.items() if node["class_type"] == "FOMM_AnimateVideo")
    changed = {name: node for name, node in graph.items() if node["class_type"] != "SaveVideo"}
    known = {"frame_rate", "keep_sound", "audio"}
    inputs = {port: value for port, value in graph[animate]["inputs"].items() if port not in known}
    changed[animate] = {"class_type": "FOMM_Animate", "inputs": inputs}
    one = {"image": [animate, 0], "batch_index": 20, "length": 1}
    changed["one"] = {"class_type": "ImageFromBatch", "inputs": one}
    changed["save"] = {"class_type": "SaveImage", "inputs": {"images": ["one", 0], "filename_prefix": "frame"}}
    return changed


def done(output: Path, results: dict[str, set[str]]) -> int:
    """How many files there are under final names; notes their content."""
    files = list(output.glob("*.png"))
    for path in files:
        results.setdefault(path.name, set()).add(hashlib.sha256(path.read_bytes()).hexdigest())
    return len(files)


def kill_and_finish(
    arguments: list[str],
    output: Path,
    *,
    jobs: int,
    drivers: int,
    workers: int,
    rng: random.Random,
    say: Callable[[str], None] = lambda text: None,
) -> Told:
    """Run the command until all is done, while `drivers` and `workers` are killed -9 at random moments."""
    told = Told(results={})
    began = time.monotonic()
    kills = ["driver"] * drivers + ["worker"] * workers
    rng.shuffle(kills)
    per_kill = max(1, jobs // (len(kills) + 1))
    log = output.parent / "driver.log"
    process = start(arguments, log)
    told.calls = 1
    for number, kind in enumerate(kills, 1):
        goal = min(jobs - 1, number * per_kill)
        while done(output, told.results) < goal and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.3))
        while kind == "worker" and not children(process.pid) and process.poll() is None:
            time.sleep(0.02)  # it is only starting
        if process.poll() is not None:
            break
        if kind == "driver":
            process.kill()
            process.wait()
            told.drivers_killed += 1
            time.sleep(0.3)  # a worker that goes on would write now
            process = start(arguments, log)
            told.calls += 1
        elif victims := children(process.pid):
            os.kill(rng.choice(victims), signal.SIGKILL)
            told.workers_killed += 1
        say(f"{kind} killed at {done(output, told.results)} of {jobs}")
    code = process.wait()
    if code != 0:
        raise AssertionError(f"the last call ended with {code}:\n{log.read_text(errors='replace')[-3000:]}")
    told.seconds = time.monotonic() - began
    done(output, told.results)
    allowed = {"report.html", ".fomm"}
    told.strays = tuple(p.name for p in output.iterdir() if p.name not in allowed and p.suffix != ".png")
    return told


def main() -> None:
    """60 jobs; the driver killed five times, workers ten times."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--drivers", type=int, default=5)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        assets = ROOT / "fomm_core" / "assets"
        graph = json.loads((ROOT / "tests/nodes/render/graphs/animate.json").read_text(encoding="utf-8"))
        graph["4"]["inputs"]["size"] = "model"
        graph["2"] = {"class_type": "LoadImage", "inputs": {"image": "source.png"}}
        graph["9"] = {"class_type": "LoadVideo", "inputs": {"file": "driving.mp4"}}
        graph["4"]["inputs"] |= {"source": ["2", 0], "driving": ["9", 0]}
        (base / "graph.json").write_text(json.dumps(still(graph)))
        table = [{"4.strength": round(0.5 + number / options.jobs, 4)} for number in range(options.jobs)]
        (base / "table.jsonl").write_text("\n".join(map(json.dumps, table)))
        common = ["render", str(base / "graph.json"), "--jobs", str(base / "table.jsonl"), "--input", str(assets)]
        reference: dict[str, set[str]] = {}
        common += ["--device", "cpu", "--workers", "2"]
        calm = start([*common, "-o", str(base / "calm")], base / "calm.log").wait()
        print(f"reference: exit code {calm}, {done(base / 'calm', reference)} files")
        told = kill_and_finish(
            [*common, "-o", str(base / "out")],
            base / "out",
            jobs=options.jobs,
            drivers=options.drivers,
            workers=options.workers,
            rng=random.Random(options.seed),
            say=print,
        )
        differing = [name for name, seen in (told.results or {}).items() if seen != reference[name]]
        print(
            f"{len(told.results or {})} of {options.jobs} complete in {told.calls} calls and {told.seconds:.0f} s; "
            f"driver killed {told.drivers_killed} times, workers {told.workers_killed} times; "
            f"{len(differing)} with another content than undisturbed; strays: {list(told.strays) or 'none'}"
        )


if __name__ == "__main__":
    main()
