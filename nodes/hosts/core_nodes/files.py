"""Core nodes that read pictures from the input folder and write them among a job's files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import torch
from av.error import FFmpegError
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ....fomm_core.errors import ImageError
from ...spec import BOOLEAN, IMAGE, MASK
from ..headless import HeadlessHost
from ..headless_encoding import bytes_of
from ..headless_frames import Pictures
from .node import CoreNode, number, one_of, upload, whole, words
from .pictures import PICTURE, from_picture

NO_ALPHA = (64, 64)
"""The shape of ComfyUI's mask for a picture without an alpha channel."""


def _pictures(host: HeadlessHost, name: str) -> Iterator[Tensor]:
    """The pictures of a file, [H, W, 3 or 4] upright; those of another size than the first are left out."""
    path = host.input_file(name)
    try:
        _check_size(host, path)
        found = list(_decoded(host, path)) or list(_opened(host, path))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise ImageError(f"expected a picture that can be read; '{name}' is none ({problem}).") from problem
    return (picture for picture in found if picture.shape[:2] == found[0].shape[:2])


def _check_size(host: HeadlessHost, path: Path) -> None:
    """Before anything is decoded; raises for a video too."""
    with Image.open(path) as file:
        host.setting.limits.check(1, file.height, file.width)


def _decoded(host: HeadlessHost, path: Path) -> Iterator[Tensor]:
    """By FFmpeg, as ComfyUI does it; nothing where it can't, as with animated WebP."""
    converter = Pictures()
    with contextlib.suppress(FFmpegError, IndexError), av.open(str(path)) as file:
        for count, frame in enumerate(file.decode(video=0), 1):
            host.setting.limits.check(count, frame.height, frame.width)
            yield converter.with_alpha(frame)


def _opened(host: HeadlessHost, path: Path) -> Iterator[Tensor]:
    """By Pillow."""
    with Image.open(path) as file:
        for count, page in enumerate(ImageSequence.Iterator(file), 1):
            host.setting.limits.check(count, page.height, page.width)
            upright = ImageOps.exif_transpose(page)
            yield from_picture(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))


def _load(host: HeadlessHost, image: str) -> Any:
    found = list(_pictures(host, image))
    masks = [1.0 - picture[..., 3] if picture.shape[-1] == 4 else torch.zeros(NO_ALPHA) for picture in found]
    if len({mask.shape for mask in masks}) > 1:
        masks = [mask if mask.shape != NO_ALPHA else torch.zeros(found[0].shape[:2]) for mask in masks]
    return torch.stack([picture[..., :3] for picture in found]), torch.stack(masks)


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
