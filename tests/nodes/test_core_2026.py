"""Core nodes of ComfyUI 0.33: how graphs set them, and what they make. Compared with ComfyUI's own in tests/comfy."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.nodes.graph.check import check
from fomm_nodes.nodes.graph.model import Graph, Link, Node
from fomm_nodes.nodes.graph.schemas import Schemas
from fomm_nodes.nodes.hosts.core_nodes import CORE_NODES
from fomm_nodes.nodes.hosts.headless import HeadlessHost
from fomm_nodes.nodes.render.batch import local_schemas


@pytest.fixture
def host() -> HeadlessHost:
    class Limits:
        def check(self, *size: int) -> None:
            pass

    class Setting:
        limits = Limits()

    return HeadlessHost(Setting(), "test")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return local_schemas(None)


def run(host: HeadlessHost, kind: str, **values: Any) -> Any:
    node = CORE_NODES[kind]
    return node.run(host, **node.check(values))[0]


PICTURE = torch.rand(2, 40, 60, 3, generator=torch.Generator().manual_seed(0))
BOX = {"x": 10, "y": 5, "width": 20, "height": 10}


def test_a_box_cuts_a_picture(host: HeadlessHost) -> None:
    box = run(host, "PrimitiveBoundingBox", **BOX)
    assert box == BOX
    assert torch.equal(run(host, "ImageCropV2", image=PICTURE, crop_region=box), PICTURE[:, 5:15, 10:30])
    with pytest.raises(ImageError, match="one box"):
        run(host, "ImageCropV2", image=PICTURE, crop_region=[[box]])


def test_boxes_of_each_picture_cut_it_to_one_size(host: HeadlessHost) -> None:
    sizes = {"output_width": 80, "output_height": 64}
    boxes = [[BOX], [{"x": 0, "y": 0, "width": 1, "height": 1}, {"x": 29, "y": 14, "width": 1, "height": 1}]]
    made = run(host, "CropByBBoxes", image=PICTURE, bboxes=boxes, **sizes)
    assert made.shape == (2, 64, 80, 3)
    padded = run(host, "CropByBBoxes", image=PICTURE, bboxes=boxes[:1], keep_aspect="pad", **sizes)
    assert padded[:, :12].max() == 0  # 20 x 10 in 80 x 64: twelve black lines above and below
    assert padded[:, 12:52].min() > 0
    assert run(host, "CropByBBoxes", image=PICTURE, bboxes=[[], []], **sizes) is PICTURE


@pytest.mark.parametrize(
    ("how", "size"),
    [
        ({"resize_type": "scale dimensions", "resize_type.width": 30, "resize_type.height": 0}, (20, 30)),
        ({"resize_type": "scale dimensions"}, (512, 512)),
        ({"resize_type": "scale by multiplier", "resize_type.multiplier": 0.5}, (20, 30)),
        ({"resize_type": "scale longer dimension", "resize_type.longer_size": 120}, (80, 120)),
        ({"resize_type": "scale shorter dimension", "resize_type.shorter_size": 20}, (20, 30)),
        ({"resize_type": "scale width", "resize_type.width": 15}, (10, 15)),
        ({"resize_type": "scale height", "resize_type.height": 10}, (10, 15)),
        ({"resize_type": "match size", "resize_type.match": torch.zeros(1, 7, 9)}, (7, 9)),
        ({"resize_type": "scale to multiple", "resize_type.multiple": 16}, (32, 48)),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple) else value["resize_type"],
)
def test_pictures_and_masks_are_resized_alike(host: HeadlessHost, how: dict[str, Any], size: tuple[int, int]) -> None:
    assert run(host, "ResizeImageMaskNode", input=PICTURE, **how).shape == (2, *size, 3)
    assert run(host, "ResizeImageMaskNode", input=PICTURE[..., 0], scale_method="lanczos", **how).shape == (2, *size)


def test_what_a_choice_brings_is_checked(host: HeadlessHost) -> None:
    with pytest.raises(ValueError, match=r"resize_type\.match.* not connected"):
        run(host, "ResizeImageMaskNode", input=PICTURE, resize_type="match size")
    with pytest.raises(ValueError, match="expected one of scale dimensions"):
        run(host, "ResizeImageMaskNode", input=PICTURE, resize_type="by magic")
    with pytest.raises(ValueError, match="is not connected"):
        run(host, "ResizeImageMaskNode", resize_type="scale width")


def test_batches_grow_with_their_wires(host: HeadlessHost) -> None:
    images = {f"images.image{place}": torch.full((1, 4, 6, 3), place / 20) for place in range(11)}
    made = run(host, "BatchImagesNode", **images)
    assert made[:, 0, 0, 0].tolist() == [float(torch.tensor(place / 20)) for place in range(11)]
    with pytest.raises(ValueError, match="“images” is not connected"):
        run(host, "BatchImagesNode")


def test_sizes_in_steps_and_places_from_the_end(host: HeadlessHost) -> None:
    values = {"image": PICTURE, "upscale_method": "area", "megapixels": 0.01}
    assert run(host, "ImageScaleToTotalPixels", **values).shape[1:3] == (84, 125)
    assert run(host, "ImageScaleToTotalPixels", resolution_steps=16, **values).shape[1:3] == (80, 128)
    assert torch.equal(run(host, "ImageFromBatch", image=PICTURE, batch_index=-1, length=1), PICTURE[1:])


NEWER = {"filename_prefix": "v", "format": "auto", "format.codec": "auto", "codec": "auto"}
OLDER = {"filename_prefix": "v", "format": "mp4", "codec": "h264"}
ENCODED = {**NEWER, "format": "mp4", "format.codec": "h264", "format.codec.encoding": "re-encode"}


@pytest.mark.parametrize(
    "values", [NEWER, OLDER, {**NEWER, "format": "mkv"}, ENCODED], ids=["now", "then", "mkv", "crf"]
)
def test_both_forms_of_save_video_are_known(values: dict[str, Any], schemas: Schemas) -> None:
    made = {"fps": 30.0} | ({"bit_depth": 8} if values is not OLDER else {})
    graph = Graph(
        {
            "0": Node("0", "LoadImage", "Load Image", {"image": "a.png"}),
            "1": Node("1", "CreateVideo", "Create Video", {"images": Link("0", 0), **made}),
            "2": Node("2", "SaveVideo", "Save Video", {"video": Link("1", 0), **values}),
        }
    )
    missing = ["format.codec.encoding.crf", "format.codec.encoding.color_space"] if values is ENCODED else []
    assert [problem.port for problem in check(graph, schemas)] == missing
    assert CORE_NODES["SaveVideo"].check({"video": object(), **values})["format"]


def test_what_only_comfyui_writes_is_said(host: HeadlessHost) -> None:
    for values in ({**NEWER, "format": "mkv"}, {**NEWER, "format.codec": "av1"}, ENCODED):
        with pytest.raises(ImageError, match="Run this graph on ComfyUI"):
            run(host, "SaveVideo", video=object(), **values)
    with pytest.raises(ImageError, match="8 bits"):
        run(host, "CreateVideo", images=PICTURE, fps=30.0, bit_depth=10)
