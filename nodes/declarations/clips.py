"""What blocks that read clips share: opening one, and detecting in it as a stream."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any

from torch import Tensor

from ...fomm_core.animation import fitted
from ...fomm_core.background import read_ahead
from ...fomm_core.errors import ImageError
from ...fomm_core.fitting import FitMode
from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import evened, rate_of, resample, timed
from ...fomm_core.session import AnimationSession
from ...fomm_core.video import frame_rate
from ..spec import FrameStream, Host
from .border import STILL_FPS
from .streams import TensorStream

READ_AT_ONCE = 16
Report = Callable[[int, int], None]


def open_clip(host: Host, value: Any, title: str) -> AbstractContextManager[FrameStream]:
    """An IMAGE or VIDEO value as a stream of frames."""
    if isinstance(value, Tensor):
        if value.ndim not in (3, 4) or len(value) == 0:
            raise ImageError(f"“{title}”: expected a clip of at least one frame; got shape {list(value.shape)}.")
        return nullcontext(TensorStream(value, STILL_FPS, timed=False))
    return host.open_video(value)


def open_driving(host: Host, value: Any) -> AbstractContextManager[FrameStream | Keypoints]:
    """A driving input: a clip as a stream, or keypoints as they are."""
    return nullcontext(value) if isinstance(value, Keypoints) else open_clip(host, value, "driving")


def first_frame(clip: FrameStream) -> Tensor:
    """[1, 3, H, W]; raises ImageError for a clip without frames."""
    for frames in clip.batches(1):
        return frames
    raise ImageError("expected a clip with at least one frame; got none. Check the video.")


def detect(
    session: AnimationSession, clip: FrameStream, size: tuple[int, int], mode: FitMode, report: Report
) -> tuple[Keypoints, Fraction]:
    """Keypoints of a clip whose frames are shown at `size` (height, width), a few of them in memory at a time;
    `report(done, total)` hears. And the clip's rate: of uneven frames, whose keypoints have times, that of most.
    """
    length = clip.length or 0
    working = session.config.nearest_size(*size)
    with read_ahead(fitted(clip.batches(session.chunk), *working, mode=mode, shown=size)) as frames:
        found = session.detect(frames, on_frames=lambda done: report(done, max(done, length)))
    if not clip.timed or clip.times is None:
        return found, frame_rate(clip.fps)
    return timed(found, clip.times, frame_rate(clip.fps))


def at_constant_rate(images: Tensor, clip: FrameStream) -> Tensor:
    """All pictures [T, ...] of a clip that was just read; uneven ones at a constant rate, as they are shown."""
    if not clip.timed or clip.times is None:
        return images
    _, shown = evened(clip.times, frame_rate(clip.fps))
    return images if shown is None else images[shown]


def keypoints_at_constant_rate(keypoints: Keypoints) -> Keypoints:
    """Timed keypoints at the rate of most of them; others as they are."""
    rate = rate_of(keypoints)
    return keypoints if rate is None else resample(keypoints, rate, rate)[0]
