"""A face followed through a clip: its landmarks in each frame, cut where the scene or the face changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.faces import FaceFinder as Measurer
from fomm_nodes.fomm_core.files import atomic_path
from fomm_nodes.fomm_core.video import VideoReader

from .clips import Pixels
from .faces import LANDMARKS, LEAST_SCORE, Face, FaceFinder, Floats, found_in
from .topology import FILE, Triangles, face_triangles

FEWEST_FRAMES = 16
PROBES, PROBES_WITH_FACE, LEAST_PROBE_SHARE = 6, 4, 0.2
"""Of six frames spread over a clip, four have to show a face of a fifth of the image."""
SCENE_CHANGE = 28
"""Mean difference, in 8-bit steps, of two successive frames as thumbnails."""
LARGEST_JUMP = 0.12
"""Of a face between two frames, against the side of its region."""
_THUMBNAIL = (32, 32)


@dataclass(frozen=True)
class Track:
    """Successive frames of one scene with one face.

    file: the clip; size: (height, width) of its frames; start: the first frame's number in it.
    landmarks: [frames, 468, 3] in pixels.
    """

    file: Path
    size: tuple[int, int]
    start: int
    landmarks: Floats

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def face_share(self) -> float:
        """The face's mean extent against the longer side of the frame."""
        flat = self.landmarks[..., :2]
        return float((flat.max(1) - flat.min(1)).max(1).mean()) / max(self.size)


class Tracker:
    """Tracks of files, kept in a folder once they were made, and the networks, made when they are first needed."""

    def __init__(self, models: Sequence[Path], cache: Path) -> None:
        self._models = models
        self._cache = cache
        self._finder: FaceFinder | None = None
        self._measurer: Measurer | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the networks, which another process makes for itself."""
        return {**self.__dict__, "_finder": None, "_measurer": None}

    @property
    def finder(self) -> FaceFinder:
        """The networks."""
        if self._finder is None:
            self._finder = FaceFinder(*self._models)
        return self._finder

    @property
    def measurer(self) -> Measurer:
        """The networks that see eyes too."""
        if self._measurer is None:
            self._measurer = Measurer()
        return self._measurer

    @property
    def triangles(self) -> Triangles:
        """Of the landmarks. Raises DataError where the file that tells them is not there."""
        return face_triangles(found_in(self._models, FILE))

    def tracks(self, path: Path) -> list[Track]:
        """The faces of an animated file; none where it is a still, cannot be read, or shows no large face."""
        stored = self._cache / f"{_digest(path)}.npz"
        if not stored.is_file():
            self._store(stored, self._found(path))
        with np.load(stored, allow_pickle=False) as arrays:
            size = (int(arrays["size"][0]), int(arrays["size"][1]))
            parts = np.split(arrays["landmarks"], np.cumsum(arrays["lengths"])[:-1]) if len(arrays["starts"]) else []
            return [Track(path, size, int(at), part) for at, part in zip(arrays["starts"], parts, strict=True)]

    def _found(self, path: Path) -> list[Track]:
        try:
            with VideoReader(path) as frames:
                return follow(self.finder, path, frames) if self._shows_face(frames) else []
        except ImageError:
            return []

    def _shows_face(self, frames: VideoReader) -> bool:
        count = frames.count()
        if count < FEWEST_FRAMES:
            return False
        probes = frames.at(np.linspace(0, count - 1, PROBES).astype(int).tolist())
        faces = [face for frame in probes if (face := self.finder.face(frame)) and face.score > LEAST_SCORE]
        shares = [face.extent / max(probes[0].shape[:2]) for face in faces]
        return len(faces) >= PROBES_WITH_FACE and float(np.mean(shares)) >= LEAST_PROBE_SHARE

    def _store(self, target: Path, tracks: list[Track]) -> None:
        landmarks = [track.landmarks for track in tracks] or [np.zeros((0, LANDMARKS, 3), np.float32)]
        with atomic_path(target) as temporary:
            np.savez_compressed(
                temporary,
                size=np.array(tracks[0].size if tracks else (0, 0)),
                starts=np.array([track.start for track in tracks], int),
                lengths=np.array([len(track) for track in tracks], int),
                landmarks=np.concatenate(landmarks),
            )


def follow(finder: FaceFinder, path: Path, frames: Iterable[Pixels]) -> list[Track]:
    """The tracks of a clip that are long enough."""
    tracks: list[Track] = []
    current: list[Face] = []
    size = (0, 0)
    end = 0
    for end, (frame, changed) in enumerate(_with_changes(frames)):
        size = (frame.shape[0], frame.shape[1])
        goes_on = bool(current) and not changed
        face = finder.face(frame, current[-1].region() if goes_on else None)
        if face is not None and face.score <= LEAST_SCORE:
            face = None
        if not goes_on or face is None or _jumps(current[-1], face):
            tracks += _track(path, size, end, current)
            current = []
        if face is not None:
            current.append(face)
    return tracks + _track(path, size, end + 1, current)


def _track(path: Path, size: tuple[int, int], end: int, faces: list[Face]) -> list[Track]:
    """One, ending before frame `end`, or none where it is too short."""
    if len(faces) < FEWEST_FRAMES:
        return []
    return [Track(path, size, end - len(faces), np.stack([face.landmarks for face in faces]))]


def _with_changes(frames: Iterable[Pixels]) -> Iterator[tuple[Pixels, bool]]:
    """Each frame, and whether a scene begins with it."""
    import cv2

    before: Floats | None = None
    for frame in frames:
        thumbnail = cv2.resize(frame, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        yield frame, before is None or float(np.abs(thumbnail - before).mean()) > SCENE_CHANGE
        before = thumbnail


def _jumps(before: Face, after: Face) -> bool:
    way = np.linalg.norm(after.landmarks[:, :2].mean(0) - before.landmarks[:, :2].mean(0))
    return float(way) > LARGEST_JUMP * before.region().side


def _digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
