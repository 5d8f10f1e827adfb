"""A clip's performance as a file, with what is known of it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .drivers import Clip, Driver
from .faces import FaceFinder
from .grouping import group_keypoints
from .motion import Groups, Performance, save_keypoints
from .prepared import PreparedSource
from .session import AnimationSession

PathLike = str | os.PathLike[str]

POINTS_TOGETHER = ("tps", "partswap")
"""Families whose keypoints move nothing by themselves."""


def save_driver(
    path: PathLike,
    driver: Driver,
    notes: Mapping[str, str],
    *,
    performance: Performance | None = None,
    clip: Clip | None = None,
    groups: Groups | None = None,
) -> None:
    """Write what drives. Its groups and its frames' size are those of the performance that it comes from; else the
    groups that were found, and the size of the clip's frames.
    """
    size = None if clip is None else (clip.info.height, clip.info.width)
    if performance is not None:
        groups, size = performance.groups, performance.source_size
    save_keypoints(path, driver.keypoints, fps=driver.rate, metadata=notes, groups=groups, source_size=size)


def groups_of(session: AnimationSession, source: PreparedSource, finder: FaceFinder) -> Groups:
    """Which keypoints move which part of the face in a source; none where there is no face, or a keypoint moves nothing
    by itself.
    """
    face = None if session.config.family in POINTS_TOGETHER else finder.largest(source.image)
    return {} if face is None else group_keypoints(session, source, face).groups
