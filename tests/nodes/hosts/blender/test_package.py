"""`fomm blender-package`: a zip that Blender takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import fomm_nodes
import pytest
from fomm_nodes.cli.main import main


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "fomm.zip"
    assert main(["blender-package", "-q", "-o", str(path)]) == 0
    return path


def test_it_holds_the_pack_and_nothing_of_its_making(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
    assert {"__init__.py", "blender_manifest.toml", "nodes/blocks.json"} <= set(names)
    assert "nodes/hosts/blender/start_worker.py" in names
    assert len([name for name in names if name.endswith("blender_manifest.toml")]) == 1
    assert any(name.startswith("fomm_core/assets/") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", "."))]


def test_its_manifest_says_the_same_as_bl_info(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        manifest = archive.read("blender_manifest.toml").decode()
    found = dict(re.findall(r'^(\w+) = "(.*)"$', manifest, re.MULTILINE))
    info = fomm_nodes.bl_info
    assert found["version"] == fomm_nodes.__version__
    assert found["name"] == info["name"]
    assert found["tagline"] == info["description"]
    assert found["blender_version_min"] == ".".join(map(str, info["blender"]))
    assert "wheels" not in manifest
    assert all(len(found[name]) <= 64 and found[name][-1].isalnum() for name in ("tagline", "files", "network"))


def test_the_same_files_make_the_same_zip(package: Path, tmp_path: Path) -> None:
    assert main(["blender-package", "-q", "-o", str(tmp_path / "again.zip")]) == 0
    assert (tmp_path / "again.zip").read_bytes() == package.read_bytes()


INSTALL = """
import os, runpy, sys
from pathlib import Path
import bpy
tool = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
sys.argv = ["blender_ext.py", "validate", sys.argv[1]]
try:
    runpy.run_path(str(tool), run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
print("VALID", flush=True)
os._exit(0)
"""

LEGACY = """
import os, sys, zipfile
import bpy
folder = sys.argv[2] + "/addons/fomm_nodes"
zipfile.ZipFile(sys.argv[1]).extractall(folder)
sys.path.insert(0, sys.argv[2] + "/addons")
import addon_utils
assert addon_utils.enable("fomm_nodes", default_set=True) is not None
own = bpy.context.preferences.addons["fomm_nodes"].preferences
own.python = sys.argv[3]
assert bpy.ops.fomm.find_python() == {"FINISHED"}
assert own.found.endswith("fine"), own.found
assert bpy.ops.fomm.open_example() == {"FINISHED"}
tree = bpy.data.node_groups["animate"]
assert len(tree.nodes) == 5
from fomm_nodes.nodes.hosts.blender.session import client
assert client().settings.python == own.python
addon_utils.disable("fomm_nodes")
print("RAN", *{"torch", "av", "cv2"} & set(sys.modules), flush=True)
os._exit(0)
"""


EXTENSION = """
import os, sys
import bpy
import addon_utils
addon_utils.enable("bl_pkg", default_set=False)
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
own = bpy.context.preferences.addons["bl_ext.user_default.fomm_nodes"].preferences
own.python, own.device = sys.argv[2], "cpu"
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[3] + "/film.blend")
bpy.ops.fomm.open_example()
tree = bpy.data.node_groups["animate"]
next(node for node in tree.nodes if hasattr(node, "w_strength")).w_size = "model"
assert bpy.ops.fomm.run(tree="animate") == {"FINISHED"}
clip = bpy.data.images["animated_001.mp4"]
print("RAN", clip.frame_duration, *clip.size, flush=True)
os._exit(0)
"""


def in_blender(script: str, *arguments: str, resources: Path | None = None) -> str:
    python = os.environ.get("FOMM_BPY_PYTHON")
    if not python:
        pytest.skip('no Blender: set FOMM_BPY_PYTHON to a Python that has bpy (pip install "bpy==5.0.1" "numpy<2")')
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if resources is not None:
        environment["BLENDER_USER_RESOURCES"] = str(resources)
    ran = subprocess.run(
        [python, "-c", script, *arguments], env=environment, capture_output=True, text=True, timeout=240
    )
    return ran.stdout + ran.stderr


def test_blenders_own_check_finds_nothing_wrong(package: Path) -> None:
    said = in_blender(INSTALL, str(package))
    assert "VALID" in said.splitlines(), said


def test_it_installs_as_an_extension_and_runs(package: Path, tmp_path: Path) -> None:
    resources = tmp_path / "resources"
    resources.mkdir()
    said = in_blender(EXTENSION, str(package), sys.executable, str(tmp_path), resources=resources)
    assert "RAN 46 128 128" in said.splitlines(), said
    assert (tmp_path / "fomm" / "animated_001.mp4").is_file()


def test_it_works_as_a_legacy_add_on_from_a_folder(package: Path, tmp_path: Path) -> None:
    said = in_blender(LEGACY, str(package), str(tmp_path), sys.executable)
    assert "RAN" in said.splitlines(), said
