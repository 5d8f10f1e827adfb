"""What a name of a model means, in the core, in the headless host and in ComfyUI's folders."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import types
from pathlib import Path

import pytest
from fomm_nodes.fomm_core import FommError, load_builtin, load_model
from fomm_nodes.fomm_core.checkpoints import builtin_models, read_checkpoint
from fomm_nodes.fomm_core.library import find_model, known_as, model_folders, models_in, places
from fomm_nodes.nodes.hosts.headless.files import Folders

DEMO = builtin_models()["demo-128"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("COMFYUI_DIR", raising=False)
    monkeypatch.setenv("FOMM_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(DEMO, path))


def test_a_built_in_name_in_python(folder: Path) -> None:
    assert load_model("demo-128").config == load_builtin("demo-128").config
    assert read_checkpoint("demo-128").path == DEMO


@pytest.mark.parametrize("file", ["vox-cpk.safetensors", "vox.safetensors"])
@pytest.mark.parametrize("name", ["vox", "vox-256", "vox-cpk", "file"])
def test_names_of_a_published_model(folder: Path, name: str, file: str) -> None:
    name = file if name == "file" else name
    put(folder / file)
    assert find_model(name) == folder / file
    assert load_model(name).config == load_builtin().config  # the file tells what it is, not its name
    with pytest.raises(FommError, match="fomm models get vox-adv"):
        find_model("vox-adv")


def test_the_order(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path before a name; safetensors before the published file; the first folder before the next."""
    second = tmp_path / "second"
    monkeypatch.setenv("FOMM_MODELS", os.pathsep.join((str(folder), str(second))))
    put(second / "mine.safetensors")
    assert find_model("mine") == second / "mine.safetensors"
    (folder / "mine.pth.tar").touch()
    assert find_model("mine") == folder / "mine.pth.tar"
    put(folder / "mine.safetensors")
    assert find_model("mine") == folder / "mine.safetensors"
    assert find_model("mine.pth.tar") == folder / "mine.pth.tar"
    put(tmp_path / "mine")
    assert find_model("mine") == Path("mine")
    assert find_model(Path("mine")) == Path("mine")


def test_a_name_in_a_folder_below(folder: Path) -> None:
    put(folder / "faces" / "mine.safetensors")
    assert find_model("faces/mine") == folder / "faces" / "mine.safetensors"
    assert [path.name for path in models_in(folder)] == ["mine.safetensors"]


@pytest.mark.parametrize("name", ["../secret", "..", "", ".", "/", "a/../../secret"])
def test_a_name_does_not_lead_out(folder: Path, name: str) -> None:
    put(folder.parent / "secret.safetensors")
    with pytest.raises(FommError):
        find_model(name)


def test_a_near_name(folder: Path) -> None:
    put(folder / "portraits.safetensors")
    with pytest.raises(FommError, match="'portraits'"):
        find_model("portrait")
    with pytest.raises(FommError, match="'vox-adv'"):
        find_model("vox_adv")


def test_where_models_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's folder; before it that of the ComfyUI that the package lies in; last that of COMFYUI_DIR."""
    monkeypatch.delenv("FOMM_MODELS")
    monkeypatch.delenv("COMFYUI_DIR", raising=False)
    (own,) = model_folders()
    assert own.is_absolute()
    assert "fomm" in own.parts
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "ComfyUI" / "custom_nodes" / "fomm-nodes")
    monkeypatch.setenv("COMFYUI_DIR", str(tmp_path / "Other"))
    here, other = (tmp_path / name / "models" / "fomm" for name in ("ComfyUI", "Other"))
    assert model_folders() == (here, own, other)
    monkeypatch.setenv("FOMM_MODELS", str(tmp_path))
    assert model_folders() == (tmp_path, other)


def test_known_names() -> None:
    assert known_as("taichi-adv-cpk.pth.tar") == known_as("taichi-adv") == known_as("taichi-adv-256")
    assert known_as("mine") is None


def test_graphs_find_them_without_a_host(folder: Path, tmp_path: Path) -> None:
    """`fomm render`, and Blender's worker: after the folders that were given; nothing that is still being written."""
    put(folder / "vox-cpk.safetensors")
    put(folder / ".nemo-cpk.part.safetensors")
    given = put(tmp_path / "given" / "fomm" / "mine.safetensors")
    folders = Folders(inputs=(), models=(tmp_path / "given",))
    assert folders.choices("models") == (
        "demo-128 (built-in)",
        "demo-128-acting (built-in)",
        "mine.safetensors",
        "vox-cpk.safetensors",
    )
    assert folders.find("models", "vox-cpk.safetensors") == folder / "vox-cpk.safetensors"
    assert folders.find("models", "mine.safetensors") == given
    put(tmp_path / "given" / "fomm" / "vox-cpk.safetensors")
    assert folders.find("models", "vox-cpk.safetensors") == tmp_path / "given" / "fomm" / "vox-cpk.safetensors"
    assert "vox-cpk.safetensors" not in Folders(inputs=(folder,)).choices("datasets")


def test_comfyui_offers_them(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """With ComfyUI's own module of folders replaced by one that keeps what it is told."""
    told: dict[str, list[str]] = {}

    def listed(name: str) -> list[str]:
        places = map(Path, told[name])
        return sorted(str(path.relative_to(place)) for place in places for path in place.rglob("*") if path.is_file())

    def full(name: str, choice: str) -> str | None:
        return next((str(Path(place, choice)) for place in told[name] if Path(place, choice).is_file()), None)

    fake = types.ModuleType("folder_paths")
    vars(fake).update(
        models_dir=str(tmp_path / "comfy" / "models"),
        get_output_directory=lambda: str(tmp_path / "comfy" / "output"),
        add_model_folder_path=lambda name, path: told.setdefault(name, []).append(path),
        get_filename_list=listed,
        get_full_path=full,
        get_folder_paths=lambda name: told[name],
    )
    monkeypatch.setitem(sys.modules, "folder_paths", fake)
    name = "fomm_nodes.nodes.hosts.comfyui.files"
    spec = importlib.util.spec_from_file_location(name, root / "nodes" / "hosts" / "comfyui" / "files.py")
    assert spec is not None
    assert spec.loader is not None
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    put(folder / "vox-cpk.safetensors")
    put(folder / ".nemo-cpk.part.safetensors")
    files.register_folders()
    own = put(tmp_path / "comfy" / "models" / "fomm" / "own.safetensors")
    assert set(files.options("models")) == {
        "demo-128 (built-in)",
        "demo-128-acting (built-in)",
        "own.safetensors",
        "vox-cpk.safetensors",
    }
    assert files.find("models", "vox-cpk.safetensors") == folder / "vox-cpk.safetensors"
    assert files.find("models", "own.safetensors") == own
    assert told["fomm_flows"]
    assert not any(str(folder) in path for path in told["fomm_flows"])
