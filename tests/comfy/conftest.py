"""A real ComfyUI for the tests: a server with a base directory of its own, and an interpreter to run code in."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from children import INTERRUPTIBLE
from fomm_nodes.fomm_core import convert
from fomm_nodes.fomm_core.checkpoints import builtin_models
from fomm_nodes.graph.convert import convert as convert_canvas
from fomm_nodes.graph.saved import saved_graph
from fomm_nodes.graph.schemas import schemas_in
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
ASSETS = ROOT / "fomm_core" / "assets"
START_TIMEOUT, RUN_TIMEOUT = 180, 300


@pytest.fixture(scope="session")
def comfyui() -> tuple[Path, str]:
    """(checkout, interpreter); skips where the environment names none."""
    folder, python = os.environ.get("COMFYUI_DIR"), os.environ.get("COMFYUI_PYTHON")
    if not folder or not python:
        pytest.skip("needs a real ComfyUI: set COMFYUI_DIR to a checkout and COMFYUI_PYTHON to its interpreter")
    if not Path(folder, "main.py").is_file():
        pytest.skip(f"needs a real ComfyUI: there is no main.py in COMFYUI_DIR ({folder})")
    return Path(folder).resolve(), python


class Refused(Exception):
    """The server takes the graph for no valid one."""


class Server:
    """One ComfyUI on the CPU, with our pack under another folder name, as users may have it."""

    Refused = Refused

    def __init__(self, base: Path, comfyui: tuple[Path, str]) -> None:
        self.base = base
        for name in ("models", "custom_nodes", "input", "output", "temp", "user/default"):
            (base / name).mkdir(parents=True)
        (base / "custom_nodes" / "my-fomm").symlink_to(ROOT)
        self.extra = base / "elsewhere"
        self.extra.mkdir()
        (base / "extra.yaml").write_text(f"mine:\n  base_path: {self.extra}\n  fomm: weights\n")
        (self.extra / "weights" / "deep").mkdir(parents=True)
        convert(builtin_models()["demo-128"], self.extra / "weights" / "deep" / "old.pth.tar")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        folder, python = comfyui
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        self.log = base / "log.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(python, "main.py", "--cpu", "--port", str(port), "--listen", "127.0.0.1"),
                    *("--disable-auto-launch", "--disable-api-nodes", "--database-url", "sqlite:///:memory:"),
                    *("--base-directory", str(base), "--extra-model-paths-config", str(base / "extra.yaml")),
                ],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **INTERRUPTIBLE,
            )

    def offer_inputs(self) -> None:
        """Put the files that the saved graphs name into the folder of inputs."""
        folder = self.base / "input"
        with Image.open(ASSETS / "source.png") as image:
            face = image.convert("RGB")
        pair = Image.new("RGB", (2 * face.width, face.height))
        for column in range(2):
            pair.paste(face, (column * face.width, 0))
        for name, made in (("face", face), ("faces", pair)):
            made.save(folder / f"{name}.jpg")
            made.save(folder / f"{name}.png")
        for name in ("talk.mp4", "talk-2.mp4"):
            shutil.copyfile(ASSETS / "driving.mp4", folder / name)

    def wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                self.get("/system_stats")
                return
            time.sleep(0.2)
        pytest.fail(f"ComfyUI did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        for number in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
                return

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            body = reply.read()
        return json.loads(body) if path != "/" and body[:1] in b"[{" else body.decode()

    def post(self, path: str, body: dict) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as problem:
            raise Refused(problem.read().decode()) from None

    def queue(self, graph: dict) -> str:
        return self.post("/prompt", {"prompt": graph})["prompt_id"]

    def result(self, prompt: str) -> Run:
        deadline = time.monotonic() + RUN_TIMEOUT
        while time.monotonic() < deadline:
            history = self.get(f"/history/{prompt}")
            if prompt in history:
                return Run(history[prompt])
            time.sleep(0.1)
        pytest.fail(f"no end of {prompt}:\n{self.log.read_text(errors='replace')[-3000:]}")

    def run(self, graph: dict) -> Run:
        return self.result(self.queue(graph))


class Run:
    """What the server's history says of one run."""

    def __init__(self, entry: dict) -> None:
        messages = dict(entry["status"]["messages"])
        self.outcome = next(name for name in ("success", "error", "interrupted") if f"execution_{name}" in messages)
        self.cached = set(messages.get("execution_cached", {}).get("nodes", ()))
        self.error = messages.get("execution_error", {}).get("exception_message", "")
        self.outputs = entry["outputs"]


@pytest.fixture(scope="session")
def server(comfyui: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("comfyui"), comfyui)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def blocks(server: Server) -> dict[str, dict]:
    """What the server says of all its nodes."""
    return server.get("/object_info")


@pytest.fixture(scope="session")
def as_graph(blocks: dict[str, dict]):
    """A saved workflow as the server takes it, by its own word on its nodes; without a word of warning."""
    schemas = schemas_in(blocks, "the server")

    def convert_workflow(workflow: dict) -> dict[str, dict]:
        graph = convert_canvas(saved_graph(workflow), schemas)
        assert not graph.problems
        return graph.to_api()

    return convert_workflow


@pytest.fixture(scope="session")
def inside(comfyui: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory):
    """Run a script in ComfyUI's interpreter, with its modules and our pack loaded; returns what it puts into `told`."""

    def run(script: str) -> dict[str, Any]:
        base = tmp_path_factory.mktemp("inside")
        preamble = f"""
import importlib.util, json, sys
from pathlib import Path
base = Path({str(base)!r})
sys.path.insert(0, {str(comfyui[0])!r})
sys.argv = ["main.py", "--cpu", "--base-directory", str(base)]
import comfy.options
comfy.options.enable_args_parsing()
import folder_paths
root = {str(ROOT)!r}
spec = importlib.util.spec_from_file_location("pack", root + "/__init__.py", submodule_search_locations=[root])
pack = importlib.util.module_from_spec(spec)
sys.modules["pack"] = pack
spec.loader.exec_module(pack)
told = {{}}
"""
        ran = subprocess.run(
            [comfyui[1], "-c", f"{preamble}\n{script}\nprint('TOLD', json.dumps(told))"],
            cwd=base,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        lines = [line for line in ran.stdout.splitlines() if line.startswith("TOLD ")]
        assert lines, f"the script failed:\n{ran.stderr[-3000:]}"
        return json.loads(lines[-1].removeprefix("TOLD "))

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("comfy")
