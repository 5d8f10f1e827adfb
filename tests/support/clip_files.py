"""Clips as the blocks have them, [T, H, W, 3] in 0..1, to files and back."""

from __future__ import annotations

from pathlib import Path

import torch
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from torch import Tensor


def written(path: Path, images: Tensor, fps: int = 12) -> Path:
    with VideoWriter(path, fps=fps, quality=100) as writer:
        writer.write((images * 255).round().byte().numpy())
    return path


def frames_of(path: Path) -> Tensor:
    with VideoReader(path) as reader:
        return torch.stack([torch.from_numpy(frame.copy()) for frame in reader]).float() / 255
