"""Training runs killed -9 at random moments. Also a command: `python tests/fomm_core/training/killed_runs.py`."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("small_run.py")


class started:
    """A run in a process of its own."""

    def __init__(self, folder: Path, changes: str = "{}") -> None:
        self.command = [sys.executable, str(SCRIPT), str(folder), changes]

    def __enter__(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True, env=environment)
        return self.process

    def __exit__(self, *problem: object) -> None:
        self.process.kill()
        self.process.communicate()


def lines_of(folder: Path) -> list[str]:
    """The log so far, a line for each step."""
    log = folder / "log.jsonl"
    return log.read_text().splitlines() if log.exists() else []


def wait_for_line(folder: Path, count: int, *, seconds: float = 300) -> None:
    """Until the log has `count` lines more than now."""
    wanted, end = len(lines_of(folder)) + count, time.monotonic() + seconds
    while len(lines_of(folder)) < wanted and time.monotonic() < end:
        time.sleep(0.02)


def kill_and_finish(
    folder: Path, changes: str, *, kills: int, lines: int, rng: random.Random, look: Callable[[], None]
) -> None:
    """Kill the run `kills` times, each after at most `lines` more lines of its log, then let it come to its end.

    `look` is called after each kill, with nothing running.
    """
    for _ in range(kills):
        with started(folder, changes) as process:
            wait_for_line(folder, rng.randint(1, lines))
            time.sleep(rng.uniform(0, 0.2))
            assert process.poll() is None, "the run ended before it was killed"
            process.kill()
        look()
    with started(folder, changes) as process:
        assert process.wait(600) == 0, process.communicate()[1][-2000:]


def main() -> int:
    """A run of 200 steps, killed 20 times, against one that nobody disturbs. Exit code 1 where they differ."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    changes = json.dumps({"steps": options.steps, "milestones": [options.steps * 3 // 4], "save_steps": 7})
    with tempfile.TemporaryDirectory() as base:
        calm, killed = Path(base) / "calm", Path(base) / "killed"
        with started(calm, changes) as process:
            assert process.wait(600) == 0, process.communicate()[1][-2000:]
        at: list[int] = []
        kill_and_finish(
            killed,
            changes,
            kills=options.kills,
            lines=max(1, options.steps // options.kills),
            rng=random.Random(options.seed),
            look=lambda: at.append(len(lines_of(killed))),
        )
        ours, theirs = ([json.loads(line)["losses"] for line in lines_of(folder)] for folder in (killed, calm))
        one, other = (load_file(folder / "model.safetensors") for folder in (killed, calm))
        equal = one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
        print(f"killed {len(at)} times, at steps {', '.join(map(str, at))}")
        print(f"losses of all {len(theirs)} steps equal those of the run undisturbed: {ours == theirs}")
        print(f"last losses {ours[-1]}")
        print(f"models equal to the last bit: {equal}")
        strays = [str(path.relative_to(killed)) for path in killed.rglob("*") if path.name not in names_in(calm)]
        print(f"strays: {strays or 'none'}")
    return int(not (ours == theirs and equal and not strays))


def names_in(folder: Path) -> set[str]:
    """Of all that lies in it, at any depth."""
    return {path.name for path in folder.rglob("*")}


if __name__ == "__main__":
    sys.exit(main())
