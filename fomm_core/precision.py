"""Which number formats a device computes fast, and which one is chosen where none is asked for."""

from __future__ import annotations

import functools
import logging
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

import torch

from .errors import FommError

log = logging.getLogger("fomm.session")

AUTO: Final = "auto"
PRECISIONS: Final = ("float32", "bfloat16", "float16")
Use = Literal["animation", "training"]
TIMED: Final = 7
"""Convolutions of each kind; the quickest counts."""
TICK: Final = 1e-6
"""Seconds; no convolution takes less."""


def choose_precision(precision: str, device: torch.device, use: Use = "animation") -> str:
    """One of PRECISIONS, for one of them or "auto".

    "auto" animates in float16 on CUDA from compute capability 7.0 on (tensor cores), in bfloat16 on a processor with
    AMX that is fast at it, and otherwise in float32. It trains in bfloat16, whose range needs no scaling of losses,
    where GPU or processor has it (see `is_fast`). The same machine always gets the same answer.

    Raises:
        FommError: for any other name.
    """
    if precision == AUTO:
        if use == "training":
            return "bfloat16" if _trains_fast_in_bfloat16(device) else "float32"
        if device.type == "cuda":
            return "float16" if torch.cuda.get_device_capability(device) >= (7, 0) else "float32"
        return "bfloat16" if device.type == "cpu" and _has_amx() and is_fast(torch.bfloat16, device) else "float32"
    if precision not in PRECISIONS:
        raise FommError(f"expected a precision of {AUTO}, {', '.join(PRECISIONS)}; got {precision!r}.")
    return precision


def _trains_fast_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and is_fast(torch.bfloat16, device)


def dtype_of(precision: str, device: torch.device) -> torch.dtype:
    """The same as torch's number format, for animation."""
    dtype: torch.dtype = getattr(torch, choose_precision(precision, device))
    return dtype


def is_fast(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether convolutions in `dtype` are faster than in float32 on `device`.

    A processor without instructions for them is told by its flags: there, one 3x3 convolution of 256 channels takes 340
    (bfloat16) to 650 (float16) times as long (torch 2.13, one thread of an AMD EPYC). bfloat16 needs AVX512_BF16 or AMX
    on x86, BF16 on ARM; float16 AMX-FP16, AVX512_FP16 or ARM's FP16. To have them is not enough: an Intel of AMX's
    generations whose AMX is switched off, as in some virtual machines, takes half as long again in bfloat16 as in
    float32. So the two are timed once, in a few milliseconds.
    """
    if dtype == torch.float32 or device.type != "cpu":
        return True
    supported = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}.get(dtype)
    if supported is None or not torch.backends.mkldnn.is_available() or not getattr(torch.ops.mkldnn, supported)():
        return False
    if dtype == torch.bfloat16 and _is_x86() and not _has_bfloat16():
        return False
    return times_float32(dtype) < 1


@functools.cache
def times_float32(dtype: torch.dtype) -> float:
    """How long a convolution in `dtype` takes on this processor, as a share of what it takes in float32.

    AMX takes a fourth, AVX512_BF16 of an AMD half, and of an Intel half as long again: too far apart for a busy moment
    to change what follows from it. Of one thread: of several, each waits for the others, whichever the format.
    """
    least = dict.fromkeys((torch.float32, dtype), float("inf"))
    with torch.inference_mode(), _one_thread():
        sizes = (1, 128, 32, 32), (128, 128, 3, 3)
        layers = {
            kind: [torch.zeros(size, dtype=kind).contiguous(memory_format=torch.channels_last) for size in sizes]
            for kind in least
        }
        for _ in range(TIMED):
            for kind, (maps, weight) in layers.items():
                began = time.thread_time()  # a busy machine takes no part in it
                torch.nn.functional.conv2d(maps, weight, padding=1)
                least[kind] = min(least[kind], time.thread_time() - began)
    return least[dtype] / max(least[torch.float32], TICK)  # a coarse clock, as on Windows, believes the flags


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _has_bfloat16() -> bool:
    """Of an x86 processor; older versions of torch, which do not tell, are believed."""
    asked = [getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")]
    return any(ask is None or ask() for ask in asked)


def _has_amx() -> bool:
    """Whether the flags tell of AMX, which multiplies in bfloat16 several times as fast as in float32.

    AVX512_BF16 alone is not worth the difference from float32, and so close to it that a timing could go either way.
    """
    ask = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return ask is not None and bool(ask())


def fast_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """`dtype`, or float32 with a warning where `is_fast` says no."""
    if is_fast(dtype, device):
        return dtype
    log.warning(
        "%s was asked for, but this processor has no fast instructions for it, and it would take longer than float32, "
        "up to hundreds of times: float32 is used instead.",
        str(dtype).removeprefix("torch."),
    )
    return torch.float32
