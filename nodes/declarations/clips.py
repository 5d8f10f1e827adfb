"""What blocks that read clips share: opening one, and detecting in it as a stream."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor

from ...fomm_core.animation import fitted
from ...fomm_core.background import read_ahead
from ...fomm_core.errors import ImageError
from ...fomm_core.fitting import FitMode
from ...fomm_core.geometry import Keypoints
from ...fomm_core.session import AnimationSession
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
) -> Keypoints:
    """Keypoints of a clip whose frames are shown at `size` (height, width), a few of them in memory at a time;
    `report(done, total)` hears.
    """
    length = clip.length or 0
    working = session.config.nearest_size(*size)
    with read_ahead(fitted(clip.batches(session.chunk), *working, mode=mode, shown=size)) as frames:
        return session.detect(frames, on_frames=lambda done: report(done, max(done, length)))
