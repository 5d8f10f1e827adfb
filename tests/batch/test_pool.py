"""Worker processes: what dies, and what goes on."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fomm_nodes.batch.engine import CancelledError, JobProgress
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.batch.local.pool import LocalPool
from fomm_nodes.nodes.hosts.headless.files import Folders

sys.path.insert(0, str(Path(__file__).parent))
from killing import kill_and_finish, still


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Iterator[LocalPool]:
    inputs = Path(__file__).resolve().parents[2] / "fomm_core" / "assets"
    folder = tmp_path_factory.mktemp("unfinished")
    pool = LocalPool(LocalOptions(Folders((inputs,)), device="cpu"), 1, folder)
    yield pool
    pool.close()
    assert not pool.processes


def test_a_cancelled_job_ends_its_worker_at_once(pool, job, animation, tmp_path) -> None:
    animation["1"]["inputs"]["image"], animation["2"]["inputs"]["file"] = "source.png", "driving.mp4"

    def cancel(progress: JobProgress) -> None:
        if progress.node == "Animate to Video":
            raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        pool.run(job(animation), cancel)
    assert not pool.processes
    assert not list(tmp_path.glob("out/*"))
    assert [path.name for path in pool._folder.iterdir() if path.name.startswith("job-")] == []


@pytest.mark.skipif(sys.platform != "linux", reason="finds a driver's workers in /proc")
def test_kills_lose_nothing_and_double_nothing(tmp_path, animation, inputs) -> None:
    """A small one; the one of 60 jobs is `python tests/batch/killing.py`."""
    import json

    (tmp_path / "graph.json").write_text(json.dumps(still(animation)))
    count = 40  # so many that the kills come before the end, on a fast machine too
    rows = [{"4.strength": number / 20} for number in range(1, count + 1)]
    (tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    arguments = ["render", str(tmp_path / "graph.json"), "--jobs", str(tmp_path / "table.jsonl"), "--device", "cpu"]
    arguments += ["--workers", "1", "--input", str(inputs), "-o", str(tmp_path / "out")]
    told = kill_and_finish(arguments, tmp_path / "out", jobs=count, drivers=1, workers=1, rng=random.Random(0))
    assert (told.drivers_killed, told.workers_killed) == (1, 1)
    assert told.results is not None
    assert len(told.results) == count
    assert all(len(contents) == 1 for contents in told.results.values())
    assert len({content for contents in told.results.values() for content in contents}) == count
    assert told.strays == ()
