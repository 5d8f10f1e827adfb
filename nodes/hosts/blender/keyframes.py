"""Keyframes on settings, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def values_of(owner: Any, name: str, frames: Iterable[int]) -> list[float] | None:
    """What a property is in each of these frames of the scene; None where it has no keyframes.

    Raises:
        ValueError: a driver sets it, which depends on more than the frame.
    """
    animation = owner.id_data.animation_data
    if animation is None:
        return None
    where = owner.path_from_id(name)
    if any(curve.data_path == where for curve in animation.drivers):
        title = owner.bl_rna.properties[name].name
        raise ValueError(f"{title} has a driver, which can't be followed. Bake it to keyframes, or remove it.")
    curve = next((curve for curve in curves_of(animation) if curve.data_path == where), None)
    if curve is None:
        return None
    words = owner.bl_rna.properties[name]
    return [min(max(curve.evaluate(frame), words.hard_min), words.hard_max) for frame in frames]


def curves_of(animation: Any) -> list[Any]:
    """The F-curves of a data-block, in layers or without, as versions have them."""
    action = animation.action
    if action is None:
        return []
    slot = getattr(animation, "action_slot", None)
    found = [
        curve
        for layer in getattr(action, "layers", ())
        for part in layer.strips
        for bag in part.channelbags
        if slot is None or bag.slot_handle == slot.handle
        for curve in bag.fcurves
    ]
    return found or list(getattr(action, "fcurves", None) or ())
