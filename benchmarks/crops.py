"""Automatic crops against crops by hand: what the model makes of both.

A JSON file names, for each clip and image, the face's box by hand: its middle and side, [x, y, side] in pixels (of a
clip: the one box that serves all of its frames). From the forehead to the chin, as `FRAMINGS` means it: the chin lies
at its lower edge, the eyes a third below its upper one. Squares by hand are as the model expects them, automatic ones
`room` times as large, as `fomm animate` has them where it pastes the result.

- Clips move their own first frame. L1 to their true frames, where both squares are, by automatic and by hand crop.
- Images are moved by the example clip. L1 between both results, laid back into the image, over the part that either
  square covers, in parts of white; and how far apart the source's keypoints lie, in parts of the face's side.
"""

from __future__ import annotations

import json
import statistics
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, drive, load_model
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.faces import FaceFinder, choose, track
from fomm_nodes.fomm_core.fitting import fit, from_uint8
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.region import Framing, Region, crop, framed, paste, region_at, region_mask
from fomm_nodes.fomm_core.region.matrices import moved_points, whole_from_crop
from fomm_nodes.fomm_core.video import VideoReader, read_image
from fomm_nodes.fomm_core.whole import CropOptions, framing_of
from torch import Tensor

SIZE = 256


@torch.inference_mode()
def measure(*, files: list[Path], hand: Path, model: str, frames: int, room: float) -> None:
    """Print a line for each file of `hand` among `files`, and the means."""
    session = AnimationSession(load_model(model))
    framing = framing_of(session.config, session.model.name)
    assert framing is not None
    roomy = CropOptions(room=room).roomy(framing)
    boxes: dict[str, list[float]] = json.loads(hand.read_text())
    ratios, distances = [], []
    for path in files:
        if path.suffix in (".mp4", ".webm", ".mov"):
            ratios.append(_clip(session, path, boxes[path.name], (roomy, framing), frames))
        else:
            distances.append(_picture(session, path, boxes[path.name], (roomy, framing), frames))
    if ratios:
        print(f"{len(ratios)} clips: L1 {statistics.mean(ratios):.3f}x of that by hand, {max(ratios):.3f}x at most")
    if distances:
        print(f"{len(distances)} pictures: L1 {statistics.mean(distances):.2%} apart, {max(distances):.2%} at most")


def _clip(
    session: AnimationSession, path: Path, box: list[float], framings: tuple[Framing, Framing], frames: int
) -> float:
    with VideoReader(path) as reader:
        tracking = track(reader.stored(), finder=FaceFinder())
        automatic = tracking.tracks[0].region(framings[0])
        chosen = np.linspace(0, tracking.frames - 1, frames + 1).round().astype(int).tolist()
        truth = from_uint8(np.stack(reader.at(chosen)))
    by_hand = framed(region_at(*box, height=automatic.height, width=automatic.width), framings[1])
    both = (region_mask(automatic[:1]) * region_mask(by_hand)).bool()
    errors = []
    for region in (automatic[:1], by_hand):
        crops = crop(truth, region, SIZE)
        source = session.prepare(crops[:1])
        made = _rendered(session, source.keypoints, crops[:1], session.detect(crops[1:]))
        errors.append(float((paste(truth[1:], made, region, feather=0) - truth[1:]).abs()[:, :, both[0]].mean()))
    print(f"{path.name}: {_told(automatic[:1], by_hand)}; L1 {errors[0]:.4f}, by hand {errors[1]:.4f}", flush=True)
    return errors[0] / errors[1]


def _picture(
    session: AnimationSession, path: Path, box: list[float], framings: tuple[Framing, Framing], frames: int
) -> float:
    picture = read_image(path)
    face = choose(FaceFinder().find(picture), "largest")
    if face is None:
        raise SystemExit(f"no face was found in {path.name}")
    automatic, by_hand = (
        face.region(framings[0]),
        framed(region_at(*box, height=face.height, width=face.width), framings[1]),
    )
    either = (region_mask(automatic) + region_mask(by_hand)).bool()
    whole = from_uint8(picture)
    with VideoReader(ASSETS / "driving.mp4") as reader:
        moving = torch.cat([fit(from_uint8(frame), SIZE, SIZE) for frame in islice(reader, 0, None, 3)])[: frames + 1]
    driving = session.detect(moving)
    made, places = [], []
    for region in (automatic, by_hand):
        square = crop(whole, region, SIZE)
        source = session.prepare(square)
        places.append(moved_points(whole_from_crop(region, 1), (source.keypoints.position.double() + 1) / 2))
        driven = drive(source.keypoints, driving, AnimationOptions())
        made.append(paste(whole, _rendered(session, source.keypoints, square, driven), region))
    apart = float((made[0] - made[1]).abs()[:, :, either[0]].mean())
    away = float((places[0] - places[1]).norm(dim=-1).mean()) / face.size
    print(f"{path.name}: {_told(automatic, by_hand)}; keypoints {away:.3f} apart, L1 {apart:.2%} apart", flush=True)
    return apart


def _rendered(session: AnimationSession, own: Keypoints, square: Tensor, keypoints: Keypoints) -> Tensor:
    source = session.prepare(square, keypoints=own)
    return torch.cat([rendered.images for rendered in session.render(source, keypoints)])


def _told(automatic: Region, by_hand: Region) -> str:
    away = float((automatic.centre - by_hand.centre).norm() / by_hand.side)
    return f"side {float(automatic.side / by_hand.side):.2f}x of that by hand, middle {away:.3f} of it away"
