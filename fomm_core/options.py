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
from .files import check_new
from .fitting import FitMode
from .video import Seconds
from .video.codecs import check_encoder
from .video.pixels import Colour
from .whole import Crop, CropOptions

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are animated.

    Attributes:
        animation: How the clip moves the source.
        crop: Which part of the image and of the clip is used, and whether the result is pasted back into the whole
            image; by default, the squares around their faces, unless they are close crops already.
        detail: How fine detail of an image larger than `size` is carried over (see `transfer_detail`); the frames then
            have the resolution of the image. None leaves it out.
        hold: A mask image of the source's shape, white for what must not move.
        size: The size of the frames (see `animation.output_size`); of a cropped image, the size of the square that
            moves ("source": its own).
        fit: How what is not cropped is fitted: "crop", "pad" or "stretch". A `size` of two unequal sides, or a fit
            other than "crop", says how the whole is to be shown: nothing is then cropped automatically.
        background: The RGB colour in 0..255 that a transparent source is laid over. None keeps it transparent if the
            output can hold that (`holds_alpha`), and uses white otherwise.
        start: The first driving frame to use, by number, or by time as `Seconds`.
        frames: How many driving frames or `Seconds` to use; None for all of them.
        fps: The frame rate of the result. Motion keeps its pace: it is interpolated between the driving frames by their
            true times. None keeps their rate; if frames are uneven, that of most of them (`common_rate`). "keep" gives
            each frame of the result the time of its driving frame, in files that can hold it.
        audio: Carry the driving clip's audio over.
        quality: 0 to 100; see `VideoWriter`.
        compare: Show source, driving frame and result side by side; of a cropped clip, the square that drives.
        occlusion: A second video to write, white where the source does not show what is needed.
        keypoints: A file to save the driving performance to. It is written as soon as the clip is detected.
        anchor_picture: An image of the driver in the source's pose: the anchor of relative mode, in place of a frame
            of the clip.
        overwrite: Replace files that exist; otherwise they are an error, raised before any work is done.
        encoder: Of the result: "auto", "av1", "nvenc", "qsv", "amf" or "videotoolbox"; see `VideoWriter`.

    Example:
        >>> from fomm_nodes.fomm_core.options import FileOptions
        >>> FileOptions(size=512, compare=True).audio
        True
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
    encoder: str = "auto"

    @property
    def cropping(self) -> CropOptions:
        """`crop`, with the consequences of `size` and `fit`."""
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
    None in absolute mode. warnings: what was wrong with the files and could be lived with. found: the faces in image
    and clip, in words; empty where none were looked for. pasted: whether the frames are the whole image.
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
    or there already and not to be overwritten; or where it cannot hold what the encoder makes.
    """
    check_encoder(options.encoder, Path(output).suffix.lower())
    read = {Path(path).resolve() for path in inputs if path is not None}
    written: set[Path] = set()
    for path in (Path(name) for name in (output, options.occlusion, options.keypoints) if name is not None):
        if path.resolve() in read:
            raise FommError(f"expected another name to write to than what is read; got '{path}' for both.")
        if path.resolve() in written:
            raise FommError(f"expected a name of its own for each file to write; got '{path}' twice.")
        check_new(path, overwrite=options.overwrite, folders=True)
        written.add(path.resolve())
