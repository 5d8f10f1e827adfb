"""A node for what Blender itself has: an image, what a camera or the viewport sees, a strip. For a run it becomes a
file, which Load Image or Load Video of the graph reads.
"""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

import bpy

from .nodes import FommNode
from .options import FIXED
from .sockets import socket_idname
from .strip_inputs import PICTURES, driving_of, existing, strips_of
from .strip_render import camera_picture, lossless_clip, viewport_picture, write_image

KINDS = (
    ("IMAGE", "Image", "One of this file's images, as it is now, painted and unsaved changes too", "IMAGE_DATA", 0),
    (
        "CAMERA",
        "Camera",
        "What a scene's camera sees at the current frame, by its settings",
        "CAMERA_DATA",
        1,
    ),
    ("VIEWPORT", "Viewport", "The largest 3D view at the current frame, as it looks", "VIEW3D", 2),
    ("STRIP", "Strip", "A movie or image sequence of the sequencer: all frames of its file", "SEQUENCE", 3),
)
OUTPUTS = {
    "LoadImage": (("IMAGE", "Image", "IMAGE"), ("MASK", "Mask", "MASK")),
    "LoadVideo": (("VIDEO", "Video", "VIDEO"),),
}
"""By the class that reads the file, as (identifier, title, type)."""


def _changed(node: Any, context: Any) -> None:
    node.sync()


class SourceNode(FommNode, bpy.types.Node):
    """Stands for a Load Image or a Load Video."""

    bl_idname = "FommSourceNode"
    bl_label = "From Blender"
    bl_description = "An image of this file, what a camera or the viewport shows, or a strip"
    __annotations__ = {
        "w_kind": bpy.props.EnumProperty(name="Source", items=KINDS, update=_changed, **FIXED),
        "w_image": bpy.props.PointerProperty(name="Image", type=bpy.types.Image),
        "w_scene": bpy.props.PointerProperty(name="Scene", type=bpy.types.Scene, description="Empty: the one in view"),
        "w_strip": bpy.props.StringProperty(name="Strip", description="Its name in the sequencer", **FIXED),
    }

    @property
    def reads(self: Any) -> str:
        """The class that it stands for."""
        return "LoadVideo" if self.w_kind == "STRIP" else "LoadImage"

    def init(self: Any, context: Any) -> None:
        self.sync()

    def sync(self: Any) -> None:
        """Bring the outputs to what the kind has."""
        wanted = OUTPUTS[self.reads]
        if [socket.identifier for socket in self.outputs] != [name for name, *_ in wanted]:
            self.outputs.clear()
            for name, title, kind in wanted:
                self.outputs.new(socket_idname(kind), title, identifier=name).kinds = kind

    def draw_buttons(self: Any, context: Any, layout: Any) -> None:
        layout.prop(self, "w_kind", text="")
        if self.w_kind == "IMAGE":
            layout.template_ID(self, "w_image", open="image.open")
        elif self.w_kind == "CAMERA":
            layout.prop(self, "w_scene")
        elif self.w_kind == "STRIP":
            scene = context.scene
            if scene.sequence_editor is not None:
                name = "strips" if hasattr(scene.sequence_editor, "strips") else "sequences"
                layout.prop_search(self, "w_strip", scene.sequence_editor, name)

    @property
    def file(self: Any) -> str:
        """What a graph names: the file of the last run, or where the next one puts it."""
        return str(self.get(FILE, ""))

    def write(self: Any, scene: Any, folder: Path) -> None:
        """Make the file. Raises ValueError where there is nothing to make it of."""
        self[FILE] = str(getattr(self, f"_{self.w_kind.lower()}")(scene, folder))

    def _image(self: Any, scene: Any, folder: Path) -> Path:
        if self.w_image is None:
            raise ValueError(f"“{self.label or self.bl_label}”: choose an image.")
        image = self.w_image
        path = Path(bpy.path.abspath(image.filepath)) if image.source == "FILE" and not image.packed_file else None
        if path is not None and path.suffix.lower() in PICTURES and path.is_file() and not image.is_dirty:
            return path
        return write_image(image, folder / "source.png")

    def _camera(self: Any, scene: Any, folder: Path) -> Path:
        inner = self.w_scene or scene
        if inner.camera is None:
            raise ValueError(f"“{self.label or self.bl_label}”: the scene “{inner.name}” has no camera. Add one.")
        return camera_picture(inner, inner.camera, inner.frame_current, folder)

    def _viewport(self: Any, scene: Any, folder: Path) -> Path:
        return viewport_picture(folder / "source.png")

    def _strip(self: Any, scene: Any, folder: Path) -> Path:
        strips = strips_of(scene.sequence_editor) if scene.sequence_editor is not None else {}
        strip = strips.get(self.w_strip)
        if strip is None or strip.type not in ("MOVIE", "IMAGE"):
            raise ValueError(f"“{self.label or self.bl_label}”: choose a movie or an image sequence of the sequencer.")
        if strip.type == "MOVIE":
            return existing(strip.filepath, strip.name)
        found = driving_of(strip, scene)
        return lossless_clip(found.pictures, found.fps, folder)


FILE = "fomm_file"
"""Under this name the node keeps its file."""


def write_sources(trees: Any, scene: Any) -> None:
    """Make the files of all sources in trees, for a run or an export. Raises ValueError."""
    nodes = [node for tree in trees for node in tree.nodes if isinstance(node, SourceNode) and not node.mute]
    for node in nodes:
        folder = Path(bpy.app.tempdir or tempfile.gettempdir()) / f"fomm-source-{uuid.uuid4().hex}"
        folder.mkdir()
        node.write(scene, folder)


CLASSES = (SourceNode,)
