"""A disk that is full in the middle of a file: said with the file's name, and what was there before stays whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fomm_nodes.fomm_core.checkpoints import builtin_models, convert
from fomm_nodes.fomm_core.video import write_image

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import importlib.util, resource, sys
root = {root!r}
spec = importlib.util.spec_from_file_location("fomm_nodes", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["fomm_nodes"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from fomm_nodes.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
sys.exit(main({argv!r}))
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the system on files' sizes")


def with_little_room(*argv: str, limit: int = 60_000) -> str:
    """Standard error of the command under a limit on the size of any file, which comes as a full disk does."""
    script = SCRIPT.format(root=str(ROOT), limit=limit, argv=list(argv))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1, ran.stderr
    assert "defect" not in ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stderr


@pytest.mark.parametrize("suffix", [".safetensors", ".pth.tar"])
def test_convert(tmp_path: Path, suffix: str) -> None:
    source = next(iter(builtin_models().values()))
    published, target = tmp_path / "a.pth.tar", tmp_path / f"b{suffix}"
    convert(source, published)
    target.write_bytes(b"old")
    said = with_little_room("convert", str(published), str(target), "-y")
    assert str(target) in said
    assert "The disk is full" in said
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth.tar", target.name]


def test_animate(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_image(tmp_path / "face.png", rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    (tmp_path / "clip").mkdir()
    for number in range(3):
        write_image(tmp_path / "clip" / f"{number}.png", rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    said = with_little_room(
        *("animate", str(tmp_path / "face.png"), str(tmp_path / "clip"), "-o", str(target), "--size", "64", "-q", "-y"),
        limit=900,
    )
    assert "The disk is full" in said
    assert target.read_bytes() == b"old"


def test_models_get(tmp_path: Path) -> None:
    source = next(iter(builtin_models().values()))
    convert(source, tmp_path / "mine.pth.tar")
    said = with_little_room(
        "models", "get", "mine", "--file", str(tmp_path / "mine.pth.tar"), "--to", str(tmp_path / "m")
    )
    assert "mine" in said
    assert "The disk is full" in said
    assert not list((tmp_path / "m").glob("mine*"))
