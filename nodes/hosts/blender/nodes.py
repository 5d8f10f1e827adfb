"""A node class for each block, made from its declaration; and one for nodes that Blender has no block for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import bpy

from ....graph.canvas_nodes import NOTES
from .blocks import VERSION, Block, Port, blocks, in_short, number_of, single, titled_choice
from .choices import choices_of
from .options import FIXED, RELATIVE
from .over_time import FOLLOWED
from .sockets import socket_idname
from .values import FommValue

TREE = "FommTree"
SAVED = "fomm_saved"
"""Under this name a node, and a tree, keeps the entry of the file that it was imported from, for an exact export."""

RESULT = "fomm_result"
"""Under this name a node keeps the name of the Image that it made."""

WIDTH = 220.0


def saved_entry(owner: Any) -> dict[str, Any]:
    """What a node or a tree was imported from; empty where it was made here."""
    text = owner.get(SAVED)
    return dict(json.loads(text)) if text else {}


def keep_entry(owner: Any, entry: Mapping[str, Any]) -> None:
    """The other way round."""
    owner[SAVED] = json.dumps(entry, ensure_ascii=False)


TINTS = {
    "": (0.19, 0.21, 0.28),
    "Motion": (0.16, 0.26, 0.22),
    "Keypoints": (0.14, 0.25, 0.27),
    "Region": (0.29, 0.20, 0.17),
    "View": (0.25, 0.24, 0.15),
    "Training": (0.26, 0.18, 0.26),
    "Models": (0.22, 0.18, 0.30),
}
"""Of our categories. Blender gives nodes of add-ons one colour of header for all, so the bodies tell them apart."""
COMFYUI = (0.21, 0.21, 0.21)


def tint(category: str) -> tuple[float, float, float]:
    """The colour of a block's nodes, by its place in the menu."""
    first, _, rest = category.partition("/")
    return TINTS.get(rest.split("/")[0], TINTS[""]) if first == "First Order Motion" else COMFYUI


class FommNode:
    """What all our nodes share."""

    bl_width_default = WIDTH
    bl_width_max = 600.0

    @classmethod
    def poll(cls, tree: Any) -> bool:
        return bool(tree.bl_idname == TREE)

    def copy(self: Any, node: Any) -> None:
        for name in ("fomm_id", RESULT):
            if name in self:
                del self[name]


class BlockNode(FommNode):
    """A node of a block that is declared.

    w_version: of the node, when it was made. w_advanced: whether the rarely used settings are unfolded.
    """

    block: Block

    def init(self: Any, context: Any) -> None:
        self.w_version = VERSION
        self.use_custom_color, self.color = True, tint(self.block.category)
        self.sync()

    def sync(self: Any) -> None:
        """Bring the sockets to what the block has now; what fits keeps its wires. For new nodes, and older files."""
        wanted = [(port.name, port.title, port.type, in_short(port.tooltip)) for port in self.block.inputs]
        sync_sockets(self.inputs, wanted)
        sync_sockets(self.outputs, [(o.name, o.title, o.type, in_short(o.tooltip)) for o in self.block.outputs])
        self.w_version = VERSION
        self.fold()

    def fold(self: Any) -> None:
        """Show or hide the advanced settings."""
        for port in self.block.inputs:
            if port.advanced and (socket := self.inputs.get(port.title)) is not None:
                socket.hide = not (self.w_advanced or socket.is_linked)

    def draw_buttons(self: Any, context: Any, layout: Any) -> None:
        if any(port.advanced for port in self.block.inputs):
            icon = "TRIA_DOWN" if self.w_advanced else "TRIA_RIGHT"
            row = layout.row()
            row.alignment = "LEFT"
            row.prop(self, "w_advanced", text="Advanced", icon=icon, emboss=False)

    def draw_label(self: Any) -> str:
        return self.block.title

    def value(self: Any, port: Port) -> Any:
        """What the user has set."""
        return getattr(self, port.attribute)

    def set_value(self: Any, port: Port, value: Any) -> None:
        """Set what a graph says."""
        setattr(self, port.attribute, port.shown(value))


class ValuedNode(FommNode):
    """A node whose values come from a file, in `w_values`."""

    __annotations__ = {"w_values": bpy.props.CollectionProperty(type=FommValue)}

    def draw_value(self: Any, layout: Any, name: str, text: str) -> bool:
        """Draw the value of an input beside its socket; False where there is none."""
        value = next((value for value in self.w_values if value.key == name), None)
        if value is not None:
            value.draw_in(layout, text, self.width)
        return value is not None

    def draw_values(self: Any, layout: Any) -> None:
        """Draw the values that no socket stands for."""
        names = {socket.identifier for socket in self.inputs if not socket.hide}
        for value in self.w_values:
            if value.key not in names:
                value.draw_in(layout, value.title, self.width)


