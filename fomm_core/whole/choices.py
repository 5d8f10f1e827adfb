"""What part of an image and of a clip is to be animated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import RegionError
from ..faces import WHICH
from ..region import DEFAULT_FEATHER, Framing, Region, region_at
from ..region.feather import check_feather

ROOM = 1.15
"""Of a face at rest and of heads that turn, hair stays out of the feather with this; more costs sharpness."""


PLACE = "X,Y,SIDE"
"""How messages write a square: its middle and its side."""


@dataclass(frozen=True)
class Square:
    """A square by numbers: its middle and side in pixels of the whole image, its angle in degrees clockwise."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def region(self, height: int, width: int) -> Region:
        """As a region of an image of that size; raises RegionError where it lies outside."""
        return region_at(self.x, self.y, self.side, math.radians(self.angle), height=height, width=width)


WORDS = ("auto", "off", "face", "person")

Crop = Literal["auto", "off", "face", "person"] | Square | Region
"""auto: by the face, where the image is not a close square crop of one already and the model is one of faces. off:
the image as it is, fitted. face: by the face in any case. person: by the whole body; of a clip, also where `auto` is
left to follow the image. Or a certain square, or one for each frame."""


@dataclass(frozen=True, kw_only=True)
class CropOptions:
    """Which part of the image moves, and which part of the clip moves it.

    source, driving: see `Crop`. A `Region` for the clip has one square, or one for each frame.
    face: of the picture: a word of `faces.WHICH` ('all' animates each of them), or a number from 0, counted from left
        to right.
    paste: lay the result back into the whole image; otherwise the frames show the square alone.
    follow: the clip's square follows the face, which then keeps its place; otherwise it stands still in each shot, and
        the face moves inside of it, as models want it.
    feather: of the paste, see `region.coverage`.
    room: both squares have sides so many times as long as the model expects where the result is pasted: hair that moves
        within the feather would leave its still self behind.

    Raises RegionError for another word, a feather outside 0..0.5, or a room below 1.
    """

    source: Crop = "auto"
    driving: Crop = "auto"
    face: str | int = "largest"
    paste: bool = True
    follow: bool = False
    feather: float = DEFAULT_FEATHER
    room: float = ROOM

    def __post_init__(self) -> None:
        for crop in (self.source, self.driving):
            if isinstance(crop, str) and crop not in WORDS:
                raise RegionError(f"expected a crop {', '.join(WORDS)} or a square; got {crop!r}")
        known = self.face in WHICH if isinstance(self.face, str) else self.face >= 0
        if not known or isinstance(self.face, bool):
            raise RegionError(f"expected a face out of {', '.join(WHICH)}, or its number from 0; got {self.face!r}")
        if not 1 <= self.room <= 4:
            raise RegionError(f"expected a room of 1 to 4 times the square; got {self.room}")
        if self.source == "person" and self.face != "largest":
            raise RegionError(f"expected no choice of a face for the square of a person; got {self.face!r}")
        if self.source == "person" and self.driving == "auto":
            object.__setattr__(self, "driving", "person")
        check_feather(self.feather)

    def close(self) -> CropOptions:
        """The same, with squares as the model expects them."""
        return replace(self, room=1.0)

    def roomy(self, framing: Framing) -> Framing:
        """What the model expects, with that room around."""
        return replace(framing, share=framing.share / self.room)
