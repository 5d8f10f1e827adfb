"""What a file tells of nodes whose class is not known here, or whose inputs the canvas itself makes up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .saved import SavedNode
from .widget_kinds import BOX, BOX_SIDES, COMPARISON, CURVE, NEW, UNSENT
from .widgets import CONTROLS, Input, is_on_canvas, named_values

CUSTOM_COMBO = "CustomCombo"
"""A choice whose options are texts on the node; a server is told which of them by number too."""


def _prompts(*names: str) -> frozenset[str]:
    return frozenset(names)


PROMPTS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("CLIPTextEncode", "CLIPTextEncodeControlnet", "CLIPTextEncodePixArtAlpha", "CLIPTextEncodeSDXLRefiner"),
            *("GLIGENTextBoxApply", "PhotoMakerEncode"),
        ),
        _prompts("text"),
    ),
    **dict.fromkeys(
        (
            *("MiniMaxH3ImageToVideo", "MiniMaxH3ReferenceToVideo", "TextEncodeHunyuanVideo_ImageToVideo"),
            *("TextEncodeJoyImageEdit", "TextEncodeQwenImageEdit", "TextEncodeQwenImageEditPlus"),
            *("TextEncodeZImageOmni", "TextGenerate", "TextGenerateLTX2Prompt"),
        ),
        _prompts("prompt"),
    ),
    **dict.fromkeys(("TextEncodeBooguEdit", "TextEncodeMageFlowEdit"), _prompts("prompt", "negative_prompt")),
    **dict.fromkeys(("TextEncodeAceStepAudio", "TextEncodeAceStepAudio1.5"), _prompts("tags", "lyrics")),
    "CLIPTextEncodeFlux": _prompts("clip_l", "t5xxl"),
    "CLIPTextEncodeHiDream": _prompts("clip_l", "clip_g", "t5xxl", "llama"),
    "CLIPTextEncodeHunyuanDiT": _prompts("bert", "mt5xl"),
    "CLIPTextEncodeKandinsky5": _prompts("clip_l", "qwen25_7b"),
    "CLIPTextEncodeLumina2": _prompts("user_prompt"),
    "CLIPTextEncodeSD3": _prompts("clip_l", "clip_g", "t5xxl"),
    "CLIPTextEncodeSDXL": _prompts("text_g", "text_l"),
    "MiniMaxMusic3TextEncode": _prompts("caption", "lyrics"),
}
"""Inputs of ComfyUI's own classes whose text may hold comments and alternatives, by class (0.3.64 and 0.33)."""


@dataclass(frozen=True)
class Guess:
    """Values by name, as a server is sent them; is_incomplete where the file does not name them all."""

    inputs: Mapping[str, Any]
    is_incomplete: bool = False


def guessed_values(node: SavedNode, *, names_values: bool) -> Guess:
    """What a file tells of the values of a node without its class.

    names_values: whether the file has values by name; a node that has none is then one without widgets.
    """
    saved = combo_values(node)
    if isinstance(saved, Mapping) or (names_values and not saved):
        return Guess(_by_name(node, dict(saved)))
    widgets = [slot.name for slot in node.inputs if slot.widget]
    values = named_values(node.type, [Input(name, "INT", {}, True) for name in widgets], saved)
    return Guess({} if values.surplus or values.missing else values.inputs, is_incomplete=True)


def _by_name(node: SavedNode, saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what only the canvas needs, as far as the names and the node's sockets tell."""
    kinds = {slot.name: slot.type for slot in node.inputs if slot.widget}
    sides = BOX_SIDES if BOX in kinds.values() else ()
    grouped = {name.partition(".0.")[0] for name in saved if ".0." in name}
    found = {
        name: wrapped(kinds.get(name, ""), value)
        for name, value in saved.items()
        if name in kinds
        or not (
            is_on_canvas(name)
            or (value == "" and name == node.type)  # an editor that a pack draws
            or name in sides
            or name in grouped
            or _is_made_up(name, value, saved)
        )
        if not (kinds.get(name, "").endswith("UPLOAD") or kinds.get(name) in UNSENT)
    }
    compared = {name: NEW[COMPARISON] for name, kind in kinds.items() if kind == COMPARISON}
    return {**compared, **found}


def _is_made_up(name: str, value: Any, saved: Mapping[str, Any]) -> bool:
    """Whether a value without a socket is a second one of its name, or says how a seed in a group's row changes."""
    outer, _, last = name.rpartition(".")
    return "#" in name or (last.isdigit() and outer in saved and value in CONTROLS)


def wrapped(kind: str, value: Any) -> Any:
    """A value as a server is sent it: a curve says that it is one."""
    return {"__type__": CURVE, "__value__": value} if kind == CURVE and value is not None else value


def combo_values(node: SavedNode) -> tuple[Any, ...] | Mapping[str, Any]:
    """A node's values; by name also where it is a `CustomCombo` and has them by position."""
    if node.type != CUSTOM_COMBO or isinstance(node.known_values, Mapping):
        return node.known_values
    names = ("choice", "index", *(f"option{number}" for number in range(1, len(node.positional))))
    return dict(zip(names, node.positional, strict=False))


def custom_combo(inputs: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a `CustomCombo`, with the number of what is chosen: by a subgraph's node, else by its own."""
    choice = inputs.get("choice")
    chosen = choice if isinstance(choice, str) else own.get("choice")
    options = [value for name, value in inputs.items() if name.startswith("option")]
    return {**inputs, "index": options.index(chosen) if chosen in options else -1}
