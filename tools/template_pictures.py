"""Small images of the workflows, for Blender's list of templates, cut out of the images beside them.

python -m tools.template_pictures
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "nodes" / "hosts" / "blender" / "template_pictures"
SIDE = 128
SQUARES = {
    "animate": (1212, 268, 330),
    "animate-files": (1219, 152, 330),
    "animate-step-by-step": (258, 695, 130),
    "blend-groups": (303, 476, 174),
    "crop-restore-paste": (306, 280, 90),
    "edit-a-performance": (752, 339, 230),
    "flow-as-control": (1331, 154, 235),
    "occlusion-to-inpaint": (1302, 306, 176),
    "puppet-by-hand": (617, 246, 347),
    "reuse-a-performance": (1134, 706, 140),
    "train": (589, 299, 150),
    "two-faces": (1150, 164, 130),
    "whole-frame": (1397, 186, 150),
}
"""What stands for a workflow: left, top and side in pixels of its image."""


def main() -> None:
    """Write them all anew."""
    TARGET.mkdir(exist_ok=True)
    for name, (left, top, side) in SQUARES.items():
        with Image.open(ROOT / "workflows" / f"{name}.jpg") as picture:
            square = picture.convert("RGB").crop((left, top, left + side, top + side))
        square.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(TARGET / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
