"""Notes of templates, whose words are for ComfyUI's keys, as Blender's users need them. Exports keep the original."""

from __future__ import annotations

import re

WORDS = (
    (r"\n*Right-click a block and choose \*Node Info\* \(or press the \*\*\?\*\*\) for its help page\.",
     "\n\nPoint at a setting for its help."),
    (r"copy a published checkpoint such as \*vox-cpk\.pth\.tar\* into \*models/fomm\*, press \*\*R\*\*, and choose it",
     "press *Get Model* in the sidebar (N), choose vox, then choose it"),
    (r"press \*\*R\*\*, (and |)", r"\1"),
    (r"\*\*Ctrl\+M\*\* to unmute", "**M** to unmute"),
    (r"ComfyUI's \*input\* folder", "the input folder of the add-on's preferences"),
    (r"select \*Train Motion Model\* and press \*\*i\*\* above it \(\*Node Info\*\) for its help page",
     "point at the settings of *Train Motion Model*"),
    (r"below \*output/fomm\*", "in the tree's output folder"),
)  # fmt: skip


def for_blender(text: str) -> str:
    """The same note, by Blender's keys and names."""
    for pattern, words in WORDS:
        text = re.sub(pattern, words, text)
    return text
