"""A library that is one module, as a wheel, and a Python that makes environments in no time."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path


def write_wheel(
    folder: Path, source: str = "answer = 42\n", name: str = "fomm_small_thing", version: str = "1.0", needs: str = ""
) -> None:
    """A library that is one module."""
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", source)
        told = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
        wheel.writestr(f"{about}/METADATA", told + f"Requires-Dist: {needs}\n" * bool(needs))
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


def quick_maker(folder: Path) -> str:
    """A Python whose environments see the pip of ours, which spares the minute that copying one takes."""
    link = "import sys, pip, pathlib; site = next(pathlib.Path(sys.argv[1]).glob('lib/*/site-packages'))"
    link += "; (site / 'ours.pth').write_text(str(pathlib.Path(pip.__file__).parents[1]))"
    script = folder / "quick-python"
    python = f'"{sys.executable}"'
    script.write_text(f'#!/bin/sh\n{python} "$1" "$2" --without-pip "$3" "$4" && {python} -c "{link}" "$4"\n')
    script.chmod(0o755)
    return str(script)
