"""Masks and flow for the compositor: image sequences that start with the strip, as nodes of the scene's own tree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from .strip_inputs import MARK

COLUMN = 300
"""Pixels below the last node."""


def bring_in(scene: Any, name: str, files: Sequence[Path], start: int, mark: str) -> Any:
    """An Image node for numbered images, the first of them shown at frame `start`; returns it.

    mark: tells the images of this name apart from others'; the node that an earlier run made is used again.
    """
    tree = compositor_tree(scene)
    node = next((node for node in tree.nodes if node.get(MARK) == f"{mark} {name}"), None)
    if node is None:
        lowest = min((other.location.y - other.height for other in tree.nodes), default=0)
        node = tree.nodes.new("CompositorNodeImage")
        node.location = (0, lowest - COLUMN / 10)
        node[MARK] = f"{mark} {name}"
    node.label = name
    node.image = _sequence(files, name)
    if len(files) > 1:
        node.frame_duration, node.frame_start, node.frame_offset = len(files), start, 0
        node.use_auto_refresh, node.use_cyclic = True, False
    return node


def compositor_tree(scene: Any) -> Any:
    """The scene's compositor tree; a new one passes the rendered image on."""
    if bpy.app.version < (5, 0):
        scene.use_nodes = True
        return scene.node_tree
    shown = _shown_tree(scene)
    if shown is None:
        tree = bpy.data.node_groups.new(f"{scene.name} compositing", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        layers, output = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
        output.location = (400, 0)
        tree.links.new(layers.outputs["Image"], output.inputs["Image"])
        _show_tree(scene, tree)
        return tree
    return shown


def _shown_tree(scene: Any) -> Any:
    if not hasattr(scene, "compositor_effects"):  # Blender < 5.3
        return scene.compositing_node_group
    return next((effect.node_group for effect in scene.compositor_effects if effect.node_group is not None), None)


def _show_tree(scene: Any, tree: Any) -> None:
    if hasattr(scene, "compositor_effects"):
        scene.compositor_effects.new(tree.name).node_group = tree
    else:
        scene.compositing_node_group = tree


def _sequence(files: Sequence[Path], name: str) -> Any:
    path = str(files[0])
    image = bpy.data.images.load(bpy.path.relpath(path) if bpy.data.is_saved else path, check_existing=True)
    image.source = "SEQUENCE" if len(files) > 1 else "FILE"
    image.colorspace_settings.name = "Non-Color"  # numbers, not colours
    image.name = name
    return image
