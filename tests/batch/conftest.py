"""Small graphs and inputs for batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fomm_nodes.batch.engine import Job, JobProgress
from fomm_nodes.batch.jobs import Batch, Digests, plan
from fomm_nodes.batch.local.engine import LocalEngine
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.batch.render import local_schemas
from fomm_nodes.fomm_core.video import VideoWriter
from fomm_nodes.graph.model import Graph
from fomm_nodes.nodes.hosts.headless.files import Folders
from PIL import Image

PICTURES = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "Load Image"}},
    "2": {
        "class_type": "ImageScale",
        "inputs": {"image": ["1", 0], "upscale_method": "area", "width": 8, "height": 8, "crop": "disabled"},
        "_meta": {"title": "Upscale Image"},
    },
    "3": {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}, "_meta": {"title": "Invert Image"}},
    "4": {
        "class_type": "SaveImage",
        "inputs": {"images": ["3", 0], "filename_prefix": "ComfyUI"},
        "_meta": {"title": "Save Image"},
    },
}
"""Load, shrink, invert, save."""

ANIMATION = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "Load Image"}},
    "2": {"class_type": "LoadVideo", "inputs": {"file": "clip.mp4"}, "_meta": {"title": "Load Video"}},
    "3": {
        "class_type": "FOMM_LoadModel",
        "inputs": {"model": "demo-128 (built-in)", "preset": "auto"},
        "_meta": {"title": "Load Motion Model"},
    },
    "4": {
        "class_type": "FOMM_AnimateVideo",
        "inputs": {"model": ["3", 0], "source": ["1", 0], "driving": ["2", 0], "size": "model"},
        "_meta": {"title": "Animate to Video"},
    },
    "5": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["4", 0], "filename_prefix": "video/out", "format": "auto", "codec": "auto"},
        "_meta": {"title": "Save Video"},
    },
}
"""An image moved by a clip, at the demo model's 64 pixels."""


@pytest.fixture
def pictures() -> dict[str, Any]:
    return copy.deepcopy(PICTURES)


@pytest.fixture
def animation() -> dict[str, Any]:
    return copy.deepcopy(ANIMATION)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with a.png, b.png, c.png and clip.mp4."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    with VideoWriter(folder / "clip.mp4", fps=10) as writer:
        writer.write(rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def engine(inputs: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(LocalOptions(Folders((inputs,)), device="cpu"))
    yield engine
    engine.close()


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    def make(graph: dict[str, Any], name: str = "result") -> Job:
        return Job(name, graph, (), tmp_path / "out" / name, name)

    return make


@pytest.fixture
def batch(inputs: Path, tmp_path: Path) -> Callable[..., Batch]:
    def make(graph: dict[str, Any], **more: Any) -> Batch:
        folders = Folders((inputs,))
        given = {"name": "graph", "output": tmp_path / "out", **more}
        return Batch(Graph.from_api(graph), schemas=local_schemas(folders), folders=folders, **given)

    return make


@pytest.fixture
def planned() -> Callable[[Batch], list[Any]]:
    return lambda batch: list(plan(batch, Digests(lambda state: None, lambda state, digest: None)))


def nothing(progress: JobProgress) -> None:
    """Hears of progress and does nothing."""
