"""Binds tools/demo_clips as `demo_clips`, as tests/conftest.py does with the package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

NAME = "demo_clips"
FOLDER = Path(__file__).resolve().parents[2] / "tools" / NAME

if NAME not in sys.modules:
    spec = importlib.util.spec_from_file_location(
        NAME, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
