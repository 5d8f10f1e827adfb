"""Region from Box on every shape that boxes have on the wires of ComfyUI's core and of its packs: read, or refused with
words that help. One case for each kind that was seen there.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import RegionError
from fomm_nodes.fomm_core.region import region_at
from fomm_nodes.nodes.declarations.region_ports import joined
from torch import Tensor

Run = Callable[..., dict]
Named = namedtuple("Named", "x y width height")
SEG = namedtuple("SEG", "cropped_image cropped_mask confidence crop_region bbox label control_net_wrapper")
BOX = {"x": 10, "y": 20, "width": 30, "height": 40}
LATER = {"x": 16, "y": 20, "width": 30, "height": 40}
FOUND = {"x": 10.25, "y": -4.5, "width": 30.5, "height": 40.0, "label": "face", "score": 0.93}
HERE, THERE = (25.0, 40.0), (31.0, 40.0)
BETWEEN = (28.0, 40.0)
AT_FOUND = (25.5, 15.5)

READ: dict[str, tuple[Any, str, list[tuple[float, float]]]] = {
    "core: one dict": (BOX, "xywh", [HERE]),
    "core: a list": ([BOX], "xywh", [HERE]),
    "core: a list of one list": ([[BOX]], "xywh", [HERE]),
    "core: a list for each frame": ([[BOX], [BOX], [LATER]], "xywh", [HERE, HERE, THERE]),
    "core: a frame without": ([[BOX], [], [LATER]], "xywh", [HERE, BETWEEN, THERE]),
    "core: frames without at the ends": ([[], [BOX], []], "xywh", [HERE] * 3),
    "core: detectors, floats over the border": ([[FOUND], [FOUND], [FOUND]], "xywh", [AT_FOUND] * 3),
    "core: several in some frames": ([[BOX, FOUND], [BOX], [LATER, BOX]], "xywh", [HERE, HERE, THERE]),
    "core: the drawing widget": ([{**BOX, "metadata": {}}, LATER], "xywh", [HERE]),
    "ours: fixed": ("bounds", "xywh", [HERE]),
    "KJNodes: tuples, left top width height": (
        [(10, 20, 30, 40)] * 2 + [(16, 20, 30, 40)],
        "xywh",
        [HERE, HERE, THERE],
    ),
    "KJNodes: tuples, corners": ([(10, 20, 40, 60)] * 2 + [(16, 20, 46, 60)], "xyxy", [HERE, HERE, THERE]),
    "KJNodes: points editor, objects": ([(10, 20, 40, 60), (16, 20, 46, 60)], "xyxy", [HERE]),
    "mtb: a named tuple": (Named(10, 20, 30, 40), "xywh", [HERE]),
    "SAM2: lists of corners for each frame": ([[[10, 20, 40, 60]]] * 3, "xyxy", [HERE] * 3),
    "SAM2: floats of objects": ([[10.0, 20.0, 30.0, 40.0], [16.0, 20.0, 30.0, 40.0]], "xywh", [HERE]),
    "WanAnimate: the first frame alone": ([(10, 20, 40, 60)], "xyxy", [HERE]),
    "LayerStyle: four numbers of numpy": ([np.int64(n) for n in (10, 20, 40, 60)], "xyxy", [HERE]),
    "Impact: a row of floats": (np.array([10, 20, 40, 60], np.float32), "xyxy", [HERE]),
    "a tensor of objects": (torch.tensor([[10, 20, 40, 60], [16, 20, 46, 60]]), "xyxy", [HERE]),
    "a tensor for each frame": (torch.tensor([[[10, 20, 40, 60]]] * 3), "xyxy", [HERE] * 3),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "nothing found anywhere": ([[], [], []], "nothing was found in any frame. Choose a box by hand"),
    "mtb: of an empty mask": (Named(0, 0, 0, 0), "a width and a height above 0"),
    "corners taken for sizes": ([(40, 60, 10, 20)] * 3, "lies outside"),
    "sizes taken for corners": ([(50, 20, 30, 40)], "choose the layout xywh"),
    "LayerStyle: the original size": ([640, 480], "expected the boxes of frame 0 as a list"),
    "WAS: crop data": (((640, 480), (10, 20, 40, 60)), "expected the boxes of frame 0 as a list"),
    "WAS: crop data without a face": (False, "expected a box: a dict of x, y, width, height"),
    "Impact: SEGS": (
        ((80, 72), [SEG(None, np.zeros((4, 4)), 0.9, [10, 20, 40, 60], np.zeros(4), "face", None)]),
        "expected the boxes of frame 0 as a list",
    ),
    "Impact: a detector": (object(), "expected a box: a dict of x, y, width, height"),
    "LivePortraitKJ: crop info": ({"crop_info_list": [None], "source_info": {}}, "none of x, y, width, height"),
    "Inpaint-CropAndStitch: a stitcher": ({"canvas_to_orig_x": [1], "blend_pixels": 2}, "none of x, y, width, height"),
    "controlnet_aux: poses": ([{"canvas_width": 72, "people": []}] * 3, "none of x, y, width, height"),
    "a word in a box": ([["a", 1, 2, 3]], "four numbers"),
    "numbers without end": ([(10, 20, float("inf"), 40)], "finite numbers"),
    "boxes of another clip": ([[BOX]] * 7, "one for each of 3 frames; got boxes of 7 frames"),
}


@pytest.mark.parametrize("kind", READ)
def test_it_is_read(run: Run, clip: Tensor, kind: str) -> None:
    value, layout, expected = READ[kind]
    if isinstance(value, str):
        value = run("RegionFromNumbers", images=clip[:3], unit="pixels", centre_x=25, centre_y=40, side=30)["bounds"]
    for box in (value, value if isinstance(value, Tensor) else _tuples(value)):
        made = run("RegionFromBox", images=clip[:3], box=box, box_numbers=layout, movement="follow")
        assert made["region"].centre.tolist() == [list(centre) for centre in expected]
        assert set(made["region"].side.tolist()) <= {30.0, 40.0}
        assert isinstance(made["bounds"], dict) == (len(expected) == 1)


def _tuples(value: Any) -> Any:
    """Lists as tuples all the way down, as some packs send them."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value


