"""The local engine's core nodes against ComfyUI's own: ports from a server, results on random inputs."""

from __future__ import annotations

import numpy as np
import pytest
from fomm_nodes.graph.types import DYNAMIC_COMBO
from fomm_nodes.nodes.hosts.headless.comfy_nodes import CORE_NODES, UPLOADS, object_info
from nearness import ROUNDING

CLIPS = {
    "clip.mp4": {},
    "narrow.mp4": {"codec": "libx264", "pix_fmt": "yuv420p", "width": 90},
    "deep.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le", "width": 64, "trc": 16},
    "full.mkv": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "width": 90},
}
"""Of five frames of noise, but for the first, which is of our own."""

SCRIPT = (
    f"CLIPS = {CLIPS!r}"
    + """
import asyncio, importlib, shutil
import utils.install_util  # before comfy has a `utils` of its own in the way
import nodes, torch, random
import numpy as np
from PIL import Image
asyncio.run(nodes.init_builtin_extra_nodes())
core = importlib.import_module("pack.nodes.hosts.headless.comfy_nodes").CORE_NODES
headless = importlib.import_module("pack.nodes.hosts.headless.host")
files = importlib.import_module("pack.nodes.hosts.headless.files")
clips = importlib.import_module("pack.nodes.hosts.headless.video")
inputs = Path(folder_paths.get_input_directory()); inputs.mkdir(parents=True, exist_ok=True)
(base / "made").mkdir(); (base / "temporary").mkdir()
kept = []
setting = headless.JobSetting(
    folders=files.Folders((inputs,)), limits=headless.Limits(), device=torch.device("cpu"), made=base / "made",
    temporary=base / "temporary", keep=lambda path, **about: kept.append(path), report=lambda done, total: None,
)
torch.manual_seed(0)
rng = np.random.default_rng(0)
def image(count, height, width, channels=3): return torch.rand(count, height, width, channels)
def mask(count, height, width): return torch.rand(count, height, width)
def picture(name, mode, shape, **more):
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8), mode).save(inputs / name, **more)
picture("rgb.png", "RGB", (20, 30, 3)); picture("rgba.png", "RGBA", (20, 30, 4)); picture("grey.png", "L", (20, 30))
Image.fromarray(rng.integers(0, 65536, (20, 30)).astype(np.uint16)).save(inputs / "deep.png")
turned = Image.Exif(); turned[0x0112] = 6
picture("turned.jpg", "RGB", (20, 30, 3), exif=turned)
pages = [Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)) for _ in range(3)]
pages[0].save(inputs / "moving.gif", save_all=True, append_images=pages[1:])
pages[0].convert("P").save(inputs / "palette.png", transparency=3)
shutil.copy(Path(root) / "fomm_core/assets/driving.mp4", inputs / "clip.mp4")

cases = []
def case(name, **values): cases.append((name, values))
for method in ("nearest-exact", "bilinear", "area", "bicubic", "lanczos"):
    for crop in ("disabled", "center"):
        case("ImageScale", image=image(2, 20, 31), upscale_method=method, width=17, height=40, crop=crop)
    case("ImageScaleBy", image=image(2, 20, 31), upscale_method=method, scale_by=1.7)
case("ImageScale", image=image(1, 20, 31), upscale_method="area", width=0, height=9, crop="disabled")
case("ImageScale", image=image(1, 20, 31), upscale_method="area", width=0, height=0, crop="center")
case("ImageScaleToTotalPixels", image=image(1, 20, 31), upscale_method="bilinear", megapixels=0.01)
case("ImageCrop", image=image(2, 20, 31), width=12, height=100, x=50, y=3)
for turn in ("none", "90 degrees", "180 degrees", "270 degrees"):
    case("ImageRotate", image=image(1, 4, 7), rotation=turn)
for flip in ("x-axis: vertically", "y-axis: horizontally"): case("ImageFlip", image=image(1, 4, 7), flip_method=flip)
case("ImageBatch", image1=image(2, 20, 31), image2=image(1, 40, 20))
case("RepeatImageBatch", image=image(2, 4, 5), amount=3)
case("ImageFromBatch", image=image(5, 4, 5), batch_index=3, length=9)
case("ImageFromBatch", image=image(5, 4, 5), batch_index=30, length=2)
case("ImageInvert", image=image(2, 4, 5))
case("EmptyImage", width=7, height=5, batch_size=2, color=0x12FE80)
case("ImageBlur", image=image(2, 20, 31), blur_radius=4, sigma=2.0)
case("ImageBlur", image=image(1, 20, 31), blur_radius=1, sigma=0.3)
case("ImageSharpen", image=image(2, 20, 31), sharpen_radius=3, sigma=0.7, alpha=0.8)
for sides in ((8, 0, 0, 16), (0, 8, 8, 0), (8, 8, 8, 8), (0, 0, 0, 0)):
    for feathering in (0, 6, 40):
        left, top, right, bottom = sides
        case("ImagePadForOutpaint", image=image(1, 24, 30), left=left, top=top, right=right, bottom=bottom,
             feathering=feathering)
case("GetImageSize", image=image(3, 4, 5))
case("MaskToImage", mask=mask(2, 4, 5))
for channel in ("red", "green", "blue"): case("ImageToMask", image=image(2, 4, 5), channel=channel)
case("ImageToMask", image=image(2, 4, 5, 4), channel="alpha")
colour = image(1, 4, 5); colour[0, 1, 2] = torch.tensor([0x12, 0xFE, 0x80]) / 255
case("ImageColorToMask", image=colour, color=0x12FE80)
case("SolidMask", value=0.3, width=7, height=5)
case("InvertMask", mask=mask(2, 4, 5))
for channels in (3, 4): case("SplitImageWithAlpha", image=image(2, 4, 5, channels))
for pictures, masks in ((2, 2), (1, 3), (3, 1)):
    case("JoinImageWithAlpha", image=image(pictures, 4, 5), alpha=mask(masks, 8, 9))
case("CropMask", mask=mask(2, 10, 12), x=3, y=2, width=100, height=4)
case("ThresholdMask", mask=mask(2, 4, 5), value=0.4)
for operation in ("multiply", "add", "subtract", "and", "or", "xor"):
    case("MaskComposite", destination=mask(2, 10, 12), source=mask(1, 6, 8), x=7, y=3, operation=operation)
for sides in ((3, 0, 0, 0), (0, 4, 0, 0), (0, 0, 5, 0), (0, 0, 0, 6), (4, 3, 2, 5), (40, 0, 40, 30)):
    case("FeatherMask", mask=mask(2, 10, 12), **dict(zip(("left", "top", "right", "bottom"), sides)))
for expand in (-3, 0, 1, 4):
    for tapered in (True, False): case("GrowMask", mask=mask(2, 10, 12), expand=expand, tapered_corners=tapered)
for source, place, covered, resize in (
    (image(1, 6, 8), (2, 1), mask(1, 6, 8), False), (image(2, 6, 8), (9, 7), None, False),
    (image(1, 6, 8), (0, 0), mask(3, 20, 20), True), (image(1, 6, 8, 4), (1, 1), mask(1, 3, 3), False),
):
    more = {} if covered is None else {"mask": covered}
    case("ImageCompositeMasked", destination=image(3, 10, 12), source=source, x=place[0], y=place[1],
         resize_source=resize, **more)
if "ResizeImageMaskNode" in nodes.NODE_CLASS_MAPPINGS:  # ComfyUI 0.33
    for what in (image(3, 40, 56), mask(2, 40, 56)):
        for method in ("nearest-exact", "bilinear", "area", "bicubic", "lanczos"):
            for how in (
                {"resize_type": "scale dimensions", "width": 30, "height": 20, "crop": "center"},
                {"resize_type": "scale dimensions", "width": 0, "height": 20, "crop": "disabled"},
                {"resize_type": "scale by multiplier", "multiplier": 1.37},
                {"resize_type": "scale longer dimension", "longer_size": 31},
                {"resize_type": "scale shorter dimension", "shorter_size": 31},
                {"resize_type": "scale width", "width": 23}, {"resize_type": "scale height", "height": 23},
                {"resize_type": "scale total pixels", "megapixels": 0.01},
                {"resize_type": "match size", "match": image(1, 33, 21), "crop": "center"},
                {"resize_type": "scale to multiple", "multiple": 16},
                {"resize_type": "scale to multiple", "multiple": 9},
            ):
                case("ResizeImageMaskNode", input=what, resize_type=how, scale_method=method)
    first, second = {"x": 3, "y": 4, "width": 20, "height": 10}, {"x": 300, "y": 4, "width": 2, "height": 10}
    for box in (first, second):
        case("ImageCropV2", image=image(2, 40, 56), crop_region=box)
        for keep in ("stretch", "pad"):
            for boxes in (box, [[box], [], [first, {"x": 30, "y": 3, "width": 5, "height": 5}]], [], [[], [], []]):
                case("CropByBBoxes", image=image(3, 40, 56), bboxes=boxes, output_width=64, output_height=72, padding=5,
                     keep_aspect=keep)
    case("BatchImagesNode", images=[image(2, 20, 31), image(1, 40, 20, 4)])
    case("ImageScaleToTotalPixels", image=image(1, 20, 31), upscale_method="area", megapixels=0.02, resolution_steps=8)
    for index in (-2, -99): case("ImageFromBatch", image=image(5, 4, 5), batch_index=index, length=2)
for name in ("rgb.png", "rgba.png", "grey.png", "deep.png", "turned.jpg", "moving.gif", "palette.png"):
    case("LoadImage", image=name)
    if name != "moving.gif":
        for channel in ("alpha", "red", "green", "blue"): case("LoadImageMask", image=name, channel=channel)
if "LoadAudio" in nodes.NODE_CLASS_MAPPINGS:  # needs torchaudio
    import av
    with av.open(str(inputs / "sound.wav"), "w") as target:
        track = target.add_stream("pcm_s16le", rate=8000, layout="stereo")
        noise = av.AudioFrame.from_ndarray(rng.integers(-30000, 30000, (1, 16000), dtype=np.int16), "s16", "stereo")
        noise.sample_rate = 8000
        target.mux(track.encode(noise)); target.mux(track.encode(None))
    case("LoadAudio", audio="sound.wav")
    sound = {"waveform": torch.rand(1, 2, 1000), "sample_rate": 100}
    case("TrimAudioDuration", audio=sound, start_index=-3.3, duration=1.5)

def plain(value):
    if isinstance(value, dict): return [value["waveform"], value["sample_rate"]]
    return [value]
def theirs(name, values):
    made = nodes.NODE_CLASS_MAPPINGS[name]
    if hasattr(made, "PREPARE_CLASS_CLONE"):  # as the server runs it: with what is hidden, of which there is none
        made = made.PREPARE_CLASS_CLONE({"hidden_inputs": {}})
    if name == "BatchImagesNode":
        values = {"images": {f"image{place}": value for place, value in enumerate(values["images"])}}
    if name == "ImageScaleToTotalPixels" and "resolution_steps" in str(made.INPUT_TYPES()):
        values = {"resolution_steps": 1, **values}
    if hasattr(made, "GET_SCHEMA"):
        found = made.EXECUTE_NORMALIZED(**values) if hasattr(made, "EXECUTE_NORMALIZED") else made.execute(**values)
        return tuple(found.args)
    return getattr(made(), made.FUNCTION)(**values)
def copied(values):
    return {key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in values.items()}

told["cases"] = []
for name, values in cases:
    host = headless.HeadlessHost(setting, name)
    node = core[name]
    entry = {"name": name, "inputs": {key: str(getattr(value, "shape", value)) for key, value in values.items()}}
    try:
        expected = [part for value in theirs(name, copied(values)) for part in plain(value)]
        checked = copied(values) if node.is_new else node.check(copied(values))
        actual = [part for value in node.run(host, **checked) for part in plain(value)]
        entry["shapes"] = [[list(getattr(v, "shape", ())) for v in side] for side in (expected, actual)]
        entry["difference"] = max(
            [float((a.float() - b.float()).abs().max()) if isinstance(a, torch.Tensor) and a.numel() else
             0.0 if isinstance(a, torch.Tensor) else float(abs(a - b)) for a, b in zip(expected, actual)
             if not isinstance(a, torch.Tensor) or a.shape == b.shape], default=0.0)
    except Exception as problem:
        entry["error"] = f"{type(problem).__name__}: {problem}"
    told["cases"].append(entry)

told["is_today"] = "ResizeImageMaskNode" in nodes.NODE_CLASS_MAPPINGS
told["clips"] = {}
for name, options in CLIPS.items():
    if name != "clip.mp4":
        import av
        with av.open(str(inputs / name), "w") as target:
            stream = target.add_stream(options["codec"], rate=25)
            stream.width, stream.height, stream.pix_fmt = options["width"], 60, options["pix_fmt"]
            if "trc" in options:
                stream.codec_context.color_trc = options["trc"]; stream.codec_context.colorspace = 9
            for place in range(5):
                made = rng.integers(0, 256, (60, options["width"], 3), dtype=np.uint8)
                target.mux(stream.encode(av.VideoFrame.from_ndarray(made, format="rgb24")))
            target.mux(stream.encode(None))
    video = theirs("LoadVideo", {"file": name})[0]
    apart = theirs("GetVideoComponents", {"video": video})
    mine = core["GetVideoComponents"].run(headless.HeadlessHost(setting, name), clips.FileVideo(inputs / name))
    told["clips"][name] = [
        [list(apart[0].shape), apart[2], *apart[3:]], [list(mine[0].shape), mine[2], *mine[3:]],
        float((apart[0] - mine[0]).abs().max()),
    ]
"""
)


