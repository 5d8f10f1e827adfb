"""Names for what runs make: no take is overwritten by a later one."""

from __future__ import annotations

import re
from pathlib import Path


def numbered(folder: Path, name: str) -> Path:
    """A stem that no file in the folder begins with yet: `name_001`, `name_002`, ...; letters of any script stay."""
    plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "result"
    taken = [int(found[1]) for path in folder.glob("*") if (found := re.match(rf"{re.escape(plain)}_(\d+)", path.name))]
    return folder / f"{plain}_{max(taken, default=0) + 1:03d}"
