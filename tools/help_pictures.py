"""The images on the help pages of the blocks of regions: each block is run on the built-in example.

python tools/help_pictures.py [web/docs]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fomm_nodes.fomm_core import load_builtin
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader
from fomm_nodes.nodes.declarations import BY_ID
from fomm_nodes.nodes.hosts.headless.files import Folders
from fomm_nodes.nodes.hosts.headless.host import HeadlessHost, JobSetting
from fomm_nodes.nodes.hosts.headless.limits import Limits
from fomm_nodes.nodes.hosts.headless.video import FileVideo
from PIL import Image
from torch import Tensor

HEIGHT, GAP, PAPER = 240, 8, 255
FRAMES = (0, 15, 30)
"""Of the driving clip."""


class Blocks:
    """Runs blocks by name."""

    def __init__(self, folder: Path) -> None:
        self.host = HeadlessHost(
            JobSetting(
                folders=Folders(()),
                limits=Limits(),
                device=torch.device("cpu"),
                made=folder,
                temporary=folder,
                keep=lambda path, **about: None,
                report=lambda done, total: None,
            ),
            "help",
        )

    def __call__(self, name: str, **values: Any) -> dict[str, Any]:
        spec = BY_ID[f"FOMM_{name}"]
        made = spec.run(self.host, **spec.check(self.host, values))
        return {port.id: value for port, value in zip(spec.outputs, made, strict=True)}


def image_of(picture: Image.Image) -> Tensor:
    """IMAGE of one image."""
    return torch.from_numpy(np.array(picture.convert("RGB"))).float()[None] / 255


def row(*images: Tensor) -> Image.Image:
    """Pictures [H, W, 3] or masks [H, W] beside each other, at one height."""
    made = []
    for image in images:
        values = image if image.ndim == 3 else image[..., None].expand(-1, -1, 3)
        picture = Image.fromarray((values * 255).round().byte().numpy())
        made.append(picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS))
    canvas = Image.new("RGB", (sum(part.width + GAP for part in made) - GAP, HEIGHT), (PAPER,) * 3)
    left = 0
    for part in made:
        canvas.paste(part, (left, 0))
        left += part.width + GAP
    return canvas


def photograph() -> Tensor:
    """Two heads in a wide image."""
    ground = np.linspace((112, 104, 106), (206, 203, 200), 720)[None].repeat(400, 0)
    picture = Image.fromarray(ground.astype(np.uint8))
    for name, side, place in (("source-redhead.png", 220, (70, 180)), ("source.png", 240, (430, 160))):
        with Image.open(ASSETS / name) as head:
            picture.paste(head.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), place)
    return image_of(picture)


def pictures(run: Blocks) -> dict[str, Image.Image]:
    """The image of each block."""
    whole = photograph()
    model = run.host.hold(load_builtin())
    clip = FileVideo(ASSETS / "driving.mp4")
    with VideoReader(clip.path) as reader:
        driving = torch.stack([torch.from_numpy(frame.copy()) for frame in reader]).float()[list(FRAMES)] / 255
    mask = torch.zeros(1, 400, 720)
    rows, columns = torch.meshgrid(torch.arange(400.0), torch.arange(720.0), indexing="ij")
    mask[0][((rows - 265) / 80) ** 2 + ((columns - 552) / 62) ** 2 < 1] = 1
    found = run("FindRegion", images=whole, which="all", model=model)
    region = run("FindRegion", images=whole, which="right", model=model)["region"]
    crop = run("CropRegion", images=whole, region=region, model=model)["crops"]
    moved = run("Animate", model=model, source=crop, driving=driving, anchor="best")["images"]
    pasted = run("PasteBack", frames=moved, region=region, whole=whole)
    box = {"x": 492, "y": 188, "width": 118, "height": 140}

    small = run("Animate", model=model, source=crop, driving=driving, size="model")["keypoints"]
    with Image.open(ASSETS / "source.png") as file:
        large = image_of(file)
    motion = run("DenseMotion", model=model, source=large, keypoints=small, size="model")["motion"]
    frames = run("GenerateFrames", model=model, source=large, motion=motion)["images"]
    sharp = run("TransferDetail", frames=frames, motion=motion, source=large)["images"]
    still = torch.zeros(1, 256, 256)
    still[:, 200:] = 1
    held = run("Hold", motion=motion, mask=still)["held"]
    calm = run("GenerateFrames", model=model, source=large, motion=held)["images"]
    return {
        "FindRegion": row(found["preview"][0], found["area"][0]),
        "RegionFromBox": row(run("RegionFromBox", images=whole, box=box, scale=1.6)["preview"][0]),
        "RegionFromMask": row(mask[0], run("RegionFromMask", mask=mask, scale=1.6)["preview"][0]),
        "RegionFromNumbers": row(
            run("RegionFromNumbers", images=whole, centre_x=0.76, centre_y=0.66, side=0.6, angle=12.0)["preview"][0]
        ),
        "CropRegion": row(run("FindRegion", images=whole, which="right", model=model)["preview"][0], crop[0]),
        "PasteBack": row(moved[1], pasted["pasted"][0], pasted["images"][1]),
        "PasteBackVideo": row(*pasted["images"]),
        "Hold": row(still[0], frames[1], calm[1]),
        "TransferDetail": row(frames[1], sharp[1]),
    }


def main(folder: Path) -> None:
    """Write them beside the pages."""
    with tempfile.TemporaryDirectory() as temporary:
        for name, picture in pictures(Blocks(Path(temporary))).items():
            picture.save(folder / f"FOMM_{name}" / "example.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "web/docs"))
