"""Animate a picture by a clip with an exported model: onnxruntime and numpy do the work, Pillow reads and writes.

fomm export demo-128 -o demo-onnx
python animate.py demo-onnx portrait.png driving.gif result.webp

The driving clip is an animated GIF or WebP, or a folder of pictures; portrait and clip show a face in about the same
place. The first frame of the clip should show the pose of the portrait.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageSequence

MILLISECONDS = 40


class Animator:
    """The three networks of a folder that `fomm export` wrote. Pictures are float32 [n, 3, H, W] in 0..1."""

    def __init__(self, folder: Path) -> None:
        self.manifest = json.loads((folder / "fomm.json").read_text(encoding="utf-8"))
        self.height, self.width = self.manifest["pictures"]["size"]
        self.parts = {
            part: onnxruntime.InferenceSession(folder / entry["file"], providers=["CPUExecutionProvider"])
            for part, entry in self.manifest["files"].items()
        }

    def run(self, part: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs of one network by name; inputs that it does not take are left out."""
        session = self.parts[part]
        wanted = {value.name for value in session.get_inputs()}
        names = [value.name for value in session.get_outputs()]
        given = {name: value for name, value in inputs.items() if name in wanted}
        return dict(zip(names, session.run(names, given), strict=True))

    def detect(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Keypoints: position [n, K, 2] and, where the model has them, jacobian [n, K, 2, 2]."""
        return self.run("detector", {"image": pictures})

    def frames(self, portrait: np.ndarray, driving: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """A frame [1, 3, H, W] for each driving frame; the first of these is the anchor."""
        source = self.detect(portrait)
        encoded = self.run("encoder", {"source": portrait})
        anchor = None
        for picture in driving:
            keypoints = self.detect(picture)
            anchor = anchor or keypoints
            moved = self.transfer(source, keypoints, anchor)
            inputs = {"source": portrait, **encoded}
            inputs |= {f"source_{name}": value for name, value in source.items()}
            inputs |= {f"driving_{name}": value for name, value in moved.items()}
            yield self.run("animator", inputs)["frame"]

    def transfer(
        self, source: dict[str, np.ndarray], driving: dict[str, np.ndarray], anchor: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The formulas of fomm.json: the source's keypoints, moved as the driver moved since the anchor."""
        rules = self.manifest["transfer"]
        scale = 1.0
        if rules["adapt_scale"]:
            areas = [hull_area(keypoints["position"][0]) for keypoints in (source, anchor)]
            scale = np.sqrt(areas[0] / areas[1]) if min(areas) >= rules["smallest_hull_area"] else 1.0
        step = (driving["position"] - anchor["position"]) * np.float32(scale * rules["strength"])
        moved = {"position": source["position"] + step}
        if "jacobian" in source:
            turned = driving["jacobian"] @ inverse(anchor["jacobian"], rules["smallest_determinant"])
            identity = np.eye(2, dtype=np.float32)
            change = identity + (turned - identity) * np.float32(rules["strength"])
            moved["jacobian"] = change @ source["jacobian"]
        return moved


def inverse(matrix: np.ndarray, smallest: float) -> np.ndarray:
    """Of [..., 2, 2]; a determinant nearer to 0 than `smallest` becomes that, with its sign."""
    a, b, c, d = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 0], matrix[..., 1, 1]
    product = a * d - b * c
    product = np.where(np.abs(product) < smallest, np.where(product < 0, -smallest, smallest), product)
    adjugate = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], -2)
    return (adjugate / product[..., None, None]).astype(np.float32)


def hull_area(points: np.ndarray) -> float:
    """Of the convex hull of [K, 2] (Andrew's monotone chain)."""
    ordered = sorted(map(tuple, points.tolist()))

    def turn(o: tuple[float, ...], a: tuple[float, ...], b: tuple[float, ...]) -> float:
        return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])

    def chain(along: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
        hull: list[tuple[float, ...]] = []
        for point in along:
            while len(hull) > 1 and turn(hull[-2], hull[-1], point) <= 0:
                hull.pop()
            hull.append(point)
        return hull[:-1]

    hull = np.array(chain(ordered) + chain(ordered[::-1]))
    if len(hull) < 3:
        return 0.0
    x, y = hull[:, 0], hull[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def as_array(picture: Image.Image, width: int, height: int) -> np.ndarray:
    """The middle of a picture as [1, 3, height, width]."""
    picture = picture.convert("RGB")
    share = min(picture.width / width, picture.height / height)
    box = (picture.width - width * share, picture.height - height * share)
    left, top = box[0] / 2, box[1] / 2
    whole = (left, top, left + width * share, top + height * share)
    small = picture.resize((width, height), Image.Resampling.BICUBIC, box=whole)
    return (np.asarray(small, np.float32) / 255).transpose(2, 0, 1)[None]


def pictures(path: Path) -> Iterator[Image.Image]:
    """Of an animated picture, or of a folder in the order of its names."""
    if path.is_dir():
        for file in sorted(path.iterdir()):
            yield Image.open(file)
    else:
        yield from ImageSequence.Iterator(Image.open(path))


def main() -> None:
    """Read, animate, write."""
    if len(sys.argv) != 5:
        sys.exit("usage: python animate.py MODEL_FOLDER PORTRAIT DRIVING RESULT.webp")
    folder, portrait, driving, result = map(Path, sys.argv[1:])
    animator = Animator(folder)
    size = (animator.width, animator.height)
    source = as_array(Image.open(portrait), *size)
    frames = animator.frames(source, (as_array(picture, *size) for picture in pictures(driving)))
    made = [Image.fromarray((frame[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)) for frame in frames]
    made[0].save(result, save_all=True, append_images=made[1:], duration=MILLISECONDS, loop=0, quality=90)
    print(f"{result}: {len(made)} frames of {made[0].width}x{made[0].height}")


if __name__ == "__main__":
    main()
