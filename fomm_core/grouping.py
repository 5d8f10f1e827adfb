"""Which keypoints move which part of an image, found by moving them.

Where a keypoint lies says little: it was never told what it stands for. What it moves is what dense motion's mask gives
it when it moves. The mask is looked at on the source, and the face's mesh names what lies there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from .errors import ImageError, KeypointError
from .faces import Face
from .fitting import resize
from .motion import Groups
from .prepared import PreparedSource
from .session import AnimationSession

STEP = 0.08
"""How far a keypoint is moved to see what follows it, in halves of the picture's side."""
DIRECTIONS = 4
IDLE = 0.02
"""A keypoint that nowhere gets so much of the mask moves nothing."""
HEAD_SCALE = 1.5
"""Of the face's oval, with hair and ears, over the face's own."""
OWN_SHARE = 0.35
"""Of what a keypoint moves, the least that lies on the mouth or the eyes where it is counted to them."""
MOUTH, EYES, HEAD, BODY, IDLE_NAME = "mouth", "eyes", "head", "body", "idle"
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150),
    *(136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The mesh's points around the face, in MediaPipe's numbering."""
UNDER_NOSE, BETWEEN_EYES, FOREHEAD, CHIN, NOSE_RIDGE = 164, 168, 151, 152, 195


@dataclass(frozen=True, eq=False)
class KeypointGroups:
    """What each keypoint moves, and the names of what lies there.

    groups: numbers of keypoints by name: mouth, eyes, head, body, where there are any, and idle, which move nothing;
        without a face `part 0`, `part 1`, ...
    parts: [K, h, w] in 0..1: how far each place follows the keypoint.
    """

    groups: Groups
    parts: Tensor

    def part(self, name: str) -> Tensor:
        """How far each place follows the group, [h, w] in 0..1. Raises KeypointError for a name that is not there."""
        if name not in self.groups:
            raise KeypointError(f"expected a group out of {', '.join(self.groups)}; got {name!r}")
        return self.parts[list(self.groups[name])].sum(0).clamp(max=1)


def group_keypoints(session: AnimationSession, source: PreparedSource, face: Face | None = None) -> KeypointGroups:
    """Find what each keypoint of a source moves, and name it by the face.

    face: in pixels of `source.image`, as `find_faces` gives it; None where there is none.

    Raises KeypointError for a model without dense motion.
    """
    parts = moved_parts(session, source)
    if face is None:
        moving = _moving(parts)
        return _named(parts, {f"part {place}": [number] for place, number in enumerate(moving)})
    areas = face_areas(face, *parts.shape[1:])
    groups: dict[str, list[int]] = {name: [] for name in areas}
    for number in _moving(parts):
        groups[_name_of(parts[number], areas)].append(number)
    return _named(parts, groups)


def group_by_masks(session: AnimationSession, source: PreparedSource, masks: Tensor) -> KeypointGroups:
    """Find what each keypoint of a source moves, and name it by the mask that holds most of that: part 0, part 1, ...

    masks: [P, H, W] in 0..1, over the same image in any size, such as the segments of a part swap model.

    Raises ImageError for other masks, KeypointError for a model without dense motion.
    """
    if masks.ndim != 3 or 0 in masks.shape or not bool(torch.isfinite(masks).all()):
        raise ImageError(f"expected masks [P, H, W] of finite numbers; got {list(masks.shape)}.")
    parts = moved_parts(session, source)
    areas = resize(masks[:, None].float().cpu().clamp(0, 1), parts.shape[1], parts.shape[2])[:, 0]
    shares = parts.flatten(1) @ areas.flatten(1).T  # [K, P]
    groups: dict[str, list[int]] = {f"part {place}": [] for place in range(len(masks))}
    for number in _moving(parts):
        groups[f"part {int(shares[number].argmax())}"].append(number)
    return _named(parts, groups)


def _moving(parts: Tensor) -> list[int]:
    """The keypoints that move something."""
    return (parts.flatten(1).amax(1) >= IDLE).nonzero()[:, 0].tolist()


def _named(parts: Tensor, groups: dict[str, list[int]]) -> KeypointGroups:
    """Groups that have keypoints, and the rest as idle."""
    moving = {number for numbers in groups.values() for number in numbers}
    groups[IDLE_NAME] = [number for number in range(len(parts)) if number not in moving]
    return KeypointGroups({name: tuple(numbers) for name, numbers in groups.items() if numbers}, parts)


def moved_parts(session: AnimationSession, source: PreparedSource) -> Tensor:
    """How far each place of a source follows each keypoint, [K, h, w] in 0..1: the mean of its share in dense motion's
    mask while it alone is moved a little to each side. Raises KeypointError for a model without dense motion.
    """
    count = source.keypoints.count
    angles = torch.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
    steps = STEP * torch.stack((angles.cos(), angles.sin()), 1)
    position = source.keypoints.position.repeat(count * DIRECTIONS, 1, 1)
    for number in range(count):
        position[number * DIRECTIONS : (number + 1) * DIRECTIONS, number] += steps
    moved = replace(source.keypoints.expand(len(position)), position=position)
    masks = []
    for motion in session.motion(source, moved):
        assert motion.mask is not None
        masks.append(motion.mask[:, 1:].float().cpu())
    shares = torch.cat(masks).unflatten(0, (count, DIRECTIONS)).mean(1)  # [K, K, h, w]
    return shares[torch.arange(count), torch.arange(count)]


def face_areas(face: Face, height: int, width: int) -> dict[str, Tensor]:
    """Where mouth (from under the nose to the chin), eyes (from the nose's ridge to the forehead), the rest of the
    head, and the body below it are, each [height, width] bool over the same image; no place is in two.
    """
    scale = np.array([width / face.width, height / face.height])
    points = face.points[:, :2].double().numpy() * scale  # edge-aligned
    down = points[CHIN] - points[FOREHEAD]
    down /= max(float(np.linalg.norm(down)), 1e-6)
    y, x = np.mgrid[:height, :width] + 0.5
    along = x * down[0] + y * down[1]
    inside = _filled(points[list(OVAL)], height, width)
    middle = points[list(OVAL)].mean(0)
    head = _filled(middle + HEAD_SCALE * (points[list(OVAL)] - middle), height, width)

    def beyond(point: int) -> np.ndarray:
        return np.asarray(along >= float(points[point] @ down))

    mouth = inside & beyond(UNDER_NOSE)
    eyes = inside & beyond(FOREHEAD) & ~beyond(NOSE_RIDGE)
    chin = beyond(CHIN)
    areas = {MOUTH: mouth, EYES: eyes, HEAD: head & ~chin & ~mouth & ~eyes, BODY: chin & ~mouth}
    return {name: torch.from_numpy(area) for name, area in areas.items()}


def _name_of(part: Tensor, areas: dict[str, Tensor]) -> str:
    """The area that a keypoint's part belongs to: mouth or eyes where enough of it lies there, else the fullest."""
    total = part.sum().clamp(min=1e-9)
    shares = {name: float((part * area).sum() / total) for name, area in areas.items()}
    own = max((MOUTH, EYES), key=lambda name: shares[name])
    return own if shares[own] >= OWN_SHARE else max((HEAD, BODY), key=lambda name: shares[name])


def _filled(outline: np.ndarray, height: int, width: int) -> np.ndarray:
    canvas = np.zeros((height, width), np.uint8)
    fixed = np.rint((outline - 0.5) * 16).clip(-(1 << 24), 1 << 24).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], (1,), cv2.LINE_8, 4)
    return canvas.astype(bool)
