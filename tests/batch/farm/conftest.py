"""Servers, a cluster, and jobs for engines that work elsewhere."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.batch.engine import InputFile, Job

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, root: Path) -> Iterator[None]:
    """A Ray of four cores, as far as it knows. Its workers find the package under its name, installed or not."""
    ray = pytest.importorskip("ray")
    place, own = tmp_path_factory.mktemp("python"), tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    (place / "fomm_nodes").symlink_to(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        given = {"num_cpus": 4, "object_store_memory": 100 << 20, "_temp_dir": own, "_node_ip_address": "127.0.0.1"}
        ray.init("local", include_dashboard=False, log_to_driver=False, configure_logging=False, **given)
        yield
        ray.shutdown()
    shutil.rmtree(own, ignore_errors=True)


@pytest.fixture
def comfy() -> Iterator[Any]:
    """Makes servers; they end with the test."""
    from fake_comfy import FakeComfy

    made: list[Any] = []

    def start(port: int = 0) -> Any:
        made.append(FakeComfy(port))
        return made[-1]

    yield start
    for server in made:
        server.die()


@dataclass
class Told:
    """Remembers progress; calls `then` at each."""

    seen: list = field(default_factory=list)
    then: Any = None

    def __call__(self, progress: Any) -> None:
        self.seen.append(progress)
        if self.then is not None:
            self.then(progress)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def make_job(tmp_path: Path):
    """A job: load an image, `middle` nodes, save it."""

    def make(identity: str = "1", *middle: str, content: bytes = b"portrait", **save: Any) -> Job:
        path = tmp_path / f"in {identity}.png"
        path.write_bytes(content)
        graph: dict[str, Any] = {
            "1": {"class_type": "LoadImage", "inputs": {"image": path.name}, "_meta": {"title": "Portrait"}}
        }
        for number, kind in enumerate(middle):
            graph[f"m{number}"] = {"class_type": kind, "inputs": {}, "_meta": {"title": f"My {kind}"}}
        graph["9"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "a/b", **save}}
        digest = hashlib.sha256(content).hexdigest()
        file = InputFile("1", "image", path.name, path, digest)
        return Job(
            identity, graph, (file,), tmp_path / "out" / f"job{identity}", hashlib.sha256(identity.encode()).hexdigest()
        )

    return make
