"""Small good files of each kind, what reads them, and mutations that know how they are built."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fomm_nodes.fomm_core.checkpoints import convert, load_model, save_model
from fomm_nodes.fomm_core.config import (
    DenseMotionConfig,
    GeneratorConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
)
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.motion.performance import load_keypoints, save_keypoints
from fomm_nodes.fomm_core.training.presets import training_preset
from fomm_nodes.fomm_core.training.state import RunState
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_picture
from fomm_nodes.nodes.graph.check import check
from fomm_nodes.nodes.graph.reading import read_graph
from fomm_nodes.nodes.render.batch import local_schemas
from fomm_nodes.nodes.render.tables import table_rows
from PIL import Image

CONFIG = MotionModelConfig(
    frame_size=(32, 32),
    num_keypoints=2,
    num_channels=3,
    estimate_jacobian=True,
    align_corners=True,
    detector=KeypointDetectorConfig(
        block_expansion=2,
        max_features=4,
        num_blocks=1,
        temperature=0.1,
        scale_factor=0.5,
        single_jacobian_map=False,
        pad=0,
    ),
    generator=GeneratorConfig(
        block_expansion=2, max_features=4, num_down_blocks=1, num_bottleneck_blocks=1, estimate_occlusion_map=True
    ),
    dense_motion=DenseMotionConfig(block_expansion=2, max_features=4, num_blocks=1, scale_factor=0.5, kp_variance=0.01),
    discriminator=None,
)
STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    10**400,
    1e308,
    1e-4,
    "",
    "x" * 300,
    [],
    {},
    [[1]],
    [1, "a", None],
)
GRAPHS = Path(__file__).parents[1] / "data" / "graphs"
Read = Callable[[Path], object]
Mutate = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Kind:
    """Good files of one kind. seeds: name -> content. read: what is tried. mutate: how they are changed."""

    seeds: Mapping[str, bytes]
    read: Read
    mutate: Mutate


def bits(data: bytes, rng: random.Random) -> bytes:
    """A few bits flipped (headers more often), bytes cut out, doubled or set to extremes, or the end cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 6))):
        if not changed:
            break
        at = rng.randrange(min(len(changed), rng.choice((64, 1024, 1 << 30))))
        match rng.randrange(5):
            case 0 | 1:
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                changed[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
            case 3:
                del changed[at : at + rng.randrange(1, 40)]
            case _:
                changed[at:at] = changed[at : at + rng.randrange(1, 40)]
    return bytes(changed[: rng.randrange(len(changed) + 1)] if rng.random() < 0.2 else changed)


def altered(value: Any, rng: random.Random) -> Any:
    """JSON with one value somewhere in it replaced, removed or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: altered(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        if rng.random() < 0.1:
            return [*value, *value[at:]]
        return [*value[:at], altered(value[at], rng), *value[at + 1 :]]
    return rng.choice(STRANGE)


def json_text(data: bytes, rng: random.Random) -> bytes:
    """A text of JSON with values changed; now and then its bytes."""
    if rng.random() < 0.25:
        return bits(data, rng)
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 3))):
        value = altered(value, rng)
    text = json.dumps(value)
    return (text.replace("1e+308", "Infinity") if rng.random() < 0.3 else text).encode()


def lines(data: bytes, rng: random.Random) -> bytes:
    """A table with one of its lines changed."""
    rows = data.splitlines()
    at = rng.randrange(len(rows))
    rows[at] = json_text(rows[at], rng) if rows[at].startswith(b"{") else bits(rows[at], rng)
    return b"\n".join(rows)


def safetensors(data: bytes, rng: random.Random) -> bytes:
    """The header changed as JSON, the configuration in it among that; or bytes."""
    if rng.random() < 0.3:
        return bits(data, rng)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    notes = header.get("__metadata__", {})
    notes.pop("checksum", None)
    if "config" in notes and rng.random() < 0.6:
        notes["config"] = json.dumps(altered(json.loads(notes["config"]), rng))
    else:
        header = altered(header, rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def archive(data: bytes, rng: random.Random) -> bytes:
    """What is in a zip archive changed, with checksums that fit; or bytes."""
    if rng.random() < 0.4:
        return bits(data, rng)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        members = old.infolist()
        chosen = rng.choice([member for member in members if member.filename.endswith((".pkl", "version", "/0", "/1"))])
        for member in members:
            content = old.read(member)
            if member is chosen:
                content = bits(content, rng)
            if rng.random() > 0.01:
                new.writestr(member.filename, content)
    return made.getvalue()


def _files(folder: Path) -> tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]:
    torch.manual_seed(0)
    model = MotionModel(CONFIG)
    save_model(model, folder / "a.safetensors")
    convert(folder / "a.safetensors", folder / "a.pth")
    save_keypoints(folder / "k.safetensors", Keypoints(torch.rand(3, 2, 2)))
    training = training_preset("vox-256")[1]
    state = RunState(
        step=1,
        seed=0,
        seconds=1.0,
        model_config=CONFIG,
        training_config=training,
        model=model.state_dict(),
        discriminator=None,
        average=None,
        optimisers={"generator": {"state": {}, "param_groups": []}},
        scaler=None,
    )
    state.write(folder / "s.pt")
    RunState.read(folder / "s.pt")
    tensors = {"a.safetensors": (folder / "a.safetensors").read_bytes()}
    return tensors, {"a.pth": (folder / "a.pth").read_bytes()}, {"s.pt": (folder / "s.pt").read_bytes()}


def _pictures() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8))
    found = {}
    kinds = {
        "png": "PNG",
        "gif": "GIF",
        "avif": "AVIF",
        "jp2": "JPEG2000",
        "tif": "TIFF",
        "webp": "WEBP",
        "jpg": "JPEG",
    }
    for suffix, kind in kinds.items():
        Image.init()
        if kind in Image.SAVE:
            made = io.BytesIO()
            picture.save(made, kind)
            found[f"a.{suffix}"] = made.getvalue()
    for name, deep in (
        ("deep.png", (rng.random((20, 24)) * 65535).astype(np.uint16)),
        ("float.tif", rng.random((20, 24))),
    ):
        made = io.BytesIO()
        Image.fromarray(deep if deep.dtype == np.uint16 else deep.astype(np.float32)).save(
            made, name[-3:].replace("tif", "tiff")
        )
        found[name] = made.getvalue()
    return found


def _clips(folder: Path) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    for name in ("a.mp4", "a.mkv", "a.gif"):
        with VideoWriter(folder / name, fps=10) as writer:
            writer.write(rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8))
    return {name: (folder / name).read_bytes() for name in ("a.mp4", "a.mkv", "a.gif")}


def _read_clip(path: Path) -> None:
    with VideoReader(path) as clip:
        for number, _ in enumerate(clip):
            if number > 100:
                break


def _read_graph(path: Path) -> None:
    schemas = local_schemas(None)
    check(read_graph(path, schemas), schemas)


def kinds_of(folder: Path) -> dict[str, Kind]:
    """All kinds, their good files made below `folder`."""
    tensors, published, states = _files(folder)
    graphs = {}
    for name in ("subgraphs", "group-nodes", "bypassed"):
        case = json.loads((GRAPHS / f"{name}.json").read_bytes())
        graphs |= {f"{name}-{form}.json": json.dumps(case[form]).encode() for form in ("prompt", "workflow")}
    table = b'{"Load Image.image": "a.png", "n": 1}\n{"Load Image.image": "b.png", "n": 2}'
    return {
        "safetensors": Kind(tensors, load_model, safetensors),
        "published": Kind(published, load_model, archive),
        "state": Kind(states, RunState.read, archive),
        "keypoints": Kind({"k.safetensors": (folder / "k.safetensors").read_bytes()}, load_keypoints, safetensors),
        "picture": Kind(_pictures(), read_picture, bits),
        "clip": Kind(_clips(folder), _read_clip, bits),
        "graph": Kind(graphs, _read_graph, json_text),
        "table": Kind({"a.jsonl": table, "a.csv": b"a,b\n1,2\n3,4"}, lambda path: list(table_rows(path)), lines),
    }
