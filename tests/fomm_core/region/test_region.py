from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import RegionError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.region import (
    FRAMINGS,
    Framing,
    Region,
    framed,
    load_region,
    read_boxes,
    region_at,
    region_boxes,
    region_mask,
    region_middle,
    region_of_boxes,
    region_of_keypoints,
    region_of_mask,
    save_region,
)
from nearness import DOUBLE, near
from safetensors.torch import save_file

NAN, INF = math.nan, math.inf


def test_a_region_is_frozen_and_float64_on_the_cpu() -> None:
    region = region_at([10, 11.5], 20, 8, height=40, width=60)
    assert region.centre.dtype == torch.float64
    assert len(region) == 2
    assert region[1].centre.tolist() == [[11.5, 20]]
    assert region[0:1].side.tolist() == [8]
    with pytest.raises(AttributeError):
        region.height = 3  # type: ignore[misc]
    with pytest.raises(IndexError):
        region[2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((NAN, 5, 4, 0), "finite centre"),
        ((5, 5, INF, 0), "finite side"),
        ((5, 5, 4, NAN), "finite angle"),
        ((5, 5, 0, 0), "side above 0"),
        ((5, 5, -3, 0), "side above 0"),
        ((-10, 5, 4, 0), r"lies outside, with its centre at \(-10, 5\)"),
        ((5, 12, 4, 0), "lies outside"),  # touches the border, shows nothing
        ((-5, -5, 12, math.pi / 4), "lies outside"),  # its upright box reaches the image, the square does not
        (([1, 2], [1, 2, 3], 4, 0), r"one for each frame; got \[2, 3, 1, 1\]"),
        (([], [], [], []), "T >= 1"),
    ],
)
def test_bad_numbers_are_refused(values: tuple[Any, ...], message: str) -> None:
    with pytest.raises(RegionError, match=message):
        region_at(*values, height=10, width=10)


def test_bad_shapes_times_and_sizes_are_refused() -> None:
    with pytest.raises(RegionError, match=r"a side of shape \[2\]"):
        Region(torch.ones(1, 2), torch.ones(2), torch.zeros(1), 5, 5)
    with pytest.raises(RegionError, match="1x1 or more pixels; got 5x0"):
        Region(torch.ones(1, 2), torch.ones(1), torch.zeros(1), 0, 5)
    with pytest.raises(RegionError, match="times that rise"):
        region_at([1, 1], 1, 1, height=5, width=5, times=torch.tensor([0.0, 0.0]))


def test_middle_is_what_fit_cuts() -> None:
    for height, width in ((100, 177), (177, 100), (1, 9), (64, 64)):
        region = region_middle(height, width)
        left, top, right, bottom = region.bounds()[0].tolist()
        assert (left, top) == ((width - min(height, width)) // 2, (height - min(height, width)) // 2)
        assert right - left == bottom - top == min(height, width)


def test_snapped_keeps_its_size_as_it_moves() -> None:
    region = region_at(torch.linspace(20, 40, 50), 30.2, 21.3, height=100, width=100).snapped()
    assert set(region.side.tolist()) == {22}
    assert torch.equal(region.bounds(), region.bounds().round())
    assert float((region.centre[:, 0] - torch.linspace(20, 40, 50)).abs().max()) <= 0.5 + 1e-6
    turned = region_at(20.2, 30, 21.3, 0.1, height=100, width=100)
    assert torch.equal(turned.snapped().side, turned.side)


D = {"x": 10, "y": 20, "width": 30, "height": 40}
E = {"x": 12, "y": 20, "width": 30, "height": 40}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (D, [[10, 20, 30, 40]]),
        ([D], [[10, 20, 30, 40]]),
        ([[D]], [[10, 20, 30, 40]]),
        ([[D], [D], [E]], [[10, 20, 30, 40]] * 2 + [[12, 20, 30, 40]]),
        ([[D], [], [E]], [[10, 20, 30, 40], [11, 20, 30, 40], [12, 20, 30, 40]]),
        ([[], [D], None], [[10, 20, 30, 40]] * 3),
        ([D, D, E], [[10, 20, 30, 40]] * 2 + [[12, 20, 30, 40]]),  # as many as frames
        ([{**D, "label": "face", "score": 0.9}], [[10, 20, 30, 40]]),
        ([[{**D, "x": 10.5}]], [[10.5, 20, 30, 40]]),
        ((10, 20, 30, 40), [[10, 20, 30, 40]]),
        ([(10, 20, 30, 40)], [[10, 20, 30, 40]]),
        ([(10, 20, 30, 40)] * 3, [[10, 20, 30, 40]] * 3),
        (np.array([10, 20, 30, 40]), [[10, 20, 30, 40]]),
        (np.array([[10, 20, 30, 40]] * 3, np.float32), [[10, 20, 30, 40]] * 3),
        (torch.tensor([[[10, 20, 30, 40], [1, 1, 1, 1]]] * 3), [[10, 20, 30, 40]] * 3),
        ([np.array([10, 20, 30, 40])] * 3, [[10, 20, 30, 40]] * 3),
        ({name: np.int64(number) for name, number in D.items()}, [[10, 20, 30, 40]]),
    ],
)
def test_all_shapes_of_boxes_are_read(value: Any, expected: list[list[float]]) -> None:
    found = read_boxes(value, frames=3)
    assert found is not None
    assert found.tolist() == expected


