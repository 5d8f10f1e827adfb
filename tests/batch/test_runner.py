"""The driver and its manifest, over an engine of the tests."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from fomm_nodes.batch import render as batches
from fomm_nodes.batch.driver import Callbacks, RetryPolicy
from fomm_nodes.batch.engine import (
    CancelledError,
    Job,
    JobError,
    JobProgress,
    NoWorkersError,
    OnProgress,
    Outcome,
    WorkerLostError,
)
from fomm_nodes.batch.manifest import FAILED, Manifest
from fomm_nodes.batch.outputs import Made, publish
from fomm_nodes.fomm_core.errors import FommError

Behaviour = Callable[[Job, int, OnProgress], None]


class FakeEngine:
    """Writes the job's settings into its file; `behave(job, how many tries before, progress)` may raise."""

    workers = ("one", "two")

    def __init__(self, behave: Behaviour = lambda job, tries, progress: None) -> None:
        self.behave = behave
        self.tries: Counter[str] = Counter()
        self.closed = 0

    def run(self, job: Job, progress: OnProgress) -> Outcome:
        tries = self.tries[job.output.name]
        self.tries[job.output.name] += 1
        progress(JobProgress(job.id, "one"))
        self.behave(job, tries, progress)
        path = job.output.with_name(job.output.name + ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(dict(job.settings)))
        return Outcome((path,), 0.1, 1, "one")

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def five(batch, pictures):
    return batch(pictures, settings={"Upscale Image.width": ["1", "2", "3", "4", "5"]})


def run(batch, engine: FakeEngine, **more):
    return batches.run_batch(batch, lambda folder: engine, **more)


def test_all_jobs_once_and_then_none(five) -> None:
    engine = FakeEngine()
    summary = run(five, engine)
    assert (summary.done, summary.failed, summary.left, summary.before) == (5, 0, 0, 0)
    assert set(engine.tries.values()) == {1}
    assert engine.closed == 1
    again = FakeEngine()
    summary = run(five, again)
    assert (summary.done, summary.before) == (5, 5)
    assert not again.tries


class PublishingEngine(FakeEngine):
    """Gives its files their names as all engines do."""

    def run(self, job: Job, progress: OnProgress) -> Outcome:
        (made,) = super().run(job, progress).files
        passing = made.rename(made.with_name(f".passing-{made.name}"))
        return Outcome(publish(job, [Made("it", passing)], 7, "one"), 0.1, 7, "one")


class Killed(BaseException):
    """In place of a signal that can't be caught."""