@pytest.fixture(scope="module")
def told(inside) -> dict:
    return inside(SCRIPT)


OLDER = ("FeatherMask", "LoadImage", "LoadImageMask")
"""Nodes that give other results in ComfyUI 0.33 than before: ramps from the right and below begin at the border;
images are decoded by FFmpeg, all 16 bits of a deep one are taken, and a missing alpha channel is a mask of 64 x 64.
"""


def test_results_equal_those_of_comfyui(told) -> None:
    cases = [case for case in told["cases"] if told["is_today"] or case["name"] not in OLDER]
    wrong = [
        (case["name"], *case["inputs"].values(), case.get("error") or (case["shapes"], case["difference"]))
        for case in cases
        if "error" in case or case["shapes"][0] != case["shapes"][1] or not case["difference"] <= 1 / 255
    ]
    assert wrong == [], "\n".join(map(str, wrong))
    assert len(cases) > (200 if told["is_today"] else 70)
    exact = sum(case["difference"] <= ROUNDING for case in cases)  # of images, masks and sounds up to 1
    assert exact >= 0.95 * len(cases)


@pytest.mark.parametrize("name", CLIPS)
def test_a_video_is_taken_apart_alike(told, name: str) -> None:
    theirs, ours, difference = told["clips"][name]
    assert theirs[0][0] > 1
    if not told["is_today"]:  # before, colours were spread over squares of four pixels
        assert (theirs[0], theirs[1]) == (ours[0], ours[1])
        return
    assert theirs == ours
    assert difference == 0


