"""A host without a program around it, and a small model, for running blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, FommError, MotionModel, load_builtin
from fomm_nodes.nodes.declarations import BY_ID
from fomm_nodes.nodes.declarations.streams import FileStream


class Cancelled(Exception):
    """What a host raises where its user pressed Cancel."""


@dataclass
class Held:
    model: MotionModel


@dataclass
class FakeHost:
    """Keeps its files in one folder, and remembers what it was told."""

    Cancelled: ClassVar = Cancelled
    folder: Path
    told: list[tuple[int, int, bool]] = field(default_factory=list)
    cancel_after: int | None = None
    sounds: list[Any] = field(default_factory=list)

    def progress(self, done: int, total: int, preview: torch.Tensor | None = None) -> None:
        if preview is not None:
            assert preview.ndim == 3
            assert preview.shape[0] == 3
        self.told.append((done, total, preview is not None))
        if self.cancel_after is not None and len(self.told) >= self.cancel_after:
            raise Cancelled

    def _list(self, name: str) -> dict[str, Path]:
        if name == "datasets":
            return {path.name: path for path in sorted((self.folder / "input").glob("*")) if path.is_dir()}
        return {
            path.name: path
            for path in sorted((self.folder / name).glob("*"))
            if path.suffix in (".safetensors", ".json")
        }

    def options(self, name: str) -> tuple[str, ...]:
        return tuple(self._list(name))

    def find(self, name: str, choice: str) -> Path:
        if choice not in self._list(name):
            raise FommError(f"no {choice!r} among the {name}")
        return self._list(name)[choice]

    def new_file(self, name: str, prefix: str, suffix: str) -> tuple[Path, str]:
        path = self.folder / name / f"{prefix}_{len(self._list(name)) + 1}{suffix}"
        path.parent.mkdir(exist_ok=True)
        return path, path.name

    def temporary_file(self, suffix: str) -> Path:
        return self.folder / f"temporary{len(list(self.folder.iterdir()))}{suffix}"

    def run_folder(self, name: str) -> Path:
        return self.folder / "runs" / name

    def training_device(self) -> torch.device:
        return torch.device("cpu")

    def hold(self, model: MotionModel) -> Held:
        return Held(model)

    def session(self, held: Held, *, precision: str, size: tuple[int, int]) -> AnimationSession:
        assert len(size) == 2
        return AnimationSession(held.model, chunk=2)

    @contextmanager
    def open_video(self, video: Path) -> Iterator[FileStream]:
        with FileStream(video) as stream:
            yield stream

    def remember(self, held: Held, values: Any, key: Any, make: Any) -> Any:
        return make()

    def read_sound(self, file: Path) -> Any:
        return f"the sound of {file.name}"

    def write_sound(self, audio: Any) -> Path | None:
        self.sounds.append(audio)
        return None

    def make_video(self, path: Path) -> Path:
        return path


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture(scope="session")
def held() -> Held:
    return Held(load_builtin())


@pytest.fixture
def run(host: FakeHost):
    """Run a block by its id as a host does: inputs checked and completed, outputs by the ids of their ports."""

    def run_block(block: str, **values: Any) -> dict[str, Any]:
        spec = BY_ID[f"FOMM_{block}"]
        if "size" in {port.id for port in spec.inputs}:
            values.setdefault("size", "model")  # quick
        made = spec.run(host, **spec.check(host, values))
        assert len(made) == len(spec.outputs)
        return {port.id: value for port, value in zip(spec.outputs, made, strict=True)}

    return run_block


@pytest.fixture(scope="session")
def portrait() -> torch.Tensor:
    """IMAGE of one image, [1, 80, 72, 3]: neither square nor of a size that the model takes."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 80), torch.linspace(0, 1, 72), indexing="ij")
    disc = ((rows - 0.5) ** 2 + (columns - 0.5) ** 2 < 0.1).float()
    return torch.stack((rows, columns, disc), -1)[None]


@pytest.fixture(scope="session")
def clip(portrait: torch.Tensor) -> torch.Tensor:
    """IMAGE of five images, [5, 80, 72, 3], the portrait rolled sideways."""
    return torch.cat([portrait.roll(2 * shift, 2) for shift in range(5)])
