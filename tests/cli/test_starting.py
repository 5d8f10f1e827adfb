"""Imports without the search for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from fomm_nodes.cli.starting import quick_imports


@pytest.fixture(autouse=True)
def _searched() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_searched_as_before_in_the_end(enabled: bool) -> None:
    if not enabled:
        gc.disable()
    with quick_imports():
        assert not gc.isenabled()
    assert gc.isenabled() == enabled


def test_an_import_that_fails_leaves_no_trace() -> None:
    with pytest.raises(ImportError), quick_imports():
        raise ImportError
    assert gc.isenabled()


def test_animating_imports_that_way(monkeypatch: pytest.MonkeyPatch) -> None:
    from fomm_nodes.cli import animate, main

    class SeenError(Exception):
        pass

    def fail() -> None:
        raise SeenError("imports")

    monkeypatch.setattr(animate, "quick_imports", fail)
    monkeypatch.setattr(main, "_explain", lambda problem, debug: str(problem))
    assert main.main(["animate", "a.png", "b.mp4"]) == "imports"
