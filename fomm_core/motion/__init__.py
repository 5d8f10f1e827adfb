"""Motion transfer as pure functions over time; no pixels and no networks. Imports geometry only."""

from .anchor import anchor_distances, anchor_frame, best_anchor
from .blend import blend
from .edits import ENDINGS, Edits, edited, faster
from .gaps import doubtful, fill_gaps
from .groups import Groups, format_groups, parse_groups, parse_numbers, parse_weights
from .hold import hold
from .joining import eased, join, loop
from .mirror import mirror, mirror_partners
from .order import (
    MISMATCHES,
    Mismatch,
    hold_frame,
    matched,
    offset,
    ping_pong,
    play_order,
    repeat,
    reverse,
    sampled,
    to_length,
    trim,
)
from .performance import FAMILY, Performance, load_keypoints, save_keypoints
from .poses import EASES, KeyPose, apply_poses, format_poses, parse_poses
from .scale import movement_scale
from .smooth import BETA, MIN_CUTOFF, smooth_gaussian, smooth_one_euro
from .strength import curve_values, parse_curve, strengthen
from .timing import UNTIMED_RATE, common_rate, duration_of, even_rate, evened, part, rate_of, resample, timed
from .transfer import Disentangle, TransferMode, TransferOptions, transfer

__all__ = [
    "BETA",
    "EASES",
    "ENDINGS",
    "FAMILY",
    "MIN_CUTOFF",
    "MISMATCHES",
    "UNTIMED_RATE",
    "Disentangle",
    "Edits",
    "Groups",
    "KeyPose",
    "Mismatch",
    "Performance",
    "TransferMode",
    "TransferOptions",
    "anchor_distances",
    "anchor_frame",
    "apply_poses",
    "best_anchor",
    "blend",
    "common_rate",
    "curve_values",
    "doubtful",
    "duration_of",
    "eased",
    "edited",
    "even_rate",
    "evened",
    "faster",
    "fill_gaps",
    "format_groups",
    "format_poses",
    "hold",
    "hold_frame",
    "join",
    "load_keypoints",
    "loop",
    "matched",
    "mirror",
    "mirror_partners",
    "movement_scale",
    "offset",
    "parse_curve",
    "parse_groups",
    "parse_numbers",
    "parse_poses",
    "parse_weights",
    "part",
    "ping_pong",
    "play_order",
    "rate_of",
    "repeat",
    "resample",
    "reverse",
    "sampled",
    "save_keypoints",
    "smooth_gaussian",
    "smooth_one_euro",
    "strengthen",
    "timed",
    "to_length",
    "transfer",
    "trim",
]
