"""The graph that the sequencer runs, in ComfyUI's API format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .span import Clip

SIZES = ("auto", "model", "picture", "custom")
SMALLEST, LARGEST = 16, 4096
"""Sides that the blocks take; even ones, since the result is H.264."""
HIGHEST_RATE = 240.0
"""Frames per second that Animate to Video takes."""


@dataclass(frozen=True)
class Look:
    """The settings of the panel, named as the ports of Animate to Video are.

    model, preset: of Load Motion Model. occlusion: also make pictures of what has to be repainted, white where the
    source shows nothing. flow: also write where each pixel comes from (see Save Flow).
    """

    model: str = "demo-128 (built-in)"
    preset: str = "auto"
    size: str = "auto"
    width: int = 256
    height: int = 256
    fit: str = "crop"
    mode: str = "relative"
    strength: float = 1.0
    anchor: str = "first"
    smoothing: str = "none"
    occlusion: bool = False
    flow: bool = False

    def ports(self) -> dict[str, Any]:
        """The values that Animate and Animate to Video share."""
        return {
            "size": self.size,
            "fit": self.fit,
            "mode": self.mode,
            "strength": round(self.strength, 4),
            "anchor": self.anchor,
            "smoothing": self.smoothing,
            "precision": "auto",
            "width": self.width,
            "height": self.height,
            "anchor_frame": 0,
            "relative_jacobian": "auto",
            "adapt_scale": True,
        }


@dataclass(frozen=True)
class Request:
    """A graph, and the files that it names.

    files: where a name in the graph lies: {"driving.mp4": Path("/films/take 3.mp4")}.
    """

    graph: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)


def render_size(width: int, height: int) -> tuple[int, int]:
    """The size for a scene's resolution: (width, height)."""
    sides = [min(max(SMALLEST, round(side / 2) * 2), LARGEST) for side in (width, height)]
    return sides[0], sides[1]


def animation(source: Path, driving: Path, clip: Clip, fps: float, look: Look) -> Request:
    """A video of the source that moves as the clip does, a frame for each frame of the scene."""
    graph, files = _inputs(source, driving, clip, fps, look)
    ports = {
        **look.ports(),
        # Blender shows a file by time, at its average rate, however uneven its frames are; so the result has one frame
        # for each that Blender shows.
        "frame_rate": clip.rate(fps) if clip.rate(fps) <= HIGHEST_RATE else 0.0,
        "keep_sound": False,
        "model": ["1", 0],
        "source": ["2", 0],
        "driving": ["4", 0],
    }
    graph["5"] = _node("FOMM_AnimateVideo", "Animate to Video", ports)
    saved = {"video": ["5", 0], "filename_prefix": "video/animated", "format": "auto", "codec": "auto"}
    graph["6"] = _node("SaveVideo", "Save Video", saved)
    if look.occlusion or look.flow:
        graph.update(_for_compositor(look))
    return Request(graph, files)


def _for_compositor(look: Look) -> dict[str, Any]:
    model_and_source = {"model": ["1", 0], "source": ["2", 0]}
    sizes = {name: look.ports()[name] for name in ("size", "width", "height", "fit", "precision")}
    motion = {**model_and_source, "keypoints": ["5", 1], **sizes}
    nodes = {"7": _node("FOMM_DenseMotion", "Dense Motion", motion)}
    if look.occlusion:
        painted = {**model_and_source, "motion": ["7", 0], "precision": "auto"}
        nodes["8"] = _node("FOMM_GenerateFrames", "Generate Frames", painted)
        nodes["9"] = _node("MaskToImage", "Convert Mask to Image", {"mask": ["8", 1]})
        nodes["10"] = _node("SaveImage", "Save Image", {"images": ["9", 0], "filename_prefix": "fomm/occlusion"})
    if look.flow:
        saved = {"motion": ["7", 0], "filename_prefix": "flow", "form": "stmap"}
        nodes["11"] = _node("FOMM_SaveFlow", "Save Flow", saved)
    return nodes


def _inputs(source: Path, driving: Path, clip: Clip, fps: float, look: Look) -> tuple[dict[str, Any], dict[str, Path]]:
    names = {f"source{source.suffix.lower()}": source, f"driving{driving.suffix.lower()}": driving}
    picture, movie = names
    start, duration = clip.seconds(fps)
    part = {"video": ["3", 0], "start_time": start, "duration": duration, "strict_duration": False}
    graph = {
        "1": _node("FOMM_LoadModel", "Load Motion Model", {"model": look.model, "preset": look.preset}),
        "2": _node("LoadImage", "Load Image", {"image": picture}),
        "3": _node("LoadVideo", "Load Video", {"file": movie}),
        "4": _node("Video Slice", "Video Slice", part),
    }
    return graph, names


def _node(kind: str, title: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"class_type": kind, "inputs": dict(inputs), "_meta": {"title": title}}
