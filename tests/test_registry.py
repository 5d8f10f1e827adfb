"""What the ComfyUI registry reads of pyproject.toml. `.ci/registry` has its own client read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
ROOT = Path(__file__).parents[1]
PICTURES = {"Icon": "docs/registry/icon.png", "Banner": "docs/registry/banner.jpg"}
ACCELERATORS = {
    *("GPU :: NVIDIA CUDA", "GPU :: AMD ROCm", "GPU :: Intel Arc", "NPU :: Huawei Ascend", "GPU :: Apple Metal"),
}


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_names_and_versions_have_the_form_that_it_takes(data: dict[str, Any]) -> None:
    project, comfy = data["project"], data["tool"]["comfy"]
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,98}[a-z0-9]", project["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert re.fullmatch(r">=\d+\.\d+\.\d+", comfy["requires-comfyui"])
    assert comfy["PublisherId"]
    assert comfy["DisplayName"]
    assert project["description"]


def test_the_oldest_comfyui_is_the_one_that_the_readme_names(data: dict[str, Any]) -> None:
    oldest = data["tool"]["comfy"]["requires-comfyui"].removeprefix(">=")
    assert f"ComfyUI {oldest} or newer" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_systems_and_accelerators_are_those_that_it_knows(data: dict[str, Any]) -> None:
    classifiers = data["project"]["classifiers"]
    assert "Operating System :: OS Independent" in classifiers
    named = {text.removeprefix("Environment :: ") for text in classifiers if text.startswith("Environment :: ")}
    assert named
    assert named <= ACCELERATORS


def test_what_it_installs_is_what_is_needed(data: dict[str, Any]) -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert listed == [entry for entry in data["project"]["dependencies"] if not entry.startswith("torch")]


def test_pictures_have_the_shape_that_it_shows(data: dict[str, Any]) -> None:
    with Image.open(ROOT / PICTURES["Icon"]) as icon, Image.open(ROOT / PICTURES["Banner"]) as banner:
        assert icon.width == icon.height <= 400
        assert banner.width * 9 == banner.height * 21
    for key, path in PICTURES.items():
        if address := data["tool"]["comfy"].get(key):
            assert address.startswith("https://")
            assert address.endswith(path)
