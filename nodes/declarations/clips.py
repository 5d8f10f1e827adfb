"""What blocks that read clips share: opening one, and detecting in it as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import Tensor

from ...fomm_core.animation import fitted
from ...fomm_core.background import read_ahead
from ...fomm_core.errors import ImageError, RegionError
from ...fomm_core.fitting import FitMode
from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import evened, rate_of, resample, timed
from ...fomm_core.region import Region, crop
from ...fomm_core.session import AnimationSession
from ...fomm_core.video import frame_rate
from ..spec import FrameStream, Host
from .border import STILL_FPS
from .streams import TensorStream

READ_AT_ONCE = 16
OnProgress = Callable[[int, int], None]


def open_clip(host: Host, value: Any, title: str) -> AbstractContextManager[FrameStream]:
    """An IMAGE or VIDEO value as a stream of frames."""
    if isinstance(value, Tensor):
        if value.ndim not in (3, 4) or len(value) == 0:
            raise ImageError(f"“{title}”: expected a clip of at least one frame; got shape {list(value.shape)}.")
        return nullcontext(TensorStream(value, STILL_FPS, timed=False))
    return host.open_video(value)


def first_frame(clip: FrameStream) -> Tensor:
    """[1, 3, H, W]; raises ImageError for a clip without frames."""
    for frames in clip.batches(1):
        return frames
    raise ImageError("expected a clip with at least one frame; got none. Check the video.")


@dataclass(frozen=True)
class Fitting:
    """How frames come before the networks. shown: (height, width) of the frames to come. working: of what the networks
    see.
    """

    shown: tuple[int, int]
    working: tuple[int, int]
    mode: FitMode

    def of(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames [n, 3, h, w] of any size at the working size."""
        return fitted(parts, *self.working, mode=self.mode, shown=self.shown)


def detect(
    session: AnimationSession,
    clip: FrameStream,
    fitting: Fitting,
    report: OnProgress,
    region: Region | None = None,
    *,
    even: bool = False,
) -> tuple[Keypoints, Fraction]:
    """Keypoints of a clip, or of the square of it that `region` says, a few frames in memory at a time;
    `report(done, total)` hears. And the clip's rate: of uneven frames, whose keypoints have times, that of most.

    even: all frames come at a constant rate, as they always do where the square moves.
    """
    length = clip.length or 0
    even = even or (region is not None and len(region) > 1)
    parts = squares(clip, region, max(fitting.working), session.chunk, even=even)
    with read_ahead(fitting.of(parts)) as frames:
        found = session.detect(frames, on_frames=lambda done: report(done, max(done, length)))
    if even:
        return found, rate_of_clip(clip)
    if not clip.timed or clip.times is None:
        return found, frame_rate(clip.fps)
    return timed(found, clip.times, frame_rate(clip.fps))


def squares(
    clip: FrameStream, region: Region | None, side: int, count: int = READ_AT_ONCE, *, even: bool
) -> Iterator[Tensor]:
    """The square of each frame, [n, 3, side, side] with n <= count; whole frames without a region.

    even: at a constant rate, which a region that moves needs. Raises RegionError where it has another number of frames
    than the clip.
    """
    done = 0
    for frames in even_frames(clip, count) if even else clip.batches(count):
        yield frames if region is None else crop(frames, part_of(region, done, len(frames)), side)
        done += len(frames)
    if region is not None and len(region) > 1 and done:
        region.frames(done)


def at_constant_rate(images: Tensor, clip: FrameStream) -> Tensor:
    """All images [T, ...] of a clip that was just read; uneven ones at a constant rate, as they are shown."""
    if not clip.timed or clip.times is None:
        return images
    _, shown = evened(clip.times, frame_rate(clip.fps))
    return images if shown is None else images[shown]


def keypoints_at_constant_rate(keypoints: Keypoints) -> Keypoints:
    """Timed keypoints at the rate of most of them; others as they are."""
    rate = rate_of(keypoints)
    return keypoints if rate is None else resample(keypoints, rate, rate)[0]


def rate_of_clip(clip: FrameStream) -> Fraction:
    """Frames per second at which a clip that was read through comes; 25 where it has none."""
    if clip.timed and clip.times is not None:
        return evened(clip.times, frame_rate(clip.fps))[0]
    return frame_rate(clip.fps)


def even_frames(clip: FrameStream, size: int = READ_AT_ONCE) -> Iterator[Tensor]:
    """Frames [n, 3, H, W] of a clip at a constant rate, uneven ones as they are shown; holds none.

    A video whose times are not known yet is read through once before.
    """
    if clip.timed and clip.times is None:
        for _ in clip.batches(size):
            pass
    shown = None
    if clip.timed and clip.times is not None:
        _, shown = evened(clip.times, frame_rate(clip.fps))
    if shown is None:
        yield from clip.batches(size)
        return
    begin = at = 0
    for frames in clip.batches(size):
        end = begin + len(frames)
        wanted = []
        while at < len(shown) and shown[at] < end:
            wanted.append(shown[at] - begin)
            at += 1
        for start in range(0, len(wanted), size):
            yield frames[wanted[start : start + size]]
        begin = end


def part_of(region: Region, start: int, count: int) -> Region:
    """The region of `count` frames from `start` on. Raises RegionError where it moves and has not so many."""
    if len(region) == 1:
        return region
    if start + count > len(region):
        raise RegionError(
            f"expected a region of one square, or of as many as the clip has frames, more than {start + count - 1}; "
            f"it has {len(region)}. Find it in the same clip."
        )
    return region[start : start + count]
