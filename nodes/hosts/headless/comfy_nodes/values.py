"""Core nodes that hold one value."""

from __future__ import annotations

import sys
from typing import Any

from ....spec import BOOLEAN, FLOAT, INT, STRING
from ..host import HeadlessHost
from .node import CoreNode, Entry, number, switch, whole, words


def _value(host: HeadlessHost, value: Any) -> Any:
    return (value,)


def _primitive(name: str, title: str, kind: str, entry: Entry) -> CoreNode:
    return CoreNode(f"Primitive{name}", title, "utils/primitive", {"value": entry}, ((kind, kind),), _value)


WHOLE = whole(0, -sys.maxsize, sys.maxsize)

NODES = (
    _primitive("String", "String", STRING, words("")),
    _primitive("StringMultiline", "String (Multiline)", STRING, (STRING, {"default": "", "multiline": True})),
    _primitive("Int", "Int", INT, (INT, {**WHOLE[1], "control_after_generate": True})),
    _primitive("Float", "Float", FLOAT, number(0.0, -sys.maxsize, sys.maxsize)),
    _primitive("Boolean", "Boolean", BOOLEAN, switch(False)),
)
