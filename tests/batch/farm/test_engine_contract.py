"""What every engine does alike, whatever runs its jobs: one set of tests for all of them."""

from __future__ import annotations

import copy
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benches import BENCHES, Bench, LocalBench, alive
from fomm_nodes.batch.driver import Callbacks, Runner
from fomm_nodes.batch.engine import (
    CancelledError,
    ClosedError,
    Engine,
    Job,
    JobError,
    JobProgress,
    NoWorkersError,
    WorkerLostError,
)
from fomm_nodes.batch.jobs import Batch, Digests, plan
from fomm_nodes.batch.manifest import Manifest
from fomm_nodes.batch.render import local_schemas
from fomm_nodes.fomm_core.video import VideoWriter
from fomm_nodes.graph.model import Graph
from fomm_nodes.nodes.hosts.headless.files import Folders
from nearness import ONE_STEP, steps_near
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills processes as POSIX does")]

LONG, MEDIUM = 6000, 100
"""Frames of a clip that no test waits for the end of, and of one that lasts while its worker is being killed."""


def _node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": f"My {kind}"}}


PICTURE = {
    "1": _node("LoadImage", image="a.png"),
    "2": _node("ImageScale", image=["1", 0], upscale_method="area", width=8, height=8, crop="disabled"),
    "3": _node("ImageInvert", image=["2", 0]),
    "4": _node("SaveImage", images=["3", 0], filename_prefix="x"),
}
"""Load, shrink, invert, save."""

MOVED = {
    "1": _node("LoadImage", image="a.png"),
    "2": _node("LoadVideo", file="short.mp4"),
    "3": _node("FOMM_LoadModel", model="demo-128 (built-in)", preset="auto"),
    "4": _node("FOMM_AnimateVideo", model=["3", 0], source=["1", 0], driving=["2", 0], size="model"),
    "5": _node("SaveVideo", video=["4", 0], filename_prefix="x", format="auto", codec="auto"),
}
"""An image moved by a clip."""

