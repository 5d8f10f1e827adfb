"""Following faces through a clip, frame by frame; only a few numbers of each frame are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ..errors import ImageError
from ..video.shots import ShotFinder, small_frame
from .face import Face, face_squares
from .finder import PRESENCE, FaceFinder, Tiles, mesh_squares
from .measures import mouth_opening, roll, turn
from .track import Track
from .views import Frame, as_frame, frame_size

Which = Literal["largest", "left", "right", "middle", "all"]
WHICH: tuple[Which, ...] = get_args(Which)
LONGEST_WAIT = 8
"""A face that is gone is looked for in each frame at first, then more and more rarely, at least so often."""
TILES_EVERY = 50
"""Frames between looks for small faces, which take as long as following one for thirty frames."""
SHORTEST = 3
"""Frames in which a face has to be seen to be one: what shows up once is a pattern in the background."""
NEWCOMERS = 25
"""Frames between looks for faces that come later, where all are followed."""
REACH = 2.0
"""A face found again is the one that was lost where its centre lies within so many of its sides."""
LONG_GONE = 12
"""Frames of absence after which one face is chosen anew: the one that left may come back elsewhere."""
MOST_TRACKS = 16


@dataclass(frozen=True, eq=False)
class Tracking:
    """The faces of a clip, in the order in which they were asked for; none is an empty tuple.

    frames: how many the clip has.
    shots:  the first frame of each shot, 0 first.
    """

    tracks: tuple[Track, ...]
    frames: int
    shots: tuple[int, ...]

    def summary(self) -> str:
        """What was found, in words: "1 face, tracked 472 of 472 frames"."""
        shots = "" if len(self.shots) < 2 else f", {len(self.shots)} shots"
        if not self.tracks:
            return f"no face in {self.frames} frames{shots}"
        counts = ", ".join(str(int(track.found.sum())) for track in self.tracks)
        faces = "1 face" if len(self.tracks) == 1 else f"{len(self.tracks)} faces"
        return f"{faces}, tracked {counts} of {self.frames} frames{shots}"


class FaceTracker:
    """Follows one face or all through the frames that it is given, one after the other.

    The mesh of each frame says where to look in the next; the detector is asked only where there is no mesh to go on
    with: at first, when a face is lost, and when a new shot seems to begin.

    which: 'largest', 'left', 'right', 'middle' (nearest to the picture's middle) or 'all', in the first frame that
        shows any; or a number from 0, counted from left to right, of the first frame that shows so many. In a new
        shot, and after a long absence, one face is chosen anew. 'all' are ordered by size and joined by those that
        come later.
    eyes: look at the lids too, 5 ms a face and frame.

    Raises ImageError for another `which`.
    """

    def __init__(self, finder: FaceFinder | None = None, *, which: Which | int = "largest", eyes: bool = False) -> None:
        if which not in WHICH and (isinstance(which, (str, bool)) or not isinstance(which, int) or which < 0):
            raise ImageError(f"expected a face out of {', '.join(WHICH)}, or its number from 0; got {which!r}")
        self.finder = finder or FaceFinder()
        self.which, self.eyes = which, eyes
        self.size: tuple[int, int] | None = None
        self._shots = ShotFinder()
        self._count = 0
        self._slots: list[_Slot] = []
        self._next_search, self._wait, self._next_tiles = 0, 1, 0

    @torch.inference_mode()
    def add(self, image: Frame) -> tuple[Face | None, ...]:
        """Take the next frame; the followed faces in it, None for one that is not seen.

        Raises ImageError for anything else than an image, or one of another size than those before.
        """
        frame = as_frame(image)
        size = frame_size(frame)
        if self.size is None:
            self.size = size
        if size != self.size:
            raise ImageError(f"expected frames of one size, {self.size[1]}x{self.size[0]}; got {size[1]}x{size[0]}.")
        jumps = self._shots.add(_bytes_of(frame))
        self._follow(frame)
        if jumps:
            self._next_search, self._wait = self._count, 1
        lost = not self._slots or any(slot.face is None for slot in self._slots)
        newcomers = self.which == "all" and self._count % NEWCOMERS == 0
        if newcomers or ((lost or jumps) and self._count >= self._next_search):
            self._look(frame, jumps)
        if not lost:
            self._wait = 1
        faces = tuple(self._with_eyes(frame, slot) for slot in self._slots)
        for slot, face in zip(self._slots, faces, strict=True):
            slot.add(face, self._count)
        self._count += 1
        return faces

    def finish(self, times: Sequence[float] | Tensor | None = None) -> Tracking:
        """What was followed until now; `times` are the seconds of the frames.

        Raises ImageError where no frame was given, or not as many times as frames.
        """
        if self.size is None:
            raise ImageError("expected a clip of one frame or more; got none.")
        moments = None if times is None else torch.as_tensor(times, dtype=torch.float64)
        if moments is not None and len(moments) != self._count:
            raise ImageError(f"expected a time for each of {self._count} frames; got {len(moments)}.")
        shots = self._shots.starts
        real = [slot for slot in self._slots if slot.seen >= min(SHORTEST, self._count)]
        tracks = tuple(slot.track(self._count, self.size, shots, moments, eyes=self.eyes) for slot in real)
        return Tracking(tracks, self._count, shots)

    def _follow(self, frame: Frame) -> None:
        """The mesh of each followed face, from where it was in the last frame."""
        seen = [slot for slot in self._slots if slot.face is not None]
        if not seen:
            return
        where = mesh_squares(torch.stack([slot.face.points for slot in seen if slot.face is not None]))
        points, presence = self.finder.mesh(frame, where)
        for slot, mesh, certain in zip(seen, points, presence.tolist(), strict=True):
            if certain > PRESENCE and slot.face is not None:
                slot.face = Face(mesh, slot.face.score, certain, *frame_size(frame))
            else:
                slot.face = None
                self._next_search, self._wait = self._count, 1
        held = [slot for slot in seen if slot.face is not None]
        for i, slot in enumerate(held):  # two that run into each other: the longer known one stays
            if any(other.face is not None and _same(slot.face, other.face) for other in held[:i]):
                slot.face = None

    def _look(self, frame: Frame, jumps: bool) -> None:
        """Ask the detector."""
        tiles: Tiles = "needed" if self._count >= self._next_tiles else "never"
        if tiles == "needed":
            self._next_tiles = self._count + TILES_EVERY
        faces = list(self.finder.find(frame, tiles=tiles))
        if self.which != "all":
            self._choose(faces, jumps)
        else:
            self._match([face for face in faces if not any(_same(face, slot.face) for slot in self._slots)], jumps)
        self._wait = min(self._wait * 2, LONGEST_WAIT)
        self._next_search = self._count + self._wait

    def _choose(self, faces: list[Face], jumps: bool) -> None:
        """The one followed face: anew in a new shot and after a long absence, otherwise by its place."""
        if not self._slots:
            if (first := choose(faces, self.which)) is not None:
                self._slots.append(_Slot(first, self._count))
            return
        slot = self._slots[0]
        if jumps or self._count - slot.last_seen > LONG_GONE:
            slot.face = choose(faces, self.which) or slot.face
        elif slot.face is None:
            near = min(faces, key=slot.distance, default=None)
            slot.face = near if near is not None and slot.distance(near) < REACH else None

    def _match(self, faces: list[Face], jumps: bool) -> None:
        """All faces: lost ones by their place (in a new shot wherever they are), the others as newcomers."""
        for slot in (slot for slot in self._slots if slot.face is None):
            near = min(faces, key=slot.distance, default=None)
            if near is not None and (jumps or slot.distance(near) < REACH):
                slot.face = near
                faces.remove(near)
        room = max(MOST_TRACKS - len(self._slots), 0)
        self._slots += [_Slot(face, self._count) for face in faces[:room]]

    def _with_eyes(self, frame: Frame, slot: _Slot) -> Face | None:
        return self.finder.with_eyes(frame, slot.face) if self.eyes and slot.face is not None else slot.face


def track(
    frames: Iterable[Frame],
    *,
    finder: FaceFinder | None = None,
    which: Which | int = "largest",
    eyes: bool = False,
    times: Sequence[float] | Tensor | None = None,
) -> Tracking:
    """Follow one face or all through a clip, in one pass that holds no frames; `FaceTracker` says how.

    Frames are uint8 [H, W, 3] or float tensors [3, H, W], all of one size. A clip without any face gives no tracks.

    Raises ImageError as `FaceTracker` does.
    """
    tracker = FaceTracker(finder, which=which, eyes=eyes)
    for frame in frames:
        tracker.add(frame)
    return tracker.finish(times)


def choose(faces: Sequence[Face], which: Which | int) -> Face | None:
    """One face of an image, as `FaceTracker` names them ('all' is the largest); None where there are too few."""
    if not faces:
        return None
    by_place = sorted(faces, key=lambda face: face.box[0] + face.size / 2)
    if isinstance(which, int):
        return by_place[which] if which < len(by_place) else None
    if which in ("left", "right"):
        return by_place[0 if which == "left" else -1]
    if which == "middle":
        return min(faces, key=_from_middle)
    return max(faces, key=lambda face: face.size)


class _Slot:
    """One followed face: where it is, and its numbers until now."""

    def __init__(self, face: Face, frame: int) -> None:
        self.face: Face | None = face
        self.last_seen = frame
        self._last = face
        self._frames: list[int] = []
        self._rows: list[Tensor] = []

    def add(self, face: Face | None, frame: int) -> None:
        if face is None:
            return
        self._last, self.last_seen = face, frame
        points = face.points
        lids = (torch.nan, torch.nan) if face.eye_opening is None else face.eye_opening
        numbers = [float(roll(points)), float(turn(points)), float(mouth_opening(points)), face.presence, *lids]
        self._frames.append(frame)
        self._rows.append(torch.cat((face_squares(points), torch.tensor(numbers))))

    @property
    def seen(self) -> int:
        """In how many frames it was found."""
        return len(self._frames)

    def distance(self, face: Face) -> float:
        """From where the face was last, in sides of it."""
        now, last = face_squares(face.points), face_squares(self._last.points)
        return float((now[:2] - last[:2]).norm() / torch.maximum(now[2], last[2]))

    def track(
        self, count: int, size: tuple[int, int], shots: tuple[int, ...], times: Tensor | None, *, eyes: bool
    ) -> Track:
        rows = torch.full((count, 9), torch.nan)
        found = torch.zeros(count, dtype=torch.bool)
        if self._rows:
            rows[self._frames] = torch.stack(self._rows)
            found[self._frames] = True
        return Track(
            found=found,
            square=rows[:, :3],
            roll=rows[:, 3],
            turn=rows[:, 4],
            mouth=rows[:, 5],
            eyes=rows[:, 7:] if eyes else None,
            presence=rows[:, 6],
            height=size[0],
            width=size[1],
            shots=shots,
            times=times,
        )


def _same(a: Face | None, b: Face | None) -> bool:
    """Whether two faces of one image are the same: their centres lie within half of the smaller one's side."""
    if a is None or b is None:
        return False
    first, second = face_squares(a.points), face_squares(b.points)
    return float((first[:2] - second[:2]).norm()) < 0.5 * float(torch.minimum(first[2], second[2]))


def _from_middle(face: Face) -> float:
    x, y, side, _ = face.box
    return (x + side / 2 - face.width / 2) ** 2 + (y + side / 2 - face.height / 2) ** 2


def _bytes_of(frame: Frame) -> np.ndarray:
    """A frame for the finder of shots, whose size does not matter."""
    if isinstance(frame, Tensor):
        small = frame[:, :: max(1, frame.shape[1] // 384), :: max(1, frame.shape[2] // 512)]
        return (small.permute(1, 2, 0) * 255).round().clamp(0, 255).to("cpu", torch.uint8).numpy()
    return small_frame(frame)
