"""What an animation of files is asked for, and what it says of itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from .animation import AnimationOptions, Size
from .detail import DetailMode
from .errors import FommError
from .fitting import FitMode
from .video import Seconds
from .video.pixels import Colour
from .whole import Crop, CropOptions

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are animated.

    animation: how the clip moves the source.
    crop: which part of the picture and of the clip is meant, and whether the result is pasted back into the whole
        picture; by their faces, where they are no close crops already.
    detail: how fine detail of a picture larger than `size` is carried over, see `transfer_detail`; the frames then have
        the resolution of the picture. None: not at all.
    hold: a mask, a picture of the source's shape, white where it shall stand still.
    size: of the frames, see `output_size`; where the picture is cropped, of the square that moves ('source': its own).
    fit: of what is not cropped. A `size` of two unequal sides and another fit than 'crop' say how the whole is to be
        shown: nothing is then cropped automatically.
    background: what a transparent source lies over, RGB of 0..255. None keeps it transparent where the output can be
        (`holds_alpha`), and lays it over white where not.
    start, frames: the part of the driving clip to use: its first frame, and how many, or both in `Seconds`; None is all
        of them.
    fps: of the result. Movement keeps its pace: it is interpolated between the driving frames by their true times. None
        keeps their rate; where frames are uneven, that of most of them (`common_rate`). 'keep' gives each frame of the
        result the time of its driving frame, in files that can hold it.
    audio: carry the driving clip's sound over. quality: 0 to 100, see `VideoWriter`.
    compare: show source | driving | result side by side; of a cropped clip, the square that drives.
    occlusion: a second video to write, white where the source does not show what is needed.
    keypoints: a file to save the driving performance to. It is written as soon as the clip is detected.
    anchor_picture: a picture of the driver in the source's pose, which is the anchor of relative mode in place of a
        frame of the clip.
    overwrite: replace files that exist; otherwise they are an error, before any work is done.
    """

    animation: AnimationOptions = field(default_factory=AnimationOptions)
    crop: CropOptions = field(default_factory=CropOptions)
    detail: DetailMode | None = None
    hold: PathLike | None = None
    size: Size = "auto"
    fit: FitMode = "crop"
    background: Colour | None = None
    start: int | Seconds = 0
    frames: int | Seconds | None = None
    fps: Fraction | Literal["keep"] | None = None
    audio: bool = True
    quality: int = 80
    compare: bool = False
    occlusion: PathLike | None = None
    keypoints: PathLike | None = None
    anchor_picture: PathLike | None = None
    overwrite: bool = False

    @property
    def cropping(self) -> CropOptions:
        """`crop`, with what `size` and `fit` say of it."""
        uneven = isinstance(self.size, tuple) and self.size[0] != self.size[1]
        if not uneven and self.fit == "crop":
            return self.crop
        source: Crop = "off" if self.crop.source == "auto" else self.crop.source
        driving: Crop = "off" if self.crop.driving == "auto" else self.crop.driving
        return replace(self.crop, source=source, driving=driving)


@dataclass(frozen=True)
class Progress:
    """What `on_progress` hears after each chunk. total: an estimate until rendering; None where nothing is known."""

    stage: Literal["track", "detect", "render", "rebuild"]
    done: int
    total: int | None


@dataclass(frozen=True)
class Report:
    """What was written. size: (height, width) of the frames. anchor: the driving frame taken as the source's pose;
    None in absolute mode. warnings: what was wrong with the files and could be lived with. found: the faces in picture
    and clip, in words; empty where none were looked for. pasted: whether the frames are the whole picture.
    """

    output: Path
    frames: int
    size: tuple[int, int]
    fps: Fraction
    anchor: int | None
    seconds: float
    warnings: tuple[str, ...]
    found: str = ""
    pasted: bool = False


OnProgress = Callable[[Progress], None]


def check_files(inputs: Iterable[PathLike | None], output: PathLike, options: FileOptions) -> None:
    """Raise FommError, before any work is done, where a file would be lost: written while it is read, written twice,
    or there already and not to be overwritten.
    """
    read = {Path(path).resolve() for path in inputs if path is not None}
    written: set[Path] = set()
    for path in (Path(name) for name in (output, options.occlusion, options.keypoints) if name is not None):
        if path.resolve() in read:
            raise FommError(f"expected another name to write to than what is read; got '{path}' for both.")
        if path.resolve() in written:
            raise FommError(f"expected a name of its own for each file to write; got '{path}' twice.")
        if path.is_file() and not options.overwrite:
            raise FommError(
                f"expected a new name to write to; '{path}' exists already. Choose another, or allow it to be "
                "overwritten (-y)."
            )
        written.add(path.resolve())
