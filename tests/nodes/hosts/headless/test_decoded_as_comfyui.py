"""Stills and clips of the local engine against the numbers that ComfyUI made of the same files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fomm_nodes.nodes.hosts.headless.comfy_nodes import CORE_NODES
from fomm_nodes.nodes.hosts.headless.files import Folders
from fomm_nodes.nodes.hosts.headless.limits import LimitError, Limits
from fomm_nodes.nodes.hosts.headless.video import FileVideo
from nearness import near
from PIL import Image

FILES = Path(__file__).parents[3] / "data" / "comfyui-decoded"
STEP = 1 / 255
"""Releases of FFmpeg round differently; chroma that is blended instead of repeated is 20 steps off and more."""
STILLS = ("chroma.jpg", "turned.jpg", "lossy.webp", "clear.webp", "deep.png")


@pytest.fixture(scope="module")
def comfyui() -> dict[str, torch.Tensor]:
    with np.load(FILES / "comfyui.npz") as file:
        return {name: torch.from_numpy(file[name] / 65535).float() for name in file}


def loaded(folder: Path, name: str, limits: Limits | None = None) -> tuple[Any, ...]:
    host: Any = SimpleNamespace(
        input_file=Folders((folder,)).input_file, setting=SimpleNamespace(limits=limits or Limits())
    )
    return CORE_NODES["LoadImage"].run(host, image=name)


@pytest.mark.parametrize("name", STILLS)
def test_stills_are_decoded_as_comfyui_does(name: str, comfyui) -> None:
    images, masks = loaded(FILES, name)
    near(images, comfyui[name], STEP, of=1)
    if name == "clear.webp":
        near(masks, comfyui[f"{name} mask"], STEP, of=1)
    else:
        assert not masks.any()


def test_clips_are_decoded_as_comfyui_does(comfyui) -> None:
    near(FileVideo(FILES / "clip.mp4").frames(Limits().check).images, comfyui["clip.mp4"], STEP, of=1)


@pytest.mark.parametrize("orientation", [2, 4, 5, 7])
def test_mirrored_photographs_are_shown_upright(orientation: int, tmp_path: Path) -> None:
    with Image.open(FILES / "chroma.jpg") as file:
        mirrored = Image.Exif()
        mirrored[0x0112] = orientation
        file.save(tmp_path / "mirrored.png", exif=mirrored)
        array = torch.from_numpy(np.array(file) / 255).float()
    upright = {
        2: array.flip(1),
        4: array.flip(0),
        5: array.transpose(0, 1),
        7: array.flip(0, 1).transpose(0, 1),
    }[orientation]
    near(loaded(tmp_path, "mirrored.png")[0][0], upright, STEP, of=1)


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(LimitError, match="--max-pixels"):
        loaded(FILES, "chroma.jpg", Limits(pixels=500))
