"""What each transfer mode keeps of a source's shape and of a driver's motion, when one person drives another.

Shape: the distance of the result's face from the source's, by the identity embedding (AED), and of the mesh's firm
points once they are laid over each other. Motion: the angle between the result's head and the driver's, in degrees, how
far apart they are, as a share of the image, and the mouth's opening against the driver's, its difference and its
correlation over each clip.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from fomm_nodes.fomm_core import AnimationSession, load_model, transfer
from fomm_nodes.fomm_core.faces import Face, FaceFinder
from fomm_nodes.fomm_core.fitting import from_uint8, to_uint8
from fomm_nodes.fomm_core.motion import TransferOptions
from fomm_nodes.fomm_core.training.data import Clip, find_clips
from fomm_nodes.fomm_core.training.metrics.acting import followed
from fomm_nodes.fomm_core.training.metrics.faces import Faces
from fomm_nodes.fomm_core.video import write_image
from fomm_nodes.fomm_core.view import side_by_side
from torch import Tensor

MODES = ("absolute", "avd", "relative")
COLUMNS = {"aed": 3, "shape": 4, "pose": 2, "place": 4, "mouth": 4, "mouth r": 3}
"""What is measured, and its digits."""
FIRM = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 93, 234, 127, 162, 21, 54, 103, 67, 109, 132, 58),
    *(1, 2, 4, 5, 6, 168, 195, 197, 98, 327, 33, 133, 263, 362),
)
"""Points of the mesh that neither speech nor eyes move: the oval without the chin, nose, corners of the eyes."""
SHOWN = 4
"""Frames of a pair in its image."""


def pairs_of(clips: list[Clip], most: int) -> list[tuple[Clip, Clip]]:
    """(Whose first frame is moved, who moves it): clips of different people, spread over the set."""
    step = max(1, len(clips) // most)
    chosen = clips[::step]
    people = [clip.path.name.split("_")[0].split("#")[0] for clip in chosen]
    found = []
    for number, clip in enumerate(chosen):
        others = [other for other in range(1, len(chosen)) if people[(number + other) % len(chosen)] != people[number]]
        if others:
            found.append((clip, chosen[(number + others[number % len(others)]) % len(chosen)]))
    return found[:most]


def frames_of(clip: Clip, size: tuple[int, int], count: int) -> Tensor:
    """The first frames of a clip, [n, 3, H, W] in 0..1."""
    return torch.cat([from_uint8(frame) for frame in islice(clip.frames(size), count)])


def laid_over(points: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """(degrees of the turn, what is left over relative to the others' extent) of the turn, scale and shift that take
    points [n, 3] nearest to others.
    """
    one, other = points - points.mean(0), others - others.mean(0)
    left, sizes, right = np.linalg.svd(one.T @ other)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn = left * signs @ right
    rest = (sizes @ signs) / np.square(one).sum() * one @ turn - other
    degrees = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    return float(degrees), float(np.sqrt(np.square(rest).sum() / np.square(other).sum()))


def compared(result: Face | None, source: Face | None, driver: Face | None) -> dict[str, float]:
    """Shape, pose, place and mouth of a result; nothing where one of the faces is not found."""
    if result is None or source is None or driver is None:
        return {}
    points, still, moving = (face.points.double().numpy() for face in (result, source, driver))
    away = np.linalg.norm((points - moving)[:, :2].mean(0)) / driver.width
    return {
        "shape": laid_over(points[list(FIRM)], still[list(FIRM)])[1],
        "pose": laid_over(points, moving)[0],
        "place": float(away),
        "mouth": abs(result.mouth_opening - driver.mouth_opening),
    }


def openings(faces: list[Face | None]) -> Tensor:
    """How far mouths are open, NaN where there is no face."""
    return torch.tensor([torch.nan if face is None else face.mouth_opening for face in faces])


def measure(*, clips: Path, model: str, frames: int, pairs: int, show: Path | None) -> None:
    """Print the table; models without an avd network show two rows."""
    torch.set_num_threads(1)
    session = AnimationSession(load_model(model))
    size = session.config.frame_size
    modes = [mode for mode in MODES if mode != "avd" or session.avd is not None]
    faces, finder = Faces(), FaceFinder()
    figures: dict[str, dict[str, list[float]]] = {mode: {name: [] for name in COLUMNS} for mode in modes}
    chosen = pairs_of(list(find_clips(clips, split="test")), pairs)
    for number, (still, clip) in enumerate(chosen):
        source = session.prepare(frames_of(still, size, 1))
        driving = frames_of(clip, size, frames)
        keypoints = session.detect(driving)
        who, seen = faces.look(source.image), finder.largest(source.image)
        acted = [finder.largest(frame[None]) for frame in driving]
        columns = [source.image.expand(len(driving), -1, -1, -1), driving]
        for mode in modes:
            options = TransferOptions(mode=mode)  # type: ignore[arg-type]
            moved = transfer(source.keypoints, keypoints, keypoints[0], options, avd=session.avd)
            images = torch.cat([rendered.images for rendered in session.render(source, moved)])
            looked = [finder.largest(image[None]) for image in images]
            figures[mode]["aed"] += faces.compare(faces.look(images), who * len(images))["aed"].tolist()
            for found, face in zip(looked, acted, strict=True):
                for name, value in compared(found, seen, face).items():
                    figures[mode][name].append(value)
            figures[mode]["mouth r"].append(followed(openings(looked), openings(acted))[0])
            columns.append(images)
        if show is not None:
            rows = torch.linspace(0, len(driving) - 1, SHOWN).round().long()
            picture = side_by_side([column[rows] for column in columns], ["source", "driver", *modes])
            show.mkdir(parents=True, exist_ok=True)
            write_image(show / f"pair-{number:02}.png", to_uint8(torch.cat(list(picture), 1)[None])[0])
    print(f"{session.model.name}, {len(chosen)} pairs of {frames} frames at {size[1]}x{size[0]}")
    print(f"{'mode':<10}" + "".join(f"{name:>9}" for name in COLUMNS))
    for mode, rows in figures.items():
        means = {name: torch.tensor(values).nanmean().item() for name, values in rows.items()}
        print(f"{mode:<10}" + "".join(f"{means[name]:>9.{digits}f}" for name, digits in COLUMNS.items()))
