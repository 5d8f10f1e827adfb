"""Words in panels."""

from __future__ import annotations

import textwrap
from typing import Any


def paragraph(layout: Any, text: str, context: Any) -> None:
    """Text in lines as wide as the region."""
    column = layout.column(align=True)
    width = max(20, int(context.region.width / (7 * context.preferences.system.ui_scale)))
    for line in textwrap.wrap(text, width):
        column.label(text=line)
