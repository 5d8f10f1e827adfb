"""Results of a tree on the timeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .operators import edited_tree
from .results import result_of
from .strip_inputs import strips_of
from .strip_times import ends, put

STILL_SECONDS = 2
"""How long an image is shown."""


class SendToSequencer(bpy.types.Operator):
    """Add what the node made to the sequencer, at the playhead, above what is there"""

    bl_idname = "fomm.to_sequencer"
    bl_label = "Send to Sequencer"
    bl_options = {"REGISTER", "UNDO"}
    __annotations__ = {
        "tree": bpy.props.StringProperty(options={"SKIP_SAVE"}),
        "node": bpy.props.StringProperty(options={"SKIP_SAVE"}),
    }

    def execute(self: Any, context: Any) -> set[str]:
        tree = bpy.data.node_groups.get(self.tree) if self.tree else edited_tree(context)
        node = tree.nodes.get(self.node) if tree is not None else None
        image = result_of(node) if node is not None else None
        if image is None:
            self.report({"WARNING"}, "This node has made nothing yet. Run the tree first.")
            return {"CANCELLED"}
        scene = getattr(context, "sequencer_scene", None) or context.scene  # Blender 5 has both
        strip = add(scene, image)
        self.report({"INFO"}, f"“{strip.name}” is on channel {strip.channel} of “{scene.name}”")
        return {"FINISHED"}


def add(scene: Any, image: Any) -> Any:
    """A strip of an Image that a run made: a movie, an image, or numbered images."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips, path = strips_of(editor), Path(bpy.path.abspath(image.filepath))
    start = scene.frame_current
    words = {"name": path.stem, "filepath": image.filepath, "frame_start": start, "channel": 1}
    words["channel"] = 1 + max((strip.channel for strip in strips if ends(strip)[1] > start), default=0)
    if image.source == "MOVIE":
        strip = strips.new_movie(**words)
    else:
        strip = strips.new_image(**words)
        if image.source == "SEQUENCE":
            for other in following(path, int(image.get("fomm_frames", 1))):
                strip.elements.append(other)
        elif image.source == "FILE":
            put(strip, "duration", round(STILL_SECONDS * scene.render.fps / scene.render.fps_base))
    for other in strips:
        other.select = other == strip
    editor.active_strip = strip
    return strip


def following(path: Path, count: int) -> list[str]:
    """The names after the first of so many numbered images."""
    digits = len(path.stem) - len(path.stem.rstrip("0123456789"))
    stem, first = path.stem[: len(path.stem) - digits], int(path.stem[len(path.stem) - digits :] or 0)
    return [f"{stem}{first + step:0{digits}}{path.suffix}" for step in range(1, count)]


CLASSES = (SendToSequencer,)