@pytest.mark.parametrize("name", sorted(CORE_NODES))
def test_ports_are_those_of_comfyui(name: str, blocks) -> None:
    if name not in blocks:
        pytest.skip(f"this ComfyUI has no {name} (its audio nodes need torchaudio)")
    theirs, ours = blocks[name], CORE_NODES[name]
    ports = {port for group in ("required", "optional") for port in theirs["input"].get(group, {})}
    is_today = "ResizeImageMaskNode" in blocks
    groups = {"required": ours.inputs, "optional": ours.optional}
    if is_today and ours.now:
        groups = object_info(ours.now)
        assert ports == set(ours.now)
    for group in ("required", "optional"):
        actual, expected = groups.get(group, {}), theirs["input"].get(group, {})
        assert list(actual) == list(expected)
        for port, entry in actual.items():
            _same_entry(entry, expected[port])
    outputs = list(zip(theirs["output"], theirs["output_name"], strict=True))
    any_of = theirs.get("output_matchtypes")
    assert [title for _, title in outputs] == [title for _, title in (*ours.outputs, *ours.more_outputs)][
        : len(outputs)
    ]
    assert len(outputs) >= len(ours.outputs) + (len(ours.more_outputs) if is_today else 0)
    for (kind, _), (our_kind, _) in zip(outputs, (*ours.outputs, *ours.more_outputs), strict=False):
        assert kind in (our_kind, "COMFY_MATCHTYPE_V3") if any_of else kind == our_kind
    assert (ours.is_output or ours.is_preview) == theirs["output_node"]
    title, category = (is_today and ours.title_now) or ours.title, (is_today and ours.category_now) or ours.category
    assert category == theirs["category"]
    assert title == (theirs["display_name"] or title)


