"""The kinds of engine, each with what a test of all of them has to know about it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from fake_comfy import Ended, FakeComfy
from fomm_nodes.batch.engine import CancelledError, Engine, Job, JobError, JobProgress
from fomm_nodes.batch.local.engine import LocalEngine
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.graph.model import Graph
from fomm_nodes.nodes.block_table import known_blocks
from fomm_nodes.nodes.hosts.headless.files import Folders


class Bench(Protocol):
    """A kind of engine. What its engines keep for themselves lies below `passing`."""

    passing: Path

    def engine(self) -> Engine:
        """A new one with one worker, for graphs over the bench's inputs."""

    def processes(self, engine: Engine) -> list[int]:
        """The ids of the processes that the engine started."""

    def kill(self, engine: Engine) -> None:
        """End the worker as `kill -9` does; one that nobody but its owner can start again is started again."""

    def close(self) -> None:
        """End what is the bench's own."""


class LocalBench:
    def __init__(self, inputs: Path, place: Path) -> None:
        self.options = LocalOptions(Folders((inputs,)), device="cpu")
        self.passing = place / "passing"
        self.passing.mkdir()

    def engine(self) -> Engine:
        return LocalEngine(self.options)

    def processes(self, engine: Engine) -> list[int]:
        return []

    def kill(self, engine: Engine) -> None:
        raise NotImplementedError("it is this process")

    def close(self) -> None:
        pass


class PoolBench(LocalBench):
    def engine(self) -> Engine:
        from fomm_nodes.batch.local.pool import LocalPool

        return LocalPool(self.options, 1, Path(tempfile.mkdtemp(dir=self.passing)))

    def processes(self, engine: Engine) -> list[int]:
        return list(engine.processes.values())

    def kill(self, engine: Engine) -> None:
        for process in self.processes(engine):
            os.kill(process, signal.SIGKILL)


class RayBench(PoolBench):
    """A cluster's worker that is asked often how far it is: on a fast processor a clip hardly outlasts a tick."""

    def __init__(self, inputs: Path, place: Path) -> None:
        super().__init__(inputs, place)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("fomm_nodes.batch.ray.engine.TICK", 0.02)

    def close(self) -> None:
        self.patch.undo()

    def engine(self) -> Engine:
        from fomm_nodes.batch.ray.engine import RayEngine, RayOptions

        return RayEngine(RayOptions(workers=1, cores=0.5), LocalOptions(Folders(()), device="cpu"))

    def processes(self, engine: Engine) -> list[int]:
        return [engine._ray.get(engine._ask(slot, "process")) for slot in engine._slots if slot.coming is None]


class ComfyUIBench(LocalBench):
    """A server that works, and has the files of one that was killed."""

    def __init__(self, inputs: Path, place: Path) -> None:
        super().__init__(inputs, place)
        self.place = place / "server"
        self.server = WorkingComfy(self.place)
        self.patch = pytest.MonkeyPatch()
        for name, seconds in (("FIRST_PAUSE", 0.2), ("POLL_LISTENING", 0.2)):
            self.patch.setattr(f"fomm_nodes.batch.comfyui.engine.{name}", seconds)

    def engine(self) -> Engine:
        from fomm_nodes.batch.comfyui.engine import ComfyUIEngine

        return ComfyUIEngine([self.server.url])

    def kill(self, engine: Engine) -> None:
        self.server.die()
        self.server = WorkingComfy(self.place, self.server.port)

    def close(self) -> None:
        self.server.die()
        self.patch.undo()


BENCHES = {"local": LocalBench, "pool": PoolBench, "comfyui": ComfyUIBench, "ray": RayBench}


class WorkingComfy(FakeComfy):
    """A server that runs our blocks and the core nodes, and keeps results as ComfyUI does unless told otherwise."""

    def __init__(self, place: Path, port: int = 0) -> None:
        place.mkdir(exist_ok=True)
        self.place = place
        self.local = LocalEngine(LocalOptions(Folders((place,)), device="cpu", temporary=place))
        self.has_run: set[str] = set()
        super().__init__(port)
        self.known |= set(known_blocks())
        self.max_upload = 1 << 30

    def die(self) -> None:
        super().die()
        self.local.close()

    def _cached(self, graph: dict) -> list[str]:
        return [key for key in graph if _signature(graph, key) in self.has_run]

    def _run(self, prompt: str, graph: dict, tell: Callable[..., None], outputs: dict[str, dict]) -> None:
        folder = self.place / prompt
        folder.mkdir()
        for name, content in tuple(self.inputs.items()):
            path = self.place / name
            if not path.is_file():
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
        ids = {node.title: key for key, node in Graph.from_api(graph).nodes.items()}
        at_work = [""]

        def progress(told: JobProgress) -> None:
            if self.interrupted.is_set() or self._dead.is_set():
                raise CancelledError("interrupted")
            at_work[0] = ids[told.node]
            tell("executing", node=at_work[0])
            if told.total:
                tell("progress", node=at_work[0], value=told.done, max=told.total)

        try:
            results = self.local.make(Job(prompt, graph, (), folder, prompt), folder, progress)
        except CancelledError:
            raise Ended("execution_interrupted", node_id=at_work[0]) from None
        except JobError as error:
            told = {"exception_type": "ValueError", "exception_message": str(error), "traceback": [error.details]}
            raise Ended("execution_error", node_id=at_work[0], **told) from None
        for number, made in enumerate(results.made):
            place, _, stem = graph[made.node]["inputs"]["filename_prefix"].rpartition("/")
            name = f"{stem}_{number:05d}_{made.path.suffix}"
            self.files[name, place, "output"] = made.path.read_bytes()
            shown = {"filename": name, "subfolder": place, "type": "output"}
            outputs.setdefault(made.node, {"images": []})["images"].append(shown)
        self.has_run |= {_signature(graph, key) for key in graph if key not in outputs}


def _signature(graph: dict[str, Any], key: str) -> str:
    """A hash of a node and all that its inputs come from."""
    node = graph[key]
    inputs = {
        port: [_signature(graph, value[0]), value[1]] if isinstance(value, list) else value
        for port, value in node["inputs"].items()
    }
    return hashlib.sha256(json.dumps([node["class_type"], inputs], sort_keys=True).encode()).hexdigest()


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and was not fetched by its parent does not."""
    with contextlib.suppress(OSError):
        os.kill(process, 0)
        status = Path(f"/proc/{process}/stat")
        return not status.is_file() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    return False
