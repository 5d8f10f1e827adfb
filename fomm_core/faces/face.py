"""Face: what is known of one face in one image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..region import Framing, Region, framed
from . import measures

BOX_SCALE = 0.95
BOX_SHIFT = 0.03


@dataclass(frozen=True, eq=False)
class Face:
    """One face: CPU, float32, in pixels of the whole image, edge-aligned (a pixel's centre is at + 0.5).

    points:   [468, 3], the mesh in MediaPipe's numbering; z on the scale of x, smaller is nearer.
    score:    the detector's certainty, 0..1; that of the frame in which it was last asked, in a clip.
    presence: the mesh's certainty that this is a face, 0..1.
    lids:     [2, 71, 3], contours of both eyes (the one at the picture's left first), the lids being points 0 to 15;
              None where the eyes were not looked at.
    irises:   [2, 5, 3], centre and four points of each iris; None likewise.
    height, width: the size of the image.
    """

    points: Tensor
    score: float
    presence: float
    height: int
    width: int
    lids: Tensor | None = None
    irises: Tensor | None = None

    @property
    def roll(self) -> float:
        """How far the head is tilted, in radians, positive clockwise on a screen."""
        return float(measures.roll(self.points))

    @property
    def turn(self) -> float:
        """How far the head is turned aside, -1..1 (`measures.turn`)."""
        return float(measures.turn(self.points))

    @property
    def mouth_opening(self) -> float:
        """The gap between the lips over the mouth's width."""
        return float(measures.mouth_opening(self.points))

    @property
    def eye_opening(self) -> tuple[float, float] | None:
        """The gap between the lids over the eye's width, of the eye at the picture's left and of the other; None where
        the eyes were not looked at.
        """
        if self.lids is None:
            return None
        left, right = measures.eye_opening(self.lids).tolist()
        return left, right

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the upright square around the face, from the brows to the chin; may reach over
        the picture's border.
        """
        x, y, side = face_squares(self.points[None])[0].tolist()
        return x - side / 2, y - side / 2, side, side

    @property
    def size(self) -> float:
        """The side of `box` in pixels."""
        return self.box[2]

    def region(self, framing: Framing | None = None, *, level: bool = False) -> Region:
        """The square around the face, or the larger one in which the face lies as `framing` says.

        level: turned with the head, so that its eyes are level in the crop; otherwise upright.

        Raises RegionError where a face at the border leaves the square outside the image.
        """
        x, y, side = face_squares(self.points[None])[0].tolist()
        angle = self.roll if level else 0.0
        square = Region(torch.tensor([[x, y]]), torch.tensor([side]), torch.tensor([angle]), self.height, self.width)
        return square if framing is None else framed(square, framing)


def face_squares(points: Tensor) -> Tensor:
    """Meshes [T, 468, 2 or 3] to the squares around them, [T, 3]: centre x, y and side.

    The detector's box, as the mesh knows it: their ratio and distance are those of the mean over real clips, so that
    shares of a crop can be stated once for both.
    """
    low, high = points[..., :2].amin(-2), points[..., :2].amax(-2)
    side = (high - low).amax(-1)
    centre = (low + high) / 2
    centre = torch.stack((centre[..., 0], centre[..., 1] + BOX_SHIFT * side), -1)
    return torch.cat((centre, side[..., None] * BOX_SCALE), -1)