def _same_entry(ours: tuple, theirs: list) -> None:
    our_options, their_options = ([*entry, {}, {}][1] for entry in (ours, theirs))
    if any(upload in our_options for upload in UPLOADS):
        assert any(their_options.get(upload) for upload in UPLOADS if upload in our_options)
        return
    if theirs[0] == ours[0] == DYNAMIC_COMBO:
        for mine, other in zip(our_options["options"], their_options["options"], strict=True):
            assert mine["key"] == other["key"]
            for group in ("required", "optional"):
                inner, outer = (choice["inputs"].get(group) or {} for choice in (mine, other))
                assert list(inner) == list(outer)
                for port, entry in inner.items():
                    _same_entry(tuple(entry), outer[port])
        return
    choices = theirs[0] if isinstance(theirs[0], list) else their_options.get("options")
    if choices is not None:
        assert ours[0] == list(choices)
        return
    theirs_type = theirs[0] if theirs[0] != "COMFY_MATCHTYPE_V3" else their_options["template"]["allowed_types"]
    assert ours[0] == theirs_type
    for key, sign in (("min", -1), ("max", 1)):  # of two versions, the wider limits
        if key in their_options and key in our_options:
            ours_limit, theirs_limit = sign * our_options[key], sign * their_options[key]
            assert ours_limit > theirs_limit or np.isclose(ours_limit, theirs_limit)
