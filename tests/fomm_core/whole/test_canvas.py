"""The whole image with what was animated laid back into it."""

from __future__ import annotations

import numpy as np
from fomm_nodes.fomm_core.region import region_at
from fomm_nodes.fomm_core.whole import Canvas
from scenes import ground


def test_frames_differ_within_the_box_alone() -> None:
    picture = ground(200, 300)
    regions = [region_at(x, y, 60, angle, height=200, width=300) for x, y, angle in ((90, 70, 0.0), (160, 150, 0.5))]
    canvas = Canvas(picture, regions, 0.1)
    random = np.random.default_rng(0)
    frames = [canvas.frame([random.integers(0, 256, (32, 32, 3), np.uint8) for _ in regions]) for _ in range(3)]
    masks = [canvas.mask([random.integers(0, 256, (32, 32, 3), np.uint8) for _ in regions]) for _ in range(3)]
    left, top, right, bottom = canvas.box
    changed = np.zeros(picture.shape[:2], bool)
    for one, next_one in ((frames[0], frames[1]), (frames[1], frames[2]), (masks[0], masks[1]), (frames[0], picture)):
        changed |= (one != next_one).any(-1)
    rows, columns = np.nonzero(changed)
    assert left <= columns.min() <= left + 2  # the outermost pixels of a feather hardly change
    assert top <= rows.min() <= top + 2
    assert right - 4 <= columns.max() < right  # a turned square's corner is all feather
    assert bottom - 4 <= rows.max() < bottom
