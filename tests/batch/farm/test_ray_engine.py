from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
pytest.importorskip("fsspec")

import fomm_nodes
import ray
from benches import alive
from fomm_nodes.batch.engine import (
    CancelledError,
    InputFile,
    Job,
    JobError,
    JobProgress,
    NoWorkersError,
    WorkerLostError,
)
from fomm_nodes.batch.local.engine import LocalEngine
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.batch.passing import PassingFolder
from fomm_nodes.batch.ray.engine import RayEngine, RayOptions
from fomm_nodes.fomm_core import FommError
from fomm_nodes.nodes.hosts.headless.files import Folders
from killing import children
from PIL import Image

pytestmark = pytest.mark.slow
LOCAL = LocalOptions(Folders(()), device="cpu", memory=64 << 20)


@pytest.fixture(scope="module")
def engine(cluster) -> Iterator[RayEngine]:
    with RayEngine(RayOptions(workers=2), LOCAL) as made:
        ray.get([slot.coming for slot in made._slots])
        yield made


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Job]:
    """Load an image, invert it, save it; `steps` inversions make it as long as needed."""

    def make(number: int = 1, steps: int = 1, kind: str = "ImageInvert", colour: int = 1, size: int = 16) -> Job:
        name = f"faces/in {number}.png"
        path = tmp_path / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (size, size), (colour, number, 3)).save(path)
        graph: dict[str, Any] = {"0": {"class_type": "LoadImage", "inputs": {"image": name}}}
        for step in range(steps):
            graph[f"m{step}"] = {"class_type": kind, "inputs": {"image": [f"m{step - 1}" if step else "0", 0]}}
        save = {"images": [f"m{steps - 1}", 0], "filename_prefix": "x"}
        graph["9"] = {"class_type": "SaveImage", "inputs": save}
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        file = InputFile("0", "image", name, path, digest)
        return Job(f"{number:05d}", graph, (file,), tmp_path / "out" / f"job-{number}", digest)

    return make


def first_red(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.getpixel((0, 0))[0]


def test_jobs_on_two_workers_give_what_the_local_engine_gives(engine, make_job, told, tmp_path) -> None:
    assert engine.workers == ("ray-1", "ray-2")
    jobs = [make_job(number) for number in range(8)]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda job: engine.run(job, told), jobs))
    assert {outcome.worker for outcome in outcomes} == {"ray-1", "ray-2"}
    local = LocalEngine(replace(LOCAL, folders=Folders((tmp_path / "input",))))
    for job, outcome in zip(jobs, outcomes, strict=True):
        other = local.run(replace(job, output=tmp_path / "local" / job.id), told)
        assert outcome.files == (job.output.with_suffix(".png"),)
        assert outcome.files[0].read_bytes() == other.files[0].read_bytes()
        assert outcome.frames == other.frames == 1
    assert len(list(jobs[0].output.parent.iterdir())) == 8


@pytest.mark.parametrize("as_url", [False, True])
def test_files_travel_through_a_shared_storage(cluster, make_job, told, tmp_path, as_url) -> None:
    far = tmp_path / "far"
    job = make_job()
    if as_url:
        job = replace(job, inputs=(replace(job.inputs[0], path=f"file://{job.inputs[0].path}"),))
    with RayEngine(RayOptions(workers=1, cores=0.5, storage=f"file://{far}"), LOCAL) as engine:
        assert first_red(engine.run(job, told).files[0]) == 254
        inputs = list((far / "inputs").glob("*")) if not as_url else []
        assert [path.stem for path in inputs] == ([] if as_url else [job.inputs[0].digest])
        before = [path.stat().st_mtime_ns for path in inputs]
        engine.run(make_job(), told)
        assert [path.stat().st_mtime_ns for path in inputs] == before
    assert [path for path in far.rglob("*") if path.is_file() and path.parent.name != "inputs"] == []


def test_an_actor_that_dies_loses_only_its_job(engine, make_job, told) -> None:
    job = make_job(1, steps=3000, size=512)

    def kill(progress: JobProgress) -> None:
        if progress.node:
            told.then = None
            slot = next(slot for slot in engine._slots if slot.name == progress.worker)
            os.kill(ray.get(engine._ask(slot, "process")), signal.SIGKILL)

    told.then = kill
    with pytest.raises(WorkerLostError, match=r"ray-. went away"):
        engine.run(job, told)
    assert engine.run(make_job(2), told).files  # on the other one
    ray.get([slot.coming for slot in engine._slots if slot.coming is not None])
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda number: engine.run(make_job(number), told), range(3, 9)))
    assert {outcome.worker for outcome in outcomes} == {"ray-1", "ray-2"}
    assert not list(job.output.parent.glob(".*"))


def test_a_cancelled_job_costs_no_actor(engine, make_job, told) -> None:
    def cancel(progress: JobProgress) -> None:
        if progress.node:
            raise CancelledError("enough")

    told.then = cancel
    actors = [slot.actor for slot in engine._slots]
    with pytest.raises(CancelledError):
        engine.run(make_job(1, steps=3000, size=512), told)
    assert [slot.actor for slot in engine._slots] == actors


def test_a_job_that_fails_tells_why(engine, make_job, told) -> None:
    job = make_job()
    Path(job.inputs[0].path).write_bytes(b"no picture")
    with pytest.raises(JobError, match="expected an image") as caught:
        engine.run(replace(job, inputs=(replace(job.inputs[0], digest="0" * 64),)), told)
    assert "Traceback" in caught.value.details
    Path(job.inputs[0].path).unlink()
    with pytest.raises(JobError, match=r"cannot send faces/in 1.png: No such file"):
        engine.run(replace(job, inputs=(replace(job.inputs[0], digest="1" * 64),)), told)


