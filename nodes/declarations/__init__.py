"""The blocks, grouped as the user's menu is."""

from . import animate, datasets, keypoints, models, motion, training, view

ALL = (*animate.SPECS, *models.SPECS, *keypoints.SPECS, *motion.SPECS, *view.SPECS, *datasets.SPECS, *training.SPECS)
"""Every block, in the order of the menu."""

BY_ID = {spec.id: spec for spec in ALL}

__all__ = ["ALL", "BY_ID"]
