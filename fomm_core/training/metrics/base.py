"""What a metric is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ...errors import DataError


class MetricMissing(DataError):
    """A metric's package or weights are not here; the message says how to get them."""


@dataclass(frozen=True)
class Column:
    """One figure of a metric. title: for people. higher_is_better: 1, or for distances -1. digits: behind the point."""

    name: str
    title: str
    higher_is_better: bool
    digits: int


class Metric(ABC):
    """Compares images in two steps, so that what does not change (the truth, a still) is looked at once only.

    of_clips: whether there are figures of whole clips besides, for which all that `look` gave is kept until its end.
    """

    columns: ClassVar[tuple[Column, ...]]
    of_clips: ClassVar[bool] = False

    @abstractmethod
    def look(self, pictures: Tensor) -> Any:
        """What `compare` needs of images [n, 3, H, W] in 0..1."""

    @abstractmethod
    def compare(self, result: Any, truth: Any) -> dict[str, Tensor]:
        """For each column of single frames a float32 [n] on the CPU, NaN where it has nothing to say.

        result: `look` of n images, or of one that stands for all. truth: `look` of n images.
        """

    def over(self, result: Sequence[Any], truth: Sequence[Any]) -> dict[str, Tensor]:
        """For each column of whole clips a float32 [m] on the CPU whose mean counts, NaN likewise; m may be 0.

        result, truth: what `look` gave of one clip, in the order of its frames; each frame of one is in the other.
        """
        return {}
