"""A head in space: its pose from landmarks, and its motion from a track of them.

In a head's own coordinates the unit is the width of the face, x grows to the right of the image, y down and z away
from the viewer, and the origin lies inside the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .landmarks import CHIN, FOREHEAD, LEFT, PAIRS, RIGHT, RIGID

Doubles = npt.NDArray[np.float64]
PIVOT_DEPTH = 0.2
"""How far the origin lies behind the middle of the face's rigid points, in widths of the face."""
SMOOTH_LANDMARKS, SMOOTH_SIZE = 0.8, 2.0
"""Standard deviations over time, in frames."""


@dataclass(frozen=True)
class Pose:
    """The similarity from a head's coordinates to the picture's: p = scale * rotation @ q + shift."""

    scale: float
    rotation: Doubles  # [3, 3]
    shift: Doubles  # [3]

    @classmethod
    def of(cls, landmarks: Doubles) -> Pose:
        """The pose of one face, from its own symmetry: left to right is x, forehead to chin is y."""
        left, right = np.array(PAIRS).T
        x = _unit((landmarks[right] - landmarks[left]).mean(0))
        down = landmarks[CHIN] - landmarks[FOREHEAD]
        y = _unit(down - x * (down @ x))
        rotation = np.stack([x, y, np.cross(x, y)], 1)
        scale = float(np.linalg.norm(landmarks[RIGHT] - landmarks[LEFT]))
        pivot = landmarks[list(RIGID)].mean(0) + scale * PIVOT_DEPTH * rotation[:, 2]
        return cls(scale, rotation, pivot)

    @classmethod
    def between(cls, shape: Doubles, landmarks: Doubles) -> Pose:
        """The pose that brings the points [n, 3] of a head closest to landmarks [n, 3] (Umeyama 1991)."""
        middle, mean = shape.mean(0), landmarks.mean(0)
        centred = shape - middle
        u, singular, v = np.linalg.svd((landmarks - mean).T @ centred)
        signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ v))])  # no mirroring
        rotation = u * signs @ v
        scale = float((singular * signs).sum() / (centred**2).sum())
        return cls(scale, rotation, mean - scale * rotation @ middle)

    def to_picture(self, points: Doubles) -> Doubles:
        """[n, 3] of the head in the image."""
        return self.scale * points @ self.rotation.T + self.shift

    def to_head(self, points: Doubles) -> Doubles:
        """[n, 3] of the image in the head."""
        return (points - self.shift) @ self.rotation / self.scale

    def moved(self, turn: Doubles, shift: Doubles, scale: float) -> Pose:
        """Turned by a rotation vector (radians) in the image, shifted by widths of the face, and scaled."""
        from scipy.spatial.transform import Rotation

        rotation = Rotation.from_rotvec(turn).as_matrix() @ self.rotation
        return Pose(self.scale * scale, rotation, self.shift + self.scale * shift)

    def rotation_vector(self) -> Doubles:
        """Pitch, yaw, roll of a head that is not far from upright: [3] in radians."""
        from scipy.spatial.transform import Rotation

        return np.asarray(Rotation.from_matrix(self.rotation).as_rotvec())


@dataclass(frozen=True)
class Motion:
    """What a head does over a track, free of whose head it is and of what its face does.

    turn: [frames, 3] rotation vectors; shift: [frames, 3] in widths of the face; scale: [frames]. All three are
    against the track's median.
    """

    turn: Doubles
    shift: Doubles
    scale: Doubles

    def __len__(self) -> int:
        return len(self.scale)

    @classmethod
    def of(cls, landmarks: npt.NDArray[np.floating]) -> Motion:
        """The motion in landmarks [frames, 468, 3]."""
        from scipy.ndimage import gaussian_filter1d
        from scipy.spatial.transform import Rotation

        smooth = gaussian_filter1d(landmarks.astype(np.float64), SMOOTH_LANDMARKS, axis=0)
        neutral = np.median([Pose.of(frame).to_head(frame) for frame in smooth], 0)
        rigid = list(RIGID)
        poses = [Pose.between(neutral[rigid], frame[rigid]) for frame in smooth]
        rotations = Rotation.from_matrix(np.stack([pose.rotation for pose in poses]))
        middle = Rotation.from_rotvec(np.median(rotations.as_rotvec(), 0))
        scales = gaussian_filter1d(np.array([pose.scale for pose in poses]), SMOOTH_SIZE)
        shifts = np.stack([pose.shift for pose in poses])
        return cls(
            turn=np.asarray((rotations * middle.inv()).as_rotvec()),
            shift=(shifts - np.median(shifts, 0)) / np.median(scales),
            scale=scales / np.median(scales),
        )

    def at(self, places: Doubles) -> Motion:
        """At places [n] between its frames, 0 to `len - 1`."""
        frames = np.arange(len(self))

        def between(values: Doubles) -> Doubles:
            return np.stack([np.interp(places, frames, column) for column in values.T], 1)

        return Motion(between(self.turn), between(self.shift), between(self.scale[:, None])[:, 0])


def _unit(vector: Doubles) -> Doubles:
    return np.asarray(vector / np.linalg.norm(vector))
