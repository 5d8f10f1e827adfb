"""Sessions that remember: what was found in images stays for the next run."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor

from ...fomm_core.geometry import Keypoints
from ...fomm_core.model import MotionModel
from ...fomm_core.session import AnimationSession, PreparedSource

Made = TypeVar("Made")

SOURCES_KEPT = 4
CHUNKS_KEPT = 20_000
"""Of detected frames; a few kilobytes each at most."""
CLIPS_KEPT = 32


class WarmSession(AnimationSession):
    """Keeps the last few prepared sources, and the keypoints of frames that it has seen: an image that many clips move
    is encoded once, and a clip that moves many images is searched once, frame by frame as it is read.
    """

    def __init__(self, model: MotionModel, **options: Any) -> None:
        super().__init__(model, **options)
        self._sources: Recent[PreparedSource] = Recent(SOURCES_KEPT)
        self._seen: Recent[Keypoints] = Recent(CHUNKS_KEPT)

    def prepare(self, image: Tensor, *, keypoints: Keypoints | None = None) -> PreparedSource:
        """As ever; at once where the same image was prepared before."""
        if keypoints is not None:
            return super().prepare(image, keypoints=keypoints)
        return self._sources.of(image, super().prepare)

    def _detect(self, frames: Tensor) -> Keypoints:
        return self._seen.of(frames, super()._detect)

    @property
    def size(self) -> int:
        """Bytes that it keeps on its device: networks and prepared sources."""
        networks = sum(_bytes(network.state_dict().values()) for network in self._networks.values())
        return networks + sum(
            _bytes(part for part in (source.image, *source.features, source.small, source.alpha) if part is not None)
            for source in self._sources.values()
        )


class Recent(Generic[Made]):
    """What was made of images; the `limit` results used last stay. For any number of threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._made: OrderedDict[bytes, Made] = OrderedDict()
        self._lock = threading.Lock()

    def values(self) -> list[Made]:
        """All that are kept."""
        with self._lock:
            return list(self._made.values())

    def of(self, pictures: Tensor, make: Callable[[Tensor], Made]) -> Made:
        """What was made of the same pixels before, or is made now."""
        key = hashlib.sha256(pictures.cpu().float().numpy().tobytes()).digest() + str(tuple(pictures.shape)).encode()
        with self._lock:
            made = self._made.get(key)
        if made is None:
            made = make(pictures)
        with self._lock:
            self._made[key] = made
            self._made.move_to_end(key)
            if len(self._made) > self._limit:
                self._made.popitem(last=False)
        return made


SAMPLE = 1 << 20
"""Numbers of a tensor that are looked at."""


class Remembered:
    """What was made of values on wires, by the very objects: a clip that a graph program still holds is not read again.
    Values that are gone or were changed in place are made anew; none is kept alive. The `limit` results used last stay.
    """

    def __init__(self, limit: int = CLIPS_KEPT) -> None:
        self._limit = limit
        self._made: OrderedDict[Hashable, tuple[list[weakref.ref[Any]], Any]] = OrderedDict()

    def of(self, values: Sequence[Any], key: Hashable, make: Callable[[], Made]) -> Made:
        """What was made of the same objects with the same key before, or is made now."""
        try:
            references = [weakref.ref(value) for value in values]
        except TypeError:  # nothing that could be told to be gone
            return make()
        name = (tuple((id(value), _version(value)) for value in values), key)
        known = self._made.pop(name, None)
        if known is not None and all(old() is value for old, value in zip(known[0], values, strict=True)):
            self._made[name] = known
            return known[1]
        made = make()
        self._made[name] = (references, made)
        if len(self._made) > self._limit:
            self._made.popitem(last=False)
        return made

    def clear(self) -> None:
        """Forget all."""
        self._made.clear()


def _version(value: Any) -> Hashable:
    """Another one when a tensor was changed in place. Those of inference mode, in which ComfyUI runs its nodes, do not
    count changes: a sample of their numbers tells.
    """
    if not isinstance(value, Tensor):
        return 0
    if not value.is_inference():
        return value._version
    flat = value.detach().flatten()
    return float(flat[:: len(flat) // SAMPLE + 1].double().sum())


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
