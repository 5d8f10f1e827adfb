"""How each square of an image moves, over the time that the result has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from .drivers import Driver, driven
from .geometry import Keypoints
from .motion import UNTIMED_RATE, Disentangle, anchor_distances
from .options import FileOptions
from .rendering import Moving
from .schedule import lengthened, scheduled
from .stills import Still
from .video import VideoWriter
from .whole import pose_warning

Warn = Callable[[str], None]


def movements(
    still: Still,
    drivers: Sequence[Driver],
    options: FileOptions,
    writers: Sequence[VideoWriter],
    warn: Warn,
    avd: Disentangle | None,
    pose: Keypoints | None,
) -> tuple[list[Moving], list[int | None]]:
    """How each square moves, all equally long, and their anchors."""
    wished = options.fps if isinstance(options.fps, Fraction) else None
    fps = wished or next((driver.rate for driver in drivers if driver.rate is not None), UNTIMED_RATE)
    each = drivers if len(drivers) > 1 else [drivers[0]] * len(still.sources)
    schedules, anchors = [], []
    for prepared, driver in zip(still.sources, each, strict=True):
        rate = driver.rate or fps
        shots = driver.found.shots
        anchor, moved = driven(prepared.keypoints, driver.keypoints, options.animation, rate, shots, avd, pose)
        schedules.append(scheduled(moved, rate, fps, writers, keep=options.fps == "keep"))
        anchors.append(anchor)
    longest = max(len(schedule.keypoints) for schedule in schedules)
    moving = [
        Moving(prepared, lengthened(schedule, longest), large)
        for prepared, schedule, large in zip(still.sources, schedules, still.large, strict=True)
    ]
    if options.animation.transfer.mode == "relative" and pose is None:
        faces = still.found.faces[: len(each)] or (None,) * len(each)
        for face, prepared, driver, anchor in zip(faces, still.sources, each, anchors, strict=True):
            distances = anchor_distances(prepared.keypoints, driver.keypoints)
            told = pose_warning(
                face,
                driver.found.track,
                anchor or 0,
                distances,
                driver.found.shots,
                chosen=options.animation.anchor == "best",
            )
            if told is not None:
                warn(told)
                break
    return moving, anchors
