"""Shared fixtures; binds the checkout under its import name, so that the tests need no install."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "fomm_nodes"


def _bind_checkout() -> None:
    spec = importlib.util.spec_from_file_location(PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


if PACKAGE not in sys.modules:
    _bind_checkout()

THREADS = int(os.environ.get("FOMM_TEST_THREADS") or 1)
"""Of torch. Tests that hold runs of several processes to each other bit by bit stay at one."""

torch.set_num_threads(THREADS)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """The same random numbers for each test, whatever ran before it, and the same threads."""
    torch.manual_seed(0)
    np.random.seed(0)
    yield
    torch.set_num_threads(THREADS)


@pytest.fixture(autouse=True, scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of models while tests run, here and in child processes: not the user's own. Empty."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOMM_MODELS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data (`FOMM_SHARED`, or `../shared` beside the checkout); skips where there is none."""
    path = Path(os.environ.get("FOMM_SHARED") or ROOT.parent / "shared")
    if not (path / "parity").is_dir():
        pytest.skip(f"no reference data at {path}: set FOMM_SHARED to a folder that holds parity/")
    return path
