"""Batches whose driver and workers are killed at random. Also a command: `python tests/batch/killing.py`."""

from __future__ import annotations

import argparse
import contextlib
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

from filelock import FileLock, Timeout

ROOT = Path(__file__).resolve().parents[2]
COMMAND = """
import importlib.util, sys
root = sys.argv.pop(1)
spec = importlib.util.spec_from_file_location("fomm_nodes", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["fomm_nodes"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from fomm_nodes.cli.main import main
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


MARK = "FOMM_TEST_KILLING"
"""Set in the environment of all that is started here, and so of what that starts."""
NO_CLUSTER = "no Ray cluster at local"
"""A cluster that does not start within Ray's 30 seconds, as on a busy machine, ends a call, and no job with it."""
ENDING_SECONDS = 180.0
"""Ray's agents look for their dead raylet's server for a minute or two."""


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """`fomm` in a process of its own, with a folder for temporary files beside `log`."""
    place, temporary = log.parent / "python", log.parent / "temporary"
    for folder in (place, temporary):
        folder.mkdir(exist_ok=True)
    if not (place / "fomm_nodes").is_symlink():
        (place / "fomm_nodes").symlink_to(ROOT)  # for Ray's workers, installed or not
    paths = os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])
    own = {"PYTHONPATH": paths, "TMPDIR": str(temporary), MARK: str(log.parent)}
    own |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(100 << 20)}
    command = [sys.executable, "-c", COMMAND, str(ROOT), *arguments]
    with log.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **own})


def marked(base: Path) -> list[int]:
    """Process ids of all that `start` started for `base`, and of what these started."""
    wanted, found = f"{MARK}={base}".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (place / "environ").read_bytes().split(b"\0") and b"Z" not in _state(place):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def _state(place: Path) -> bytes:
    return (place / "stat").read_bytes().rpartition(b")")[2].split()[0]


def actors(base: Path) -> list[int]:
    """Process ids of Ray's actors of ours; Ray gives them names that say so."""
    found = []
    for pid in marked(base):
        try:
            if b"FommWorker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


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


def unheld(folder: Path) -> bool:
    """Whether a folder for passing files belongs to nobody who lives."""
    lock = FileLock(folder / ".fomm-lock")
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return False
    lock.release()
    return True


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
    find: Callable[[int], list[int]] = children,
    say: Callable[[str], None] = lambda text: None,
) -> Told:
    """Run the command until all is done, while `drivers` and `workers` are killed -9 at random moments.

    find: the workers of a driver.
    """
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
        while kind == "worker" and not find(process.pid) and process.poll() is None:
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
        elif victims := find(process.pid):
            with contextlib.suppress(ProcessLookupError):  # it was about to end
                os.kill(rng.choice(victims), signal.SIGKILL)
                told.workers_killed += 1
        say(f"{kind} killed at {done(output, told.results)} of {jobs}")
    code = process.wait()
    while code != 0 and told.calls < 3 * (drivers + 1) and NO_CLUSTER in log.read_text(errors="replace")[-3000:]:
        process = start(arguments, log)
        told.calls += 1
        code = process.wait()
    if code != 0:
        raise AssertionError(f"the last call ended with {code}:\n{log.read_text(errors='replace')[-3000:]}")
    told.seconds = time.monotonic() - began
    done(output, told.results)
    allowed = {"report.html", ".fomm"}
    strays = [p.name for p in output.iterdir() if p.name not in allowed and p.suffix != ".png"]
    strays += [str(p) for p in (output.parent / "temporary").iterdir()]
    end = time.monotonic() + ENDING_SECONDS
    while (left := marked(output.parent)) and time.monotonic() < end:
        time.sleep(0.2)
    told.strays = (*strays, *(f"process {pid}" for pid in left))
    return told


def main() -> int:
    """60 jobs; the driver killed five times, workers ten times. Exit code 1 where anything was lost or differs."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--drivers", type=int, default=5)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ray", action="store_true", help="workers are actors of a Ray cluster that each call starts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        assets = ROOT / "fomm_core" / "assets"
        graph = json.loads((ROOT / "tests/batch/graphs/animate.json").read_text(encoding="utf-8"))
        graph["4"]["inputs"]["size"] = "model"
        graph["2"] = {"class_type": "LoadImage", "inputs": {"image": "source.png"}}
        graph["9"] = {"class_type": "LoadVideo", "inputs": {"file": "driving.mp4"}}
        graph["4"]["inputs"] |= {"source": ["2", 0], "driving": ["9", 0]}
        (base / "graph.json").write_text(json.dumps(still(graph)))
        table = [{"4.strength": round(0.5 + number / options.jobs, 4)} for number in range(options.jobs)]
        (base / "table.jsonl").write_text("\n".join(map(json.dumps, table)))
        common = ["render", str(base / "graph.json"), "--jobs", str(base / "table.jsonl"), "--input", str(assets)]
        reference: dict[str, set[str]] = {}
        common += ["--device", "cpu", "--workers", "2", "--retries", "9"]  # one job may be hit several times
        calm = start([*common, "-o", str(base / "calm")], base / "calm.log").wait()
        print(f"reference: exit code {calm}, {done(base / 'calm', reference)} files", flush=True)
        before = set(Path("/tmp").glob("fomm-cluster-*"))
        told = kill_and_finish(
            [*common, *(["--ray"] if options.ray else []), "-o", str(base / "out")],
            base / "out",
            jobs=options.jobs,
            drivers=options.drivers,
            workers=options.workers,
            rng=random.Random(options.seed),
            find=(lambda pid: actors(base)) if options.ray else children,
            say=lambda text: print(text, flush=True),
        )
        strays = [*told.strays, *map(str, filter(unheld, set(Path("/tmp").glob("fomm-cluster-*")) - before))]
        differing = [name for name, seen in (told.results or {}).items() if seen != reference.get(name)]
        print(
            f"{len(told.results or {})} of {options.jobs} complete in {told.calls} calls and {told.seconds:.0f} s; "
            f"driver killed {told.drivers_killed} times, workers {told.workers_killed} times; "
            f"{len(differing)} with another content than undisturbed; strays: {strays or 'none'}"
        )
        whole = len(told.results or {}) == options.jobs == len(reference)
        return int(not whole or bool(differing) or bool(strays))


if __name__ == "__main__":
    sys.exit(main())
