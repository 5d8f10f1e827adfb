"""Who is seen in a file: templates show the same images again, as they are, edited, or come alive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.files import atomic_path
from fomm_nodes.fomm_core.video import VideoReader

from .clips import Pixels
from .faces import LEAST_SCORE, Face, FaceFinder, Floats

SIDE = 24
"""Of the small grey image of a face that faces are compared by."""
EYES_APART = 0.3
"""Of its width."""
SAME = 0.9
"""Correlation from which two images count as the same face, edited perhaps."""


def identities(files: Sequence[Path], signatures: Floats) -> dict[str, str]:
    """The name of the person in each file, by the file's name: that of the first template in the alphabet that shows
    the person.

    Files of one template (`name-1`, `name-2`) belong together, and so do files whose faces look the same.
    signatures: [files, 24 * 24], 0 where there is no face.
    """
    templates = [template_of(path.name) for path in files]
    leader = {template: template for template in templates}

    def first(template: str) -> str:
        while leader[template] != template:
            template = leader[template]
        return template

    for one, other in np.argwhere(np.triu(signatures @ signatures.T, 1) >= SAME):
        low, high = sorted((first(templates[one]), first(templates[other])))
        leader[high] = low
    return {path.name: first(template) for path, template in zip(files, templates, strict=True)}


def template_of(file: str) -> str:
    """The template that a file belongs to: its name without the number."""
    stem, _, number = Path(file).stem.rpartition("-")
    return stem if stem and number.isdigit() else Path(file).stem


def signatures(
    files: Sequence[Path],
    finder: Callable[[], FaceFinder],
    store: Path,
    watch: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> Floats:
    """[files, 24 * 24]: the largest face of each file's first frame; kept in `store`.

    finder: called where needed. watch: hands the files on one by one, to show how far it is.
    """
    names = np.array([path.name for path in files])
    if store.is_file():
        with np.load(store, allow_pickle=False) as arrays:
            if np.array_equal(arrays["names"], names):
                return np.asarray(arrays["signatures"])
    looked_at = np.stack([_of_file(path, finder()) for path in watch(files)])
    with atomic_path(store) as temporary:
        np.savez_compressed(temporary, names=names, signatures=looked_at)
    return looked_at


def signature(picture: Pixels, face: Face) -> Floats:
    """[24 * 24] of mean 0 and length 1: the face and some hair in grey, upright, its eyes where all eyes are."""
    eyes = face.landmarks[[33, 263], :2].astype(np.float64)
    along = eyes[1] - eyes[0]
    turn = np.array([[along[0], along[1]], [-along[1], along[0]]]) * (EYES_APART * SIDE / (along @ along))
    shift = np.array([0.5, 0.45]) * SIDE - turn @ eyes.mean(0)
    scale = np.linalg.norm(turn[0])
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.5 / scale, 0.1))
    small = cv2.warpAffine(soft, np.column_stack([turn, shift]), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32).ravel()
    grey -= grey.mean()
    return np.asarray(grey / max(float(np.linalg.norm(grey)), 1e-6), np.float32)


def _of_file(path: Path, finder: FaceFinder) -> Floats:
    none = np.zeros(SIDE * SIDE, np.float32)
    try:
        with VideoReader(path, stop=1) as reader:
            picture = next(iter(reader))
    except ImageError:
        return none
    face = finder.face(picture)
    return none if face is None or face.score < LEAST_SCORE else signature(picture, face)
