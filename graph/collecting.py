"""Large graphs without Python's search for circles of objects, which would look through all of them time and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Meanwhile objects that hold each other are not looked for; for work that makes many objects and none such.

    Reading 100,000 nodes takes half of the time so. Where two threads are in here, one may end it for both.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