class ForeignNode(ValuedNode, bpy.types.Node):
    """A node of another pack, or a note: it keeps what it came with, and runs on a ComfyUI server only."""

    bl_idname = "FommForeignNode"
    bl_label = "Other Node"
    __annotations__ = {
        **ValuedNode.__annotations__,
        "w_class": bpy.props.StringProperty(name="Class"),
        "w_text": bpy.props.StringProperty(name="Text"),
    }

    def draw_buttons(self: Any, context: Any, layout: Any) -> None:
        if self.w_class in NOTES:
            column = layout.column(align=True)
            column.scale_y = 0.7
            for line in wrapped(self.w_text, max(16, int(self.width / 6.5))):
                column.label(text=line)
        else:
            layout.label(text="Needs a ComfyUI server", icon="INFO")
            self.draw_values(layout)

    def draw_label(self: Any) -> str:
        return "Note" if self.w_class in NOTES else str(self.w_class)


def wrapped(text: str, width: int) -> list[str]:
    """A note's lines, its Markdown marks left out."""
    import textwrap

    lines = text.replace("**", "").replace("*", "").splitlines()
    return [part for line in lines for part in textwrap.wrap(line.lstrip("# "), width) or [""]]


def sync_sockets(sockets: Any, wanted: list[tuple[str, str, str, str]]) -> None:
    """Bring sockets to what is wanted, as (name, title, wire type, tooltip); what fits keeps its wires."""
    names = [name for name, *_ in wanted]
    for socket in [socket for socket in sockets if socket.identifier not in names]:
        sockets.remove(socket)
    there = {socket.identifier: socket for socket in sockets}
    for name, title, kind, tooltip in wanted:
        socket = there.get(name)
        if socket is not None and socket.bl_idname != socket_idname(kind):
            sockets.remove(socket)
            socket = None
        if socket is None:
            socket = sockets.new(socket_idname(kind), title, identifier=name)
        socket.name, socket.kinds = title, kind
        if hasattr(socket, "description"):
            socket.description = tooltip
    for index, name in enumerate(names):
        current = next(i for i, socket in enumerate(sockets) if socket.identifier == name)
        if current != index:
            sockets.move(current, index)


def find_socket(sockets: Any, name: str) -> Any:
    """By the name that graphs use; None where there is none."""
    return next((socket for socket in sockets if socket.identifier == name), None)


def _property(block: Block, port: Port) -> Any:
    words = {"name": port.title, "description": port.tooltip, **FIXED}
    if FOLLOWED.get(block.name) == port.name:  # its keyframes are followed
        del words["options"]
    low, high = port.limits
    if port.choices:
        items = [(choice, titled_choice(choice), "", number_of(choice)) for choice in port.choices]
        return bpy.props.EnumProperty(items=items, default=port.start, **words)
    if port.type == "BOOLEAN":
        return bpy.props.BoolProperty(default=bool(port.default), **words)
    if port.type == "INT":
        start = int(min(max(port.default or 0, low), high))
        step = int(port.step or 1)
        return bpy.props.IntProperty(default=start, min=int(low), max=int(high), step=step, **words)
    if port.type == "FLOAT":
        step = max(1, round((port.step or 0.01) * 100))  # Blender counts in hundredths
        return bpy.props.FloatProperty(
            default=single(port.default or 0.0), min=low, max=high, step=step, precision=3, **words
        )
    if port.list:
        return bpy.props.StringProperty(default=port.default or "", search=choices_of(port.list), **words)
    path = {"subtype": "FILE_PATH", **RELATIVE} if port.upload else {}
    return bpy.props.StringProperty(default=port.default or "", **{**words, **path})


def _unfolded(node: Any, context: Any) -> None:
    node.fold()


def _node_class(block: Block) -> type:
    annotations = {port.attribute: _property(block, port) for port in block.widgets}
    annotations["w_version"] = bpy.props.IntProperty(options={"HIDDEN"})
    annotations["w_advanced"] = bpy.props.BoolProperty(
        name="Advanced", description="Show the rarely used settings", update=_unfolded, **FIXED
    )
    body = {
        "bl_idname": block.idname,
        "bl_label": block.title,
        "bl_description": block.description,
        "block": block,
        "__annotations__": annotations,
    }
    return type(block.idname, (BlockNode, bpy.types.Node), body)


def node_classes() -> tuple[type, ...]:
    """All of them; made when the add-on is switched on."""
    return (*(_node_class(block) for block in blocks().values()), ForeignNode)
