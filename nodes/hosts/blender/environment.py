"""An environment for the worker in a folder of its own: made from a Python, filled from a list, tried."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from .process import BLENDERS_OWN
from .pythons import NEEDED

PINNED = Path(__file__).with_name("worker_requirements.txt")
MARK = "fomm-worker.json"
"""Lies in an environment that is complete."""

TORCH_INDEX = "FOMM_TORCH_INDEX"
"""The environment variable that names another package index for torch."""
INDICES = {
    ("linux", "cpu"): "https://download.pytorch.org/whl/cpu",
    ("win32", "cuda"): "https://download.pytorch.org/whl/cu130",
}
"""Where PyPI has torch for another device. What they have is of a higher version, such as 2.13.0+cpu."""

NEEDED_BYTES = {"cpu": 2_000_000_000, "cuda": 9_000_000_000}
"""On disk, with room for what is downloaded."""

PASSING = ".removed-"
"""Begins the names of folders on their way out."""

REPORTED = 400
"""Lines of a step that a report keeps, the last ones."""

NOT_FOR_US = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "VIRTUAL_ENV")

HINTS = (
    (r"No space left on device|Errno 28", "The disk is full. Free some space, then press Repair."),
    (
        r"NameResolution|name resolution|Max retries|ConnectionError|timed out|Network is unreachable",
        "The package index can't be reached. Check the network (a proxy is named by HTTPS_PROXY), then press Repair.",
    ),
    (
        r"No matching distribution found for (\S+)",
        "{0} can't be had for this Python or system. Name another Python in the preferences, then press Repair.",
    ),
    (r"Permission denied|Errno 13", "A file can't be written. Close other Blenders, then press Repair."),
)


class SetupError(Exception):
    """A step failed, with what to do."""


class CancelledError(SetupError):
    """The user wants no more of it."""


@dataclass(frozen=True)
class Plan:
    """What to make.

    folder: where; what is there is replaced. pythons: programs to make it from, the first that can. device: 'cpu' or
    'cuda'. pinned: a list for pip, each with ==. needed: modules that have to be there in the end.
    """

    folder: Path
    pythons: tuple[str, ...]
    device: str = "cpu"
    pinned: Path = PINNED
    needed: tuple[str, ...] = NEEDED

    @property
    def names(self) -> list[str]:
        """What the list names, such as "torch==2.13.0"."""
        lines = self.pinned.read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    @property
    def steps(self) -> list[list[str]]:
        """What pip is asked for, one after the other. Another index is asked for torch alone: it has few of the
        others, and where it can't be reached each look costs seconds. Torch comes first, as others bring one with them.
        """
        index = os.environ.get(TORCH_INDEX) or INDICES.get((sys.platform, self.device))
        torch = [name for name in self.names if name.startswith("torch==")]
        if not index or not torch:
            return [self.names]
        return [["--no-deps", *torch, "--extra-index-url", index], self.names]


class Setup:
    """A plan at work in a thread of its own; nothing here waits for it but `wait`.

    share: 0..1 of it. words: what is done at the moment. state: 'running', 'done', 'failed' or 'cancelled'.
    problem: why it failed, with what to do. python: the new one, when it is done.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.share, self.words, self.state = 0.0, "Starting", "running"
        self.problem = self.python = ""
        self._lines: list[str] = []
        self._cancelled = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> Setup:
        """Begin."""
        self._thread.start()
        return self

    def cancel(self) -> None:
        """End it soon; what was made is thrown away."""
        self._cancelled.set()
        if (process := self._process) is not None:
            end_process(process)

    def wait(self, seconds: float | None = None) -> str:
        """Until it has ended, at most so many seconds; returns the state."""
        self._thread.join(seconds)
        return self.state

    @property
    def report(self) -> str:
        """All that was done and said, for others to read: without passwords in addresses."""
        about = [f"Set Up Worker: {self.state}", f"{platform.platform()}, {self.plan.device}", self.problem]
        text = "\n".join([*filter(None, about), "", *self._lines])
        return re.sub(r"(?<=://)[^/\s@]+@", "***@", text)

    def _work(self) -> None:
        folder = self.plan.folder
        try:
            self._check_disk()
            self._tell(0.0, "Removing what is there")
            remove(folder)
            folder.parent.mkdir(parents=True, exist_ok=True)
            python = self._made()
            self._filled(python)
            about = self._looked_at(python)
            part = folder / f".{MARK}.part"
            part.write_text(json.dumps({"python": str(python), **about}), encoding="utf-8")
            os.replace(part, folder / MARK)
            self.python, self.share, self.words, self.state = str(python), 1.0, "Done", "done"
        except Exception as problem:  # whatever it is, the panel waits for an end
            if not isinstance(problem, (SetupError, OSError)):
                self._lines += ["", traceback.format_exc()]
            self.state = "cancelled" if self._cancelled.is_set() else "failed"
            self.problem = "" if self._cancelled.is_set() else str(problem) or type(problem).__name__
            with contextlib.suppress(OSError):
                remove(folder)

    def _check_disk(self) -> None:
        place = next(path for path in (self.plan.folder, *self.plan.folder.parents) if path.exists())
        free, needed = shutil.disk_usage(place).free, NEEDED_BYTES[self.plan.device]
        if free < needed:
            raise SetupError(
                f"It needs {needed / 1e9:.0f} GB on the disk of {place}; {free / 1e9:.1f} GB are free. Free some, or "
                "choose the CPU, which needs less."
            )

    def _made(self) -> Path:
        """The first Python of the plan that can make an environment; returns that of the environment."""
        said = ["no Python was found"]
        for number, program in enumerate(self.plan.pythons):
            self._tell(0.05 * number / len(self.plan.pythons), f"Making an environment from {program}")
            lines, code = self._run([program, "-m", "venv", "--clear", str(self.plan.folder)])
            python = python_of(self.plan.folder)
            if code == 0 and python.is_file():
                return python
            said.append(f"{program}: {next((line for line in reversed(lines) if line.strip()), f'exit code {code}')}")
        raise SetupError(
            f"No Python can make an environment ({'; '.join(said)}). Install Python 3.11 to 3.14 from python.org "
            "(Debian and Ubuntu: python3-venv as well), or name one in the preferences. Then press Repair."
        )

    def _filled(self, python: Path) -> None:
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        self._tell(0.05, "Bringing pip up to date")
        _, code = self._run([*pip, "install", "--upgrade", "pip>=24.1"])
        raw = ["--progress-bar", "raw"] if code == 0 else ["--progress-bar", "off"]
        self._tell(0.1, "Looking for libraries")
        shares = [0.1, *([0.5] if len(self.plan.steps) > 1 else []), 0.9]
        for names, (start, end) in zip(self.plan.steps, pairwise(shares), strict=True):
            fetched = _Fetched(len(names), start, end)
            lines, code = self._run([*pip, "install", *raw, "--only-binary", ":all:", *names], fetched)
            if code != 0:
                raise SetupError(hint("\n".join(lines)) or f"pip failed (exit code {code}). The report says more.")

    def _looked_at(self, python: Path) -> dict[str, str]:
        """Load all that is needed, which tells a broken one as well; returns what to remember."""
        self._tell(0.95, "Trying the libraries")
        ask = f"import json\nfor name in {self.plan.needed!r}: __import__(name)\nprint('fomm: fine')"
        lines, code = self._run([str(python), "-c", ask])
        if code != 0 or "fomm: fine" not in lines:
            last = next((line for line in reversed(lines) if line.strip()), f"exit code {code}")
            raise SetupError(
                f"The libraries are there and can't be loaded: {last} Press Repair, or choose another Python."
            )
        return {"device": self.plan.device}

    def _run(self, command: Sequence[str], fetched: _Fetched | None = None) -> tuple[list[str], int]:
        """Run a program to its end; returns its lines and its exit code."""
        if self._cancelled.is_set():
            raise CancelledError
        self._lines += ["", "$ " + " ".join(command)]
        alone = {"start_new_session": True} if sys.platform != "win32" else {"creationflags": _NO_WINDOW}
        outer = (*BLENDERS_OWN, *NOT_FOR_US)
        environment = {name: value for name, value in os.environ.items() if name not in outer}
        environment.update(PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8")
        try:
            process = self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                **alone,
            )
        except OSError as problem:
            self._lines.append(str(problem))
            return [str(problem)], -1
        lines: list[str] = []
        assert process.stdout is not None
        with process.stdout:
            for line in (raw.decode("utf-8", "replace").rstrip() for raw in process.stdout):
                if fetched is not None and fetched.hears(line):
                    self._tell(fetched.start + (fetched.end - fetched.start) * fetched.share, fetched.words)
                if not line.startswith("Progress "):
                    lines.append(line)
        code = process.wait()
        self._process = None
        self._lines += [*lines[-REPORTED:], f"(exit code {code})"]
        if self._cancelled.is_set():
            raise CancelledError
        return lines, code

    def _tell(self, share: float, words: str) -> None:
        self.share, self.words = max(self.share, share), words


