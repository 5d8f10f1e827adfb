"""Performances as JSON, by the standard library alone: what our own writer writes, by hand, and by strangers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.fomm_core.motion import load_keypoints, save_keypoints
from fomm_nodes.nodes.hosts.blender.performance_file import PerformanceError, bytes_of
from fomm_nodes.nodes.hosts.blender.performance_json import parse
from performances import performance, same

WHOLE: dict[str, Any] = {
    "format": "fomm-keypoints",
    "format_version": 1,
    "position": [[[0, 0.5], [1, -0.25]]],
    "user": {"by": "hand"},
}


def test_what_our_writer_writes_is_what_our_reader_takes(tmp_path: Path) -> None:
    given = performance(4, 2, times=True, confidence=True)
    text = save_keypoints(tmp_path / "talk.json", given, metadata={"by": "Ä"}).read_bytes()
    (tmp_path / "talk.safetensors").write_bytes(bytes_of(parse(text)))
    before, after = load_keypoints(tmp_path / "talk.json"), load_keypoints(tmp_path / "talk.safetensors")
    assert same(before.keypoints, after.keypoints)
    assert (before.fps, before.metadata) == (after.fps, after.metadata)


def test_by_hand_a_few_words_are_enough() -> None:
    stored = parse(json.dumps(WHOLE).encode())
    assert (stored.frames, stored.keypoints) == (1, 2)
    assert stored.numbers["position"].tolist() == [0, 0.5, 1, -0.25]
    assert stored.notes["user"] == '{"by": "hand"}'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "model"}, "something else"),
        ({"format_version": 4}, "update the add-on"),
        ({"position": []}, "at least one frame"),
        ({"position": [[]]}, "at least one frame"),
        ({"position": 3}, "at least one frame"),
        ({"position": [[[0, 1]] * 1001]}, "at most 1000"),
        ({"position": [[[0, 1, 2]]]}, "sides"),
        ({"position": [[[0, True]]]}, "sides"),
        ({"position": [[[0, "1"]]]}, "sides"),
        ({"position": [[[0, 1e39]]]}, "NaN or infinity"),
        ({"position": [[[0, 10**400]]]}, "too large"),
        ({"jacobian": [[[1, 0, 0, 1]]]}, "sides"),
        ({"frames": "2"}, "its notes say"),
        ({"by": [1]}, "text or a number"),
    ],
)
def test_files_of_strangers_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PerformanceError, match=words):
        parse(json.dumps({**WHOLE, **change}).encode())


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"[" * 100_000, b"\xff\xfe"])
def test_other_text_is_refused(text: bytes) -> None:
    with pytest.raises(PerformanceError, match="Expected a performance as JSON"):
        parse(text)
