"""Commands whose every write is made to fail, each with what it makes of small files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OLD = b"what was here before"
MODEL = (
    *("--preset", "demo", "--backbone", "none", "--batch", "2", "--device", "cpu", "--strips", "2", "--seed", "3"),
    *("--set", "model.detector.block_expansion=2", "--set", "model.detector.max_features=4"),
    *("--set", "model.dense_motion.block_expansion=2", "--set", "model.dense_motion.max_features=4"),
    *("--set", "model.generator.block_expansion=2", "--set", "model.generator.max_features=4"),
    *("--size", "64", "--steps", "4", "--save-steps", "2"),
)
SMALL = ("--size", "64", "--device", "cpu", "-q", "-y")


def digest(path: Path) -> str:
    """Of what a file says; safetensors writes its texts in any order."""
    if path.suffix != ".safetensors":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            notes = sorted((file.metadata() or {}).items())
            values = [(name, file.get_tensor(name).numpy().tobytes()) for name in sorted(file.keys())]
    except SafetensorError:
        return "damaged"
    return hashlib.sha256(repr((notes, values)).encode()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Of all files, by name. Those with times or random numbers in them have none, and are only there or not; what a
    database has left beside itself does not count.
    """
    varying = ("log.jsonl", "report.html", "manifest.sqlite", ".webm")
    return {
        str(path.relative_to(folder)): ""
        if path.name.endswith(varying)
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


@dataclass(frozen=True)
class Case:
    """arguments: of `fomm`, from the folders of inputs and of the small disk. old: files that are there before, and
    stay as they are until the new ones are complete. made: what is promised to lie on the disk in the end, to be
    compared. free: patterns of names that may be there as well, or not.
    """

    arguments: Callable[[Path, Path], tuple[Any, ...]]
    old: tuple[str, ...] = ()
    made: Callable[[Path], Mapping[str, Any]] = field(default=digests)
    free: tuple[str, ...] = ()


def _run(disk: Path) -> dict[str, Any]:
    """What is promised of a run: its last state, whole, its model, and the losses of all steps."""
    import torch

    found: dict[str, Any] = {path.name: digest(path) for path in disk.glob("run/*.safetensors")}
    for path in sorted(disk.glob("run/states/*.pt"))[-1:]:
        state = torch.load(path, weights_only=True)
        found[path.name] = hashlib.sha256(repr(list(_values({**state, "seconds": 0}))).encode()).hexdigest()
    for path in disk.glob("run/log.jsonl"):
        found[path.name] = [json.loads(line)["losses"] for line in path.read_text().splitlines()]
    return found


def _values(part: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """All that a state holds, tensors by their bits."""
    import torch

    if isinstance(part, torch.Tensor):
        yield name, (part.dtype, tuple(part.shape), hashlib.sha256(part.contiguous().numpy().tobytes()).hexdigest())
    elif isinstance(part, Mapping):
        for key, value in part.items():
            yield from _values(value, f"{name}.{key}")
    elif isinstance(part, (list, tuple)):
        for place, value in enumerate(part):
            yield from _values(value, f"{name}.{place}")
    else:
        yield name, part


def _weights(disk: Path) -> dict[str, Any]:
    """Beside the weights lies a record with the time; what is only half there may go on."""
    found = digests(disk)
    return {name: digest for name, digest in found.items() if name.endswith((".tar", ".safetensors"))} | {
        name: "" for name in found if not name.endswith((".tar", ".safetensors"))
    }


CASES: dict[str, Case] = {
    "animate": Case(
        lambda given, disk: (
            *("animate", given / "face.png", given / "clip", "-o", disk / "out.mp4", *SMALL),
            *("--occlusion", disk / "mask.mp4", "--save-keypoints", disk / "k.safetensors"),
        ),
        ("out.mp4", "mask.mp4", "k.safetensors"),
    ),
    "animate, pictures": Case(
        lambda given, disk: ("animate", given / "face.png", given / "clip", "-o", disk / "out", *SMALL)
    ),
    "animate, WebM": Case(
        lambda given, disk: ("animate", given / "face.png", given / "clip", "-o", disk / "out.webm", *SMALL),
        ("out.webm",),
    ),
    "animate, GIF": Case(
        lambda given, disk: ("animate", given / "face.png", given / "clip", "-o", disk / "out.gif", *SMALL),
        ("out.gif",),
    ),
    "convert": Case(
        lambda given, disk: ("convert", given / "small.pth.tar", disk / "b.safetensors", "-y"), ("b.safetensors",)
    ),
    "convert, back": Case(
        lambda given, disk: ("convert", given / "small.safetensors", disk / "b.pth.tar", "-y"), ("b.pth.tar",)
    ),
    "crop, picture": Case(
        lambda given, disk: ("crop", given / "face.png", "-o", disk / "a.png", "--crop", "32,32,40", "-y"), ("a.png",)
    ),
    "crop, clip": Case(
        lambda given, disk: ("crop", given / "clip.mp4", "-o", disk / "a.mp4", "--crop", "32,32,40", "-y"), ("a.mp4",)
    ),
    "crop, region": Case(
        lambda given, disk: ("crop", given / "clip.mp4", "-o", disk / "a.safetensors", "--crop", "32,32,40", "-y"),
        ("a.safetensors",),
    ),
    "train": Case(
        lambda given, disk: (
            "train",
            given / "clips",
            "-o",
            disk / "run",
            "--cache",
            disk / "cache",
            *MODEL,
            "--resume",
        ),
        made=_run,
        free=("run/states/step-*.pt", "run/strips*"),
    ),
    "render": Case(
        lambda given, disk: (
            *("render", given / "graph.json", "-i", given, "--set", "1.image=[ab].png", "-o", disk / "out"),
            *("--device", "cpu", "--retries", "0", "--workers", "0"),
        ),
    ),
    "models get, a file": Case(
        lambda given, disk: ("models", "get", "mine", "--file", given / "small.pth.tar", "--to", disk / "m", "-y"),
        made=_weights,
    ),
    "models get, a server": Case(
        lambda given, disk: (
            "models",
            "get",
            "mine",
            "--url",
            given.joinpath("url").read_text(),
            "--to",
            disk / "m",
            "-y",
        ),
        made=_weights,
    ),
    "models get, converted": Case(
        lambda given, disk: (
            *("models", "get", "mine", "--file", given / "small.pth.tar", "--to", disk / "m", "-y", "--convert"),
        ),
        made=_weights,
    ),
}


def make_inputs(given: Path) -> None:
    """All that the cases read."""
    import numpy as np
    from fomm_nodes.fomm_core.checkpoints import builtin_models, convert
    from fomm_nodes.fomm_core.video import VideoWriter, write_image

    given.mkdir()
    rng = np.random.default_rng(0)
    for name in ("face.png", "a.png", "b.png", "clip/0.png", "clip/1.png", "clip/2.png"):
        (given / name).parent.mkdir(exist_ok=True)
        write_image(given / name, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    (given / "clips").mkdir()
    for name in ("clip.mp4", "clips/a.mp4", "clips/b.mp4"):
        with VideoWriter(given / name, fps=10) as writer:
            writer.write(rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8))
    builtin = next(iter(builtin_models().values()))
    convert(builtin, given / "small.pth.tar")
    shutil.copy(builtin, given / "small.safetensors")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    }
    (given / "graph.json").write_text(json.dumps(graph))
