"""The work behind Animate and Animate to Video: from their inputs to a stream of frames."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from ...fomm_core.animation import AnimationOptions, anchor_index, drive, drive_each, prepare_source
from ...fomm_core.errors import ImageError, RegionError
from ...fomm_core.fitting import FitMode, dimmed, undimmed
from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import TransferOptions, rate_of, resample
from ...fomm_core.region import Region, crop
from ...fomm_core.session import AnimationSession, Rendered
from ...fomm_core.video import frame_rate as exact_rate
from ..spec import FrameStream, Host
from .border import STILL_FPS, Sizing, anchor_of, images_from_graph, jacobian_of, with_mask
from .clips import Fitting, OnProgress, detect, first_frame, open_clip
from .crop_paste import size_for
from .several import Regions, each
from .source_clip import SourceClip


@dataclass(frozen=True)
class Settings:
    """The values of the ports that both blocks share."""

    size: str
    fit: FitMode
    mode: str
    strength: float
    anchor: str
    smoothing: str
    precision: str
    width: int
    height: int
    anchor_frame: int
    relative_jacobian: str
    adapt_scale: bool
    source_region: Regions | None
    driving_region: Regions | None
    mismatch: str

    def options(self) -> AnimationOptions:
        """As the core takes them."""
        carry = TransferOptions(
            self.mode,  # type: ignore[arg-type]
            jacobian_of(self.relative_jacobian),
            self.adapt_scale,
            self.strength,
        )
        return AnimationOptions(
            transfer=carry,
            anchor=anchor_of(self.anchor, self.anchor_frame),
            smoothing=self.smoothing,  # type: ignore[arg-type]
        )

    def faces(self) -> tuple[Region | None, ...]:
        """The squares of the source that move, one for each face."""
        return (None,) if self.source_region is None else each(self.source_region)

    def drivers(self) -> tuple[Region | None, ...]:
        """The squares of the driver, one for each face or one for all. Raises RegionError for another number."""
        drivers = (None,) if self.driving_region is None else each(self.driving_region)
        if len(drivers) not in (1, faces := len(self.faces())):
            raise RegionError(
                f"expected one driving face, or one for each of {faces} in the source; got {len(drivers)}. Choose one "
                "of them in the driver's Find Region."
            )
        return drivers


@dataclass(frozen=True, eq=False)
class PreparedAnimation:
    """An animation that is ready to be rendered: all keypoints are known.

    keypoints: of each face, T frames. frames: those of the first face, then those of the next. before: the parts of
    the work that are done, each of them as long as the rendering; for the host's bar.
    """

    keypoints: tuple[Keypoints, ...]
    size: tuple[int, int]
    fps: Fraction
    frames: Iterator[Rendered]
    before: int

    def __len__(self) -> int:
        """Of all faces."""
        return sum(map(len, self.keypoints))

    @property
    def count(self) -> int:
        """Frames of the clip."""
        return len(self.keypoints[0])

    def report_progress(self, host: Host, done: int, preview: Tensor) -> None:
        """Say how many frames there are."""
        host.progress(self.before * len(self) + done, (self.before + 1) * len(self), preview)


Mover = Callable[[Keypoints, Fraction, Fraction], tuple[Keypoints, Iterator[Rendered]]]
"""From the driver's keypoints, their rate and that of the result to one face's keypoints, and its frames."""


@dataclass(frozen=True, eq=False)
class _Work:
    """What all faces of one run share."""

    host: Host
    held: Any
    session: AnimationSession
    fitting: Fitting
    settings: Settings
    parts: int

    def detected(
        self, value: Any, clip: FrameStream, region: Region | None, part: int, *, even: bool = False
    ) -> tuple[Keypoints, Fraction, bool]:
        """Keypoints, rate, and whether the clip has one of its own, as `detect` finds them in `value`, opened as
        `clip`; at once where the host knows them.
        """

        def make() -> tuple[Keypoints, Fraction, bool]:
            timed = clip.timed
            return *detect(self.session, clip, self.fitting, self.report(part), region, even=even), timed

        values = [value] if region is None else [value, region]
        return self.host.remember(self.held, values, ("detected", self.settings.precision, self.fitting, even), make)

    def report(self, part: int) -> OnProgress:
        """Of one part of so many that are as long as each other."""
        return lambda done, total: self.host.progress(part * total + done, self.parts * total)


def begin(
    host: Host,
    stack: ExitStack,
    held: Any,
    source: Any,
    driving: Any,
    settings: Settings,
    frame_rate: float = 0.0,
    mask: Tensor | None = None,
) -> tuple[PreparedAnimation, FrameStream | None]:
    """Detect the clips, transfer the motion, and start the stream of frames. Clips stay open as long as `stack`.

    frame_rate: of the result, 0 for the driver's own. A video keeps its pace, and so do keypoints with times; images
        and other keypoints have none, and are played at this one, or at 25.
    mask: white where the source is transparent.

    Returns the job, and the driving clip, None for keypoints.
    """
    faces, drivers = settings.faces(), settings.drivers()
    clip = stack.enter_context(open_clip(host, source, "source"))
    still = clip.length == 1 and not clip.timed
    picture = images_from_graph(source, "source") if still else first_frame(clip)
    size = _frame_size(held.model.config, picture, settings)
    fitting = Fitting(size, held.model.config.nearest_size(*size), settings.fit)
    session = host.session(held, precision=settings.precision, size=fitting.working)
    moved = driving if isinstance(driving, Keypoints) else stack.enter_context(open_clip(host, driving, "driving"))
    parts = (0 if still else len(faces)) + (1 if isinstance(moved, Keypoints) else len(drivers)) + 1
    work = _Work(host, held, session, fitting, settings, parts)
    if still:
        whole = with_mask(picture, mask)
        movers = [_of_picture(work, whole, face) for face in faces]
    else:
        if mask is not None and bool(mask.any()):
            raise ImageError("“mask”: expected none if the source is a clip: masks work with a single image.")
        movers = [_of_clip(work, source, clip, face, part) for part, face in enumerate(faces)]
    found = _drivers(work, driving, moved, drivers, parts - 1 - len(drivers))
    wished = exact_rate(frame_rate) if frame_rate else None
    keypoints, streams = [], []
    for number, mover in enumerate(movers):
        driver, own = found[number if len(found) > 1 else 0]
        rate = own or wished or exact_rate(STILL_FPS)
        fps = wished or rate
        some, frames = mover(driver, rate, fps)
        keypoints.append(some)
        streams.append(frames)
    job = PreparedAnimation(tuple(keypoints), size, fps, chain.from_iterable(streams), parts - 1)
    return job, None if isinstance(moved, Keypoints) else moved


def _frame_size(config: Any, picture: Tensor, settings: Settings) -> tuple[int, int]:
    """(height, width) of the frames; “picture” is the square's own size where there is one."""
    if settings.source_region is not None:
        side = size_for(settings.source_region)
        picture = torch.empty(1, 1, side, side)
    return Sizing(settings.size, settings.width, settings.height, settings.fit).frame_size(config, picture)


