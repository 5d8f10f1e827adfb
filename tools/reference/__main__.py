"""Write both references. Run it after changing an option or a public docstring: `python -m tools.reference`."""

from __future__ import annotations

from pathlib import Path

from . import commands, python

ROOT = Path(__file__).parents[2]
PAGES = {"docs/cli.md": commands.page, "docs/python.md": python.page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
        print(name)