@pytest.fixture
def cut(five, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A batch whose driver ended between the files of its third job and their place on record; times of all files."""
    finish = Manifest.finish

    def killed(manifest: Manifest, job: Job, *arguments, **more) -> None:
        if len(list(five.output.glob("*.txt"))) >= 3:
            raise Killed
        finish(manifest, job, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "finish", killed)
        patch.setattr(FakeEngine, "workers", ("one",))
        with pytest.raises(Killed):
            run(five, PublishingEngine())
    made = {path.stem: path.stat().st_mtime_ns for path in five.output.glob("*.txt")}
    assert len(made) == 3
    assert len(list((five.output / ".fomm").glob("made-*.json"))) == 1
    return made


def test_what_was_made_and_not_put_on_record_is_not_made_again(five, cut: dict[str, int]) -> None:
    engine = PublishingEngine()
    summary = run(five, engine)
    assert (summary.done, summary.failed, summary.before) == (5, 0, 2)
    assert engine.tries == dict.fromkeys({"1", "2", "3", "4", "5"} - set(cut), 1)
    assert {name: (five.output / f"{name}.txt").stat().st_mtime_ns for name in cut} == cut
    assert not list((five.output / ".fomm").glob("made-*"))
    with Manifest(five.output) as manifest:
        rows = manifest._file.execute("SELECT frames, attempts, worker FROM jobs").fetchall()
    assert rows == [(7, 1, "one")] * 5


@pytest.mark.parametrize("what", ["file", "gone", "input", "note"])
def test_what_was_changed_since_is_made_again(what: str, five, cut: dict[str, int], inputs: Path) -> None:
    last, note = max(cut, key=lambda name: cut[name]), next((five.output / ".fomm").glob("made-*.json"))
    path = five.output / f"{last}.txt"
    if what == "file":
        path.write_bytes(path.read_bytes()[::-1])
    elif what == "gone":
        path.unlink()
    elif what == "input":
        (inputs / "a.png").write_bytes((inputs / "b.png").read_bytes())
    else:
        note.write_text(note.read_text()[:20])
    engine = PublishingEngine()
    assert run(five, engine).complete
    assert engine.tries[last] == 1
    assert not list((five.output / ".fomm").glob("made-*"))


def test_what_is_missing_damaged_or_changed_is_rendered_again(five, batch, pictures, inputs) -> None:
    run(five, FakeEngine())
    (five.output / "2.txt").unlink()
    (five.output / "3.txt").write_text("cut")
    engine = FakeEngine()
    assert run(five, engine).complete
    assert engine.tries == {"2": 1, "3": 1}
    (inputs / "a.png").write_bytes((inputs / "b.png").read_bytes())
    engine = FakeEngine()
    run(five, engine)
    assert len(engine.tries) == 5
    pictures["3"]["inputs"]["image"] = ["1", 0]
    engine = FakeEngine()
    run(batch(pictures, settings={"Upscale Image.width": ["1", "9"]}), engine)
    assert engine.tries == {"1": 1, "9": 1}


def test_a_batch_may_grow_and_shrink(five, batch, pictures) -> None:
    run(batch(pictures, settings={"Upscale Image.width": ["2", "3"]}, template="{Upscale Image.width}"), FakeEngine())
    engine = FakeEngine()
    assert run(five, engine).before == 2
    assert len(engine.tries) == 3
    fewer = run(batch(pictures, settings={"Upscale Image.width": ["1", "5"]}), FakeEngine())
    assert (fewer.done, fewer.before) == (2, 2)


def test_failures_are_tried_again_then_reported_and_the_others_go_on(five) -> None:
    def behave(job: Job, tries: int, progress: OnProgress) -> None:
        if job.output.name == "2" and tries < 2:
            raise JobError("a bad moment")
        if job.output.name == "3":
            raise JobError("always", details="Traceback <here>")
        if job.output.name == "4":
            raise JobError("never fits", retryable=False)

    again: list[str] = []
    engine = FakeEngine(behave)
    callbacks = Callbacks(again=lambda job, error: again.append(job.output.name))
    summary = run(five, engine, retry=RetryPolicy(retries=2), callbacks=callbacks)
    assert engine.tries == {"1": 1, "2": 3, "3": 3, "4": 1, "5": 1}
    assert (summary.done, summary.failed) == (3, 2)
    assert {entry.name: (entry.error, entry.attempts) for entry in summary.failures} == {
        "3": ("always", 3),
        "4": ("never fits", 1),
    }
    assert Counter(again) == {"2": 2, "3": 2}
    page = summary.report.read_text(encoding="utf-8")
    assert "Traceback &lt;here&gt;" in page
    assert page.index("always") < page.index(">1<")
    engine = FakeEngine()
    assert run(five, engine).complete
    assert engine.tries == {"3": 1, "4": 1}


def test_a_lost_worker_costs_no_retry_but_not_for_ever(five) -> None:
    def behave(job: Job, tries: int, progress: OnProgress) -> None:
        if job.output.name == "1" and tries < 3:
            raise WorkerLostError("gone")
        if job.output.name == "5":
            raise WorkerLostError("gone again", details="last words")

    engine = FakeEngine(behave)
    summary = run(five, engine, retry=RetryPolicy(retries=0))
    assert (summary.done, summary.failed) == (4, 1)
    assert engine.tries["5"] == 6
    assert summary.failures[0].details == "last words"


def test_a_job_that_exceeds_its_time(five) -> None:
    def behave(job: Job, tries: int, progress: OnProgress) -> None:
        deadline = time.monotonic() + 5
        while job.output.name == "2" and time.monotonic() < deadline:
            time.sleep(0.01)
            progress(JobProgress(job.id, "one", "Slow Node", 1, 2))

    engine = FakeEngine(behave)
    summary = run(five, engine, retry=RetryPolicy(retries=3, seconds=0.1))
    assert (summary.done, summary.failed) == (4, 1)
    assert "took more than 0.1 s, in “Slow Node”" in summary.failures[0].error
    assert engine.tries["2"] == 1


def test_waiting_for_a_worker_is_not_counted(five) -> None:
    def waits(job: Job, progress: OnProgress) -> None:
        for _ in range(20):
            time.sleep(0.01)
            progress(JobProgress(job.id, ""))

    class Waiting(FakeEngine):
        def run(self, job: Job, progress: OnProgress) -> Outcome:
            waits(job, progress)
            return super().run(job, progress)

    assert run(five, Waiting(), retry=RetryPolicy(seconds=0.15)).complete


def test_without_workers_the_rest_stays_to_be_done(five) -> None:
    def behave(job: Job, tries: int, progress: OnProgress) -> None:
        if job.output.name not in ("1", "2"):
            raise NoWorkersError("no server is left")

    engine = FakeEngine(behave)
    with pytest.raises(NoWorkersError, match="no server is left"):
        run(five, engine)
    assert engine.closed == 1
    assert "3</b> left" in (five.output / "report.html").read_text(encoding="utf-8")
    engine = FakeEngine()
    assert run(five, engine).before == 2
    assert engine.tries == {"3": 1, "4": 1, "5": 1}


def test_ctrl_c_abandons_what_is_in_flight(five) -> None:
    begun, cancelled = threading.Event(), []

    def behave(job: Job, tries: int, progress: OnProgress) -> None:
        if job.output.name == "1":
            return
        begun.set()
        try:
            while True:
                time.sleep(0.01)
                progress(JobProgress(job.id, "one"))
        except CancelledError:
            cancelled.append(job.output.name)
            raise

    def tick() -> None:
        if begun.is_set():
            raise KeyboardInterrupt

    engine = FakeEngine(behave)
    with pytest.raises(KeyboardInterrupt):
        run(five, engine, callbacks=Callbacks(progress=lambda progress: tick()))
    assert engine.closed == 1
    assert cancelled
    engine = FakeEngine()
    summary = run(five, engine)
    assert summary.complete
    assert "2" in engine.tries


def test_faulty_rows_are_reported_and_the_others_rendered(batch, pictures) -> None:
    rows = [{"Load Image.image": "a.png"}, {"Load Image.image": "gone.png"}]
    summary = run(batch(pictures, table=rows), FakeEngine())
    assert (summary.done, summary.failed) == (1, 1)
    assert "gone.png" in summary.failures[0].error


def test_a_full_disk_is_said(five) -> None:
    def behave(job: Job, tries: int, progress: OnProgress) -> None:
        raise OSError(28, "No space left on device")

    summary = run(five, FakeEngine(behave))
    assert summary.failed == 5
    assert "Is the disk full" in summary.failures[0].error


def test_one_driver_at_a_time(five) -> None:
    with Manifest(five.output), pytest.raises(FommError, match="another `fomm render` is at work"):
        run(five, FakeEngine())
    assert run(five, FakeEngine()).complete


def test_a_damaged_record_is_said(five) -> None:
    (five.output / ".fomm").mkdir(parents=True)
    (five.output / ".fomm" / "manifest.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(FommError, match="Delete that folder"):
        run(five, FakeEngine())


def test_the_report_needs_nothing_else_and_shows_names_as_they_are(batch, pictures, inputs) -> None:
    evil = "<script>alert(1)</script>"
    rows = [{"Save Image.filename_prefix": evil, "output": "a&b"}]
    page = run(batch(pictures, table=rows), FakeEngine()).report.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "a&amp;b" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.rstrip().endswith("</html>")


def test_ten_thousand_jobs_stay_small(batch, pictures, tmp_path: Path) -> None:
    """The counts alone: times and memory are measured by `python -m benchmarks render`."""
    rows = [{"Upscale Image.width": width % 100 + 1} for width in range(10_000)]
    made = batch(pictures, table=rows)
    with Manifest(made.output) as manifest:
        manifest.keep()
        digests = batches.Digests(manifest.digest, manifest.learn)
        counts = manifest.register(batches.plan(made, digests), "now")
        manifest.keep()
        assert (counts.pending, counts.done, counts.failed) == (10_000, 0, 0)
        assert [entry.number for entry in manifest.entries("now")][-1] == "10000"
        assert not list(manifest.entries("now", state=FAILED))
    store = sqlite3.connect(made.output / ".fomm" / "manifest.sqlite")
    assert store.execute("SELECT COUNT(*) FROM digests").fetchone() == (1,)
    store.close()
