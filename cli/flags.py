"""The core names choices as its own fields; on the command line they are flags."""

from __future__ import annotations

import re

FLAGS = {
    "anchor=best": "--best-frame",
    "config": "--config",
    "crop.driving": "--crop-driving",
    "crop.face": "--face",
    "crop.source": "--crop",
    "file": "--file",
    "folder": "--to",
    "fps": "--fps",
    "from": "--from",
    "frames": "--frames",
    "keypoints": "--keypoints",
    "size": "--size",
    "start": "--start",
}
"""Of each choice that a message of the core names (`wording.setting`), its flag."""

_SETTING = re.compile(r"`([a-z_.]+)(?:=([^`]*))?`")


def with_flags(message: str) -> str:
    """The message with flags where it names choices: "`crop.face=all`" becomes "--face all"."""
    return _SETTING.sub(_flag, message)


def _flag(found: re.Match[str]) -> str:
    name, value = found.groups()
    if whole := FLAGS.get(f"{name}={value}"):
        return whole
    if (flag := FLAGS.get(name)) is None:
        return found[0]
    return flag if value is None else f"{flag} {value}"
