"""What comes with the package. Looking here loads no library."""

from __future__ import annotations

from pathlib import Path

ASSETS = Path(__file__).resolve().parent / "assets"
DEFAULT_MODEL = "demo-128"
FACE_WEIGHTS = ASSETS / "faces" / "faces.safetensors"
PERSON_WEIGHTS = ASSETS / "persons" / "persons.safetensors"


def builtin_models() -> dict[str, Path]:
    """Name -> file of every built-in model."""
    return {path.stem: path for path in sorted(ASSETS.glob("*.safetensors"), key=lambda path: path.stem)}
