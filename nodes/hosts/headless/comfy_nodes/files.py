"""Core nodes that read images from the input folder and write them among a job's files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from .....fomm_core.errors import FommError, ImageError
from .....fomm_core.video import read_picture
from .....fomm_core.video.images import DAMAGED
from .....fomm_core.video.source import MediaSource, is_heif
from ....spec import BOOLEAN, IMAGE, MASK
from ..encoding import bytes_of
from ..host import HeadlessHost
from .node import CoreNode, number, one_of, upload, whole, words
from .pictures import PICTURE, from_picture
from .stills import decoded

NO_ALPHA = (1, 64, 64)
"""The shape of ComfyUI's mask for an image without an alpha channel."""


def _opened(path: Path) -> Image.Image:
    """As ComfyUI opens it; HEIC, which it does not know, as the core reads it."""
    return Image.fromarray(read_picture(path)) if is_heif(MediaSource(path).head(64)) else Image.open(path)


def _pages(host: HeadlessHost, name: str) -> Iterator[Image.Image]:
    """The images of a file, upright; frames of another size than the first are left out."""
    path = host.input_file(name)
    try:
        with _opened(path) as file:
            single, size = file.format == "MPO", None
            for page in ImageSequence.Iterator(file):
                host.setting.limits.check(1, page.height, page.width)
                upright = ImageOps.exif_transpose(page)
                if upright.mode == "I":  # 16 bits
                    upright = upright.point(lambda level: level * (1 / 255))
                size = size or upright.size
                if upright.size == size:
                    yield upright
                if single:
                    return
    except FommError:
        raise
    except DAMAGED as problem:
        raise ImageError(f"expected an image that can be read; '{name}' is none ({problem}).") from problem


def _alpha(page: Image.Image) -> Tensor | None:
    if "A" not in page.getbands() and not (page.mode == "P" and "transparency" in page.info):
        return None
    return 1.0 - from_picture(page.convert("RGBA").getchannel("A"))


def _load(host: HeadlessHost, image: str) -> Any:
    if (found := decoded(host.input_file(image), host.setting.limits.check)) is not None:
        images, transparency = found
        return images, torch.zeros(len(images), *NO_ALPHA[1:]) if transparency is None else transparency
    pictures: list[Tensor] = []
    masks: list[Tensor] = []
    for page in _pages(host, image):
        host.setting.limits.check(len(pictures) + 1, page.height, page.width)
        pictures.append(from_picture(page.convert("RGB")))
        alpha = _alpha(page)
        masks.append(torch.zeros(NO_ALPHA[1:]) if alpha is None else alpha)
    return torch.stack(pictures), torch.stack(masks)


def _load_mask(host: HeadlessHost, image: str, channel: str) -> Any:
    pictures, masks = _load(host, image)
    return (masks if channel == "alpha" else pictures[..., ("red", "green", "blue").index(channel)].clone(),)


def _save_pictures(host: HeadlessHost, images: Tensor, prefix: str, *, preview: bool) -> Any:
    about = PngInfo()
    for key, value in host.setting.metadata.items():
        about.add_text(key, json.dumps(value))
    for done, image in enumerate(images, 1):
        path = host.output_file(prefix, ".png")
        Image.fromarray(bytes_of(image)).save(path, pnginfo=about, compress_level=1 if preview else 4)
        host.keep(path, frames=1, preview=preview)
        host.progress(done, len(images))
    return (images,)


def _save(host: HeadlessHost, images: Tensor, filename_prefix: str) -> Any:
    return _save_pictures(host, images, filename_prefix, preview=False)


def _preview(host: HeadlessHost, images: Tensor) -> Any:
    return _save_pictures(host, images, "preview", preview=True)


def _preview_mask(host: HeadlessHost, mask: Tensor) -> Any:
    _preview(host, mask.reshape(-1, *mask.shape[-2:])[..., None].expand(-1, -1, -1, 3))
    return (mask,)


def _save_animation(host: HeadlessHost, images: Tensor, prefix: str, suffix: str, fps: float, **options: Any) -> Any:
    path = host.output_file(prefix, suffix)
    first, *others = (Image.fromarray(bytes_of(image)) for image in images)
    first.save(path, save_all=True, append_images=others, duration=int(1000 / fps), **options)
    host.keep(path, frames=len(images))
    return (images,)


def _save_webp(
    host: HeadlessHost, images: Tensor, filename_prefix: str, fps: float, lossless: bool, quality: int, method: str
) -> Any:
    effort = {"default": 4, "fastest": 0, "slowest": 6}[method]
    return _save_animation(
        host, images, filename_prefix, ".webp", fps, lossless=lossless, quality=quality, method=effort
    )


def _save_png(host: HeadlessHost, images: Tensor, filename_prefix: str, fps: float, compress_level: int) -> Any:
    return _save_animation(host, images, filename_prefix, ".png", fps, compress_level=compress_level)


def _preview_any(host: HeadlessHost, source: Any) -> Any:
    """Text and numbers as they are, everything else as JSON where that can be."""
    text = source if isinstance(source, str) else json.dumps(source, default=str)
    path = host.output_file("preview", ".txt")
    path.write_text(text, encoding="utf-8")
    host.keep(path, preview=True)
    return (text,)


PREFIX = words("ComfyUI")
RATE = number(6.0, 0.01, 1000.0)

NODES = (
    CoreNode("LoadImage", "Load Image", "image", {"image": upload("image")}, ((IMAGE, IMAGE), (MASK, MASK)), _load),
    CoreNode(
        "LoadImageMask",
        "Load Image (as Mask)",
        "mask",
        {"image": upload("image"), "channel": one_of("alpha", "red", "green", "blue")},
        ((MASK, MASK),),
        _load_mask,
    ),
    CoreNode(
        "SaveImage", "Save Image", "image", {"images": PICTURE, "filename_prefix": PREFIX}, (), _save, is_output=True
    ),
    CoreNode("PreviewImage", "Preview Image", "image", {"images": PICTURE}, (), _preview, is_preview=True),
    CoreNode("PreviewAny", "Preview Any", "utils", {"source": ("*",)}, (), _preview_any, is_preview=True),
    CoreNode("MaskPreview", "MaskPreview", "mask", {"mask": (MASK,)}, (), _preview_mask, is_preview=True),
    CoreNode(
        "SaveAnimatedWEBP",
        "SaveAnimatedWEBP",
        "image/animation",
        {
            "images": PICTURE,
            "filename_prefix": PREFIX,
            "fps": RATE,
            "lossless": (BOOLEAN, {"default": True}),
            "quality": whole(80, 0, 100),
            "method": one_of("default", "fastest", "slowest"),
        },
        (),
        _save_webp,
        is_output=True,
    ),
    CoreNode(
        "SaveAnimatedPNG",
        "SaveAnimatedPNG",
        "image/animation",
        {"images": PICTURE, "filename_prefix": PREFIX, "fps": RATE, "compress_level": whole(4, 0, 9)},
        (),
        _save_png,
        is_output=True,
    ),
)
