from __future__ import annotations

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.files import atomic_path
from fomm_nodes.fomm_core.fitting import FIT_MODES, as_rgb, fit, fit_uint8, from_uint8, to_uint8
from hypothesis import given
from hypothesis import strategies as st
from nearness import near


def test_a_file_appears_whole(tmp_path) -> None:
    target = tmp_path / "new" / "clip.tar.gz"
    with atomic_path(target) as temporary:
        assert temporary.name.endswith(".tar.gz")
        temporary.write_text("done")
        assert not target.exists()
    assert target.read_text() == "done"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file(tmp_path, failure) -> None:
    target = tmp_path / "clip.mp4"
    target.write_text("old")

    def fail_half_way() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_folders_too(tmp_path) -> None:
    target = tmp_path / "frames"
    for content in ("first", "second"):
        with atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert [path.name for path in target.iterdir()] == ["second"]


def test_permissions_are_the_usual_ones(tmp_path) -> None:
    (tmp_path / "usual").touch()
    with atomic_path(tmp_path / "ours") as temporary:
        temporary.touch(mode=0o600)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    target=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    mode=st.sampled_from(["crop", "pad", "stretch"]),
)
def test_fitting_gives_the_size_and_stays_in_range(size, target, mode) -> None:
    images = torch.rand(1, 3, *size)
    out = fit(images, *target, mode=mode)
    assert out.shape == (1, 3, *target)
    assert out.min() >= 0
    assert out.max() <= 1


def test_fitting_keeps_a_picture_of_that_size() -> None:
    images = torch.rand(2, 3, 32, 48)
    for mode in ("crop", "pad", "stretch"):
        assert fit(images, 32, 48, mode=mode) is images


def test_crop_takes_the_middle_and_pad_shows_all() -> None:
    images = torch.zeros(1, 3, 10, 30)
    images[..., 10:20] = 1
    assert fit(images, 10, 10, mode="crop").min() == 1
    padded = fit(images, 30, 30, mode="pad")
    near(padded[..., 10:20, :].mean(), 1 / 3)
    assert padded[..., :10, :].max() == padded[..., 20:, :].max() == 0


def test_unknown_way_of_fitting() -> None:
    with pytest.raises(ImageError, match="crop, pad, stretch"):
        fit(torch.rand(1, 3, 8, 8), 4, 4, mode="squash")  # type: ignore[arg-type]


def test_grey_and_transparent_pictures() -> None:
    grey = torch.rand(2, 1, 4, 4)
    assert torch.equal(as_rgb(grey), grey.expand(-1, 3, -1, -1))
    colour, opacity = torch.rand(1, 3, 4, 4), torch.rand(1, 1, 4, 4)
    blended = as_rgb(torch.cat([colour, opacity], 1))
    near(blended, colour * opacity + 1 - opacity)
    assert torch.equal(as_rgb(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)), torch.ones(1, 3, 2, 2))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_pixels_are_refused(value: float) -> None:
    images = torch.rand(1, 3, 4, 4)
    images[0, 1, 2, 3] = value
    with pytest.raises(ImageError, match="NaN or Inf"):
        as_rgb(images)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 2, 4, 4), (1, 5, 4, 4), (0, 3, 4, 4), (1, 3, 0, 4)])
def test_other_shapes_are_refused(shape) -> None:
    with pytest.raises(ImageError, match="expected images"):
        as_rgb(torch.zeros(shape))


def test_bytes_round_trip() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    assert np.array_equal(to_uint8(from_uint8(frames)), frames)
    assert from_uint8(frames[0]).shape == (1, 3, 5, 7)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_floats_become_the_bytes_that_torch_rounds_them_to(layout: torch.memory_format, dtype: torch.dtype) -> None:
    halves = (torch.arange(-20, 532) / 510).reshape(1, 1, 12, 46)  # every byte, what lies between, and what is cut off
    images = torch.cat((halves, halves.flip(2), torch.rand_like(halves)), 1).to(dtype).contiguous(memory_format=layout)
    expected = (images.float() * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    got = to_uint8(images)
    assert got.flags.c_contiguous
    assert np.array_equal(got, expected)


def test_bytes_are_made_without_threads_of_torch(monkeypatch) -> None:
    """They render the next frames meanwhile, and would be waited for."""
    for name in ("__mul__", "round_", "clamp_"):
        monkeypatch.setattr(torch.Tensor, name, None, raising=False)
    assert np.array_equal(to_uint8(torch.ones(1, 3, 1, 1)), np.full((1, 1, 1, 3), 255))


@pytest.mark.parametrize("mode", FIT_MODES)
@pytest.mark.parametrize("size", [(5, 7), (4, 4), (9, 20), (20, 9)])
def test_bytes_are_fitted_as_their_floats_are(mode, size) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    assert torch.equal(fit_uint8(frames, *size, mode=mode), fit(from_uint8(frames), *size, mode=mode))
