"""What may stand in a checkpoint beside tensors: numbers and arrays of numpy, and objects of no use to a model.

torch's safe reader takes no class that it was not told of by name. Told are stand-ins of our own: of numpy's scalars
and arrays the numbers are taken, without numpy's own unpickling, which trusts the file; the rest is dropped.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

PLAIN_KINDS = "biufcSUmM"
"""numpy's letters for numbers, texts and dates: values that stand in their own bytes. Objects do not."""


class RefusedError(ValueError):
    """A stand-in was asked to hold what is no plain data."""


class _DType:
    def __init__(self, spec: Any, *flags: Any) -> None:
        made = np.dtype(spec) if isinstance(spec, str) else np.dtype(object)
        if made.kind not in PLAIN_KINDS or made.hasobject:
            raise RefusedError(f"an array of '{str(spec)[:40]}', which is no plain data")
        self.dtype = made

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order in ("<", ">", "="):
            self.dtype = self.dtype.newbyteorder(order)


class _Scalar:
    def __new__(cls, kind: Any, data: Any) -> Any:
        return _values(kind, data, 1)[0]


class StoredArray:
    """An array that stood in the file; `array` is it."""

    def __init__(self, *arguments: Any) -> None:
        self.array: NDArray[Any] = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        sides = tuple(int(side) for side in shape)
        if any(side < 0 for side in sides):
            raise RefusedError("an array of a negative size")
        self.array = _values(kind, data, int(np.prod(sides, dtype=object))).reshape(
            sides, order="F" if fortran else "C"
        )


def _values(kind: Any, data: Any, count: int) -> NDArray[Any]:
    if not isinstance(kind, _DType) or not isinstance(data, bytes):
        raise RefusedError("an array whose values are no plain data")
    if len(data) != count * kind.dtype.itemsize:
        raise RefusedError(f"an array of {count} values in {len(data)} bytes")
    return np.frombuffer(data, kind.dtype).astype(kind.dtype.newbyteorder("="))


class _NoBytes:
    """How an empty array stands in a file: as a call of `bytes`, without arguments."""

    def __new__(cls, *arguments: Any) -> Any:
        if arguments:
            raise RefusedError("a call of bytes(...), which no plain data needs")
        return b""


class _Dropped:
    """In place of an object that no model needs; what the file says of it is forgotten."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _Table:
    def __new__(cls, *arguments: Any) -> Any:
        return OrderedDict()


ALLOWED: dict[type, tuple[str, ...]] = {
    _DType: ("numpy.dtype",),
    _Scalar: ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    StoredArray: ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    _NoBytes: ("builtins.bytes",),
    _Dropped: (
        *("numpy.ndarray", "argparse.Namespace"),
        *(f"pathlib.{name}" for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
        *(f"pathlib._local.{name}" for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    ),
    _Table: (
        "easydict.EasyDict",
        *(f"{name}.utilities.parsing.AttributeDict" for name in ("pytorch_lightning", "lightning.pytorch")),
        *(f"{name}.utilities.data.AttributeDict" for name in ("lightning_fabric", "lightning.fabric")),
    ),
}
"""The stand-in for each name that a file may ask for, besides those that torch itself takes."""

_turn = threading.Lock()  # what torch is told, it is told for the whole process


def _named(kind: type, name: str) -> type:
    """A class of that name, which is how torch 2.4 finds it."""
    module, _, qualname = name.rpartition(".")
    return type(qualname, (kind,), {"__module__": module, "__qualname__": qualname})


NAMED: list[Any] = [_named(kind, name) for kind, names in ALLOWED.items() for name in names]


@contextmanager
def stand_ins() -> Iterator[None]:
    """Let torch's safe reader take the names of `ALLOWED` in this block, and not before or after it."""
    with _turn:
        torch.serialization.add_safe_globals(NAMED)
        try:
            yield
        finally:
            others = [known for known in torch.serialization.get_safe_globals() if known not in NAMED]
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(others)
