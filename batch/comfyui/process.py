"""A ComfyUI that is started from a checkout, and that ends with us, however we end."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ...fomm_core.errors import FommError
from ..passing import PassingFolder
from .client import ComfyClient
from .http import ServerError

log = logging.getLogger("fomm.render")

START_SECONDS = 300.0
"""Packs may install or fetch things when they start."""

STOP_SECONDS = 5.0
UPLOAD_MB = 1 << 20
LOG_LINES = 30

# Ends as soon as our end of its standard input is closed: by us, or by the system where we were killed.
_GUARDED_MAIN = """
import os, runpy, shutil, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the driver runs in a shell's background
def follow():
    while os.read(line, 1):
        pass
    shutil.rmtree(base, ignore_errors=True)
    os._exit(1)
base, line = sys.argv[1], os.dup(0)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
sys.argv = sys.argv[2:]
threading.Thread(target=follow, daemon=True).start()
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Checkout:
    """A ComfyUI to start.

    folder: with its `main.py`.
    python: an interpreter with its requirements; by default that of a `venv` or `.venv` in the folder, or of the
        portable Windows build, or else the current one.
    arguments: further ones for `main.py`, such as ("--cuda-device", "1").
    """

    folder: Path
    python: str | None = None
    arguments: tuple[str, ...] = ()

    def check(self) -> None:
        """Whether it can be started at all.

        Raises:
            FommError: There is no ComfyUI, or no such Python.
        """
        if not (self.folder / "main.py").is_file():
            raise FommError(f"expected the folder of a ComfyUI; there is no main.py in {self.folder}")
        if shutil.which(self.interpreter()) is None:
            raise FommError(f"no Python to start ComfyUI with at {self.interpreter()}")

    def interpreter(self) -> str:
        """Path or name of the Python; a path is absolute, since the server runs in its own folder."""
        if self.python:
            return str(Path(self.python).absolute()) if len(Path(self.python).parts) > 1 else self.python
        inside = ("venv", ".venv") if os.name != "nt" else ("venv/Scripts", ".venv/Scripts", "../python_embeded")
        for place in inside:
            found = self.folder / place / ("python.exe" if os.name == "nt" else "bin/python")
            if found.is_file():
                return str(found.absolute())
        return sys.executable


class ComfyProcess:
    """A running ComfyUI with folders of its own for inputs and outputs; models and packs are the checkout's."""

    def __init__(self, checkout: Checkout) -> None:
        checkout.check()
        self.checkout = checkout
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._passing = PassingFolder("fomm-comfyui-")
        self._base = self._passing.path
        self._log = self._base / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self._answered = False
        self._began = 0.0
        self._lock = threading.RLock()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def ready(self, client: ComfyClient, seconds: float) -> bool:
        """Whether it takes jobs. It is started where it does not run, and has so many seconds to answer.

        Raises:
            ServerError: It ended at its start, or does not answer; the message has the end of its log.
        """
        with self._lock:
            ended = None if self._process is None else self._process.poll()
            if ended is not None and not self._answered:
                self.kill()
                raise ServerError(f"ComfyUI ended with code {ended} at its start:\n{self.log()}")
            if not self.running:
                self._start()
            try:
                client.queue_length()
            except ServerError:
                if not self._answered and time.monotonic() - self._began < seconds:
                    return False
                self.kill()
                raise ServerError(f"ComfyUI does not answer; it was ended:\n{self.log()}") from None
            self._answered = True
            return True

    @property
    def starting(self) -> bool:
        """Whether it lives, and has not answered yet."""
        return self.running and not self._answered

    def _start(self) -> None:
        log.info("starting ComfyUI from %s", self.checkout.folder)
        self.kill()
        self._answered, self._began = False, time.monotonic()
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.checkout.folder,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=os.name != "nt",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    def log(self) -> str:
        """The last lines that it wrote."""
        if not self._log.is_file():
            return ""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])

    def kill(self) -> None:
        """End it with all that it started; kindly first."""
        process, self._process = self._process, None
        if process is None:
            return
        for step in ("interrupt", "kill"):
            if process.poll() is None or os.name != "nt":
                _signal(process, step)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        if process.stdin is not None:
            process.stdin.close()

    def close(self) -> None:
        """End it, and remove its folders."""
        self.kill()
        self._passing.remove()

    def _command(self) -> list[str]:
        for name in ("input", "output", "temp"):
            (self._base / name).mkdir(exist_ok=True)
        return [
            *(self.checkout.interpreter(), "-u", "-c", _GUARDED_MAIN, str(self._base)),
            str(self.checkout.folder.resolve() / "main.py"),
            *("--listen", "127.0.0.1", "--port", self.url.rpartition(":")[2], "--disable-auto-launch"),
            *("--input-directory", str(self._base / "input"), "--output-directory", str(self._base / "output")),
            *("--temp-directory", str(self._base / "temp"), "--database-url", "sqlite:///:memory:"),
            *("--max-upload-size", str(UPLOAD_MB)),
            *self.checkout.arguments,
        ]


def _signal(process: subprocess.Popen[bytes], step: str) -> None:
    if os.name == "nt":
        process.terminate() if step == "interrupt" else process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGINT if step == "interrupt" else signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