@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_with_help(run: Run, clip: Tensor, kind: str) -> None:
    value, words = REFUSED[kind]
    layout = "xyxy" if kind == "sizes taken for corners" else "xywh"
    images = clip[:3, :40] if kind == "corners taken for sizes" else clip[:3]
    with pytest.raises(RegionError, match=words):
        run("RegionFromBox", images=images, box=value, box_numbers=layout, movement="follow")


def test_boxes_of_several_faces_go_out_as_the_core_sends_them(run: Run, clip: Tensor) -> None:
    """A list for each frame, with the box of each face: read back by their numbers."""
    fixed, moving = [BOX, LATER], [[[BOX], [LATER]], [[LATER], [BOX]]]
    assert joined(fixed) == [[BOX, LATER]]
    assert joined(moving) == [[BOX, LATER], [LATER, BOX]]
    assert joined([BOX, moving[0]]) == [[BOX, BOX], [BOX, LATER]]
    for number, centre in ((0, HERE), (1, THERE)):
        made = run("RegionFromBox", images=clip[:3], box=joined(fixed), number=number)["region"]
        assert made.centre.tolist() == [list(centre)]


def test_a_region_of_several_faces_gives_one_mask(run: Run) -> None:
    from fomm_nodes.nodes.declarations.region_ports import outputs_of

    faces = tuple(region_at(x, 40, 20, height=80, width=72) for x in (20, 50))
    _, boxes, mask, _ = outputs_of(faces, torch.zeros(1, 8, 8, 3))
    assert [box["x"] for box in boxes[0]] == [10, 40]
    assert mask.shape == (1, 80, 72)
    assert int(mask.sum()) == 2 * 20 * 20
