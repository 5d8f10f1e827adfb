"""Cases of the other families."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from family_cases import Case


@pytest.fixture(scope="session")
def family_folder(shared: Path) -> Path:
    """`shared/parity-family`; skips where there is none."""
    folder = shared / "parity-family"
    if not folder.is_dir():
        pytest.skip(f"no reference data of the other families at {folder}")
    return folder


@pytest.fixture(scope="session")
def family_case(family_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    """`family_case("tps-small")`: the case in float64; `single=True` in float32. Checkpoints are made once."""
    made = tmp_path_factory.mktemp("family")

    @cache
    def case(name: str, *, single: bool = False) -> Case:
        return Case(family_folder, name, made, single=single)

    return case
