"""Names for what runs make: no take is overwritten by a later one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


def numbered(folder: Path, name: str, promised: Iterable[str] = ()) -> Path:
    """A stem that no file in the folder begins with yet: `name_001`, `name_002`, ...; letters of any script stay.

    promised: names of files that are yet to come.
    """
    plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "result"
    names = [*(path.name for path in folder.glob("*")), *promised]
    taken = [int(found[1]) for name in names if (found := re.match(rf"{re.escape(plain)}_(\d+)", name))]
    return folder / f"{plain}_{max(taken, default=0) + 1:03d}"
