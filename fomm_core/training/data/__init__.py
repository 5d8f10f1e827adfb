"""Clips to learn from: found, prepared, varied, and handed out as pairs of frames."""

from .augment import Augmentation
from .cache import prepare
from .clips import Clip, ClipSet, LeftOut
from .folders import find_clips
from .pairs import Pairs, PairSource

__all__ = ["Augmentation", "Clip", "ClipSet", "LeftOut", "PairSource", "Pairs", "find_clips", "prepare"]
