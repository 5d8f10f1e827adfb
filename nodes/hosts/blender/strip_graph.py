"""The graph that the sequencer runs, in ComfyUI's API format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .blocks import with_defaults
from .span import Clip, StripError

SIZES = ("auto", "model", "picture", "custom")
SMALLEST, LARGEST = 16, 4096
"""Sides that the blocks take; even ones, since the result is H.264."""
HIGHEST_RATE = 240.0
"""Frames per second that Animate to Video takes."""
REGIONS = ("auto", "off", "face", "square")
SQUARE = 0.05
"""How far the sides of an image that counts as square may differ, as in `fomm animate`."""
BODIES = frozenset({"taichi", "fashion", "mgif", "bair"})
"""First words of the published models that were not trained on faces."""
ANIMATES = "5"
"""The node that animates."""

ROOM, FEATHER = 1.15, 0.1
"""Of squares that are pasted back, as in `fomm animate`: how much larger, and the width of their soft edge."""


@dataclass(frozen=True)
class Look:
    """The settings of the panel, named as the ports of Animate to Video are.

    model, preset: of Load Motion Model. region: which part of the still moves, of `REGIONS`; face: which of several.
    x, y, side, angle: of a square by hand, in shares of the still and degrees, see Region from Numbers. occlusion: also
    make images of what has to be repainted, white where the source shows nothing. flow: also write where each pixel
    comes from (see Save Flow).
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
    region: str = "auto"
    face: str = "largest"
    x: float = 0.5
    y: float = 0.5
    side: float = 1.0
    angle: float = 0.0
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
class Still:
    """An image file, its size in pixels, and whether any of it is transparent."""

    path: Path
    width: int
    height: int
    alpha: bool = False


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


def is_square(width: int, height: int) -> bool:
    """As `fomm animate` counts it."""
    return abs(width - height) <= SQUARE * max(width, height)


def crops(look: Look, still: Still) -> bool:
    """Whether a square of the still moves, and is pasted back, rather than all of it."""
    if look.region != "auto":
        return look.region != "off"
    words = re.split(r"[^a-z]+", look.model.lower())
    return not is_square(still.width, still.height) and not BODIES.intersection(words)


def animation(
    still: Still, driving: Path, clip: Clip, fps: float, look: Look, size: tuple[int, int] = (1, 1)
) -> Request:
    """The still as it moves as the clip does, a frame for each frame of the scene: a video, or images with alpha.

    size: (width, height) of the driving clip.

    Raises:
        StripError: Flow is asked for where only a part of the still moves.
    """
    graph, files = _inputs(still.path, driving, clip, fps, look)
    ports = {
        **look.ports(),
        # Blender shows a file by time, at its average rate, however uneven its frames are; so the result has one frame
        # for each that Blender shows.
        "frame_rate": clip.rate(fps) if clip.rate(fps) <= HIGHEST_RATE else 0.0,
        "model": ["1", 0],
        "source": ["2", 0],
        "driving": ["4", 0],
    }
    cut = crops(look, still)
    if cut:
        graph["20"] = source_region(look)
        ports["source_region"] = ["20", 0]
        if not is_square(*size):
            graph["21"] = _face(["4", 0])
            ports["driving_region"] = ["21", 0]
    if still.alpha:
        graph[ANIMATES] = _node("FOMM_Animate", "Animate", {**ports, "mask": ["2", 1]})
        graph.update(_transparent(cut=cut))
    else:
        graph[ANIMATES] = _node("FOMM_AnimateVideo", "Animate to Video", {**ports, "keep_sound": False})
        shown = ["5", 0]
        if cut:
            laid = {**_pasted(["5", 0], ["2", 0]), "frame_rate": 0.0, "keep_sound": False}
            graph["22"] = _node("FOMM_PasteBackVideo", "Paste Back to Video", laid)
            shown = ["22", 0]
        saved = {"video": shown, "filename_prefix": "video/animated", "format": "auto", "codec": "auto"}
        graph["6"] = _node("SaveVideo", "Save Video", saved)
    if look.occlusion or look.flow:
        if cut and look.flow:
            raise StripError("Flow is of the whole still. Set Region to Off, or switch Flow off.")
        graph.update(_for_compositor(look, still, cut=cut))
    return Request(graph, files)


