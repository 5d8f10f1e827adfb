"""The models that the paper's authors published, and where a copy of each can be downloaded: data, no code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

AUTHORS_PAGE = "https://github.com/AliaksandrSiarohin/first-order-model"
RELEASE = "https://github.com/graphemecluster/first-order-model-demo/releases/download/checkpoints"
"""A release of the public repository that keeps the files for the authors' demo."""


@dataclass(frozen=True)
class PublishedModel:
    """A model with a name.

    preset: the configuration that its weights fit. moves: what it was trained on. url: of a copy.
    """

    name: str
    preset: str
    moves: str
    url: str

    @property
    def file_name(self) -> str:
        """As it is published: 'vox-cpk.pth.tar'."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of its file without the ending, the published one first."""
        return tuple(dict.fromkeys((self.file_name.split(".")[0], self.name)))


def _all() -> Iterator[PublishedModel]:
    for name, moves, file in (
        ("vox", "faces", "vox-cpk"),
        ("vox-adv", "faces, trained on with a discriminator", "vox-adv-cpk"),
        ("taichi", "bodies", "taichi-cpk"),
        ("taichi-adv", "bodies, trained on with a discriminator", "taichi-adv-cpk"),
        ("fashion", "clothes", "fashion"),
        ("mgif", "animations", "mgif-cpk"),
        ("bair", "robots", "bair-cpk"),
        ("nemo", "expressions", "nemo-cpk"),
    ):
        yield PublishedModel(name, f"{name}-256", moves, f"{RELEASE}/{file}.pth.tar")


PUBLISHED = {model.name: model for model in _all()}


def known_as(name: str) -> PublishedModel | None:
    """The published model behind a name, that of its preset, or that of its file; None for any other name."""
    for model in PUBLISHED.values():
        if name in (model.name, model.preset, model.file_name, *model.stems):
            return model
    return None
