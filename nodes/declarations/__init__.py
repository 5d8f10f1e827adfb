"""The blocks, grouped as the user's menu is."""

from . import (
    animate,
    crop_paste,
    datasets,
    detail,
    find_region,
    flow,
    keypoints,
    models,
    motion,
    parts,
    paste_video,
    region_sources,
    training,
    view,
)

ALL = (
    *animate.SPECS,
    *models.SPECS,
    *find_region.SPECS,
    *region_sources.SPECS,
    *crop_paste.SPECS,
    *paste_video.SPECS,
    *keypoints.SPECS,
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