def source_region(look: Look) -> dict[str, Any]:
    """The node that gives the square of the still."""
    if look.region == "square":
        numbers = {"centre_x": look.x, "centre_y": look.y, "side": look.side, "angle": look.angle}
        square = {"images": ["2", 0], "unit": "share", **{name: round(value, 6) for name, value in numbers.items()}}
        return _node("FOMM_RegionFromNumbers", "Region from Numbers", square)
    return _face(["2", 0], look.face, "stop" if look.region == "face" else "middle")


def _face(images: list[Any], which: str = "largest", no_face: str = "middle") -> dict[str, Any]:
    found = {"images": images, "which": which, "number": 0, "framing": "auto", "movement": "fixed", "level": False}
    return _node("FOMM_FindRegion", "Find Region", {**found, "scale": ROOM, "no_face": no_face, "model": ["1", 0]})


def _pasted(frames: list[Any], whole: list[Any], *, colours: bool = True) -> dict[str, Any]:
    return {"frames": frames, "region": ["20", 0], "whole": whole, "feather": FEATHER, "linear_light": colours}


def _transparent(*, cut: bool) -> dict[str, Any]:
    """Frames and their mask to images with alpha; where they are squares, both pasted back before."""
    images, mask, nodes = ["5", 0], ["5", 4], {}
    if cut:
        nodes["22"] = _node("FOMM_PasteBack", "Paste Back", {**_pasted(images, ["2", 0]), "mismatch": "stop"})
        nodes["23"] = _node("MaskToImage", "Convert Mask to Image", {"mask": mask})
        nodes["24"] = _node("MaskToImage", "Convert Mask to Image", {"mask": ["2", 1]})
        laid = {**_pasted(["23", 0], ["24", 0], colours=False), "mismatch": "stop"}
        nodes["25"] = _node("FOMM_PasteBack", "Paste Back", laid)
        nodes["26"] = _node("ImageToMask", "Convert Image to Mask", {"image": ["25", 0], "channel": "red"})
        images, mask = ["22", 0], ["26", 0]
    nodes["27"] = _node("JoinImageWithAlpha", "Join Image with Alpha", {"image": images, "alpha": mask})
    nodes["6"] = _node("SaveImage", "Save Image", {"images": ["27", 0], "filename_prefix": "fomm/frames"})
    return nodes


def _for_compositor(look: Look, still: Still, *, cut: bool) -> dict[str, Any]:
    model_and_source = {"model": ["1", 0], "source": ["28", 0] if cut else ["2", 0]}
    sizes = {name: look.ports()[name] for name in ("size", "width", "height", "fit", "precision")}
    motion = {**model_and_source, "keypoints": ["5", 2 if still.alpha else 1], **sizes}
    nodes = {"7": _node("FOMM_DenseMotion", "Dense Motion", motion)}
    if cut:
        square: dict[str, Any] = {"images": ["2", 0], "region": ["20", 0], "crop_size": 0}
        if look.size in ("auto", "model"):
            square["model"] = ["1", 0]
        nodes["28"] = _node("FOMM_CropRegion", "Crop Region", square)
    if look.occlusion:
        painted = {**model_and_source, "motion": ["7", 0], "precision": "auto"}
        nodes["8"] = _node("FOMM_GenerateFrames", "Generate Frames", painted)
        nodes["9"] = _node("MaskToImage", "Convert Mask to Image", {"mask": ["8", 1]})
        shown = ["9", 0]
        if cut:
            black = {"value": 0.0, "width": still.width, "height": still.height}
            nodes["29"] = _node("SolidMask", "Create Solid Mask", black)
            nodes["30"] = _node("MaskToImage", "Convert Mask to Image", {"mask": ["29", 0]})
            laid = {**_pasted(shown, ["30", 0], colours=False), "mismatch": "stop"}
            nodes["31"] = _node("FOMM_PasteBack", "Paste Back", laid)
            shown = ["31", 0]
        nodes["10"] = _node("SaveImage", "Save Image", {"images": shown, "filename_prefix": "fomm/occlusion"})
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
    return {"class_type": kind, "inputs": with_defaults(kind, inputs), "_meta": {"title": title}}