def _drivers(
    work: _Work, value: Any, driving: Keypoints | FrameStream, regions: Sequence[Region | None], before: int
) -> list[tuple[Keypoints, Fraction | None]]:
    """The keypoints of each driving face, and their rate where they have one."""
    if isinstance(driving, Keypoints):
        return [(driving, rate_of(driving))]
    found: list[tuple[Keypoints, Fraction | None]] = []
    for number, region in enumerate(regions):
        keypoints, rate, timed = work.detected(value, driving, region, before + number)
        found.append((keypoints, rate if timed else None))
    return found


def _of_picture(work: _Work, picture: Tensor, region: Region | None) -> Mover:
    if region is not None:
        picture = _cropped(picture, region, max(work.fitting.working))
    prepared = prepare_source(work.session, picture, size=work.fitting.shown, mode=work.fitting.mode)

    def move(driving: Keypoints, rate: Fraction, fps: Fraction) -> tuple[Keypoints, Iterator[Rendered]]:
        driven = drive(prepared.keypoints, driving, work.settings.options(), fps=float(rate), avd=work.session.avd)
        keypoints, _ = resample(driven, rate, fps)
        return keypoints, work.session.render(prepared, keypoints)

    return move


def _of_clip(work: _Work, value: Any, clip: FrameStream, region: Region | None, part: int) -> Mover:
    source = SourceClip(clip, region, work.fitting, *work.detected(value, clip, region, part, even=True))

    def move(driving: Keypoints, rate: Fraction, fps: Fraction) -> tuple[Keypoints, Iterator[Rendered]]:
        options = work.settings.options()
        anchor = anchor_index(source.keypoints[0], driving, options.anchor)
        driving, shown = resample(driving, rate, fps)
        anchor = min(bisect_left(shown, anchor), len(driving) - 1)
        order = source.order(len(driving), fps, work.settings.mismatch)
        each_source = source.keypoints.at(order)
        options = replace(options, anchor=anchor)
        keypoints = drive_each(each_source, driving, options, fps=float(fps), avd=work.session.avd)
        return keypoints, work.session.render_each(source.prepared(work.session, order), keypoints)

    return move


def _cropped(picture: Tensor, region: Region, side: int) -> Tensor:
    """The square of an image [1, 3 or 4, H, W], a fourth channel its opacity."""
    if picture.shape[1] == 3:
        return crop(picture, region, side)
    layers = crop(dimmed(picture), region, side)
    return undimmed(layers[:, :3], layers[:, 3:], torch.zeros(3))
