"""What is installed, and how a host gets in."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import logging
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDERS = ("batch", "cli", "fomm_core", "graph", "live", "nodes")
DATA_FOLDERS = {"fomm_nodes": ["workflows", "web", "locales"], "fomm_nodes.fomm_core": ["assets"]}


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def load_as_comfyui_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    name = f"{folder}/custom_nodes/fomm-nodes".replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_each_package_is_listed(root: Path, pyproject: dict[str, Any]) -> None:
    folders = [path.parent for top in FOLDERS for path in root.glob(f"{top}/**/__init__.py")]
    names = {".".join(("fomm_nodes", *folder.relative_to(root).parts)) for folder in [root, *folders]}
    assert set(pyproject["tool"]["setuptools"]["packages"]) == names


def test_each_folder_of_modules_is_a_package(root: Path) -> None:
    folders = {path.parent for top in FOLDERS for path in root.glob(f"{top}/**/*.py")}
    bare = sorted(str(folder.relative_to(root)) for folder in folders if not (folder / "__init__.py").is_file())
    assert bare == []


@pytest.mark.parametrize("package", DATA_FOLDERS)
def test_each_data_file_is_installed(package: str, root: Path, pyproject: dict[str, Any]) -> None:
    home = root.joinpath(*package.split(".")[1:])
    patterns = pyproject["tool"]["setuptools"]["package-data"][package]
    installed = {path for pattern in patterns for path in home.glob(pattern)}
    there = {path for folder in DATA_FOLDERS[package] for path in (home / folder).rglob("*") if path.is_file()}
    assert there, f"no data at all under {home}"
    assert sorted(there - installed) == []


def test_comfyui_manager_installs_the_same_without_torch(root: Path, pyproject: dict[str, Any]) -> None:
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert wanted == [line for line in pyproject["project"]["dependencies"] if not line.startswith("torch>")]


def test_version_is_stated_once(root: Path, pyproject: dict[str, Any]) -> None:
    import fomm_nodes

    version = pyproject["project"]["version"]
    assert fomm_nodes.__version__ == version
    assert f"## [{version}]" in (root / "CHANGELOG.md").read_text(encoding="utf-8")
    literal = re.compile(rf"version\w*\W+['\"]{re.escape(version)}['\"]", re.IGNORECASE)
    sources = [root / "__init__.py", *(file for folder in FOLDERS for file in root.glob(f"{folder}/**/*.py"))]
    assert [path.name for path in sources if literal.search(path.read_text(encoding="utf-8"))] == []


def test_command_has_its_function(root: Path, pyproject: dict[str, Any]) -> None:
    module, function = pyproject["project"]["scripts"]["fomm"].split(":")
    path = root.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    names |= {alias.asname or alias.name for n in tree.body if isinstance(n, ast.ImportFrom) for alias in n.names}
    assert function in names


def test_comfyui_finds_its_door(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_as_comfyui_does(root, monkeypatch)
    assert inspect.iscoroutinefunction(module.comfy_entrypoint)
    assert (root / module.WEB_DIRECTORY).is_dir()
    assert not hasattr(module, "NODE_CLASS_MAPPINGS")  # any value, even {}, makes ComfyUI ignore the door


def test_core_works_under_the_name_that_comfyui_gives(root: Path) -> None:
    script = f"""
import sys, importlib.util
name = "/srv/Comfy UI/custom_nodes/fomm-nodes.git".replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, {str(root / "__init__.py")!r})
module = sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.fomm_core.MotionModel.__name__, module.__version__)
assert "fomm_nodes" not in sys.modules
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split()[0] == "MotionModel"


def test_a_door_that_jams_says_why(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "__init__.py").write_bytes((root / "__init__.py").read_bytes())
    module = load_as_comfyui_does(tmp_path, monkeypatch)
    with caplog.at_level(logging.ERROR, logger="fomm"), pytest.raises(ModuleNotFoundError, match="nodes"):
        asyncio.run(module.comfy_entrypoint())
    (record,) = caplog.records
    assert record.name == "fomm"
    assert record.exc_info is not None


def test_an_installed_package_knows_its_version(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "__init__.py").write_bytes((root / "__init__.py").read_bytes())  # no pyproject.toml beside it
    module = load_as_comfyui_does(tmp_path, monkeypatch)
    monkeypatch.setattr("importlib.metadata.version", {"fomm-nodes": "9.8.7"}.__getitem__)
    assert module.__version__ == "9.8.7"


def test_unknown_names_are_no_attributes() -> None:
    import fomm_nodes

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fomm_nodes.nothing
