"""Stills as ComfyUI's Load Image decodes them since it reads them with FFmpeg, whose colours are others than Pillow's.

FFmpeg takes the nearest chroma of a JPEG for each pixel where libjpeg blends, which shows by up to 30 of 255 steps at
edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import torch
from av.error import FFmpegError
from PIL import Image
from torch import Tensor

from .....fomm_core.errors import FommError
from .....fomm_core.video.images import DAMAGED, EXIF_ORIENTATION
from ..frames import Pictures

MIRRORED = (2, 4, 5, 7)
"""Orientations in EXIF that ComfyUI takes for plain turns. Pillow knows better."""
Allow = Callable[[int, int, int], None]


def decoded(path: Path, allow: Allow) -> tuple[Tensor, Tensor | None] | None:
    """The images of a file, IMAGE [B, H, W, 3], and their transparency, MASK [B, H, W], None where the kind has none.

    None for what FFmpeg doesn't read, for mirrored images, and for what is damaged or no picture: Pillow is to do it,
    or say so. allow(frames, height, width) may raise before it is too much.
    """
    if not _taken(path, allow):
        return None
    pictures: list[Tensor] = []
    masks: list[Tensor] = []
    converter = Pictures()
    try:
        for frame in _frames(path):
            allow(len(pictures) + 1, frame.height, frame.width)
            picture = converter.with_alpha(frame)
            if pictures and picture.shape[:2] != pictures[0].shape[:2]:
                return None
            pictures.append(picture[..., :3])
            if picture.shape[-1] == 4:
                masks.append(1.0 - picture[..., 3])
    except FommError:
        raise
    except (FFmpegError, *DAMAGED):
        return None
    if not pictures:
        return None
    return torch.stack(pictures), torch.stack(masks) if masks else None


def _taken(path: Path, allow: Allow) -> bool:
    """Whether it is a whole image of a size that is allowed, and not mirrored. FFmpeg would take half of one."""
    try:
        with Image.open(path) as file:
            allow(1, file.height, file.width)
            file.load()
            return file.getexif().get(EXIF_ORIENTATION, 1) not in MIRRORED
    except FommError:
        raise
    except DAMAGED:
        return False


def _frames(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as file:
        if file.streams.video:
            yield from file.decode(file.streams.video[0])
