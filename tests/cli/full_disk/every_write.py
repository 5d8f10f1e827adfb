"""Each write of a command fails in turn: `LD_PRELOAD=full.so python every_write.py full.so FOLDER CASE`.

The command's libraries are loaded once; each try is a process that begins as a copy of this one.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
LIMIT = 120
"""Seconds of one try."""
LOADED = ("fomm_core.pipeline", "fomm_core.cropping", "fomm_core.training.plan", "fomm_core.training.run_log")
LOADED += ("fomm_core.training.data", "fomm_core.training.loop", "batch.render", "cli.main")
TOLD = 20
"""Writes after which it is said how far this has come."""
FULL = ("The disk is full", "No space left", "s the disk full", "disk is full")


def load_package() -> None:
    """Under its name, from here."""
    spec = importlib.util.spec_from_file_location(
        "fomm_nodes", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["fomm_nodes"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["fomm_nodes"])


@dataclass(frozen=True)
class Tried:
    """code: of the command; 128 and a signal where one ended it. said: all that it printed. writes: that it made."""

    code: int
    said: str
    writes: int


class Disk:
    """A folder on which each write may be made to fail."""

    def __init__(self, library: Path, base: Path) -> None:
        self.place, self._log = base / "disk", base / "said"
        self._library = ctypes.CDLL(str(library))
        self._library.full_disk_writes.restype = ctypes.c_long

    def fresh(self, old: tuple[str, ...], content: bytes) -> None:
        """Empty, but for some old files."""
        shutil.rmtree(self.place, ignore_errors=True)
        (self.place / "tmp").mkdir(parents=True)
        for name in old:
            (self.place / name).write_bytes(content)

    def run(self, arguments: tuple[Any, ...], first: int = 0, *, stays: bool = False) -> Tried:
        """`fomm` in a copy of this process; write number `first` fails, and all that follow where it `stays` full."""
        ear, mouth = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 3
            try:
                out = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(out, 1)
                os.dup2(out, 2)
                os.environ["TMPDIR"] = str(self.place / "tmp")
                from fomm_nodes.cli.main import main

                self._library.full_disk(os.fsencode(self.place), ctypes.c_long(first), int(stays))
                code = main([str(argument) for argument in arguments])
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os.write(mouth, str(self._library.full_disk_writes()).encode())
                os._exit(code)
        os.close(mouth)
        signal.alarm(LIMIT)
        try:
            _, status = os.waitpid(pid, 0)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        finally:
            signal.alarm(0)
        with os.fdopen(ear, "rb") as file:
            writes = int(file.read() or 0)
        code = os.waitstatus_to_exitcode(status)
        return Tried(code if code >= 0 else 128 - code, self._log.read_text(errors="replace"), writes)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Its files on loopback; the address of the weights lies in its `url`."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), "0"]
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as server:
        assert server.stdout is not None
        port = server.stdout.readline().decode().split(" port ")[1].split()[0]
        (folder / "url").write_text(f"http://127.0.0.1:{port}/small.pth.tar")
        os.environ["NO_PROXY"] = "127.0.0.1"
        try:
            yield
        finally:
            server.kill()


def spread(count: int, most: int) -> list[int]:
    """1 to count, or `most` of them: the first and last, and others evenly between."""
    if count <= most or not most:
        return list(range(1, count + 1))
    return sorted({round(1 + place * (count - 1) / (most - 1)) for place in range(most)})


def faults(case: Any, disk: Disk, given: Path, most: int) -> Iterator[str]:
    """What is wrong, for each write that fails: alone, and with all that follow."""
    arguments = case.arguments(given, disk.place)
    disk.fresh(case.old, OLD)
    whole = disk.run(arguments)
    if whole.code:
        yield f"without a full disk: {whole.code}\n{whole.said}"
        return
    reference, listed = dict(case.made(disk.place)), names(disk.place)
    print(f"{whole.writes} writes", flush=True)
    for number in spread(whole.writes, most):
        if number % TOLD == 0:
            print(f"{number} of {whole.writes}", flush=True)
        for stays in (False, True):
            which = f"write {number}{' and all that follow' if stays else ''}"
            disk.fresh(case.old, OLD)
            tried = disk.run(arguments, number, stays=stays)
            for problem in judged(case, disk, tried, reference):
                yield f"{which}: {problem}\n{tried.said[-1500:]}"
            if not tried.code:  # a write that it gets along without; a folder that is complete is refused then
                continue
            again = disk.run(arguments)
            if again.code:
                yield f"{which}: then again, with room: {again.code}\n{again.said[-1500:]}"
            elif (made := dict(case.made(disk.place))) != reference:
                yield f"{which}: then again, with room: {differing(made, reference)}"
            elif strays := strayed(names(disk.place) - listed, case.free):
                yield f"{which}: then again, with room: {sorted(strays)} stay"


def judged(case: Any, disk: Disk, tried: Tried, reference: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with how a command ended."""
    if tried.code not in (0, 1):
        yield f"it ended with {tried.code}"
    if "Traceback" in tried.said or "defect" in tried.said:
        yield "it calls it a defect"
    if tried.code == 1 and not any(words in tried.said for words in FULL):
        yield "it does not say that the disk is full"
    if tried.code == 0 and (made := dict(case.made(disk.place))) != reference:
        yield f"it says that all is done: {differing(made, reference)}"
    for name in case.old:
        path = disk.place / name
        content = path.read_bytes() if path.is_file() else None
        if content != OLD and digests(disk.place).get(name) != reference.get(name):
            yield f"the old {name} is {'gone' if content is None else 'damaged'}"


def names(folder: Path) -> set[str]:
    """Of all that lies in it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def strayed(found: set[str], free: tuple[str, ...]) -> set[str]:
    """Those that no pattern allows."""
    return {name for name in found if not any(fnmatch(name, pattern) for pattern in free)}


def differing(made: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    """Names."""
    parts = [name for name in sorted({*made, *reference}) if made.get(name) != reference.get(name)]
    return f"{parts} {'differ' if parts else 'are alike'}"


def main() -> int:
    """Exit code 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--most", type=int, default=0, help="writes that fail, evenly spread; 0: all")
    arguments = parser.parse_args()

    def late(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    disk = Disk(arguments.library, arguments.folder.resolve())
    given = arguments.folder.resolve() / "given"
    for name in LOADED:
        importlib.import_module(f"fomm_nodes.{name}")
    if importlib.util.find_spec("lightning_fabric"):
        importlib.import_module("lightning_fabric")
    if not given.exists():
        make_inputs(given)
    found = 0
    with serving(given):
        for fault in faults(CASES[arguments.case], disk, given, arguments.most):
            found += 1
            print(fault, flush=True)
    print(f"{found} faults")
    return int(found > 0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    load_package()
    from cases import CASES, OLD, digests, make_inputs

    sys.exit(main())
