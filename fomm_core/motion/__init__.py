"""Motion transfer as pure functions over time; no pixels and no networks. Imports geometry only."""

from .anchor import anchor_distances, anchor_frame, best_anchor
from .blend import blend
from .hold import hold
from .performance import Performance, load_keypoints, save_keypoints
from .scale import movement_scale
from .smooth import BETA, MIN_CUTOFF, smooth_gaussian, smooth_one_euro
from .timing import UNTIMED_RATE, common_rate, duration_of, even_rate, evened, part, rate_of, resample, timed
from .transfer import TransferOptions, transfer

__all__ = [
    "BETA",
    "MIN_CUTOFF",
    "UNTIMED_RATE",
    "Performance",
    "TransferOptions",
    "anchor_distances",
    "anchor_frame",
    "best_anchor",
    "blend",
    "common_rate",
    "duration_of",
    "even_rate",
    "evened",
    "hold",
    "load_keypoints",
    "movement_scale",
    "part",
    "rate_of",
    "resample",
    "save_keypoints",
    "smooth_gaussian",
    "smooth_one_euro",
    "timed",
    "transfer",
]