class _Fetched:
    """How far pip is, from what it says. start, end: the share of all that it begins and ends with."""

    def __init__(self, total: int, start: float = 0.0, end: float = 1.0) -> None:
        self.start, self.end = start, end
        self._total, self._files, self._part = total, 0, 0.0
        self._file = ""

    @property
    def share(self) -> float:
        return min(1.0, (max(0, self._files - 1) + self._part) / max(1, self._total))

    @property
    def words(self) -> str:
        return f"{self._file} {self._part * 100:.0f} %" if self._file else "Installing the libraries"

    def hears(self, line: str) -> bool:
        """Whether a line of pip's says how far it is."""
        if found := re.match(r"Progress (\d+) of (\d+)", line):
            self._part = int(found[1]) / max(1, int(found[2]))
        elif found := re.match(
            r"\s*(?:Downloading|Using cached|Processing) (\S+\.whl)( \(\d[^)]*\))?(?: \(from .*)?$", line
        ):
            name = "-".join(found[1].replace("\\", "/").rsplit("/", 1)[-1].split("-")[:2])
            self._file, self._files, self._part = f"{name}{found[2] or ''}", self._files + 1, 0.0
        elif line.startswith("Installing collected packages"):
            self._file, self._files, self._part = "", self._total, 1.0
        else:
            return False
        return True


