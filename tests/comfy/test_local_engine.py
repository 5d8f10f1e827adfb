"""Our saved graphs on a real server and on the local engine: the same frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from fomm_nodes.batch.engine import Job
from fomm_nodes.batch.local.engine import LocalEngine
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.batch.outputs import labels
from fomm_nodes.nodes.hosts.headless.files import Folders
from PIL import Image

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "workflows").glob("*.json"))
MOST_CODED = 1
"""Of 255, on average: a video coder makes much of one rounding. Frames that are also there uncoded are compared as
such, pixel by pixel.
"""


@pytest.fixture(scope="module")
def engine(server) -> Iterator[LocalEngine]:
    engine = LocalEngine(LocalOptions(Folders((server.base / "input",)), device="cpu", previews=True))
    yield engine
    engine.close()


def with_pictures(graph: dict) -> dict:
    """The graph, quick, with each frame that it shows or puts into a video saved without loss as well."""
    for number, node in list(graph.items()):
        inputs = node["inputs"]
        if "size" in inputs:
            inputs["size"] = "model"
        if node["class_type"] == "FOMM_Train":
            inputs["steps"] = 12
        if node["class_type"] in ("PreviewImage", "CreateVideo"):
            saved = {"images": inputs["images"], "filename_prefix": f"shown-{number}"}
            graph[f"{number}000"] = {
                "class_type": "SaveImage",
                "inputs": saved,
                "_meta": {"title": f"Shown {number}"},
            }
    return graph


def frames_of(path: Path) -> np.ndarray:
    if path.suffix == ".png":
        return np.asarray(Image.open(path).convert("RGB"))[None]
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_frames_equal_those_of_a_real_server(
    path: Path, server, as_graph, blocks, engine: LocalEngine, tmp_path: Path
) -> None:
    server.offer_inputs()
    graph = with_pictures(as_graph(json.loads(path.read_text("utf-8"))))
    if "ResizeImageMaskNode" not in blocks:  # older ones decode JPEG in another way than 0.33 and we do
        for node in graph.values():
            if node["class_type"] == "LoadImage":
                node["inputs"]["image"] = str(Path(node["inputs"]["image"]).with_suffix(".png"))
    run = server.run(graph)
    assert run.outcome == "success", run.error
    shown = {node: entries["images"] for node, entries in run.outputs.items() if "images" in entries}

    made = engine.make(Job(path.stem, graph, (), tmp_path / path.stem, ""), tmp_path, lambda progress: None).made
    ours: dict[str, list[Path]] = {}
    for file in made:
        ours.setdefault(file.title, []).append(file.path)

    # Another build of torch rounds otherwise, and a training makes other weights of it.
    same_weights = path.stem != "train" or server.get("/system_stats")["system"]["pytorch_version"] == torch.__version__

    assert shown
    named = labels(graph)
    for node, entries in shown.items():
        theirs = [server.base / entry["type"] / entry["subfolder"] / entry["filename"] for entry in entries]
        assert len(theirs) == len(ours[named[node]])
        for their, our in zip(theirs, ours[named[node]], strict=True):
            expected, actual = frames_of(their).astype(int), frames_of(our).astype(int)
            assert actual.shape == expected.shape
            if not same_weights:
                continue
            difference = np.abs(actual - expected)
            if their.suffix == ".png":
                assert difference.max() <= 1, (node, graph[node]["class_type"])
            elif graph[graph[node]["inputs"]["video"][0]]["class_type"] != "CreateVideo":
                assert difference.mean() <= MOST_CODED, (node, graph[node]["class_type"])
