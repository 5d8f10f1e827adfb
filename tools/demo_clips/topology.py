"""Which landmarks are joined to triangles: MediaPipe's tessellation of the face, with the eyes filled and without
what lies between the lips.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from fomm_nodes.fomm_core.errors import DataError

from .faces import LANDMARKS
from .landmarks import LIDS

Triangles = npt.NDArray[np.int32]
FILE = "face_mesh_connections.py"
NAME = "FACEMESH_TESSELATION"


@cache
def face_triangles(file: Path) -> Triangles:
    """[880, 3] numbers of landmarks. file: MediaPipe's list of edges, three in a row for each triangle; it is read,
    not run.

    Raises DataError where it holds something else.
    """
    edges = np.array(_edges(file)).reshape(-1, 3, 2)
    if (edges[:, :, 1] != np.roll(edges[:, :, 0], -1, 1)).any() or edges.min() < 0 or edges.max() >= LANDMARKS:
        raise DataError(f"expected three edges in a row for each triangle of {NAME} in {file}; got others.")
    return np.concatenate([edges[:, :, 0], eye_triangles()]).astype(np.int32)


def eye_triangles() -> Triangles:
    """[28, 3]: between the lids of both eyes."""
    found = []
    for lids in LIDS:
        lower, upper = lids[:9], (lids[0], *lids[9:], lids[8])
        for left in range(8):
            found += [(upper[left], upper[left + 1], lower[left]), (upper[left + 1], lower[left + 1], lower[left])]
    return np.array([corners for corners in found if len(set(corners)) == 3], np.int32)


def _edges(file: Path) -> list[tuple[int, int]]:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names = node.targets if isinstance(node, ast.Assign) else []
        is_it = [target.id for target in names if isinstance(target, ast.Name)] == [NAME]
        if is_it and isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            return list(ast.literal_eval(node.value.args[0]))
    raise DataError(f"expected {NAME} in {file}; it is not there.")
