"""Pythons on this machine, and whether one has what a worker needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .process import BLENDERS_OWN

VARIABLE = "FOMM_PYTHON"
"""The environment variable that names the worker's Python."""

OLDEST = (3, 10)
PINNED_FOR = ((3, 11), (3, 14))
"""The oldest and the newest Python that Set Up Worker's list of libraries is for."""
NEEDED = ("torch", "numpy", "cv2", "safetensors", "kornia", "einops", "av", "yaml", "PIL", "filelock", "platformdirs")
ASK = f"""
import importlib.util, json, sys
missing = [name for name in {NEEDED!r} if importlib.util.find_spec(name) is None]
print(json.dumps([sys.version_info[:3], sys.executable, missing]))
"""
PATIENCE = 20.0
"""Seconds that a Python has to answer."""


@dataclass(frozen=True)
class Found:
    """A Python. problem: why it is of no use, in words with what to do; empty where it is."""

    path: str
    version: str = ""
    problem: str = ""


def look_at(path: str) -> Found:
    """Ask a Python for its version and libraries; quick, as none is loaded."""
    environment = {name: value for name, value in os.environ.items() if name not in BLENDERS_OWN}
    try:
        ran = subprocess.run(
            [path, "-c", ASK],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=True,
        )
        version, executable, missing = json.loads(ran.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return Found(path, problem=f"{path} doesn't answer as a Python does. Choose another one.")
    told = ".".join(map(str, version))
    if tuple(version) < OLDEST:
        return Found(path, told, f"this is Python {told}, but 3.10 or newer is needed. Choose another one.")
    if missing:
        lacks = f"it lacks {', '.join(missing)}"
        return Found(path, told, f"{lacks} ({executable}). Press Set Up Worker, which makes one that has all.")
    return Found(path, told)


def makers() -> list[str]:
    """Pythons that an environment with the pinned libraries can be made from; quick, as none of theirs is loaded."""
    oldest, newest = PINNED_FOR
    return [path for path in candidates() if (version := version_of(path)) and oldest <= version <= newest]


def version_of(path: str) -> tuple[int, int] | None:
    """(3, 12); None where it doesn't answer as a Python does."""
    told = look_at(path).version.split(".")
    return (int(told[0]), int(told[1])) if len(told) > 1 else None


def candidates() -> Iterator[str]:
    """Where one is likely: beside the `fomm` command, in an active environment, on the search path."""
    seen = set()
    for path in _places():
        if path and path not in seen and Path(path).is_file():
            seen.add(path)
            yield path


def _places() -> Iterator[str]:
    yield os.environ.get(VARIABLE, "")
    name = "python.exe" if sys.platform == "win32" else "python3"
    if command := shutil.which("fomm"):
        yield _shebang(Path(command))
        for folder in (Path(command).parent, Path(command).parent.parent):
            yield str(folder / name)
    below = "Scripts" if sys.platform == "win32" else "bin"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if root := os.environ.get(variable):
            yield str(Path(root) / below / name)
            yield str(Path(root) / name)
    for command in ("python3", "python"):
        yield shutil.which(command) or ""


def _shebang(script: Path) -> str:
    try:
        with script.open("rb") as file:
            first = file.readline(400)
    except OSError:
        return ""
    return first[2:].decode(errors="replace").strip() if first.startswith(b"#!") else ""


def find() -> Found:
    """The first that will do; where none does, what is wrong with the first that was found."""
    first = None
    for path in candidates():
        found = look_at(path)
        if not found.problem:
            return found
        first = first or found
    return first or Found("", problem="no Python was found. Press Set Up Worker, which makes one.")


@lru_cache(maxsize=1)
def _found() -> str:
    return find().path


def forget() -> None:
    """Look anew the next time."""
    _found.cache_clear()


def chosen(preference: str, own: str = "") -> str:
    """What the user chose: the preference, else the environment variable, else our own one, else what is found here."""
    return preference or os.environ.get(VARIABLE, "") or own or _found()