_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


def end_process(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def hint(text: str) -> str:
    """What to do about an error of pip's; empty where that is not known."""
    for pattern, words in HINTS:
        if found := re.search(pattern, text):
            return words.format(*found.groups())
    return ""


def python_of(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def complete(folder: Path) -> str:
    """The Python of a finished environment; empty where there is none, or a broken one."""
    python = python_of(folder)
    return str(python) if (folder / MARK).is_file() and python.is_file() else ""


def remove(folder: Path, *, wait: bool = True) -> None:
    """Take an environment away; OSError where a program still uses it. It is at no moment half there; what an earlier
    call could not finish goes too. wait: until the last of its many files is gone, which may take half a minute.
    """
    if folder.exists():
        with contextlib.suppress(FileNotFoundError):
            (folder / MARK).unlink()
        with contextlib.suppress(FileNotFoundError):  # somebody else was quicker
            os.replace(folder, folder.with_name(f"{PASSING}{uuid.uuid4().hex}"))
    sweeping = threading.Thread(target=_sweep, args=(folder.parent,), daemon=True)
    sweeping.start()
    if wait:
        sweeping.join()


def _sweep(parent: Path) -> None:
    for left in parent.glob(f"{PASSING}*"):
        shutil.rmtree(left, ignore_errors=True)


def makers(named: str, found: Sequence[str], blenders_own: str) -> Iterator[str]:
    """Programs to try, each once: the one that the user named alone; else those found, then Blender's own."""
    yield from dict.fromkeys([named] if named else [*found, blenders_own])
