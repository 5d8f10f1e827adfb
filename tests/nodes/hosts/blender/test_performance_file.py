"""Performances by the standard library alone: what our own reader takes, and files of strangers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import load_keypoints, save_keypoints
from fomm_nodes.nodes.hosts.blender.performance_file import PerformanceError, bytes_of, parse, read, write_new

Header = dict[str, Any]


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    keypoints = Keypoints(torch.linspace(-1, 1, 16).reshape(4, 2, 2), torch.eye(2).expand(4, 2, 2, 2))
    return save_keypoints(tmp_path / "talk.safetensors", keypoints, fps=25, metadata={"by": "Ä"}).read_bytes()


def with_header(data: bytes, change: Callable[[Header], object]) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"].pop("checksum")
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def test_what_is_written_is_what_our_reader_takes(data: bytes, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    stored = parse(data)
    write_new(again, bytes_of(stored))
    assert parse(again.read_bytes()) == stored
    before, after = load_keypoints(tmp_path / "talk.safetensors"), load_keypoints(again)
    assert torch.equal(before.keypoints.position, after.keypoints.position)
    assert (before.fps, before.metadata) == (after.fps, after.metadata)


def test_nothing_is_overwritten_and_nothing_left_behind(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "talk.safetensors"
    before = sorted(tmp_path.iterdir())
    for place in (path, tmp_path / "none" / "talk.safetensors"):
        with pytest.raises(PerformanceError, match="another folder"):
            write_new(place, b"other")
    assert sorted(tmp_path.iterdir()) == before
    assert path.read_bytes() == data


def test_a_header_that_is_changed_alone_is_read(data: bytes) -> None:
    """So that the refusals below are for what they change."""
    assert parse(with_header(data, dict.copy)).numbers == parse(data).numbers


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: h.pop("__metadata__"), "something else"),
        (lambda h: h.update(__metadata__=[]), "no text"),
        (lambda h: h["__metadata__"].update(format_version=3), "no text"),
        (lambda h: h["__metadata__"].update(format="model"), "something else"),
        (lambda h: h["__metadata__"].update(format_version="4"), "update the add-on"),
        (lambda h: h["__metadata__"].update(format_version="-1"), "format version of 1 to 3"),
        (lambda h: h["__metadata__"].update(frames="5"), "its notes say"),
        (lambda h: h.pop("position"), "expected position"),
        (lambda h: h.update(weight=h["jacobian"]), "expected position"),
        (lambda h: h.update(position=7), "at least one frame"),
        (lambda h: h["position"].update(shape=[0, 2, 2]), "at least one frame"),
        (lambda h: h["position"].update(shape=[4, True, 2]), "at least one frame"),
        (lambda h: h["position"].update(shape=[1, 5000, 2]), "at most 1000 keypoints"),
        (lambda h: h["position"].update(shape=[4, 2, 3]), "sides"),
        (lambda h: h["position"].update(shape=[10**18, 2, 2]), "expected jacobian|bytes of position"),
        (lambda h: h["position"].update(dtype="F64"), "as F32"),
        (lambda h: h["jacobian"].update(shape=[4, 2, 4]), "sides"),
        (lambda h: h["jacobian"].update(data_offsets=[0, 1]), "bytes of jacobian"),
        (lambda h: h["jacobian"].update(data_offsets=[-128, 0]), "bytes of jacobian"),
        (lambda h: h["position"].update(data_offsets=[0, 64]), "begins at byte"),
        (lambda h: h["position"].update(data_offsets=[256, 320]), "begins at byte"),
    ],
)
def test_files_of_strangers_are_refused(change: Callable[[Header], object], words: str, data: bytes) -> None:
    with pytest.raises(PerformanceError, match=words):
        parse(with_header(data, change))


@pytest.mark.parametrize("cut", [0, 7, 8, 100])
def test_a_beginning_is_no_file(cut: int, data: bytes) -> None:
    with pytest.raises(PerformanceError, match="no safetensors"):
        parse(data[:cut])


def test_numbers_that_are_cut_or_not_finite_are_refused(data: bytes) -> None:
    plain = with_header(data, dict.copy)
    for changed, words in ((plain[:-3], "ends too early"), (plain[:-4], "bytes of numbers"), (plain + b"12", "bytes")):
        with pytest.raises(PerformanceError, match=words):
            parse(changed)
    with pytest.raises(PerformanceError, match="NaN or infinity in the position of frame 3"):
        parse(plain[:-4] + b"\0\0\xc0\x7f")


def test_deep_headers_and_other_values_are_refused() -> None:
    for text in (b"[" * 100_000, b"[]", b"\xff"):
        with pytest.raises(PerformanceError):
            parse(len(text).to_bytes(8, "little") + text)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PerformanceError, match="Choose another"):
        read(tmp_path / "none.safetensors")
