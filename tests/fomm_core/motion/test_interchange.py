"""Performances with all that they may hold, in both kinds of file; and text that is no performance."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError, PerformanceError
from fomm_nodes.fomm_core.motion import load_keypoints, save_keypoints
from performances import performance, same
from safetensors import safe_open
from safetensors.torch import save_file


@pytest.mark.parametrize("ending", ["safetensors", "json"])
@pytest.mark.parametrize("times", [False, True])
@pytest.mark.parametrize("jacobian", [False, True])
@pytest.mark.parametrize("confidence", [False, True])
def test_all_comes_back_to_the_bit(tmp_path: Path, ending: str, times: bool, jacobian: bool, confidence: bool) -> None:
    given = performance(7, 4, jacobian=jacobian, times=times, confidence=confidence)
    path = save_keypoints(
        tmp_path / f"talk.{ending}",
        given,
        fps=Fraction(30000, 1001),
        metadata={"who": "é ☺"},
        groups={"mouth": (1, 2), "head": (0, 3)},
        source_size=(480, 640),
    )
    got = load_keypoints(path)
    assert same(got.keypoints, given)
    assert (got.keypoints.times is None) == (not times)
    assert not times or torch.equal(got.keypoints.times, given.times)
    assert not confidence or torch.equal(got.keypoints.confidence, given.confidence)
    assert (got.fps, got.family, got.source_size) == (Fraction(30000, 1001), "fomm", (480, 640))
    assert got.groups == {"mouth": (1, 2), "head": (0, 3)}
    assert got.metadata == {"who": "é ☺"}


@pytest.mark.parametrize("ending", ["safetensors", "json"])
def test_covariances_come_back_to_the_bit(tmp_path: Path, ending: str) -> None:
    given = performance(7, 4)
    given = replace(given, covariance=given.jacobian @ given.jacobian.mT)
    got = load_keypoints(save_keypoints(tmp_path / f"talk.{ending}", given, family="mraa"))
    assert torch.equal(got.keypoints.covariance, given.covariance)


def test_old_files_load_and_old_readers_are_thought_of(tmp_path: Path) -> None:
    given = performance(5, 3, confidence=False)
    notes = {"format": "fomm-keypoints", "format_version": "1", "frames": "5", "keypoints": "3", "user": "{}"}
    save_file({"position": given.position, "jacobian": given.jacobian}, tmp_path / "old.safetensors", metadata=notes)
    old = load_keypoints(tmp_path / "old.safetensors")
    assert same(old.keypoints, given)
    assert (old.groups, old.source_size, old.family, old.keypoints.confidence) == ({}, None, "fomm", None)
    versions = {}
    for name, value in {
        "plain": given,
        "timed": performance(5, 3, times=True, confidence=False),
        "sure": performance(5, 3),
    }.items():
        with safe_open(save_keypoints(tmp_path / f"{name}.safetensors", value), framework="pt") as file:
            versions[name] = file.metadata()["format_version"]
    assert versions == {"plain": "1", "timed": "2", "sure": "3"}


def test_a_file_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "hand.json"
    path.write_text('{"format": "fomm-keypoints", "format_version": 1, "fps": 12, "position": [[[0, 0.5], [-1, 1]]]}')
    got = load_keypoints(path)
    assert got.fps == 12
    assert got.keypoints.position.tolist() == [[[0, 0.5], [-1, 1]]]


HEAD = {"format": "fomm-keypoints", "format_version": "1"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 200_000,
        json.dumps({**HEAD}),
        json.dumps({**HEAD, "position": [[[0, 0]]], "format": "other"}),
        json.dumps({**HEAD, "position": [[[0, 0]]], "format_version": "4"}),
        json.dumps({**HEAD, "position": [[[0, 0], [0]]]}),
        json.dumps({**HEAD, "position": [[["0", 0]]]}),
        json.dumps({**HEAD, "position": [[[True, 0]]]}),
        json.dumps({**HEAD, "position": [[0, 0]]}),
        json.dumps({**HEAD, "position": []}),
        json.dumps({**HEAD, "position": [[[1e300, 0]]]}),
        '{"format": "fomm-keypoints", "format_version": "1", "position": [[[NaN, 0]]]}',
        json.dumps({**HEAD, "position": [[[10**400, 0]]]}),
        json.dumps({**HEAD, "position": [[[0, 0]]], "confidence": [[0.5, 0.5]]}),
        json.dumps({**HEAD, "position": [[[0, 0]]], "times": [0]}),
        json.dumps({**HEAD, "position": [[[0, 0]]], "fps": [25]}),
        json.dumps({**HEAD, "position": [[[0, 0]]], "groups": "mouth: 5"}),
        json.dumps({**HEAD, "position": [[[0, 0]]], "source_size": "0x5"}),
        json.dumps({**HEAD, "position": [[[0, 0]]], "family": "<b>"}),
    ],
)
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(PerformanceError, match=r"expected|damaged"):
        load_keypoints(tmp_path / "a.json")


@pytest.mark.parametrize("wrong", [{"groups": {"mouth": (9,)}}, {"source_size": (0, 4)}, {"family": ""}])
def test_notes_that_do_not_fit_are_not_written(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(KeypointError, match="expected"):
        save_keypoints(tmp_path / "a.safetensors", performance(3), **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
