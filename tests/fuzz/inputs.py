"""Small good files of each kind, what reads them, and how they are changed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import torch
from fomm_nodes.batch.render import local_schemas
from fomm_nodes.batch.tables import table_rows
from fomm_nodes.cli.inspect import describe
from fomm_nodes.fomm_core.checkpoints import convert, load_model, save_model
from fomm_nodes.fomm_core.config import (
    DenseMotionConfig,
    GeneratorConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
)
from fomm_nodes.fomm_core.errors import FommError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.motion.performance import load_keypoints, save_keypoints
from fomm_nodes.fomm_core.official import config_from_yaml
from fomm_nodes.fomm_core.region import Region, load_region, save_region
from fomm_nodes.fomm_core.training.presets import training_preset
from fomm_nodes.fomm_core.training.state import RunState
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_picture
from fomm_nodes.fomm_core.video.sound import read_sound
from fomm_nodes.graph.check import check
from fomm_nodes.graph.reading import read_graph
from fomm_nodes.nodes.hosts.headless.comfy_nodes.files import _load as load_image_block
from fomm_nodes.nodes.hosts.headless.limits import Limits
from PIL import Image, features

from ..graph.test_carried import SAVERS
from .mutations import archive, bits, boxes, chunks, either, graph_carrier, json_text, lines, safetensors, words

sys.path.append(str(Path(__file__).parents[1] / "support"))
import heic_files

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
GRAPHS = Path(__file__).parents[1] / "data" / "graphs"
Read = Callable[[Path], object]
Mutate = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Kind:
    """Good files of one kind. seeds: name -> content. read: what is tried. mutate: how they are changed."""

    seeds: Mapping[str, bytes]
    read: Read
    mutate: Mutate


YAML = """
dataset_params: {frame_shape: [64, 64, 3]}
model_params:
  common_params: {num_kp: 10, num_channels: 3, estimate_jacobian: true}
  kp_detector_params: {temperature: 0.1, block_expansion: 32, max_features: 1024, scale_factor: 0.25, num_blocks: 5}
  generator_params:
    {block_expansion: 64, max_features: 512, num_down_blocks: 2, num_bottleneck_blocks: 6, dense_motion_params:
      {block_expansion: 64, max_features: 1024, num_blocks: 5, scale_factor: 0.25}}
  discriminator_params: {scales: [1], block_expansion: 32, max_features: 512, num_blocks: 4}
