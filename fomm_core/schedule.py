"""Which frames are rendered, and when each is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from .geometry import Keypoints
from .motion import resample
from .video import VideoWriter


@dataclass(frozen=True, eq=False)
class Schedule:
    """What is rendered, and when it is shown.

    keypoints: T frames. shown: the driving frame that is seen with each. fps: their rate. until: where frames have
    times of their own, the second at which each ends.
    """

    keypoints: Keypoints
    shown: list[int]
    fps: Fraction
    until: list[Fraction] | None = None


def lengthened(schedule: Schedule, frames: int) -> Schedule:
    """The same for so many frames, at a constant rate: what ends before rests in its last pose."""
    missing = frames - len(schedule.keypoints)
    if missing <= 0:
        return schedule
    last = schedule.keypoints[len(schedule.keypoints) - 1].expand(missing)
    keypoints = Keypoints.cat([schedule.keypoints, last])
    return replace(schedule, keypoints=keypoints, shown=schedule.shown + schedule.shown[-1:] * missing)


def scheduled(
    driven: Keypoints, rate: Fraction, fps: Fraction, writers: Sequence[VideoWriter], *, keep: bool
) -> Schedule:
    """Keypoints at `rate` as they are rendered at `fps`; with `keep`, at their own times where all `writers` hold them,
    which is a warning of the first writer otherwise.
    """
    if keep and driven.times is not None:
        unable = [writer.path.name for writer in writers if not writer.holds_times]
        if not unable:
            ends = driven.times[1:] - driven.times[0]
            until = [Fraction(end).limit_denominator(1_000_000) for end in ends.tolist()]
            return Schedule(driven, list(range(len(driven))), fps, until)
        writers[0].warnings.append(f"the clip's own times were not kept: {unable[0]} cannot hold any.")
    return Schedule(*resample(driven, rate, fps), fps)
