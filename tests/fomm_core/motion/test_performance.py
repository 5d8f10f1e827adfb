from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError, PerformanceError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import load_keypoints, performance, save_keypoints
from safetensors.torch import save_file

NOTES = {"format": "fomm-keypoints", "format_version": "1", "frames": "4", "keypoints": "3"}


def clip(frames: int = 4, count: int = 3, *, jacobian: bool = True) -> Keypoints:
    return Keypoints(torch.randn(frames, count, 2), torch.randn(frames, count, 2, 2) if jacobian else None)


def tensors(**replaced: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"position": torch.zeros(4, 3, 2), "jacobian": torch.zeros(4, 3, 2, 2), **replaced}


@pytest.mark.parametrize("jacobian", [True, False])
def test_round_trip_is_exact(tmp_path: Path, jacobian: bool) -> None:
    path, saved = tmp_path / "wave.safetensors", clip(jacobian=jacobian)
    notes = {"model": "vox-256", "who": "Zoë", "format": "theirs"}
    assert save_keypoints(path, saved, fps=Fraction(30000, 1001), metadata=notes) == path
    loaded = load_keypoints(path)
    assert torch.equal(loaded.keypoints.position, saved.position)
    assert loaded.keypoints.position.dtype == torch.float32
    assert (loaded.keypoints.jacobian is None) == (not jacobian)
    if jacobian:
        assert torch.equal(loaded.keypoints.jacobian, saved.jacobian)
    assert loaded.fps == Fraction(30000, 1001)
    assert loaded.metadata == notes


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(None, None), (25, Fraction(25)), (29.97, Fraction(2997, 100)), (30000 / 1001, Fraction(30000, 1001))],
)
def test_frame_rates(tmp_path: Path, fps: float | None, expected: Fraction | None) -> None:
    save_keypoints(tmp_path / "a.safetensors", clip(), fps=fps)
    assert load_keypoints(tmp_path / "a.safetensors").fps == expected


def test_repeated_and_half_precision_keypoints_can_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    held = clip(1).expand(5)
    save_keypoints(path, held)
    assert torch.equal(load_keypoints(path).keypoints.jacobian, held.jacobian)
    half = Keypoints(torch.rand(2, 3, 2).half())
    save_keypoints(path, half)
    assert torch.equal(load_keypoints(path).keypoints.position, half.position.float())


@pytest.mark.parametrize("fps", [0, -25, float("nan"), float("inf")])
def test_bad_frame_rates_are_not_saved(tmp_path: Path, fps: float) -> None:
    with pytest.raises(KeypointError, match="frames per second above 0"):
        save_keypoints(tmp_path / "a.safetensors", clip(), fps=fps)
    assert not list(tmp_path.iterdir())


def test_bad_keypoints_are_not_saved_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_keypoints(path, clip())
    before = path.read_bytes()
    broken = clip()
    broken.jacobian[2, 1, 0, 0] = float("nan")
    with pytest.raises(KeypointError, match="NaN or Inf in the jacobian of frame 2"):
        save_keypoints(path, broken)
    with pytest.raises(KeypointError, match="at least one frame"):
        save_keypoints(path, clip(0))
    assert path.read_bytes() == before


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_half_way(_tensors: object, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(performance, "save_file", fail_half_way)
    with pytest.raises(KeyboardInterrupt):
        save_keypoints(tmp_path / "a.safetensors", clip())
    assert not list(tmp_path.iterdir())


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(PerformanceError, match="found none at"):
        load_keypoints(tmp_path / "none.safetensors")
    with pytest.raises(PerformanceError, match="found a folder at"):
        load_keypoints(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x", b"not a safetensors file at all", b"\xff" * 64])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(PerformanceError, match="cannot be read"):
        load_keypoints(path)


@pytest.mark.parametrize("kept", [8, 100, -1])
def test_truncated_files_are_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.safetensors"
    save_keypoints(path, clip())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(PerformanceError, match="cannot be read"):
        load_keypoints(path)


@pytest.mark.parametrize(
    ("content", "notes", "message"),
    [
        ({"weight": torch.zeros(3)}, None, "names no format; is it a model"),
        (tensors(), {**NOTES, "format": "fomm-model"}, "its format is 'fomm-model'"),
        (tensors(), {**NOTES, "format_version": "4"}, "has 4: update fomm-nodes"),
        (tensors(), {**NOTES, "format_version": "one"}, "format version of 1 to 3 .* got 'one'"),
        (tensors(), {**NOTES, "format_version": "0"}, "format version of 1 to 3 .* got '0'"),
        (tensors(), {**NOTES, "format_version": "9" * 5000}, "format version of 1 to 3"),
        (tensors(extra=torch.zeros(1)), NOTES, "expected the tensors position"),
        ({"jacobian": torch.zeros(4, 3, 2, 2)}, NOTES, "expected the tensors position"),
        (tensors(position=torch.zeros(4, 3, 2).double()), NOTES, "float32 in the position of .* got float64"),
        (tensors(position=torch.full((4, 3, 2), torch.nan)), NOTES, "NaN or Inf in the position of frame 0"),
        (tensors(jacobian=torch.full((4, 3, 2, 2), torch.inf)), NOTES, "NaN or Inf in the jacobian of frame 0"),
        (tensors(position=torch.zeros(4, 3, 3)), NOTES, r"expected positions of shape \[T, K, 2\]"),
        (tensors(jacobian=torch.zeros(4, 2, 2, 2)), NOTES, "expected jacobians of shape"),
        (tensors(position=torch.zeros(())), NOTES, "expected positions of shape"),
        (
            {"position": torch.zeros(0, 3, 2), "jacobian": torch.zeros(0, 3, 2, 2)},
            {**NOTES, "frames": "0"},
            "at least one frame",
        ),
        (tensors(), {**NOTES, "frames": "5"}, "expected 5 frames of 3 keypoints.*got 4 of 3"),
        (tensors(), {**NOTES, "fps": "0"}, "frames per second"),
        (tensors(), {**NOTES, "fps": "1/0"}, "frames per second"),
        (tensors(), {**NOTES, "fps": "1e999999999"}, "frames per second"),
        (tensors(), {**NOTES, "user": "{"}, "is no JSON"),
        (tensors(), {**NOTES, "user": "[" * 200_000}, "is no JSON"),
        (tensors(), {**NOTES, "user": '{"a": 1}'}, "names and strings"),
    ],
)
def test_files_that_are_no_performance_are_refused(
    tmp_path: Path, content: dict[str, torch.Tensor], notes: dict[str, str] | None, message: str
) -> None:
    path = tmp_path / "a.safetensors"
    save_file(content, path, metadata=notes)
    with pytest.raises(PerformanceError, match=message):
        load_keypoints(path)