"""


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


def _heics() -> dict[str, bytes]:
    """One image; tiles as phones write them, with opacity, a turn and EXIF; ten bits."""
    y, x = np.mgrid[0:48, 0:64]
    soft = np.stack([40 + 2 * x, 30 + 3 * y, 200 - x - y], -1).astype(np.uint8)
    plain, tiled, deep = heic_files.Heic(), heic_files.Heic(), heic_files.Heic()
    plain.picture(soft, heic_files.colours(1, 13))
    tiled.primary = tiled.grid(soft, 32, heic_files.turned(1), heic_files.mirrored(1), heic_files.colours(12, 13))
    tiled.alpha(tiled.primary, soft[..., 0])
    tiled.exif(tiled.primary, 6)
    deep.picture(soft.astype(np.uint16) * 257, ten_bit=True)
    return {"plain.heic": plain.bytes(), "tiled.heic": tiled.bytes(), "deep.heic": deep.bytes()}


def _clips(folder: Path) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    names = ("a.mp4", "a.mkv", "a.gif", "a.webm", "a.mov")
    for name in names:
        with VideoWriter(folder / name, fps=10) as writer:
            writer.write(rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8))
    return {name: (folder / name).read_bytes() for name in names}


def _carriers(folder: Path, graph: str) -> dict[str, bytes]:
    """A file of each kind that may carry a graph; of an MP4 also with its index in front, and in parts."""
    found = {}
    (folder / "carriers").mkdir()
    for number, (name, (file, save)) in enumerate(SAVERS.items()):
        if name != "AVIF" or features.check("avif"):
            path = folder / "carriers" / f"{number}-{file}"
            save(path, {"workflow": graph})
            found[path.name] = path.read_bytes()
    for name, flags in (("front", "faststart"), ("parts", "frag_keyframe+empty_moov")):
        path = folder / "carriers" / f"{name}.mp4"
        with av.open(str(path), "w", options={"movflags": f"use_metadata_tags+{flags}"}) as container:
            container.metadata["workflow"] = graph
            stream = container.add_stream("libx264", rate=10)
            stream.width = stream.height = 32
            for value in (0, 80, 160):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), value, np.uint8))))
            container.mux(stream.encode(None))
        found[path.name] = path.read_bytes()
    return found


def _tables(folder: Path) -> dict[str, bytes]:
    rows = [{"Load Image.image": f"{name}.png", "n": number} for number, name in enumerate("ab")]
    found = {"a.jsonl": "\n".join(map(json.dumps, rows)).encode(), "a.csv": b"a,b\n1,2\n3,4"}
    if importlib.util.find_spec("pyarrow") is not None:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "a.parquet")
        found["a.parquet"] = (folder / "a.parquet").read_bytes()
    return found


def _read_model(path: Path) -> None:
    """As `fomm inspect` does, and as all others do."""
    with contextlib.suppress(FommError):
        describe(str(path))
    load_model(path)


def _read_clip(path: Path) -> None:
    with VideoReader(path) as clip:
        for number, _ in enumerate(clip):
            if number > 100:
                break


def _load_image(path: Path) -> None:
    """As the block of that name does in a batch, which is Pillow alone.

    A small file may rightly be an image of 64 million pixels, whose three gigabytes are no fault.
    """
    setting = SimpleNamespace(limits=Limits(pixels=4_000_000, held=16_000_000))
    host: Any = SimpleNamespace(input_file=lambda name: path, setting=setting)
    load_image_block(host, path.name)


def _sounds(folder: Path) -> dict[str, bytes]:
    """Alone, and in a clip."""
    found = {}
    for name, codec, kind in (
        ("a.flac", "flac", "s16"),
        ("a.mp3", "libmp3lame", "fltp"),
        ("a.mkv", "pcm_s16le", "s16"),
        ("a.wav", "pcm_s16le", "s16"),
        ("a.m4a", "aac", "fltp"),
        ("a.ogg", "libopus", "flt"),
    ):
        with av.open(str(folder / f"sound-{name}"), "w") as container:
            stream = container.add_stream(codec, rate=48000, layout="stereo")
            for number in range(4):
                values = np.random.default_rng(number).integers(-9000, 9000, (1, 1920))
                values = values.astype(np.int16) if kind == "s16" else (values / 32768).astype(np.float32)
                values = values.reshape(2, -1) if kind == "fltp" else values
                frame = av.AudioFrame.from_ndarray(values, format=kind, layout="stereo")
                frame.sample_rate, frame.pts = 48000, number * 960
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        found[name] = (folder / f"sound-{name}").read_bytes()
    return found


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
    canvas = graphs["subgraphs-workflow.json"].decode()
    centre = torch.rand(5, 2).double() * 40 + 20
    seconds = torch.arange(5).double() / 10
    save_region(folder / "r.safetensors", Region(centre, centre[:, 0], centre[:, 1] / 9, 100, 90, seconds))
    performance = {"k.safetensors": (folder / "k.safetensors").read_bytes()}
    regions = {"r.safetensors": (folder / "r.safetensors").read_bytes()}
    pictures = _pictures()
    iso = {name: content for name, content in pictures.items() if name.endswith(("avif", "jp2"))}
    png = {name: content for name, content in pictures.items() if name.endswith("png")}
    films = _clips(folder)
    mp4 = {name: content for name, content in films.items() if name.endswith(("mp4", "mov"))}
    return {
        "safetensors": Kind(tensors, _read_model, safetensors),
        "published": Kind(published, _read_model, archive),
        "state": Kind(states, RunState.read, archive),
        "performance": Kind(performance, load_keypoints, safetensors),
        "region": Kind(regions, load_region, safetensors),
        "picture": Kind(pictures, read_picture, bits),
        "png": Kind(png, read_picture, chunks),
        "boxed picture": Kind(iso, read_picture, boxes),
        "heic": Kind(_heics(), read_picture, boxes),
        "image block": Kind(pictures, _load_image, either),
        "sound": Kind(_sounds(folder), read_sound, bits),
        "clip": Kind(films, _read_clip, bits),
        "boxed clip": Kind(mp4, _read_clip, boxes),
        "graph": Kind(graphs, _read_graph, json_text),
        "carried graph": Kind(_carriers(folder, canvas), _read_graph, graph_carrier),
        "table": Kind(_tables(folder), lambda path: list(table_rows(path)), lines),
        "configuration": Kind({"a.yaml": YAML.encode()}, config_from_yaml, words),
    }
