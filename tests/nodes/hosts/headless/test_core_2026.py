"""Core nodes of ComfyUI 0.33: how graphs set them, and what they make. Compared with ComfyUI's own in tests/comfy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
import torch
from fomm_nodes.batch.local.kinds import kinds_of
from fomm_nodes.batch.render import local_schemas
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.graph.check import check
from fomm_nodes.graph.model import Graph, Link, Node
from fomm_nodes.graph.schemas import Schemas
from fomm_nodes.nodes.hosts.headless.comfy_nodes import CORE_NODES
from fomm_nodes.nodes.hosts.headless.files import Folders
from fomm_nodes.nodes.hosts.headless.host import HeadlessHost, JobSetting
from fomm_nodes.nodes.hosts.headless.limits import Limits
from fomm_nodes.nodes.hosts.headless.video import FileVideo
from nearness import near


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


@pytest.fixture
def files(tmp_path: Path) -> HeadlessHost:
    """A host whose files are in `kept`."""
    kept: list[Path] = []
    setting = JobSetting(
        folders=Folders((tmp_path,)),
        limits=Limits(),
        device=torch.device("cpu"),
        made=tmp_path,
        temporary=tmp_path,
        keep=lambda path, **about: kept.append(path),
        report=lambda done, total: None,
    )
    host = HeadlessHost(setting, "test")
    host.kept = kept  # type: ignore[attr-defined]
    return host


def _packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(video=0) if packet.size]


PICTURE = torch.rand(2, 40, 60, 3, generator=torch.Generator().manual_seed(0))
SOUND = {"waveform": torch.zeros(1, 2, 8000), "sample_rate": 48000}
OF_CODING = 0.02
"""Of noise at the coders' own quality: its mean over an image stays."""

RUN = {name: node.run for name, node in CORE_NODES.items()}
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


WRITTEN = [
    ({"format": "mkv", "format.codec": "auto"}, ("matroska", "h264", "yuv420p", 13)),
    ({"format": "mp4", "format.codec": "av1"}, ("mp4", "av1", "yuv420p", 13)),
    ({"format": "webm", "format.codec": "auto"}, ("webm", "av1", "yuv420p", 13)),
    ({**ENCODED, "format.codec.encoding.color_space": "HDR"}, ("mp4", "h264", "yuv420p10le", 18)),
    ({**ENCODED, "format.codec.encoding.color_space": "sRGB"}, ("mp4", "h264", "yuv420p", 13)),
]


@pytest.mark.parametrize(
    ("values", "made"), WRITTEN, ids=lambda value: "-".join(map(str, value)) if "mp4" in value else ""
)
def test_containers_codecs_and_colour_spaces(
    files: HeadlessHost, values: dict[str, Any], made: tuple[str, str, str, int]
) -> None:
    video = run(files, "CreateVideo", images=PICTURE, fps=10.0, audio=SOUND)
    assert run(files, "SaveVideo", video=video, **{"filename_prefix": "v", **values}) is video
    container, codec, pixels, curve = made
    with av.open(str(files.kept[-1])) as written:
        (stream,) = written.streams.video
        assert container in written.format.name.split(",")
        assert (stream.codec.canonical_name, stream.pix_fmt) == (codec, pixels)
        assert (int(stream.color_trc), stream.color_range) == (curve, 1)
        assert written.streams.audio[0].codec.canonical_name == ("opus" if container == "webm" else "aac")
        assert len(list(written.decode(stream))) == 2
    parts = RUN["GetVideoComponents"](files, FileVideo(files.kept[-1]))
    assert parts[3:] == (10 if "10" in pixels else 8, "HDR" if curve == 18 else "sRGB")
    near(parts[0].mean((1, 2)), PICTURE.mean((1, 2)), OF_CODING, of=1)


def test_a_quality_factor_makes_the_file_larger_or_smaller(files: HeadlessHost) -> None:
    for crf in (10.0, 40.0):
        video = run(files, "CreateVideo", images=PICTURE, fps=10.0)
        run(files, "SaveVideo", video=video, **{**ENCODED, "format.codec.encoding.crf": crf})
    fine, coarse = (path.stat().st_size for path in files.kept)
    assert fine > 2 * coarse


def test_ten_bits_are_kept(files: HeadlessHost) -> None:
    ramp = torch.linspace(0.4, 0.41, 64)[None, None, :, None].expand(2, 64, 64, 3)  # 2.5 of 256 levels
    video = run(files, "CreateVideo", images=ramp, fps=10.0, bit_depth=10)
    run(files, "SaveVideo", video=video, **{**ENCODED, "format.codec.encoding.crf": 0.0})
    parts = RUN["GetVideoComponents"](files, FileVideo(files.kept[-1]))
    assert parts[3] == 10
    assert len(parts[0][0, 32, :, 1].unique()) > 5


def test_a_file_that_fits_is_copied_and_another_is_not(files: HeadlessHost) -> None:
    video = run(files, "CreateVideo", images=PICTURE, fps=10.0)
    run(files, "SaveVideo", video=video, **NEWER)
    first = files.kept[-1]
    for values, same in ((NEWER, True), ({**NEWER, "format": "mkv"}, False), (ENCODED, False)):
        run(files, "SaveVideo", video=FileVideo(first), **values)
        assert (_packets(files.kept[-1]) == _packets(first)) is same


def test_what_cannot_be_written_is_said(files: HeadlessHost) -> None:
    video = run(files, "CreateVideo", images=PICTURE, fps=10.0)
    deep = {**ENCODED, "format.codec.encoding.color_space": "HDR PQ"}
    run(files, "SaveVideo", video=video, **deep)
    with pytest.raises(ImageError, match="colour space auto or HDR PQ"):
        run(
            files, "SaveVideo", video=FileVideo(files.kept[-1]), **{**deep, "format.codec.encoding.color_space": "sRGB"}
        )
    with pytest.raises(ValueError, match="expected one of auto, av1"):
        run(files, "SaveVideo", video=video, **{**NEWER, "format": "webm", "format.codec": "h264"})


@pytest.mark.parametrize("kind", ["SaveImage", "PreviewImage", "SaveAnimatedWEBP", "SaveAnimatedPNG", "SaveWEBM"])
def test_what_saves_or_shows_hands_on_what_it_got(files: HeadlessHost, kind: str) -> None:
    assert run(files, kind, images=PICTURE) is PICTURE
    assert files.kept


def test_more_that_hands_on_what_it_got(files: HeadlessHost) -> None:
    assert run(files, "MaskPreview", mask=PICTURE[..., 0]).shape == (2, 40, 60)
    assert run(files, "PreviewAny", source=3) == "3"
    assert run(files, "SaveAudio", audio=SOUND) is SOUND


def test_a_graph_goes_on_behind_a_node_that_saves(schemas: Schemas) -> None:
    assert schemas.outputs("SaveImage") == ("IMAGE",)
    assert schemas.outputs("GetVideoComponents") == ("IMAGE", "AUDIO", "FLOAT", "INT", "COMBO")


def test_nodes_have_the_titles_of_the_version_that_saved_them(schemas: Schemas) -> None:
    assert schemas.title("SolidMask") == "SolidMask"
    assert schemas.title("SolidMask", now=True) == "Create Solid Mask"
    assert schemas.title("SaveImage", now=True) == "Save Image"


def test_any_value_can_be_shown() -> None:
    graph = Graph(
        {
            "1": Node("1", "PrimitiveInt", "Int", {"value": 3}),
            "2": Node("2", "PreviewAny", "Preview", {"source": Link("1", 0)}),
        }
    )
    order, _ = kinds_of(graph, previews=True)
    assert order == ("1", "2")