FRAME = {
    **{name: node for name, node in MOVED.items() if name < "4"},
    "4": _node("FOMM_Animate", model=["3", 0], source=["1", 0], driving=["2", 0], size="model"),
    "5": _node("ImageFromBatch", image=["4", 0], batch_index=2, length=1),
    "6": _node("SaveImage", images=["5", 0], filename_prefix="x"),
}
"""One frame of the same, without a codec's losses."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    for name, count in (("short", 3), ("medium", MEDIUM), ("long", LONG)):
        with VideoWriter(folder / f"{name}.mp4", fps=25) as writer:
            frame = rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
            for _ in range(count):
                writer.write(frame)
    return folder


@pytest.fixture(scope="module", params=BENCHES)
def bench(request, tmp_path_factory, inputs) -> Iterator[Bench]:
    """A kind of engine; all of its passing files end in a folder of its own."""
    needs = {"comfyui": ("httpx", "websockets"), "ray": ("ray", "fsspec")}.get(request.param, ())
    for module in needs:
        pytest.importorskip(module)
    place = tmp_path_factory.mktemp(request.param)
    made = BENCHES[request.param](inputs, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", None)
        patch.setenv("TMPDIR", str(made.passing))
        if request.param == "ray":
            request.getfixturevalue("cluster")
        yield made
        made.close()


@pytest.fixture(scope="module")
def engine(bench) -> Iterator[Engine]:
    made = bench.engine()
    yield made
    made.close()


@pytest.fixture
def make_job(inputs, tmp_path) -> Callable[..., Job]:
    """A job as a batch plans it, of one of the graphs above with other values at "NODE.PORT"."""

    def make(graph: dict[str, Any], name: str = "result", **values: Any) -> Job:
        graph = copy.deepcopy(graph)
        for where, value in values.items():
            node, _, port = where.partition("_")
            graph[node.removeprefix("n")]["inputs"][port] = value
        (planned,) = plan(batch_of(graph, inputs, tmp_path / "out"), Digests(lambda _: None, lambda *_: None))
        assert isinstance(planned, Job), planned
        return replace(planned, output=tmp_path / "out" / name)

    return make


def batch_of(graph: dict[str, Any], inputs: Path, output: Path) -> Batch:
    folders = Folders((inputs,))
    return Batch(Graph.from_api(graph), "graph", local_schemas(folders), folders, output)


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def once_at_work(progress: JobProgress) -> bool:
    """In the middle of the animation, which has been told at least one of its steps."""
    return progress.node == "My FOMM_AnimateVideo" and progress.done > 0


def test_a_job_gives_its_files_and_tells_of_every_node(engine, make_job, told, tmp_path, inputs) -> None:
    job = make_job(PICTURE)
    outcome = engine.run(job, told)
    assert outcome.files == (tmp_path / "out" / "result.png",)
    assert outcome.worker in engine.workers
    assert outcome.frames == 1
    expected = 255 - pixels(inputs / "a.png").reshape(8, 2, 8, 2, 3).mean((1, 3))
    assert np.abs(pixels(outcome.files[0]) - expected).max() <= 1  # rounded once, to 1/255
    assert files_below(tmp_path / "out") == ["result.png"]
    nodes = list(dict.fromkeys(progress.node for progress in told.seen if progress.node))
    assert nodes == ["My LoadImage", "My ImageScale", "My ImageInvert", "My SaveImage"]
    assert {progress.job for progress in told.seen} == {job.id}
    assert {progress.worker for progress in told.seen if progress.node} == {outcome.worker}


def test_steps_within_a_node_are_told(engine, make_job, told) -> None:
    assert engine.run(make_job(MOVED, n2_file="medium.mp4"), told).files
    steps = [progress for progress in told.seen if progress.node == "My FOMM_AnimateVideo" and progress.total]
    assert [progress.done for progress in steps] == sorted(progress.done for progress in steps)
    assert len({progress.done for progress in steps}) > 1
    assert max(progress.done for progress in steps) <= steps[0].total


def test_results_of_earlier_jobs_are_reused_where_that_is_promised(engine, make_job, told, inputs, tmp_path) -> None:
    changing = inputs / "changing.png"
    Image.new("RGB", (16, 16), (1, 2, 3)).save(changing)
    first = engine.run(make_job(PICTURE, "first", n1_image=changing.name), told)
    again = engine.run(make_job(PICTURE, "again", n1_image=changing.name), told)
    assert first.reused == 0
    if engine.promises.reuses:
        assert again.reused == 3
    assert (pixels(again.files[0]) == pixels(first.files[0])).all()
    Image.new("RGB", (16, 16), (200, 2, 3)).save(changing)  # the same name, another image
    changed = engine.run(make_job(PICTURE, "changed", n1_image=changing.name), told)
    assert changed.reused == 0
    steps_near(pixels(changed.files[0])[0, 0, 0], 255 - 200, ONE_STEP)


def test_engines_that_keep_results_say_so(bench, engine) -> None:
    assert engine.promises.reuses == (type(bench).__name__ != "ComfyUIBench")
    assert engine.promises.survives == (type(bench) is not LocalBench)


def test_a_cancelled_job_ends_early_and_leaves_nothing(bench, engine, make_job, told, tmp_path) -> None:
    def cancel(progress: JobProgress) -> None:
        if once_at_work(progress):
            raise CancelledError("enough")

    told.then = cancel
    with pytest.raises(CancelledError, match="enough"):
        engine.run(make_job(MOVED, n2_file="long.mp4"), told)
    assert max(progress.done for progress in told.seen) < LONG
    told.then = None
    assert engine.run(make_job(PICTURE, "next"), told).files
    assert files_below(tmp_path / "out") == ["next.png"]


def test_a_job_that_fails_names_its_node_and_says_why(engine, make_job, told, tmp_path) -> None:
    job = make_job(PICTURE)
    graph = copy.deepcopy(dict(job.graph))
    graph["2"]["inputs"]["crop"] = "middle"
    with pytest.raises(JobError, match="expected one of disabled, center") as caught:
        engine.run(replace(job, graph=graph), told)
    assert not isinstance(caught.value, WorkerLostError)
    assert caught.value.node == "My ImageScale"
    assert "Traceback" in caught.value.details
    assert files_below(tmp_path) == []
    assert engine.run(job, told).files


def test_what_one_engine_makes_the_others_make_too(bench, engine, make_job, told, inputs, tmp_path) -> None:
    local = LocalBench(inputs, tmp_path).engine()
    try:
        for graph, apart in ((PICTURE, 0), (FRAME, 1)):  # the number of threads orders sums: a rounding to 1/255
            ours = engine.run(make_job(graph, "ours", n1_image="b.png"), told)
            theirs = local.run(make_job(graph, "theirs", n1_image="b.png"), told)
            assert np.abs(pixels(ours.files[0]) - pixels(theirs.files[0])).max() <= apart
            assert ours.frames == theirs.frames
    finally:
        local.close()


def test_a_killed_worker_is_noticed_and_its_job_is_done_by_another(bench, engine, inputs, tmp_path) -> None:
    if not engine.promises.survives:
        pytest.skip("its worker is this process")
    graph = copy.deepcopy(MOVED)
    graph["2"]["inputs"]["file"] = "medium.mp4"
    graph["4"]["inputs"]["strength"] = 0.5  # nothing of it is there yet
    batch = batch_of(graph, inputs, tmp_path / "out")
    killed: list[JobProgress] = []
    again: list[JobError] = []

    def kill(progress: JobProgress) -> None:
        if once_at_work(progress) and not killed:
            killed.append(progress)
            bench.kill(engine)

    with Manifest(batch.output) as manifest:
        jobs = list(plan(batch, Digests(manifest.digest, manifest.learn)))
        manifest.register(jobs, "now")
        callbacks = Callbacks(progress=kill, again=lambda job, error: again.append(error))
        Runner(engine, manifest, "now", callbacks=callbacks).run(jobs)
        assert manifest.counts("now").done == 1
    assert [type(error) for error in again] == [WorkerLostError]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"graph.mp4", ".fomm"}


def test_closing_ends_the_job_and_leaves_no_process_and_no_file(bench, make_job, told, tmp_path) -> None:
    before = files_below(bench.passing)
    engine = bench.engine()
    begun = threading.Event()
    told.then = lambda progress: begun.set() if once_at_work(progress) else None
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(engine.run, make_job(MOVED, n2_file="long.mp4"), told)
        wait_for(lambda: begun.is_set() or running.done())
        processes = bench.processes(engine)
        engine.close()
        engine.close()
        with pytest.raises(ClosedError, match="was closed"):
            running.result()
    with pytest.raises(NoWorkersError, match="is closed"):
        engine.run(make_job(PICTURE, "late"), told)
    wait_for(lambda: not any(map(alive, processes)))
    assert files_below(tmp_path) == []
    assert files_below(bench.passing) == before
