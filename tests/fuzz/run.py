"""Changed files of every kind are read one after the other: `python -m tests.fuzz.run --count 10000 --seed 1`."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 10
"""For one input; then the process ends and says where it stood."""
MOST_MEMORY = 3 << 29
"""Bytes of memory at the highest point, torch and all libraries included: 1.5 GiB."""

STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.forkpty", "pty.spawn")
CONNECTS = ("socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request")
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
CHANGES += ("shutil.rmtree", "shutil.move", "shutil.copyfile")


@dataclass
class Found:
    """tried, refused: inputs, by kind. faults: what came besides a FommError, by kind, seed and number of the input.

    slowest: seconds of one input and which. peak: bytes of memory of this process, and of the largest of its children.
    risen: the input at which this process grew most, and by how much.
    """

    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    risen: tuple[int, str] = (0, "")
    peak: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        kinds = "\n".join(f"  {kind}: {count}, {self.refused[kind]} refused" for kind, count in self.tried.items())
        mib = [size / 2**20 for size in self.peak]
        return (
            f"{kinds}\n{self.tried.total()} inputs, {self.refused.total()} refused, {len(self.faults)} faults\n"
            f"slowest {self.slowest[0]:.2f} s: {self.slowest[1]}\n"
            f"peak memory {mib[0]:.0f} MiB, of children {mib[1]:.0f} MiB; most for one input "
            f"{self.risen[0] / 2**20:.0f} MiB: {self.risen[1]}"
        )


class Watch:
    """Notes what is done that reading a file has no business with: files changed anywhere but below `folder`, processes
    started, connections opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self.seen: list[str] = []
        self.on = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in STARTS or event in CONNECTS:
            self.seen.append(f"{event} {arguments[:2]!r:.200}")
        elif event in CHANGES:
            self._check(event, *arguments[:2])
        elif event == "open":
            path, mode, flags = arguments
            writes = any(letter in (mode or "") for letter in "wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not isinstance(path, int):
                self._check(event, path)

    def _check(self, event: str, *paths: Any) -> None:
        for path in paths:
            if not isinstance(path, str | bytes | os.PathLike):
                continue
            place = os.path.realpath(os.fsdecode(path))
            if not place.startswith((self.folder + os.sep, "/dev/")) and "__pycache__" not in place:
                self.seen.append(f"{event} {place}")


def peak(who: int = resource.RUSAGE_SELF) -> int:
    """Bytes, as Linux tells them."""
    return resource.getrusage(who).ru_maxrss * 1024


def fuzz(count: int, seed: int, folder: Path, only: str = "", note: Callable[[str], None] = str) -> Found:
    """Read `count` changed files; the same for the same seed. Files that appear beside them are faults too.

    note: hears of each input before it is read.
    """
    from fomm_nodes.fomm_core.errors import FommError

    from .inputs import kinds_of

    (folder / "good").mkdir()
    tried = folder / "tried"
    tried.mkdir()
    kinds = [(name, kind) for name, kind in kinds_of(folder / "good").items() if only in ("", name)]
    found = Found()
    logging.disable(logging.CRITICAL)
    for _, kind in kinds:  # what can't be read whole would test nothing; and all libraries are loaded then
        for file, content in kind.seeds.items():
            (tried / file).write_bytes(content)
            kind.read(tried / file)
            (tried / file).unlink()
    tempfile.tempdir = str(tried)
    os.chdir(tried)
    watch = Watch(tried)
    most = peak()
    for number in range(count):
        rng = random.Random(f"{seed}:{number}")
        name, kind = kinds[number % len(kinds)]
        file, content = rng.choice(list(kind.seeds.items()))
        which = f"{name} {file}, seed {seed}, input {number}"
        path = tried / file
        path.write_bytes(kind.mutate(content, rng))
        note(which)
        began = time.perf_counter()
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                watch.on = True
                kind.read(path)
        except FommError:
            found.refused[name] += 1
        except Exception:
            found.faults.append(f"{which}\n{traceback.format_exc()[-1500:]}")
        finally:
            watch.on = False
            faulthandler.cancel_dump_traceback_later()
        found.slowest = max(found.slowest, (time.perf_counter() - began, which))
        found.tried[name] += 1
        if (now := peak()) > most:
            found.risen, most = max(found.risen, (now - most, which)), now
        path.unlink()
        if strays := list(tried.iterdir()):
            found.faults.append(f"{which}: left {[stray.name for stray in strays]}")
        found.faults += [f"{which}: {act}" for act in watch.seen]
        watch.seen.clear()
    found.peak = most, peak(resource.RUSAGE_CHILDREN)
    return found


def watched(arguments: list[str]) -> int:
    """The same in a process of its own, which a library may take down."""
    with tempfile.TemporaryDirectory() as folder:
        last = Path(folder) / "last"
        code = subprocess.run([sys.executable, "-m", "tests.fuzz.run", *arguments, "--last", str(last)]).returncode
        if code not in (0, 1):
            print(f"ended with {code} at {last.read_text().strip()}", file=sys.stderr)
        return code


def main() -> int:
    """Exit code 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", default="", help="one kind alone")
    parser.add_argument("--last", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.last is None:
        return watched(sys.argv[1:])
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as folder, arguments.last.open("wb", buffering=0) as last:

        def note(which: str) -> None:
            last.seek(0)
            last.write(f"{which:200}\n".encode())

        found = fuzz(arguments.count, arguments.seed, Path(folder), arguments.kind, note)
        os.chdir("/")
    if max(found.peak) > MOST_MEMORY:
        found.faults.append(f"more than {MOST_MEMORY >> 20} MiB of memory; see the peak below")
    for fault in found.faults:
        print(fault, file=sys.stderr)
    print(found)
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main())
