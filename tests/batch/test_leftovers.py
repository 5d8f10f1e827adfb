"""What killed drivers and workers leave behind, and what of others stays where it is."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fomm_nodes.batch import render as batches
from fomm_nodes.batch.boot import start
from fomm_nodes.batch.engine import Job, JobProgress, OnProgress, Outcome
from fomm_nodes.batch.jobs import Batch
from fomm_nodes.batch.passing import JOB_PREFIX, LOCK, PassingFolder
from fomm_nodes.fomm_core.errors import GraphError


class Writes:
    """An engine that writes a text, and calls `then` in the middle."""

    workers = ("one",)

    def __init__(self, then: Callable[[Job], None] = lambda job: None) -> None:
        self.then = then

    def run(self, job: Job, progress: OnProgress) -> Outcome:
        progress(JobProgress(job.id, "one"))
        self.then(job)
        path = job.output.with_name(job.output.name + ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made")
        return Outcome((path,), 0.1, 1, "one")

    def close(self) -> None:
        pass


def run(batch: Batch, engine: Writes) -> batches.Summary:
    return batches.run_batch(batch, lambda folder: engine)


@pytest.fixture
def two(batch, pictures) -> Batch:
    rows = [{"2.width": 1, "output": "one"}, {"2.width": 2, "output": "sub/two"}]
    return batch(pictures, table=rows)


def left_by_a_killed_process(parent: Path) -> Path:
    """As `kill -9` leaves it: the file of the lock is there, and nobody holds it."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{JOB_PREFIX}killed"
    folder.mkdir()
    (folder / LOCK).touch()
    (folder / "half.mp4").write_bytes(b"half")
    return folder


def test_what_this_batch_left_half_done_goes(two) -> None:
    run(two, Writes())
    (two.output / "one.txt").unlink()
    old = two.output / ".fomm" / "unfinished" / "job-1"
    old.mkdir(parents=True)
    (old / "half.mp4").write_bytes(b"half")
    left_by_a_killed_process(two.output)
    left_by_a_killed_process(two.output / "sub")
    assert run(two, Writes()).complete
    assert not list(two.output.rglob("half.mp4"))


def test_folders_of_others_stay_whatever_they_are_called(two) -> None:
    others = [two.output / ".fomm-notes", two.output / "sub" / ".fomm-x", two.output / "deep" / "er" / ".fomm-y"]
    others.append(two.output / f"{JOB_PREFIX}mine")  # without a lock, it is not ours
    for folder in others:
        folder.mkdir(parents=True)
        (folder / "mine.txt").write_text("mine")
    elsewhere = left_by_a_killed_process(two.output / "not-in-this-batch")
    assert run(two, Writes()).complete
    assert all((folder / "mine.txt").is_file() for folder in others)
    assert elsewhere.is_dir()


def test_a_batch_within_the_output_of_another_keeps_its_unfinished_work(two, batch, pictures) -> None:
    inner = batch(pictures, output=two.output / "sub")
    seen = []

    def outer_meanwhile(job: Job) -> None:
        with PassingFolder(JOB_PREFIX, two.output / "sub") as folder:
            (folder / "half.mp4").write_bytes(b"half")
            assert run(two, Writes()).complete
            seen.append((folder / "half.mp4").is_file() and (inner.output / ".fomm" / "unfinished").is_dir())

    assert run(inner, Writes(outer_meanwhile)).complete
    assert seen == [True]


def test_a_batch_that_makes_no_sense_takes_nothing_of_others_along(batch, pictures) -> None:
    made = batch(pictures, settings={"1.image": ["nothing*.png"]})
    (made.output / ".fomm").mkdir(parents=True)
    (made.output / ".fomm" / "mine.txt").write_text("mine")
    with pytest.raises(GraphError):
        run(made, Writes())
    assert [path.name for path in made.output.rglob("*") if path.is_file()] == ["mine.txt"]


def test_links_that_lead_out_are_not_followed(two, tmp_path) -> None:
    outside = left_by_a_killed_process(tmp_path / "outside")
    run(two, Writes())
    (two.output / "sub" / "two.txt").unlink()
    (two.output / "sub").rmdir()
    batch = Batch(**{**vars(two), "table": [{"2.width": 1, "output": "one"}, {"2.width": 9, "output": "three"}]})
    (two.output / "sub").symlink_to(outside.parent, target_is_directory=True)
    run(batch, Writes())
    assert (outside / "half.mp4").is_file()


# ----- workers whose driver is gone

OPTIONS = {"folders": {"inputs": [], "models": []}, "device": "cpu", "memory": 0, "name": "w", "previews": False}
OPTIONS["limits"] = {"frames": 10, "pixels": 10, "held": 10}


@pytest.mark.parametrize(
    "last",
    [
        b'{"job": {"id": "1", "gra',
        b'{"job"',
        b'{"cancel": "1"}',
        b"\xff\xfe\n",
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b'{"cancel": []}\n',
        b'{"nonsense": 1}\n',
    ],
    ids=["mid-job", "mid-word", "no newline", "not UTF-8", "a list", "deep", "odd cancel", "unknown"],
)
@pytest.mark.parametrize("closed", [True, False], ids=["driver dead", "driver silent"])
def test_a_broken_line_ends_a_worker_cleanly(last, closed, tmp_path) -> None:
    if not closed and not last.endswith(b"\n"):
        pytest.skip("the rest of the line may still come")
    worker = start("local.worker", subprocess.PIPE, {})
    try:
        options = {**OPTIONS, "temporary": str(tmp_path)}
        worker.stdin.write(json.dumps({"options": options}).encode() + b"\n")
        worker.stdin.flush()
        assert "ready" in json.loads(worker.stdout.readline())
        assert list(tmp_path.iterdir())
        worker.stdin.write(last)
        worker.stdin.flush()
        if closed:
            worker.stdin.close()
        worker.wait(30)
        assert b"Traceback" not in worker.stderr.read()
        assert not list(tmp_path.iterdir())
    finally:
        if worker.poll() is None:
            os.kill(worker.pid, signal.SIGTERM)
            worker.wait(30)
        for pipe in (worker.stdin, worker.stdout, worker.stderr):
            pipe.close()


def test_a_folder_that_gets_no_lock_does_not_stay(tmp_path, monkeypatch) -> None:
    """As on a full disk: nobody would know later whose it is."""

    def full(lock: object, *arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("fomm_nodes.batch.passing.FileLock.acquire", full)
    with pytest.raises(OSError, match="No space left"):
        PassingFolder(JOB_PREFIX, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_goes_with_the_next_folder(tmp_path) -> None:
    left = left_by_a_killed_process(tmp_path)
    PassingFolder(JOB_PREFIX, tmp_path, tidy=False).remove()
    assert left.is_dir()
    with PassingFolder(JOB_PREFIX, tmp_path) as held:
        assert not left.exists()
        PassingFolder(JOB_PREFIX, tmp_path).remove()
        assert held.is_dir(), "whose process lives"
