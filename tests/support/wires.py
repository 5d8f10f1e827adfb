"""Graphs of one wire each, with what ComfyUI's server says of it."""

from __future__ import annotations

from typing import Any

SOURCES: dict[str, tuple[str, dict[str, Any], int]] = {
    "INT": ("PrimitiveInt", {"value": 8}, 0),
    "FLOAT": ("PrimitiveFloat", {"value": 4.0}, 0),
    "BOOLEAN": ("PrimitiveBoolean", {"value": True}, 0),
    "STRING": ("PrimitiveString", {"value": "made"}, 0),
    "IMAGE": ("EmptyImage", {"width": 8, "height": 8, "batch_size": 2, "color": 255}, 0),
    "MASK": ("SolidMask", {"value": 1.0, "width": 8, "height": 8}, 0),
    "VIDEO": ("CreateVideo", {"images": ["image", 0], "fps": 4.0}, 0),
    "INT, a width": ("GetImageSize", {"image": ["image", 0]}, 0),
    "FLOAT, of a video": ("GetVideoComponents", {"video": ["video", 0]}, 2),
    "FOMM_MODEL": ("FOMM_LoadModel", {"model": "demo-128 (built-in)", "preset": "auto"}, 0),
    "FOMM_REGION": (
        "FOMM_RegionFromNumbers",
        {"images": ["image", 0], "unit": "share", "centre_x": 0.5, "centre_y": 0.5, "side": 1.0, "angle": 0.0},
        0,
    ),
}
"""A node that gives the type: its class, its inputs, and which output."""

TARGETS: dict[str, dict[str, Any]] = {
    "ImageInvert": {"image": ["image", 0]},
    "ImageScale": {
        **{"image": ["image", 0], "upscale_method": "area", "width": 8, "height": 8, "crop": "disabled"},
    },
    "ImageScaleBy": {"image": ["image", 0], "upscale_method": "area", "scale_by": 1.0},
    "CreateVideo": {"images": ["image", 0], "fps": 4.0},
    "InvertMask": {"mask": ["mask", 0]},
    "GrowMask": {"mask": ["mask", 0], "expand": 1, "tapered_corners": True},
    "SolidMask": {"value": 1.0, "width": 8, "height": 8},
    "SaveImage": {"images": ["image", 0], "filename_prefix": "made"},
    "SaveVideo": {"video": ["video", 0], "filename_prefix": "made", "format": "mp4", "codec": "h264"},
    "PreviewAny": {"source": ["image", 0]},
    "FOMM_LoadModel": {"model": "demo-128 (built-in)", "preset": "auto"},
}

CASES: tuple[tuple[str, str, str, bool], ...] = (
    ("INT", "ImageScale", "width", True),
    ("INT, a width", "ImageScale", "width", True),
    ("FLOAT", "ImageScale", "width", False),
    ("BOOLEAN", "ImageScale", "width", False),
    ("STRING", "ImageScale", "width", False),
    ("INT", "CreateVideo", "fps", False),
    ("FLOAT", "CreateVideo", "fps", True),
    ("FLOAT, of a video", "CreateVideo", "fps", True),
    ("INT, a width", "ImageScaleBy", "scale_by", False),
    ("FLOAT", "ImageScaleBy", "scale_by", True),
    ("INT", "SolidMask", "value", False),
    ("BOOLEAN", "GrowMask", "tapered_corners", True),
    ("INT", "GrowMask", "tapered_corners", False),
    ("STRING", "SaveImage", "filename_prefix", True),
    ("INT", "SaveImage", "filename_prefix", False),
    ("STRING", "ImageScale", "upscale_method", False),
    ("INT", "FOMM_LoadModel", "model", False),
    ("STRING", "FOMM_LoadModel", "model", False),
    ("IMAGE", "ImageInvert", "image", True),
    ("MASK", "ImageInvert", "image", False),
    ("VIDEO", "ImageInvert", "image", False),
    ("FOMM_MODEL", "ImageInvert", "image", False),
    ("FOMM_REGION", "InvertMask", "mask", False),
    ("IMAGE", "InvertMask", "mask", False),
    ("MASK", "InvertMask", "mask", True),
    ("IMAGE", "SaveVideo", "video", False),
    ("VIDEO", "SaveVideo", "video", True),
    ("INT", "PreviewAny", "source", True),
    ("FOMM_MODEL", "PreviewAny", "source", True),
)
"""What a wire brings, where it leads, and whether ComfyUI 0.33 takes it."""


def wired(given: str, target: str, port: str) -> dict[str, Any]:
    """A graph of that wire that saves or shows something, in the API's form."""
    kind, inputs, slot = SOURCES[given]
    nodes = {"given": (kind, inputs), "target": (target, {**TARGETS[target], port: ["given", slot]})}
    for name in ("image", "mask", "video"):
        nodes[name] = SOURCES[name.upper()][:2]
    if target in ("ImageInvert", "ImageScale", "ImageScaleBy"):
        nodes["save"] = ("SaveImage", {"images": ["target", 0], "filename_prefix": "made"})
    elif not target.startswith(("Save", "Preview")):
        nodes["save"] = ("PreviewAny", {"source": ["target", 0]})
    needed, waiting = set(), ["save" if "save" in nodes else "target"]
    while waiting:
        needed.add(name := waiting.pop())
        waiting += [value[0] for value in nodes[name][1].values() if isinstance(value, list)]
    return {name: {"class_type": nodes[name][0], "inputs": dict(nodes[name][1])} for name in sorted(needed)}
