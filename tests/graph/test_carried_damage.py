"""Graphs in images and clips that were cut or damaged on their way: found, or refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core.errors import GraphError
from fomm_nodes.graph.reading import read_graph
from fomm_nodes.graph.schemas import Schemas
from PIL import features

from .conftest import load
from .test_carried import GRAPH, SAVERS, TEXT, exif_camera

LAYOUTS = {
    "the index at the end": ("a.mp4", "use_metadata_tags"),
    "the index in front": ("a.mp4", "use_metadata_tags+faststart"),
    "in parts": ("a.mp4", "use_metadata_tags+frag_keyframe+empty_moov"),
    "MOV": ("a.mov", "use_metadata_tags"),
    "Matroska": ("a.mkv", ""),
    "WebM": ("a.webm", ""),
}


def clip(path: Path, flags: str, text: str) -> bytes:
    """With noise, so that the graph is a small part of it."""
    with av.open(str(path), "w", options={"movflags": flags} if flags else {}) as container:
        container.metadata["workflow"] = text
        stream = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "libx264", rate=10)
        stream.width = stream.height = 32
        rng = np.random.default_rng(0)
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_clip_that_is_cut_anywhere(layout: str, tmp_path: Path, schemas: Schemas) -> None:
    name, flags = LAYOUTS[layout]
    case = load("texts")
    data = clip(tmp_path / name, flags, json.dumps(case["workflow"], ensure_ascii=False))
    (tmp_path / name).write_bytes(data[:-1])
    cut = tmp_path / f"cut-{name}"
    lengths = {*range(0, 200, 9), *range(0, len(data), len(data) // 60), *range(len(data) - 200, len(data), 9)}
    found = 0
    for length in sorted(lengths):
        cut.write_bytes(data[:length])
        try:
            assert read_graph(cut, schemas).to_api() == case["prompt"]
            found += 1
        except GraphError as problem:
            assert "expected" in str(problem)  # noqa: PT017 (either is right)
            if name.endswith(("mp4", "mov")) and length > 40:
                assert "cut off" in str(problem)  # noqa: PT017
    assert (found > 20) == (layout not in ("the index at the end", "MOV"))


def test_the_command_says_that_a_clip_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mp4"
    data = clip(path, "use_metadata_tags", TEXT)
    path.write_bytes(data[: len(data) // 2])
    assert main(["check", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("fomm: error: expected a clip with a workflow in it")
    assert "it is cut off" in said


def test_a_picture_that_is_cut_before_its_workflow(tmp_path: Path, schemas: Schemas) -> None:
    path = tmp_path / "a.webp"
    exif_camera(path, {"prompt": TEXT})
    assert read_graph(path, schemas).to_api() == GRAPH
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(GraphError, match="carries none: it is cut off"):
        read_graph(path, schemas)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_an_avif_whose_picture_cannot_be_found(tmp_path: Path, schemas: Schemas) -> None:
    """Its reader raises what those of other kinds do not."""
    path = tmp_path / "a.avif"
    exif_camera(path, {"prompt": TEXT})
    data = path.read_bytes()
    for part in (b"pitm", b"iloc", b"iinf", b"ispe", b"av1C", b"ipma"):
        path.write_bytes(data.replace(part, b"free"))
        with pytest.raises(GraphError, match=r"can't be read|carries none"):
            read_graph(path, schemas)


@pytest.mark.parametrize("name", SAVERS)
def test_every_kind_of_file_that_is_cut(name: str, tmp_path: Path, schemas: Schemas) -> None:
    file, save = SAVERS[name]
    if name == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    save(tmp_path / file, {"workflow": json.dumps(load("values")["workflow"])})
    whole = (tmp_path / file).read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        (tmp_path / file).write_bytes(whole[:length])
        try:
            assert read_graph(tmp_path / file, schemas).nodes
        except GraphError as problem:
            assert "expected" in str(problem)  # noqa: PT017