def test_a_name_that_leads_out_of_the_input_folder(engine, make_job, told, tmp_path) -> None:
    job = make_job()
    out = replace(job.inputs[0], name="../../evil.png")
    with pytest.raises(JobError, match=r"expected a name inside its folder"):
        engine.run(replace(job, inputs=(out,)), told)


def test_a_cluster_that_is_too_small(cluster) -> None:
    with pytest.raises(NoWorkersError, match=r"expected a cluster with 64 cores and 0 GPUs .* it has 4 cores"):
        RayEngine(RayOptions(cores=64), LOCAL)


def test_workers_that_never_come_up(cluster, make_job, told, monkeypatch) -> None:
    monkeypatch.setattr("fomm_nodes.batch.ray.engine.STARTS", 1)
    with (
        RayEngine(RayOptions(workers=1, cores=64, patience=1), LOCAL) as engine,
        pytest.raises(NoWorkersError, match="no room"),
    ):
        engine.run(make_job(), told)
    broken = RayOptions(workers=1, cores=0.5, models=("file:///nowhere/at/all",))
    with RayEngine(broken, LOCAL) as engine:
        with pytest.raises(NoWorkersError, match="ended at its start: FileNotFoundError"):
            engine.run(make_job(), told)
        assert engine.workers == ()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("Worker.__module__", "missing.batch.ray.worker", "cannot load fomm-nodes: No module named 'missing'"),
        ("__version__", "0.0.0", f"has fomm-nodes {fomm_nodes.__version__}, this machine 0.0.0"),
    ],
)
def test_a_machine_without_the_package_says_what_to_install(
    cluster, make_job, told, monkeypatch, name, value, says
) -> None:
    monkeypatch.setattr("fomm_nodes.batch.ray.engine.STARTS", 1)
    monkeypatch.setattr(f"fomm_nodes.batch.ray.engine.{name}", value)
    with RayEngine(RayOptions(workers=1, cores=0.5), LOCAL) as engine:
        with pytest.raises(NoWorkersError, match=re.escape(says)) as caught:
            engine.run(make_job(), told)
        assert socket.gethostname() in str(caught.value)
        assert 'pip install "fomm-nodes[ray]==' in str(caught.value)


def test_a_worker_takes_its_inputs_and_not_what_lies_at_the_drivers_paths(engine, make_job, told) -> None:
    job = make_job(colour=200)
    told.then = lambda progress: Path(job.inputs[0].path).write_bytes(b"something else") if progress.worker else None
    assert first_red(engine.run(job, told).files[0]) == 54  # ComfyUI rounds down


@pytest.mark.parametrize("cores", [1, 2])
def test_a_worker_uses_as_many_threads_as_it_has_cores(cluster, cores) -> None:
    def threads() -> tuple[int, ...]:
        import cv2
        import torch
        from threadpoolctl import threadpool_info

        return torch.get_num_threads(), cv2.getNumThreads(), *(pool["num_threads"] for pool in threadpool_info())

    with RayEngine(RayOptions(workers=1, cores=cores), LOCAL) as engine:
        ray.get(engine._slots[0].coming)
        assert set(ray.get(engine._slots[0].actor.__ray_call__.remote(lambda _: threads()))) == {cores}


DRIVER = """
import sys
from fomm_nodes.nodes.hosts.headless.files import Folders
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.batch.ray.engine import RayEngine, RayOptions

engine = RayEngine(RayOptions(workers=1), LocalOptions(Folders(()), device="cpu"))
engine._ray.get(engine._slots[0].coming)
print(engine._cluster._folder.path, flush=True)
sys.stdin.read()
engine.close()
"""


def is_slow_helper(pid: int) -> bool:
    """Ray's two agents have nothing to do with jobs: they look for their dead raylet's server for a minute or two."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    scripts = (b"agent.py", b"agent/main.py", b"::DashboardAgent", b"::RuntimeEnvAgent")
    return any(word.endswith(scripts) for word in words)


def descendants(pid: int) -> list[int]:
    return [found for child in children(pid) for found in (child, *descendants(child))]


@pytest.mark.skipif(sys.platform != "linux", reason="finds a driver's processes in /proc")
@pytest.mark.parametrize("ending", ["closed", "killed"])
def test_a_cluster_that_was_started_here_ends_with_its_driver(tmp_path, root, ending) -> None:
    (tmp_path / "fomm_nodes").symlink_to(root)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    small = {"RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(100 << 20), "TMPDIR": str(tmp_path)}
    environment = {**os.environ, **small, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("RAY_ADDRESS", None)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], env=environment, **pipes)
    folder = Path(driver.stdout.readline().decode().strip())
    assert folder.name.startswith("fomm-cluster-"), driver.stderr.read().decode()
    started = descendants(driver.pid)
    assert len(started) > 2
    if ending == "killed":
        started = [pid for pid in started if not is_slow_helper(pid)]
        driver.kill()
    _, said = driver.communicate()
    deadline = time.monotonic() + 60
    while any(map(alive, started)):
        assert time.monotonic() < deadline, "processes stay"
        time.sleep(0.1)
    if ending == "killed":
        PassingFolder("fomm-cluster-", folder.parent).remove()  # the next driver's
        PassingFolder("fomm-ray-", tmp_path).remove()  # the next worker's
    else:
        assert said.decode() == ""
    assert not folder.exists()
    assert list(tmp_path.glob("fomm-ray-*")) == []


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "host:port"])
def test_an_address_without_a_cluster(monkeypatch, address) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(FommError, match=f"no Ray cluster at {address}"):
        RayEngine(RayOptions(address), LOCAL)


def test_without_ray_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(FommError, match=r"pip install .fomm-nodes\[ray\]"):
        RayEngine(RayOptions(), LOCAL)
