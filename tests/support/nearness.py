"""How near is near enough: each comparison of numbers says what its error is a part of, and why so much is allowed.

A tolerance that is not relative holds on one processor only: kernels for AVX2, AVX-512 and AMX, and any number of
threads, sum in other orders, and the difference grows with the values.

What has a unit of its own, steps of 8 bits or seconds, is compared in it: `steps_near`, `within_seconds`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

ROUNDING = 1e-5
"""A formula or a few layers in float32: a step is 6e-8, and a hundred steps of a sum may fall out differently."""

NETWORK = 1e-4
"""Whole networks in float32: tens of layers, one after the other; a softmax and an inverse enlarge what came before."""

DOUBLE = 1e-9
"""The same in float64: a step is 1e-16; a mistake would be seen as well as in float32."""

HALF_STEP = 0.51
"""Of 8 bits: what rounding to them moves, and a little for what was rounded before."""

ONE_STEP = 1
"""Of 8 bits: a value that is rounded twice, or in two ways, may come out at the next step."""

PICTURE = 1.0
"""From black to white in float images."""

HALF_SIDE = 1.0
"""From the middle of an image to its edge, in coordinates from -1 to 1."""


def near(got: Any, expected: Any, part: float = ROUNDING, *, of: float | None = None, about: str = "") -> None:
    """Asserts that no value is further from what is expected than a part of the scale.

    Args:
        got, expected: tensors of the same shape and type; or arrays, numbers and lists, where one number stands for
            as many as there are.
        part: a name of this module, or a number that a comment explains.
        of: the scale; by default the greatest magnitude of all that is expected.
        about: what it is, for the message.
    """
    if not (isinstance(got, Tensor) and isinstance(expected, Tensor)):
        got, expected = _doubles(got), _doubles(expected)
        expected = expected.expand_as(got) if expected.ndim == 0 else expected
    scale = float(expected.detach().abs().max()) if of is None else of
    assert scale > 0, "nothing but zeros is expected: say what the error is a part of"
    told = (lambda text: f"{about}: {text}") if about else None
    torch.testing.assert_close(got, expected, rtol=0, atol=part * scale, msg=told)


def steps_near(got: Any, expected: Any, steps: float) -> None:
    """Asserts that images in 8 bits are at most so many of their 255 steps apart (HALF_STEP, or a codec's loss)."""
    near(got, expected, steps / 255, of=255)


def within_seconds(got: Any, expected: Any, seconds: float) -> None:
    """Asserts that times in seconds, one or as many as expected, are at most so many seconds apart.

    Absolute on purpose: a container's tick, a packet or an image lasts as long after an hour as at the beginning.
    """
    near(got, expected, seconds, of=1)


def _doubles(value: Any) -> Tensor:
    return value.double() if isinstance(value, Tensor) else torch.from_numpy(np.array(value, np.float64))
