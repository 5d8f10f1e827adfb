"""Small images of the workflows, for Blender's list of templates, cut out of the images beside them.

python -m tools.template_pictures
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "nodes" / "hosts" / "blender" / "template_pictures"
SIDE = 128
PARTS = {
    "animate": (1239, 266, 276, 276),
    "animate-files": (1246, 172, 276, 276),
    "animate-step-by-step": (260, 697, 127, 127),
    "blend-groups": (305, 478, 166, 166),
    "crop-restore-paste": (334, 276, 78, 78),
    "edit-a-performance": (766, 347, 212, 212),
    "flow-as-control": (1331, 156, 230, 230),
    "occlusion-to-inpaint": (1308, 304, 157, 157),
    "puppet-by-hand": (620, 249, 340, 340),
    "reuse-a-performance": (1128, 706, 112, 112),
    "train": (592, 302, 144, 144),
    "two-faces": (963, 198, 134, 76),
    "whole-frame": (1444, 240, 98, 98),
}
"""What stands for a workflow: left, top, width and height in pixels of its image; without the controls of a player."""
BACKGROUND = (29, 29, 29)


def main() -> None:
    """Write them all anew."""
    TARGET.mkdir(exist_ok=True)
    for name, (left, top, width, height) in PARTS.items():
        with Image.open(ROOT / "workflows" / f"{name}.jpg") as picture:
            part = picture.convert("RGB").crop((left, top, left + width, top + height))
        square = ImageOps.pad(part, (SIDE, SIDE), Image.Resampling.LANCZOS, color=BACKGROUND)
        square.save(TARGET / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
