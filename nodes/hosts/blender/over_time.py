"""Settings that change over time. Strength: the driver's keypoints are made stronger or weaker frame by frame before
they move the source; in relative mode that is the same as another strength for each frame. Weight of Blend Keypoints:
as the block's own curve. No bpy: graphs as they are run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .blocks import blocks, with_defaults

PORT = "strength"
CURVE = "over_time"
"""The port for the weight over time."""

FOLLOWED = {
    "FOMM_Animate": PORT,
    "FOMM_AnimateVideo": PORT,
    "FOMM_TransferMotion": PORT,
    "FOMM_BlendKeypoints": "weight",
}
"""Which setting of a block may have keyframes. What smoothing does to a frame depends on its neighbours."""

MOST_POINTS = 10_000
"""Of a curve of Edit Performance."""

PLAYED = 25.0
"""Frames per second of keypoints that nobody gives a rate."""


def curve_text(values: Sequence[float]) -> str:
    """A value for each frame as Edit Performance reads it; frames within level stretches are left out."""
    kept = [
        place
        for place, value in enumerate(values)
        if not 0 < place < len(values) - 1 or not values[place - 1] == value == values[place + 1]
    ]
    if len(kept) > MOST_POINTS:
        raise ValueError(f"The keyframes change a value in {len(kept)} frames; at most {MOST_POINTS} are followed.")
    return ", ".join(f"{place}: {values[place]:.6f}" for place in kept)


def followed(graph: Mapping[str, Any], name: str, values: Sequence[float]) -> dict[str, Any]:
    """A graph in which the followed setting of the node `name` has another value in each frame.

    Raises:
        ValueError: the node's other settings do not allow that, with what to do.
    """
    node = graph[name]
    if FOLLOWED[node["class_type"]] == PORT:
        return with_strength(graph, name, values)
    if node["inputs"].get(CURVE):
        title = node["_meta"]["title"]
        raise ValueError(f"“{title}”: Weight has keyframes, and Over Time is set too. Clear one of them.")
    return _with_inputs(graph, name, {**node["inputs"], CURVE: curve_text(values)})


def with_strength(graph: Mapping[str, Any], name: str, values: Sequence[float]) -> dict[str, Any]:
    """A graph in which the node `name` has another strength in each frame of its driver.

    Raises:
        ValueError: its other settings do not allow that, with what to do.
    """
    node = graph[name]
    inputs = dict(node["inputs"])
    if all(value == values[0] for value in values):
        return _with_inputs(graph, name, {**inputs, PORT: round(values[0], 6)})
    _check(node)
    made, title = dict(graph), node["_meta"]["title"]

    def add(step: str, kind: str, **ports: Any) -> str:
        made[f"{name}:{step}"] = {"class_type": kind, "inputs": with_defaults(kind, ports), "_meta": {"title": title}}
        return f"{name}:{step}"

    keypoints, fps, rate = inputs["driving"], inputs.get("frame_rate") or PLAYED, 0.0
    kind = _kind(graph, keypoints)
    if node["class_type"] != "FOMM_TransferMotion" and kind != "FOMM_KEYPOINTS":
        frames = keypoints
        if (region := inputs.pop("driving_region", None)) is not None:
            crop = add("crop", "FOMM_CropRegion", images=frames, region=region, crop_size=0, model=inputs["model"])
            frames = [crop, 0]
        sizes = {key: inputs[key] for key in ("size", "width", "height", "fit", "precision")}
        found = add("detect", "FOMM_DetectKeypoints", model=inputs["model"], images=frames, **sizes)
        keypoints = [found, 0]
        if kind == "VIDEO":
            fps, rate = [frames[0], 2] if region is not None else [found, 1], inputs.get("frame_rate", 0.0)
            if inputs.get("keep_sound") and "audio" not in inputs:  # keypoints bring none
                inputs["audio"] = [add("sound", "GetVideoComponents", video=inputs["driving"]), 1]
    anchor = inputs.get("anchor_frame", 0) if inputs["anchor"] == "number" else 0
    edits = {"keypoints": keypoints, "fps": fps, "frame_rate": rate, PORT: curve_text(values), "anchor_frame": anchor}
    edit = add("strength", "FOMM_EditPerformance", **edits)
    inputs |= {"driving": [edit, 0], PORT: 1.0}
    if "frame_rate" in blocks()[node["class_type"]].ports:
        inputs["frame_rate"] = [edit, 1]
    return _with_inputs(made, name, inputs)


def _check(node: Mapping[str, Any]) -> None:
    title, inputs = node["_meta"]["title"], node["inputs"]
    if inputs["mode"] != "relative":
        raise ValueError(f"“{title}”: keyframes on Strength need the mode Relative.")
    if inputs["anchor"] == "best":
        raise ValueError(f"“{title}”: keyframes on Strength need an anchor frame that is set: First, or a number.")
    if inputs.get("anchor_keypoints") is not None:
        raise ValueError(
            f"“{title}”: keyframes on Strength need an anchor frame of the driver, not keypoints of its own."
        )


def _kind(graph: Mapping[str, Any], wire: Sequence[Any]) -> str:
    """The type of what comes through a wire."""
    block = blocks().get(graph[wire[0]]["class_type"])
    return block.outputs[wire[1]].type if block is not None and wire[1] < len(block.outputs) else "VIDEO"


def _with_inputs(graph: Mapping[str, Any], name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**graph, name: {**graph[name], "inputs": dict(inputs)}}
