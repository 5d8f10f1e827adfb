"""What each transfer mode keeps of a source's shape and of a driver's motion, when one person drives another.

Shape: the distance of the result's face from the source's, by the identity embedding (AED). Motion: the mouth's opening
against the driver's, its difference and its correlation over each clip.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import torch
from fomm_nodes.fomm_core import AnimationSession, load_model, transfer
from fomm_nodes.fomm_core.fitting import from_uint8, to_uint8
from fomm_nodes.fomm_core.motion import TransferOptions
from fomm_nodes.fomm_core.training.data import Clip, find_clips
from fomm_nodes.fomm_core.training.metrics.acting import Acting, followed
from fomm_nodes.fomm_core.training.metrics.faces import Faces
from fomm_nodes.fomm_core.video import write_image
from fomm_nodes.fomm_core.view import side_by_side
from torch import Tensor

MODES = ("absolute", "avd", "relative")
SHOWN = 4
"""Frames of a pair in its picture."""


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


def measure(*, clips: Path, model: str, frames: int, pairs: int, show: Path | None) -> None:
    """Print the table; models without an avd network show two rows."""
    torch.set_num_threads(1)
    session = AnimationSession(load_model(model))
    size = session.config.frame_size
    modes = [mode for mode in MODES if mode != "avd" or session.avd is not None]
    faces, acting = Faces(), Acting()
    figures: dict[str, dict[str, list[float]]] = {mode: {"aed": [], "mouth": [], "mouth r": []} for mode in modes}
    chosen = pairs_of(list(find_clips(clips, split="test")), pairs)
    for number, (still, clip) in enumerate(chosen):
        source = session.prepare(frames_of(still, size, 1))
        driving = frames_of(clip, size, frames)
        keypoints = session.detect(driving)
        who, acted = faces.look(source.image), acting.look(driving)
        columns = [source.image.expand(len(driving), -1, -1, -1), driving]
        for mode in modes:
            options = TransferOptions(mode=mode)  # type: ignore[arg-type]
            moved = transfer(source.keypoints, keypoints, keypoints[0], options, avd=session.avd)
            images = torch.cat([rendered.images for rendered in session.render(source, moved)])
            looked = acting.look(images)
            figures[mode]["aed"] += faces.compare(faces.look(images), who * len(images))["aed"].tolist()
            figures[mode]["mouth"] += (looked.mouth - acted.mouth).abs().tolist()
            figures[mode]["mouth r"].append(followed(looked.mouth, acted.mouth)[0])
            columns.append(images)
        if show is not None:
            rows = torch.linspace(0, len(driving) - 1, SHOWN).round().long()
            picture = side_by_side([column[rows] for column in columns], ["source", "driver", *modes])
            show.mkdir(parents=True, exist_ok=True)
            write_image(show / f"pair-{number:02}.png", to_uint8(torch.cat(list(picture), 1)[None])[0])
    print(f"{session.model.name}, {len(chosen)} pairs of {frames} frames at {size[1]}x{size[0]}")
    print(f"{'mode':<10}{'AED to source':>15}{'mouth':>9}{'mouth r':>9}")
    for mode, rows in figures.items():
        means = [torch.tensor(values).nanmean().item() for values in rows.values()]
        print(f"{mode:<10}{means[0]:>15.3f}{means[1]:>9.4f}{means[2]:>9.3f}")
