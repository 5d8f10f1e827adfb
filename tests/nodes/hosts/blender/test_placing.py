"""Results lie over their stills, in a real Blender without a window, and by the numbers alone."""

from __future__ import annotations

import math
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fomm_nodes.fomm_core.video import VideoReader, read_image
from fomm_nodes.nodes.hosts.blender.strip_place import Box, Lying, covered, over, pasted, resized
from inside_blender import checks_of, run_inside
from nearness import DOUBLE, near
from PIL import Image

INSIDE = Path(__file__).with_name("inside") / "placing.py"
CHECKS = checks_of(INSIDE)
SMOOTH = 4.0
"""Steps of 255 that H.264, two resamplings and a network of 128 pixels may cost a smooth image, on average."""


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, dict[str, Any]]:
    """A face in a wide picture: over a slope of colours, in one of odd sides, and cut out."""
    folder = tmp_path_factory.mktemp("placing")
    assets = root / "fomm_core" / "assets"
    shutil.copy(assets / "driving.mp4", folder)
    head = Image.open(assets / "source.png").convert("RGB").resize((150, 150))
    for name, (width, height) in {
        "wide": (320, 180),
        "odd": (321, 181),
        "clear": (320, 180),
        "empty": (320, 180),
    }.items():
        down, across = np.mgrid[:height, :width]
        picture = Image.fromarray(np.stack([across * 0.7, down, 200 - across * 0.5], -1).astype(np.uint8))
        if name != "empty":
            picture.paste(head, (120, 15))
        if name == "clear":
            picture.putalpha(
                Image.fromarray(np.where((across - 195) ** 2 + (down - 90) ** 2 < 6000, 255, 0).astype(np.uint8))
            )
        picture.save(folder / f"{name}.png")
    return run_inside(INSIDE, folder)


@pytest.mark.parametrize("name", CHECKS)
def test_inside_blender(name: str, inside: dict[str, dict[str, Any]]) -> None:
    assert not inside[name]["error"], inside[name]["error"]


def seen(inside: dict[str, dict[str, Any]], name: str) -> tuple[np.ndarray, np.ndarray]:
    if inside[name]["error"]:
        pytest.skip("this check failed inside Blender")
    told = inside[name]["told"]
    with Image.open(told["still"]) as still, Image.open(told["made"]) as made:
        return np.asarray(still.convert("RGBA")).astype(int), np.asarray(made.convert("RGBA")).astype(int)


def assert_in_place(still: np.ndarray, made: np.ndarray, where: np.ndarray) -> None:
    """Moved by two pixels to any side, it is less like the still."""
    shifts = ((0, 0), (0, 2), (0, -2), (2, 0), (-2, 0))
    apart = [np.abs(still - np.roll(made, shift, (0, 1)))[where].mean() for shift in shifts]
    assert apart[0] == min(apart), apart


@pytest.mark.parametrize(
    "name", ["check_face", "check_face_in_an_odd_picture", "check_square_by_hand", "check_alpha_pasted"]
)
def test_what_is_pasted_back_covers_the_still(name: str, inside: dict[str, dict[str, Any]]) -> None:
    still, made = seen(inside, name)
    opaque = (still[..., 3] == 255) & (made[..., 3] == 255)
    assert opaque.mean() > 0.05
    assert_in_place(still, made, opaque)
    assert np.abs(still - made)[opaque].mean() < SMOOTH
    assert (np.abs(still[..., 3] - made[..., 3]) > 128).mean() < 0.01


@pytest.mark.parametrize("name", ["check_middle", "check_all", "check_padded", "check_alpha_of_all"])
def test_what_was_fitted_lies_where_it_was_taken(name: str, inside: dict[str, dict[str, Any]]) -> None:
    still, made = seen(inside, name)
    both = (still[..., 3] > 200) & (made[..., 3] > 200)
    assert both.mean() > 0.05
    assert_in_place(still, made, both)
    assert np.abs(still - made)[both].mean() < 10  # all of it in 128 pixels


def test_around_the_square_all_is_the_still(inside: dict[str, dict[str, Any]]) -> None:
    still, made = seen(inside, "check_square_by_hand")
    frames = np.stack(list(VideoReader(inside["check_square_by_hand"]["told"]["frames"])))
    source = read_image(Path(inside["check_square_by_hand"]["told"]["still"]).with_name("wide.png"))
    assert frames.shape[1:] == source.shape
    assert np.abs(frames[0, :, 230:].astype(int) - source[:, 230:]).mean() < SMOOTH
    assert still.shape == made.shape


