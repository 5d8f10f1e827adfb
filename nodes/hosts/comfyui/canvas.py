"""What a block's canvas in ComfyUI's front end is sent after a run."""

from __future__ import annotations

from typing import Any

from PIL import Image

from ....fomm_core.fitting import to_uint8
from ...spec import Drawn
from . import files

KEY = "fomm_canvas"
"""Under which the front end finds it (web/js)."""


def shown_of(drawn: Drawn) -> dict[str, list[Any]]:
    """The data, with the name of the image in ComfyUI's temporary folder, where the front end fetches it."""
    data = dict(drawn.data)
    if drawn.picture is not None:
        path = files.temporary_file(".png")
        Image.fromarray(to_uint8(drawn.picture[None].cpu())[0]).save(path, compress_level=1)
        data["picture"] = path.name
    return {KEY: [data]}
