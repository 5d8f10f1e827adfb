"""Batches on real servers: one that we start, and two of which one dies."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("httpx")
pytest.importorskip("websockets")

from fomm_nodes.batch.comfyui.engine import ComfyUIEngine
from fomm_nodes.batch.comfyui.process import Checkout, ComfyProcess
from fomm_nodes.batch.engine import CancelledError, InputFile, Job, JobError, JobProgress, WorkerLostError
from fomm_nodes.batch.local.engine import LocalEngine
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.fomm_core.video import VideoReader
from fomm_nodes.nodes.hosts.headless.files import Folders

ROOT = Path(__file__).resolve().parent.parent.parent
PORTRAITS = ("source.png", "source-redhead.png", "source-mouse.png")


@pytest.fixture(scope="module")
def checkout(comfyui: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    base = tmp_path_factory.mktemp("farm")
    for name in ("models", "custom_nodes", "user/default"):
        (base / name).mkdir(parents=True)
    (base / "custom_nodes" / "my-fomm").symlink_to(ROOT)
    return Checkout(*comfyui, ("--cpu", "--disable-api-nodes", "--base-directory", str(base)))


@pytest.fixture
def make_job(as_graph, tmp_path: Path) -> Callable[[int], Job]:
    """Our first workflow with a portrait of one's own: a crop of one of ours, another for each number."""
    graph = as_graph(json.loads((ROOT / "workflows" / "animate.json").read_text("utf-8")))
    (block,) = (key for key, node in graph.items() if node["class_type"] == "FOMM_AnimateVideo")
    graph["20"] = {"class_type": "LoadImage", "inputs": {"image": ""}, "_meta": {"title": "Portrait"}}
    graph["21"] = {"class_type": "LoadVideo", "inputs": {"file": "my clip.mp4"}, "_meta": {"title": "Performance"}}
    graph[block]["inputs"] |= {"source": ["20", 0], "driving": ["21", 0], "size": "model"}
    clip = ROOT / "fomm_core" / "assets" / "driving.mp4"
    driving = InputFile("21", "file", "my clip.mp4", clip, hashlib.sha256(clip.read_bytes()).hexdigest())

    def make(number: int) -> Job:
        path = tmp_path / f"portrait {number}.png"
        with Image.open(ROOT / "fomm_core" / "assets" / PORTRAITS[number % 3]) as picture:
            picture.convert("RGB").crop((number, 0, *picture.size)).save(path)
        filled = json.loads(json.dumps(graph))
        filled["20"]["inputs"]["image"] = path.name
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        file = InputFile("20", "image", path.name, path, digest)
        return Job(f"{number:05d}", filled, (file, driving), tmp_path / "out" / f"animated-{number}", digest)

    return make


def render(engine: ComfyUIEngine, jobs: list[Job], heard: Callable[[JobProgress], Any]) -> dict[str, Any]:
    """What a driver does with jobs whose worker is lost: give them to another."""

    def one(job: Job) -> Any:
        for _ in range(3):
            with contextlib.suppress(WorkerLostError):
                return engine.run(job, heard)
        raise AssertionError("no end of lost workers")

    with ThreadPoolExecutor(2) as pool:
        return dict(zip([job.id for job in jobs], pool.map(one, jobs), strict=True))


def frames(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.stack(list(reader))


def test_a_server_of_ours_renders_a_batch_and_ends_with_us(checkout, make_job, tmp_path) -> None:
    heard: list[JobProgress] = []
    with ComfyUIEngine(checkouts=[checkout]) as engine:
        outcomes = render(engine, [make_job(number) for number in range(4)], heard.append)
        process = engine._servers[0].process
        pid, url = process._process.pid, process.url
        broken = make_job(9)
        broken.graph["20"]["class_type"] = "NobodyKnowsThis"
        with pytest.raises(JobError, match="NobodyKnowsThis"):
            engine.run(broken, heard.append)
    clips = [frames(outcome.files[0]) for outcome in outcomes.values()]
    assert all(outcome.frames == len(clip) > 10 for outcome, clip in zip(outcomes.values(), clips, strict=True))
    assert len({clip.tobytes() for clip in clips}) == 4
    assert [path.name for path in sorted(outcomes["00000"].files[0].parent.iterdir())] == [
        f"animated-{number}.mp4" for number in range(4)
    ]
    folders = Folders((tmp_path, ROOT / "fomm_core" / "assets"))
    first = make_job(0)
    here = json.loads(json.dumps(first.graph))
    here["21"]["inputs"]["file"] = "driving.mp4"
    local = LocalEngine(LocalOptions(folders, device="cpu"))
    (alone,) = local.run(replace(first, graph=here, output=tmp_path / "here"), heard.append).files
    # A video coder makes much of one rounding; images that no coder touched are compared in test_local_engine.py.
    assert np.abs(frames(alone).astype(int) - clips[0]).mean() <= 1
    assert any(progress.node == "Animate to Video" and 0 < progress.done <= progress.total for progress in heard)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not process._base.exists(), url


def test_one_of_two_servers_is_killed_in_the_middle_of_a_job(checkout, make_job, server) -> None:
    other = ComfyProcess(checkout)
    killed = threading.Event()

    def heard(progress: JobProgress) -> None:
        if progress.worker == other.url.removeprefix("http://") and progress.done > 2 and not killed.is_set():
            killed.set()
            os.killpg(other._process.pid, signal.SIGKILL)

    with ComfyUIEngine([server.url, other.url]) as engine:
        try:
            while not other.ready(engine._servers[1].client, 120):
                time.sleep(0.2)
            jobs = [make_job(number) for number in range(5)]
            outcomes = render(engine, jobs, heard)
            assert engine.workers == (server.url.removeprefix("http://"),)
        finally:
            other.close()
    assert killed.is_set()
    clips = [frames(outcome.files[0]) for outcome in outcomes.values()]
    assert len({clip.tobytes() for clip in clips}) == 5
    assert len(list(jobs[0].output.parent.iterdir())) == 5


def test_a_cancelled_job_ends_on_the_server(make_job, server) -> None:
    def cancel(progress: JobProgress) -> None:
        if progress.done > 2:
            raise CancelledError("enough")

    with ComfyUIEngine([server.url]) as engine:
        with pytest.raises(CancelledError):
            engine.run(make_job(40), cancel)
        deadline = time.monotonic() + 30
        while engine._servers[0].client.queue_length():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert engine.run(make_job(41), lambda _: None).files


def test_a_server_whose_driver_is_killed_ends_too(checkout, tmp_path) -> None:
    import subprocess
    import sys

    script = f"""
import sys, time
sys.path.insert(0, {str(tmp_path)!r})
from pathlib import Path
from fomm_nodes.batch.comfyui.client import ComfyClient
from fomm_nodes.batch.comfyui.process import Checkout, ComfyProcess
process = ComfyProcess(Checkout(Path({str(checkout.folder)!r}), {checkout.python!r}, {checkout.arguments!r}))
while not process.ready(ComfyClient(process.url), 120):
    time.sleep(0.2)
print(process._process.pid, process._base, flush=True)
time.sleep(600)
"""
    (tmp_path / "fomm_nodes").symlink_to(ROOT)
    driver = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid, base = driver.stdout.readline().split()
    pid = int(pid)
    os.kill(pid, 0)
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 10
    while _lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not Path(base).exists()


def _lives(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
