"""Which wires fit: `tests/comfy/test_wires.py` holds the same against ComfyUI's own function."""

from __future__ import annotations

import pytest
from fomm_nodes.graph.types import MATCH, fits


@pytest.mark.parametrize(
    ("one", "other", "fit"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "VIDEO,IMAGE", True),
        ("IMAGE, MASK", "VIDEO,MASK", True),
        ("IMAGE", "MASK", False),
        ("INT", "FLOAT", False),
        ("INT", "BOOLEAN", False),
        ("*", "MASK", True),
        ("MASK,*", "IMAGE", True),
        (MATCH, "IMAGE", True),
        ("STRING", "COMBO", False),
        ("COMBO", "COMBO", True),
        ("image", "IMAGE", False),
    ],
)
def test_which_wires_fit(one: str, other: str, fit: bool) -> None:
    assert fits(one, other) is fits(other, one) is fit