def test_other_readings_of_boxes() -> None:
    assert read_boxes(None) is None
    assert read_boxes((10, 20, 40, 60), layout="xyxy").tolist() == [[10, 20, 30, 40]]  # type: ignore[union-attr]
    assert read_boxes([[D, E]], which=1).tolist() == [[12, 20, 30, 40]]  # type: ignore[union-attr]
    assert read_boxes([D, E], which=5).tolist() == [[12, 20, 30, 40]]  # type: ignore[union-attr]
    assert read_boxes([(1, 2, 3, 4), (2, 2, 3, 4)]).tolist() == [[1, 2, 3, 4], [2, 2, 3, 4]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "nothing was found in any frame"),
        ([[], []], "nothing was found in any frame"),
        ([[D], [D]], "each of 3 frames; got boxes of 2"),
        ({"x": 1, "y": 2}, "none of width, height"),
        ("10,20,30,40", "expected a box"),
        (7, "expected a box"),
        ([7, 8], "boxes of frame 0"),
        ({**D, "width": 0}, "0x40"),
        ({**D, "height": NAN}, "finite numbers"),
        ({**D, "height": "tall"}, "four numbers"),
        ((30, 40, None, 20), "four numbers"),
    ],
)
def test_what_is_no_box_is_refused(value: Any, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        read_boxes(value, frames=3)


def test_an_xywh_box_read_as_xyxy_is_told() -> None:
    with pytest.raises(RegionError, match="choose the layout xywh"):
        read_boxes((100, 100, 40, 60), layout="xyxy")
    with pytest.raises(RegionError, match="layout of xywh or xyxy"):
        read_boxes(D, layout="yolo")  # type: ignore[arg-type]


def test_boxes_out_are_ints_inside_the_picture() -> None:
    fixed = region_at(50, 50, 41.2, height=100, width=100)
    assert region_boxes(fixed) == {"x": 30, "y": 30, "width": 41, "height": 41}
    moving = region_at(torch.linspace(20, 80, 40), 50, 21, height=100, width=100)
    boxes = region_boxes(moving)
    assert isinstance(boxes, list)
    assert [len(frame) for frame in boxes] == [1] * 40
    assert {(box["width"], box["height"]) for (box,) in boxes} == {(21, 21)}
    assert all(type(number) is int for (box,) in boxes for number in box.values())
    over = region_at([-4, 109], [50, 108], 20, height=100, width=100)
    for (box,) in region_boxes(over):  # type: ignore[union-attr]
        assert box["x"] >= 0
        assert box["width"] >= 1
        assert box["x"] + box["width"] <= 100
        assert box["y"] + box["height"] <= 100
    assert json.dumps(boxes)


def test_boxes_there_and_back() -> None:
    region = region_of_boxes(read_boxes([[D], [E]]), 200, 200)  # type: ignore[arg-type]
    assert region.side.tolist() == [40, 40]
    assert region.centre.tolist() == [[25, 40], [27, 40]]
    again = region_of_boxes(read_boxes(region_boxes(region)), 200, 200)  # type: ignore[arg-type]
    assert torch.equal(again.centre, region.centre)
    assert torch.equal(again.side, region.side)


def test_region_of_a_mask() -> None:
    masks = torch.zeros(3, 60, 80)
    masks[0, 10:30, 20:30] = 1
    masks[2, 14:34, 24:34] = 0.6
    masks += 0.001
    fixed = region_of_mask(masks)
    assert fixed.bounds().tolist() == [[15, 10, 39, 34]]
    moving = region_of_mask(masks, moving=True)
    assert moving.centre.tolist() == [[25, 20], [27, 22], [29, 24]]
    assert moving.side.tolist() == [20, 20, 20]
    assert len(region_of_mask(torch.ones(5, 6))) == 1
    for bad, message in (
        (torch.zeros(2, 5, 5), "marks something"),
        (torch.full((5, 5), NAN), "NaN"),
        (torch.zeros(5), r"\[H, W\]"),
    ):
        with pytest.raises(RegionError, match=message):
            region_of_mask(bad)


def test_mask_of_a_region_there_and_back() -> None:
    region = region_at([30, 33], 25, 20, height=60, width=80)
    masks = region_mask(region)
    assert masks.sum((1, 2)).tolist() == [400, 400]
    assert torch.equal(region_of_mask(masks, moving=True).centre, region.centre)


def test_framing_puts_the_square_where_it_belongs() -> None:
    face = region_at(50, 60, 30, 0.3, height=200, width=200)
    framing = FRAMINGS["vox"]
    crop = framed(face, framing)
    near(float(face.side[0] / crop.side[0]), framing.share, DOUBLE)
    away = face.centre - crop.corners()[:, 0]
    cos, sin = math.cos(0.3), math.sin(0.3)
    across, down = float(away[0, 0] * cos + away[0, 1] * sin), float(away[0, 1] * cos - away[0, 0] * sin)
    near((across / float(crop.side[0]), down / float(crop.side[0])), (framing.x, framing.y), DOUBLE)
    with pytest.raises(RegionError, match="share above 0"):
        Framing(0)


def test_keypoints_refine_a_crop() -> None:
    inside = region_at(100, 100, 80, 0.2, height=200, width=200)
    keypoints = Keypoints(torch.tensor([[[-0.5, -0.5], [0.5, 0.5], [0.0, 0.3]]]))
    same = region_of_keypoints(keypoints, inside, Framing(0.5))
    near(same.centre, inside.centre, DOUBLE)
    near(same.side, inside.side, DOUBLE)
    assert torch.equal(same.angle, inside.angle)
    closer = region_of_keypoints(keypoints, inside, Framing(1.0))
    near(float(closer.side[0]), 40, DOUBLE)


def test_a_region_at_another_size() -> None:
    region = region_at(50, 20, 30, 0.3, height=100, width=200).resized(50, 100)
    assert region.size == (50, 100)
    assert region.centre.tolist() == [[25, 10]]
    near(float(region.side[0]), 15, DOUBLE)


@pytest.mark.parametrize("times", [None, torch.tensor([0.0, 0.04])])
def test_saved_and_loaded(tmp_path: Path, times: torch.Tensor | None) -> None:
    region = region_at([10.123456789, 11], 20, [8, 9], 0.1, height=40, width=60, times=times)
    again = load_region(save_region(tmp_path / "a" / "region.safetensors", region, metadata={"from": "x.png"}))
    for name in ("centre", "side", "angle", "times"):
        ours, theirs = getattr(region, name), getattr(again, name)
        assert theirs is None if ours is None else torch.equal(ours, theirs)
    assert again.size == region.size


def test_damaged_files_are_told(tmp_path: Path) -> None:
    good = {"centre": torch.ones(1, 2).double(), "side": torch.ones(1).double(), "angle": torch.zeros(1).double()}
    notes = {"format": "fomm-region", "format_version": "1", "frames": "1", "height": "5", "width": "5"}
    path = tmp_path / "r.safetensors"
    for tensors, changed, message in (
        (good, {"format": "fomm-keypoints"}, "its format is 'fomm-keypoints'"),
        (good, {"format_version": "2"}, "update fomm-nodes"),
        (good, {"height": "-5"}, "whole number from 1 as the height"),
        (good, {"frames": "2"}, "expected 2 frames"),
        ({"side": good["side"]}, {}, "expected the tensors"),
        ({**good, "side": torch.ones(1)}, {}, "float64 in the side"),
        ({**good, "side": -good["side"]}, {}, "damaged: expected a side above 0"),
        ({**good, "angle": good["angle"] * NAN}, {}, "damaged: expected a finite angle"),
    ):
        save_file(tensors, path, metadata={**notes, **changed})
        with pytest.raises(RegionError, match=message):
            load_region(path)
    path.write_bytes(b"12345")
    with pytest.raises(RegionError, match="cannot be read"):
        load_region(path)
    with pytest.raises(RegionError, match="found none"):
        load_region(tmp_path / "missing")
