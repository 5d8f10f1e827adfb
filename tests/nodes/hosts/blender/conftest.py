"""Graphs for the worker process, and a client that runs them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.nodes.hosts.blender.client import Client, Failure, Handle, Progress, Result, Settings

PATIENCE = 120.0


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


@pytest.fixture(scope="session")
def animate() -> dict[str, Any]:
    """An image that is shown, and the built-in example as a video: 46 frames of 128x128."""
    return {
        "1": node("FOMM_LoadExample", picture="astronaut"),
        "2": node("FOMM_LoadModel", model="demo-128 (built-in)"),
        "3": node("FOMM_AnimateVideo", model=["2", 0], source=["1", 0], driving=["1", 1], size="model"),
        "4": node("SaveVideo", video=["3", 0], filename_prefix="video/animated", format="auto", codec="auto"),
        "5": node("PreviewImage", images=["1", 0]),
    }


@dataclass
class Heard:
    """What a job told."""

    progress: list[Progress] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def submit(client: Client, graph: dict[str, Any], output: Path | None = None) -> tuple[Handle, Heard]:
    heard = Heard()
    handle = client.submit(
        graph,
        output=output,
        on_progress=heard.progress.append,
        on_done=heard.results.append,
        on_error=heard.failures.append,
    )
    return handle, heard


def wait(client: Client, until: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Poll as a timer does."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it took too long"
        client.poll()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    client = Client(Settings(sys.executable, device="cpu"))
    yield client
    client.close()
