"""Our saved graphs on a real server and on the local engine: the same frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from fomm_nodes.nodes.hosts.headless_files import Folders
from fomm_nodes.nodes.render.engine import Job
from fomm_nodes.nodes.render.local import LocalEngine
from fomm_nodes.nodes.render.options import LocalOptions
from PIL import Image

GRAPHS = Path(__file__).parent.parent / "nodes" / "render" / "graphs"
NAMES = ("animate", "animate-step-by-step", "reuse-a-performance", "occlusion-to-inpaint")


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    engine = LocalEngine(LocalOptions(Folders(()), device="cpu"))
    yield engine
    engine.close()


def saved_graph(name: str) -> dict:
    """As the front end converts it; what it would only show is saved, to be compared without loss."""
    graph = json.loads((GRAPHS / f"{name}.json").read_text(encoding="utf-8"))
    for number, node in graph.items():
        if node["class_type"] == "PreviewImage":
            node["class_type"] = "SaveImage"
            node["inputs"]["filename_prefix"] = f"shown-{number}"
    return graph


def frames_of(path: Path) -> np.ndarray:
    if path.suffix == ".png":
        return np.asarray(Image.open(path))[None]
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("name", NAMES)
def test_frames_equal_those_of_a_real_server(name: str, server, engine: LocalEngine, tmp_path: Path) -> None:
    graph = saved_graph(name)
    run = server.run(graph)
    assert run.outcome == "success", run.error
    shown = {node: entries["images"] for node, entries in run.outputs.items() if "images" in entries}

    made = engine.make(Job(name, graph, (), tmp_path / name, ""), tmp_path, lambda progress: None).made
    ours: dict[str, list[Path]] = {}
    for file in made:
        ours.setdefault(file.title, []).append(file.path)

    assert shown
    for node, entries in shown.items():
        label = next(label for label, other in labelled(graph).items() if other == node)
        theirs = [server.base / entry["type"] / entry["subfolder"] / entry["filename"] for entry in entries]
        assert len(theirs) == len(ours[label])
        for their, our in zip(theirs, ours[label], strict=True):
            expected, actual = frames_of(their).astype(int), frames_of(our).astype(int)
            assert actual.shape == expected.shape
            assert np.abs(actual - expected).max() <= 1


def labelled(graph: dict) -> dict[str, str]:
    from fomm_nodes.nodes.render.outputs import labels

    return {label: node for node, label in labels(graph).items()}
