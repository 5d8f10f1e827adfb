"""`fomm blender-package`: the zip that Blender installs."""

from __future__ import annotations

import argparse
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import __version__
from ..fomm_core.wording import counted

EPILOG = """\
examples:
  fomm blender-package                       writes fomm-blender-VERSION.zip here
  fomm blender-package -o fomm.zip

In Blender: Edit > Preferences > Get Extensions > Install from Disk (4.2 and newer). The zip contains this pack without
any libraries: the add-on's preferences name the Python that runs the networks, such as the one that runs this command.
"""
PACK = Path(__file__).resolve().parents[1]
MANIFEST = "blender_manifest.toml"
PARTS = ("__init__.py", "py.typed", "batch", "cli", "fomm_core", "graph", "nodes", "workflows")
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of all entries, so that the same files make the same zip."""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "blender-package",
        parents=[common],
        help="write the add-on for Blender as a zip",
        description="Write the extension for Blender 4.2 and newer as a zip.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="ZIP", help="the file to write (default: fomm-blender-VERSION.zip)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write it; returns the exit code."""
    target = arguments.output or Path(f"fomm-blender-{__version__}.zip")
    count = package(target)
    if not arguments.quiet:
        print(f"{target.resolve()}: {counted(count, 'file')}, {target.stat().st_size / 1e6:.1f} MB")
    return 0


def package(target: Path) -> int:
    """Write the zip, whole or not at all; returns how many files it holds."""
    from ..fomm_core.files import atomic_path

    entries = dict(_entries())
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(entries.items()):
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return len(entries)


def _entries() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file."""
    for part in PARTS:
        path = PACK / part
        for file in [path] if path.is_file() else path.rglob("*"):
            made = "__pycache__" in file.parts or file.name.startswith(".")
            if file.is_file() and not made and file.name != MANIFEST:
                yield file.relative_to(PACK).as_posix(), file.read_bytes()
    manifest = (PACK / "nodes" / "hosts" / "blender" / MANIFEST).read_text(encoding="utf-8")
    yield MANIFEST, re.sub(r'^version = ".*"', f'version = "{__version__}"', manifest, flags=re.MULTILINE).encode()
    yield "pyproject.toml", f'[project]\nname = "fomm-nodes"\nversion = "{__version__}"\n'.encode()
