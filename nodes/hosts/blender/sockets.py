"""A socket class for each type of wire, in a colour of its own."""

from __future__ import annotations

from typing import Any

import bpy

Colour = tuple[float, float, float, float]
COLOURS: dict[str, Colour] = {
    "FOMM_MODEL": (0.45, 0.32, 0.80, 1.0),
    "FOMM_KEYPOINTS": (0.15, 0.75, 0.60, 1.0),
    "FOMM_MOTION": (0.85, 0.35, 0.60, 1.0),
    "FOMM_DATASET": (0.62, 0.44, 0.30, 1.0),
    "FOMM_REGION": (0.90, 0.45, 0.35, 1.0),
    "IMAGE": (0.78, 0.78, 0.16, 1.0),
    "MASK": (0.63, 0.63, 0.63, 1.0),
    "LATENT": (0.80, 0.45, 0.85, 1.0),
    "VIDEO": (0.95, 0.55, 0.20, 1.0),
    "AUDIO": (0.30, 0.65, 0.85, 1.0),
    "BOUNDING_BOX": (0.35, 0.55, 0.80, 1.0),
    "BBOX": (0.25, 0.42, 0.62, 1.0),
    "FACE_LANDMARKS": (0.55, 0.70, 0.25, 1.0),
    "INT": (0.35, 0.55, 0.36, 1.0),
    "FLOAT": (0.60, 0.72, 0.60, 1.0),
    "BOOLEAN": (0.80, 0.65, 0.84, 1.0),
    "STRING": (0.44, 0.70, 1.00, 1.0),
    "COMBO": (0.40, 0.45, 0.55, 1.0),
    "*": (0.30, 0.30, 0.30, 1.0),
}
"""By wire type; for an input that takes several, the first counts. "*" stands for whatever Blender has no block for."""


def socket_idname(kind: str) -> str:
    """The class for a wire type."""
    first = kind.split(",")[0]
    return f"FommSocket_{first if first in COLOURS and first != '*' else 'ANY'}"


def kinds(socket: Any) -> str:
    """The wire types of a socket; those of Blender's own nodes take anything."""
    return getattr(socket, "kinds", "") or getattr(socket, "wire", "*")


LETTER, MARGIN = 6.6, 16.0
"""Widths, in the units in which nodes are measured."""
LEAST, MOST = 0.36, 0.65
"""Shares of a label: fields below each other begin at one place, but for long words."""


def draw_field(layout: Any, owner: Any, attribute: str, text: str, width: float) -> None:
    """A property with its label, which gets the room that it needs: Blender gives words a third, and cuts them."""
    in_words = owner.bl_rna.properties[attribute].type in ("STRING", "ENUM")
    if in_words and text and not layout.use_property_split:  # which the sidebar has
        parts = layout.split(factor=min(MOST, max(LEAST, (LETTER * len(text) + MARGIN) / width)))
        parts.label(text=text)
        parts.prop(owner, attribute, text="")
    else:
        layout.prop(owner, attribute, text=text)


class FommSocket:
    """What our sockets share.

    kinds: the types that fit, with commas between. port: the input of the block that this socket is.
    """

    __annotations__ = {
        "kinds": bpy.props.StringProperty(options={"HIDDEN"}),
    }

    def draw(self: Any, context: Any, layout: Any, node: Any, text: str) -> None:
        attribute = f"w_{self.identifier}"
        if self.is_output or self.is_linked:
            layout.label(text=text)
        elif hasattr(node, attribute):
            draw_field(layout, node, attribute, text, node.width)
        elif not (hasattr(node, "draw_value") and node.draw_value(layout, self.identifier, text)):
            layout.label(text=text)

    def draw_color(self: Any, context: Any, node: Any) -> Colour:
        return COLOURS.get(self.kinds.split(",")[0], COLOURS["*"])

    @classmethod
    def draw_color_simple(cls: Any) -> Colour:
        return COLOURS[cls.wire]


def _socket_class(kind: str) -> type:
    name = socket_idname(kind)
    body = {
        "bl_idname": name,
        "bl_label": kind.removeprefix("FOMM_").capitalize() if kind != "*" else "Any",
        "wire": kind,
        "__annotations__": FommSocket.__annotations__,
    }
    return type(name, (FommSocket, bpy.types.NodeSocket), body)


CLASSES = tuple(_socket_class(kind) for kind in COLOURS)
