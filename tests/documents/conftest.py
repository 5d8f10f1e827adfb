"""A folder as the documentation has it: an image and a clip, a checkpoint, portraits, clips, a graph."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import pytest
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "fomm_core" / "assets"
DATA = ROOT / "tests" / "data"


def small_clip(path: Path, frames: int = 3, *, source: Path = ASSETS / "driving.mp4") -> None:
    with VideoReader(source) as reader, VideoWriter(path, fps=25) as writer:
        for frame in islice(reader, frames):
            writer.write(cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA))


def small_picture(name: str, path: Path) -> None:
    with Image.open(ASSETS / name) as picture:
        picture.convert("RGB").resize((64, 64)).save(path)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the documents name; their models are small, their clips short."""
    folder = tmp_path_factory.mktemp("prepared")
    for place in ("data/portraits", "data/clips", "pictures", "ComfyUI/models"):
        (folder / place).mkdir(parents=True)
    small_picture("source.png", folder / "face.jpg")
    small_picture("source.png", folder / "neutral.jpg")
    small_picture("source-redhead.png", folder / "pose.jpg")
    small_clip(folder / "talk.mp4", 16)
    for name in ("left.mp4", "right.mp4"):
        small_clip(folder / name, 4)
    with Image.open(ASSETS / "source.png") as portrait:
        pair = Image.new("RGB", (400, 220), (120, 130, 140))
        pair.paste(portrait.convert("RGB").resize((180, 180)), (10, 20))
        pair.paste(portrait.convert("RGB").resize((180, 180)), (210, 20))
        pair.save(folder / "pair.jpg")
    Image.new("L", (64, 64)).save(folder / "mask.png")
    for name in ("source.png", "source-mouse.png"):
        small_picture(name, folder / "data" / "portraits" / name)
    small_clip(folder / "data" / "clips" / "talk.mp4", 2)
    shutil.copyfile(DATA / "parity" / "first-order.pth.tar", folder / "vox-cpk.pth.tar")
    shutil.copyfile(ASSETS / "demo-128.safetensors", folder / "model.safetensors")
    for name in ("train/portrait/angry", "train/ai/smiling", "test/portrait/smirking"):
        clip = folder / "clips" / f"{name}.mp4"
        clip.parent.mkdir(parents=True)
        small_clip(clip, source=ASSETS / "clips" / name.split("/")[0] / clip.name)
    graph = (ROOT / "workflows" / "animate.json").read_text(encoding="utf-8")
    (folder / "workflow.json").write_text(graph, encoding="utf-8")
    carried = PngInfo()
    carried.add_text("workflow", json.dumps(json.loads(graph)))
    Image.new("RGB", (8, 8)).save(folder / "rendered.png", pnginfo=carried)
    shutil.copyfile(DATA / "graphs" / "object_info.json", folder / "object_info.json")
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One in which `fomm` and `import fomm_nodes` are this checkout, installed or not."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "bin").mkdir()
    (folder / "fomm_nodes").symlink_to(ROOT, target_is_directory=True)
    models = tmp_path_factory.mktemp("models")
    shutil.copyfile(DATA / "parity" / "first-order.pth.tar", models / "vox-cpk.pth.tar")
    program = "import sys; from fomm_nodes.cli.main import program; sys.exit(program())"
    for name, line in (("fomm", f"'{sys.executable}' -c '{program}'"), ("python", f"'{sys.executable}'")):
        path = folder / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
        path.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "PYTHONUNBUFFERED": "1",
        "FOMM_MODELS": str(models),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def place(prepared: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of what is prepared, in which a document's commands run one after the other."""
    folder = tmp_path / "place"
    shutil.copytree(prepared, folder, copy_function=os.link)
    (folder / "workflows").symlink_to(ROOT / "workflows", target_is_directory=True)
    yield folder
    shutil.rmtree(folder)
