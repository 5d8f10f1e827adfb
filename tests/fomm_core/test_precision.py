"""Which number formats are used on which processor."""

from __future__ import annotations

import logging

import pytest
import torch
from fomm_nodes.cli import arguments
from fomm_nodes.fomm_core import precision
from fomm_nodes.fomm_core.errors import FommError
from fomm_nodes.fomm_core.session import AnimationSession
from fomm_nodes.nodes.declarations import border

CPU = torch.device("cpu")
HALVES = (torch.bfloat16, torch.float16)


def test_float32_and_accelerators_are_taken_at_their_word() -> None:
    assert precision.is_fast(torch.float32, CPU)
    assert all(precision.is_fast(dtype, torch.device(device)) for dtype in HALVES for device in ("cuda", "mps"))


@pytest.mark.parametrize(("bf16", "amx", "fast"), [(False, False, False), (True, False, True), (False, True, True)])
def test_avx512_alone_is_not_enough_for_bfloat16(bf16: bool, amx: bool, fast: bool, monkeypatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(precision.platform, "machine", lambda: "AMD64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(precision, "times_float32", lambda dtype: 0.5)
    assert precision.is_fast(torch.bfloat16, CPU) == fast


@pytest.mark.parametrize(("share", "fast"), [(0.3, True), (1.4, False)])
def test_instructions_that_are_slower_than_float32_are_not_used(share: float, fast: bool, monkeypatch) -> None:
    for name in ("bf16", "fp16"):
        monkeypatch.setattr(torch.ops.mkldnn, f"_is_mkldnn_{name}_supported", lambda: True)
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "times_float32", lambda dtype: share)
    assert [precision.is_fast(dtype, CPU) for dtype in HALVES] == [fast, fast]


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="takes seconds without instructions")
def test_both_formats_are_timed() -> None:
    before = torch.get_rng_state()
    precision.times_float32.cache_clear()
    share = precision.times_float32(torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), before), "a choice of format is no draw"
    assert 0 <= share < 100  # AMX a fifth, nothing but AVX-512 four times


def test_formats_are_timed_on_one_thread(monkeypatch) -> None:
    """Several wait for each other, which tells nothing about the format."""
    seen: list[int] = []
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda *given, **more: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        precision.times_float32.__wrapped__(torch.bfloat16)
        assert torch.get_num_threads() == 2, "the threads that there were are there again"
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_arm_is_judged_by_onednn(monkeypatch) -> None:
    monkeypatch.setattr(precision.platform, "machine", lambda: "aarch64")
    for supported in (True, False):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda answer=supported: answer)
        monkeypatch.setattr(precision, "times_float32", lambda dtype: 0.5)
        assert precision.is_fast(torch.bfloat16, CPU) == supported


@pytest.mark.parametrize("dtype", HALVES)
def test_a_slow_format_gives_way_to_float32(dtype, make, monkeypatch, caplog) -> None:
    monkeypatch.setattr(precision, "is_fast", lambda dtype, device: dtype == torch.float32)
    with caplog.at_level(logging.WARNING, "fomm.session"):
        session = AnimationSession(make(), dtype=dtype)
    assert session.dtype == torch.float32
    assert f"{dtype}".removeprefix("torch.") in caplog.text
    assert {weight.dtype for weight in session.network(64, 64).parameters()} == {torch.float32}


def test_a_fast_format_stays(make, monkeypatch, caplog) -> None:
    monkeypatch.setattr(precision, "is_fast", lambda dtype, device: True)
    assert AnimationSession(make(), dtype=torch.bfloat16).dtype == torch.bfloat16
    assert not caplog.text


def test_without_onednn_no_half_is_fast(monkeypatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not any(precision.is_fast(dtype, CPU) for dtype in HALVES)


@pytest.mark.parametrize(
    ("device", "capability", "has_amx", "has_bfloat16", "animation", "training"),
    [
        ("cpu", (9, 0), True, True, "bfloat16", "bfloat16"),
        ("cpu", (9, 0), True, False, "float32", "float32"),
        ("cpu", (9, 0), False, True, "float32", "bfloat16"),
        ("mps", (9, 0), True, True, "float32", "float32"),
        ("cuda", (9, 0), False, True, "float16", "bfloat16"),
        ("cuda", (7, 0), False, False, "float16", "float32"),
        ("cuda", (6, 1), True, False, "float32", "float32"),
    ],
)
def test_auto_is_a_matter_of_device_and_use(
    device, capability, has_amx, has_bfloat16, animation, training, monkeypatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx, raising=False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)
    monkeypatch.setattr(precision, "is_fast", lambda dtype, device: has_bfloat16)
    assert precision.choose_precision("auto", torch.device(device)) == animation
    assert precision.choose_precision("auto", torch.device(device), "training") == training
    assert precision.dtype_of("auto", torch.device(device)) == getattr(torch, animation)


def test_auto_takes_no_format_that_an_older_torch_cannot_tell(monkeypatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    monkeypatch.setattr(precision, "is_fast", lambda dtype, device: True)
    assert precision.choose_precision("auto", CPU) == "float32"


@pytest.mark.parametrize("name", precision.PRECISIONS)
def test_what_is_asked_for_is_taken(name: str) -> None:
    assert precision.choose_precision(name, CPU, "training") == name


def test_a_precision_that_is_none() -> None:
    with pytest.raises(FommError, match="expected a precision of auto, float32, bfloat16, float16; got 'float8'"):
        precision.dtype_of("float8", CPU)


def test_the_command_and_the_blocks_offer_the_same() -> None:
    assert arguments.PRECISIONS == precision.PRECISIONS
    assert (precision.AUTO, *precision.PRECISIONS) == border.PRECISIONS_OFFERED
