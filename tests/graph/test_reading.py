"""Graphs from files of every kind, and from files that hold none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import GraphError
from fomm_nodes.graph.reading import parse_graph, read_graph
from fomm_nodes.graph.schemas import Schemas, schemas_from, schemas_of
from fomm_nodes.nodes.block_table import known_blocks
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .conftest import canvas, load

CASE = "subgraphs"


@pytest.fixture(scope="module")
def prompt() -> dict[str, Any]:
    return load(CASE)["prompt"]


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    return load(CASE)["workflow"]


def picture() -> Image.Image:
    return Image.new("RGB", (8, 6), "red")


def save_png(path: Path, texts: dict[str, str], *, behind: bool = False) -> None:
    about = PngInfo()
    for key, text in texts.items():
        if behind:  # as Save Animated PNG does
            about.add(b"comf", key.encode() + b"\0" + text.encode("latin-1"), after_idat=True)
        else:
            about.add_text(key, text)
    picture().save(path, pnginfo=about)


def save_exif(path: Path, texts: dict[str, str]) -> None:
    image = picture()
    exif = image.getexif()
    for tag, (key, text) in zip((0x0110, 0x010F), texts.items(), strict=False):
        exif[tag] = f"{key}:{text}"
    image.save(path, exif=exif)


def save_clip(path: Path, texts: dict[str, str]) -> None:
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(texts)
        stream = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a"])
def test_json_of_either_form(name: str, tmp_path: Path, prompt: Any, workflow: Any, schemas: Schemas) -> None:
    path = tmp_path / name
    for data in (prompt, workflow, {"prompt": prompt, "client_id": "x"}, {"workflow": workflow}):
        path.write_text(json.dumps(data), encoding="utf-8-sig")  # as some editors write it
        assert read_graph(path, schemas).to_api() == prompt


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.jpg", "a.mp4", "a.webm"])
def test_files_that_carry_a_graph(name: str, tmp_path: Path, prompt: Any, workflow: Any, schemas: Schemas) -> None:
    path = tmp_path / name
    save = {".png": save_png, ".webp": save_exif, ".jpg": save_exif}.get(path.suffix, save_clip)
    both = {"workflow": json.dumps(canvas({"type": "SampleSource"})), "prompt": json.dumps(prompt)}
    for texts in (both, {"workflow": json.dumps(workflow)}):
        save(path, texts)
        assert read_graph(path, schemas).to_api() == prompt


def test_an_animated_png_and_a_comment(tmp_path: Path, prompt: Any, schemas: Schemas) -> None:
    save_png(tmp_path / "a.png", {"prompt": json.dumps(prompt)}, behind=True)
    assert read_graph(tmp_path / "a.png", schemas).to_api() == prompt
    save_clip(tmp_path / "a.mp4", {"comment": json.dumps({"prompt": json.dumps(prompt), "workflow": {}})})
    assert read_graph(tmp_path / "a.mp4", schemas).to_api() == prompt


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.mp4"])
def test_files_that_carry_none(name: str, tmp_path: Path, schemas: Schemas) -> None:
    path = tmp_path / name
    (save_clip if path.suffix == ".mp4" else save_png if path.suffix == ".png" else save_exif)(path, {})
    with pytest.raises(GraphError, match="carries none"):
        read_graph(path, schemas)
    whole = path.read_bytes()
    for damaged in (b"", b"no picture", whole[:40]):
        path.write_bytes(damaged)
        with pytest.raises(GraphError, match="expected"):
            read_graph(path, schemas)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("{", "is broken"),
        ("[" * 100_000, "deeper"),
        ("[]", "expected nodes by their ids"),
        ("{}", "expected nodes by their ids"),
        ("3", "expected nodes by their ids"),
        ('{"a": 1}', "class_type"),
        ('{"nodes": [3]}', "another shape"),
        ('{"nodes": [{"id": 1}]}', "another shape"),
        ('{"nodes": [], "links": [[1, 2]]}', "another shape"),
        ('{"1": {"class_type": "X"}, "1": {"class_type": "Y"}}', "several nodes have the id 1"),
    ],
)
def test_text_without_a_graph(text: str, words: str, schemas: Schemas) -> None:
    with pytest.raises(GraphError, match=words) as caught:
        parse_graph(text, schemas, name="mine.json")
    assert "mine.json" in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path, schemas: Schemas) -> None:
    with pytest.raises(GraphError, match="is not there"):
        read_graph(tmp_path / "a.json", schemas)
    with pytest.raises(GraphError, match="is a folder"):
        read_graph(tmp_path, schemas)
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GraphError, match="is neither"):
        read_graph(tmp_path / "a.json", schemas)


# Schemas


def test_schemas_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "info.json"
    for text, words in (("{", "is none"), ("[]", "something else"), ('{"X": {}}', "something else")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(GraphError, match=words):
            schemas_from(path)
    with pytest.raises(GraphError, match="no answer"):
        schemas_from("http://127.0.0.1:9")
    with pytest.raises(GraphError, match="not there"):
        schemas_from(tmp_path / "not there")


def test_our_blocks_look_as_their_adapter_shows_them(schemas: Schemas) -> None:
    ours, known = schemas_of(known_blocks(), choices=lambda name: ("demo-128 (built-in)",)), schemas
    common = [kind for kind in ours.entries if kind.startswith("FOMM_") and kind in known]
    assert len(common) > 10
    for kind in common:
        assert [(i.name, i.type, i.required, i.default) for i in ours.inputs(kind)] == [
            (i.name, i.type, i.required, i.default) for i in known.inputs(kind)
        ]
        assert ours.outputs(kind) == known.outputs(kind)
        assert ours.title(kind) == known.title(kind)
        assert ours.is_output(kind) == known.is_output(kind)
