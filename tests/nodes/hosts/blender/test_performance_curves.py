"""Performances on F-curves and back, in a real Blender: `FOMM_BPY_PYTHON` is a Python that has `bpy`."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import Performance, load_keypoints, save_keypoints
from inside_blender import checks_of, run_inside

INSIDE = Path(__file__).with_name("inside") / "performance_curves.py"
FRAMES, COUNT = 6, 3
KINDS = (".safetensors", ".json")
KEYPOINT, FRAME, VALUE = 1, 3, 0.3125
"""As inside: what is edited."""


def performances() -> dict[str, Performance]:
    random = torch.Generator().manual_seed(5)
    position = torch.randn(FRAMES, COUNT, 2, generator=random)
    position[0, 0, 0], position[1, 0, 0], position[2, 0, 0] = -0.0, 1.1754944e-38, 3.0e38
    turned = torch.randn(FRAMES, COUNT, 2, 2, generator=random)
    times = torch.rand(FRAMES + 1, generator=random, dtype=torch.float64).cumsum(0) + 0.01
    everything = Keypoints(
        position=position,
        jacobian=turned,
        covariance=turned @ turned.mT,
        times=times - times[0],
        confidence=torch.rand(FRAMES, COUNT, generator=random),
    )
    noted = {"by": "“Ä”", "take": "3"}
    groups = {"mouth": {1}, "head": {0, 2}}
    return {
        "all": Performance(everything, metadata=noted, family="fomm", groups=groups, source_size=(480, 640)),
        "flat": Performance(Keypoints(position), Fraction(30000, 1001)),
        "one": Performance(Keypoints(position[:1], turned[:1]), Fraction(25)),
    }


def save(path: Path, one: Performance) -> None:
    notes = {"fps": one.fps, "metadata": one.metadata, "groups": one.groups, "source_size": one.source_size}
    save_keypoints(path, one.keypoints, family=one.family, **notes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curves")
    for name, one in performances().items():
        for kind in KINDS:
            save(folder / f"kept-{name}{kind}", one)
    whole = (folder / "kept-all.safetensors").read_bytes()
    (folder / "bad-cut.safetensors").write_bytes(whole[:-4])
    (folder / "bad-text.safetensors").write_text("keypoints", encoding="utf-8")
    (folder / "bad-flipped.safetensors").write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
    bad = {"format": "fomm-keypoints", "format_version": "1", "position": [[[0, 1]], [[0]]]}
    (folder / "bad-talk.json").write_text(json.dumps(bad), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def inside(folder: Path) -> dict[str, dict[str, Any]]:
    return run_inside(INSIDE, folder)


def bits(one: Performance) -> dict[str, Any]:
    """All that a performance is, so that == compares each bit."""
    values = vars(one.keypoints)
    numbers = {name: None if value is None else value.numpy().tobytes() for name, value in values.items()}
    return {**vars(replace(one)), "keypoints": numbers}


@pytest.mark.parametrize("name", checks_of(INSIDE))
def test_inside_blender(name: str, inside: dict[str, dict[str, Any]]) -> None:
    assert not inside[name]["error"], inside[name]["error"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", list(performances()))
def test_unedited_curves_give_the_same_bits(
    name: str, kind: str, folder: Path, inside: dict[str, dict[str, Any]]
) -> None:
    made = inside["check_unedited"]["told"][f"kept-{name}{kind}"]
    assert made.startswith(f"kept-{name}_00")
    assert made.endswith(".safetensors")
    assert bits(load_keypoints(folder / made)) == bits(load_keypoints(folder / f"kept-{name}.safetensors"))


def test_one_edited_key_changes_that_value_alone(folder: Path, inside: dict[str, dict[str, Any]]) -> None:
    made = load_keypoints(folder / inside["check_one_key_edited"]["told"]["made"])
    expected = load_keypoints(folder / "kept-all.safetensors")
    assert bits(made) != bits(expected)
    expected.keypoints.position[FRAME, KEYPOINT, 1] = VALUE
    assert bits(made) == bits(expected)


def test_a_property_without_keys_has_its_value_in_all_frames(folder: Path, inside: dict[str, dict[str, Any]]) -> None:
    made = load_keypoints(folder / inside["check_a_curve_taken_away_leaves_its_value"]["told"]["made"])
    expected = load_keypoints(folder / "kept-all.safetensors")
    expected.keypoints.position[:, KEYPOINT, 1] = VALUE
    assert bits(made) == bits(expected)


def test_the_blend_file_keeps_all_and_takes_are_numbered(folder: Path, inside: dict[str, dict[str, Any]]) -> None:
    made = inside["check_a_file_opened_again"]["told"]["made"]
    assert made == ["gone_001.safetensors", "gone_002.safetensors"]
    expected = bits(load_keypoints(folder / "kept-all.safetensors"))
    assert [bits(load_keypoints(folder / name)) for name in made] == [expected, expected]


def test_curves_have_the_names_of_what_they_are(inside: dict[str, dict[str, Any]]) -> None:
    numbers = ("position x", "position y", "jacobian xx", "jacobian xy", "jacobian yx", "jacobian yy")
    expected = [[f"keypoint {at}", f'["keypoint {at}: {name}"]'] for at in range(COUNT) for name in numbers]
    assert inside["check_curves_are_named_and_grouped"]["told"]["curves"] == expected


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("bad-cut.safetensors", "damaged"),
        ("bad-text.safetensors", "no safetensors file"),
        ("bad-flipped.safetensors", "checksum"),
        ("bad-talk.json", "sides [2, 1, 2]"),
        ("empty", "Performance to Curves"),
        ("folder", "Choose another"),
        ("infinite", "NaN or infinity in the position of frame 0"),
        ("property", "keypoint 1: position y"),
    ],
)
def test_refusals_say_what_to_do(what: str, words: str, inside: dict[str, dict[str, Any]]) -> None:
    assert words in inside["check_refusals"]["told"][what]
