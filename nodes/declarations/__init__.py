"""The blocks, grouped as the user's menu is."""

from . import (
    animate,
    crop_paste,
    datasets,
    detail,
    find_region,
    flow,
    group_check,
    keypoints,
    live,
    mixing,
    models,
    motion,
    parts,
    paste_video,
    performance_files,
    performances,
    posing,
    region_sources,
    training,
    view,
)

ALL = (
    *animate.SPECS,
    *live.SPECS,
    *models.SPECS,
    *find_region.SPECS,
    *region_sources.SPECS,
    *crop_paste.SPECS,
    *paste_video.SPECS,
    *keypoints.SPECS,
    *mixing.SPECS,
    *performances.SPECS,
    *posing.SPECS,
    *group_check.SPECS,
    *performance_files.SPECS,
    *motion.SPECS,
    *detail.SPECS,
    *parts.SPECS,
    *flow.SPECS,
    *view.SPECS,
    *datasets.SPECS,
    *training.SPECS,
)
"""Every block, in the order of the menu."""

BY_ID = {spec.id: spec for spec in ALL}

__all__ = ["ALL", "BY_ID"]