def test_alpha_moves_along(inside: dict[str, dict[str, Any]]) -> None:
    if inside["check_alpha_of_all"]["error"]:
        pytest.skip("this check failed inside Blender")
    with Image.open(inside["check_alpha_of_all"]["told"]["frames"]) as frame:
        assert frame.mode == "RGBA"
        alpha = np.asarray(frame)[..., 3]
    assert (alpha == 0).mean() > 0.3
    assert (alpha == 255).mean() > 0.1


@pytest.mark.parametrize(("case", "words"), [("flow", "Region to Off"), ("no face", "face")])
def test_refusals(case: str, words: str, inside: dict[str, dict[str, Any]]) -> None:
    if inside["check_refusals"]["error"]:
        pytest.skip("this check failed inside Blender")
    assert words in inside["check_refusals"]["told"][case]


FRAME = (640, 360)


def shown(lying: Lying, size: tuple[int, int], point: tuple[float, float]) -> tuple[float, float]:
    """Where Blender shows a pixel of an image."""
    pivot = [share * side for share, side in zip(lying.origin, size, strict=True)]
    x, y = ((p - q) * scale for p, q, scale in zip(point, pivot, lying.scale, strict=True))
    cos, sin = math.cos(lying.rotation), math.sin(lying.rotation)
    turned = (cos * x - sin * y, sin * x + cos * y)
    return tuple(  # type: ignore[return-value]
        q + offset + (frame - side) / 2 + t
        for q, offset, frame, side, t in zip(pivot, lying.offset, FRAME, size, turned, strict=True)
    )


@pytest.mark.parametrize("seed", range(20))
def test_each_pixel_lies_on_that_of_the_still(seed: int) -> None:
    draw = random.Random(seed)
    still = (draw.randint(9, 4000), draw.randint(9, 4000))
    result = (2 * draw.randint(8, 600), 2 * draw.randint(8, 600))
    lying = Lying(
        (draw.uniform(-99, 99), draw.uniform(-99, 99)),
        (draw.uniform(0.1, 4), draw.uniform(0.1, 4)),
        draw.uniform(-3, 3),
        (draw.uniform(-1, 2), draw.uniform(-1, 2)),
    )
    fit = draw.choice(["crop", "pad", "stretch"])
    box = covered(still, result, fit)
    laid = over(lying, still, result, box)
    for _ in range(5):
        point = (draw.uniform(0, result[0]), draw.uniform(0, result[1]))
        under = (
            box.left + point[0] * box.width / result[0],
            box.bottom + point[1] * box.height / result[1],
        )
        near(shown(laid, result, point), shown(lying, still, under), DOUBLE)


def test_the_same_size_lies_the_same() -> None:
    lying = Lying((3.0, 4.0), (0.5, 0.6), 0.7, (0.2, 0.3), (1, 2, 3, 4))
    laid = over(lying, (640, 480), (640, 480), pasted((640, 480), (640, 480)))
    near([*laid.offset, *laid.scale, *laid.origin], [*lying.offset, *lying.scale, *lying.origin], DOUBLE)
    assert (laid.rotation, laid.crop) == (lying.rotation, lying.crop)


def test_the_doubled_row_of_an_odd_picture_is_cut_off() -> None:
    laid = over(Lying(), (641, 481), (642, 482), pasted((641, 481), (642, 482)))
    assert laid.crop == (0, 1, 1, 0)
    near([*laid.scale, *laid.offset], [1.0, 1.0, 0.5, -0.5], DOUBLE)


def test_what_lies_beyond_the_still_is_cut_off() -> None:
    still, result = (400, 200), (100, 100)
    padded, middle = covered(still, result, "pad"), covered(still, result, "crop")
    assert padded == Box(0.0, -100.0, 400.0, 400.0)
    assert over(Lying(), still, result, padded).crop == (0, 0, 25, 25)
    assert over(Lying(), still, result, middle).crop == (0, 0, 0, 0)
    assert over(Lying(crop=(110, 0, 0, 0)), still, result, middle).crop == (5, 0, 0, 0)


def test_another_size_is_seen_in_the_same_place() -> None:
    lying = Lying((3.0, 4.0), (0.5, 0.6), 0.7, (0.2, 0.3))
    now = resized(lying, (200, 100), (50, 400))
    near(shown(now, (50, 400), (25, 100)), shown(lying, (200, 100), (100, 25)), DOUBLE)
