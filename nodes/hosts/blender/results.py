"""What a run made, as Blender's own data: images and clips in the image editor, and on the nodes that made them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy

from .client import Made
from .nodes import RESULT, TREE

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".exr", ".bmp"}
CLIPS = {".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v"}
OURS = "fomm_made"
"""Marks the Images that runs made."""

MAKER = "fomm_tree"
"""Under this name an Image keeps the tree whose node made it: the nodes of a copied tree have made nothing yet."""

PREVIEW = "First Order Motion preview"
"""The Image that shows a run at work."""


def load_results(tree: Any, files: Iterable[Made]) -> list[Any]:
    """Images for all images and clips that a tree made; several images of one node become a sequence. The tree may
    be gone (None) by now. Returns them.
    """
    groups: dict[tuple[str, str], list[Made]] = {}
    for made in files:
        groups.setdefault((made.node, made.path.suffix.lower()), []).append(made)
    loaded = []
    for (name, suffix), members in groups.items():
        if suffix not in PICTURES | CLIPS:
            continue
        node = node_of(tree, name)
        image = _image(members, node)
        loaded.append(image)
        if node is not None:
            node[RESULT], image[MAKER] = image.name, node.id_data
    return loaded


def node_of(tree: Any, name: str) -> Any:
    """The node with an id in a graph, "7:3" for node 3 in the group 7; None where it is gone."""
    if tree is None or tree.bl_idname != TREE:
        return None
    first, _, rest = name.partition(":")
    node = next((node for node in tree.nodes if node.get("fomm_id") == first), None)
    return node_of(getattr(node, "node_tree", None), rest) if rest else node


def result_of(node: Any) -> Any:
    """The Image that a node made last; None where there is none."""
    image = bpy.data.images.get(node.get(RESULT, ""))
    return None if image is None or image.get(MAKER, node.id_data) != node.id_data else image


def _image(members: list[Made], node: Any) -> Any:
    path = str(members[0].path)
    old = result_of(node) if node is not None else None
    if old is not None and members[0].shown:
        old.filepath = path  # the image that the editor shows changes in place
        image = old
    else:
        image = bpy.data.images.load(path, check_existing=True)
    if members[0].shown and node is not None and old is None:
        image.name = f"View: {node.label or node.bl_label}"
    suffix = Path(path).suffix.lower()
    image.source = "MOVIE" if suffix in CLIPS else "SEQUENCE" if len(members) > 1 else "FILE"
    if len(members) > 1:
        image["fomm_frames"] = len(members)
    image[OURS] = True
    image.reload()
    return image


def show_preview(path: Path, context: Any) -> None:
    """Show the image at work where an image editor is empty or shows one of ours."""
    image = bpy.data.images.get(PREVIEW)
    if image is None:
        image = bpy.data.images.load(str(path))
        image.name = PREVIEW
    image.filepath = str(path)
    image.reload()
    for area in _image_editors(context):
        shown = area.spaces.active.image
        if shown is None or shown == image or shown.get(OURS):
            area.spaces.active.image = image
            area.tag_redraw()
            return


def remove_preview() -> None:
    """Let go of it; editors that show it are empty then."""
    image = bpy.data.images.get(PREVIEW)
    if image is not None:
        bpy.data.images.remove(image)


def _image_editors(context: Any) -> list[Any]:
    areas = [area for window in context.window_manager.windows for area in window.screen.areas]
    return [area for area in areas if area.type == "IMAGE_EDITOR"]


def show(image: Any, context: Any) -> bool:
    """Put an Image into an image editor, if one is open."""
    for area in _image_editors(context):
        space = area.spaces.active
        space.image = image
        user = space.image_user
        user.frame_duration = image.get("fomm_frames", 0) or max(1, image.frame_duration)
        user.frame_start, user.use_auto_refresh = 1, True
        area.tag_redraw()
        return True
    return False
