"""What torch.save wrote, read by torch's safe reader. Nothing in a file is ever executed."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from ..checksums import check_archive
from ..errors import CheckpointError
from .stand_ins import RefusedError, stand_ins

ASKED = re.compile(r"GLOBAL ([\w.<>]+)")
RUNS = re.compile(r"unsupported (global|class)|blocked", re.IGNORECASE)
"""torch's words for a pickle that names a function or class."""

RISKY = frozenset(
    {
        *("os", "posix", "nt", "sys", "subprocess", "builtins", "__builtin__", "shutil", "socket", "runpy", "code"),
        *("pickle", "pathlib", "importlib", "ctypes", "webbrowser", "multiprocessing", "urllib", "http", "commands"),
        *("operator", "functools", "types", "timeit", "pty", "asyncio", "threading", "torch", "numpy"),
    }
)
"""Modules that no checkpoint needs functions of: one that names them is meant to run something."""


def read_pickle(path: Path) -> Any:
    """What torch stored at `path`, on the CPU; CheckpointError where it is damaged, asks to run code, or is of another
    kind. The checksums that torch stores are compared, which it does not do itself. Numbers and
    arrays of numpy come as such, see `stand_ins`.
    """
    check_archive(path)
    try:
        with warnings.catch_warnings(), stand_ins(), path.open("rb") as file:  # of a path, torch trusts the ending
            warnings.simplefilter("ignore")  # of pickle protocols: words for programmers
            return torch.load(file, map_location="cpu", weights_only=True)
    except RefusedError as problem:
        raise CheckpointError(
            f"expected plain tensors in '{path}'; it holds {problem}. Nothing in it was executed."
        ) from problem
    except pickle.UnpicklingError as problem:
        raise CheckpointError(_refused(str(problem), path)) from problem
    except Exception as problem:  # a damaged pickle fails in any way there is: struct.error, IndexError, ...
        raise CheckpointError(
            f"expected a checkpoint (.pth or .pth.tar) at '{path}'; it can't be read ({_first_line(problem)}). It may "
            "be truncated, or unpacked: published `.pth.tar` files are used as they are, not opened with an archiver."
        ) from problem


def _refused(words: str, path: Path) -> str:
    """Why torch's safe reader did not take a pickle. Its own advice, to allow what it asks for, is never passed on."""
    asked = ASKED.search(words)
    name = asked[1] if asked else ""
    if "." in name and name.partition(".")[0] not in RISKY and "blocked" not in words:
        return (
            f"expected plain tensors in '{path}'; it holds an object of '{name}' beside them, which only other code "
            "can make, so it was refused and nothing was executed. Ask who made it to save the weights alone: "
            "torch.save({'generator': generator.state_dict(), 'kp_detector': kp_detector.state_dict()}, ...)."
        )
    if asked or RUNS.search(words):
        return (
            f"expected plain tensors in '{path}'; it holds a pickle that asks to run code, so it was refused and "
            "nothing was executed. Don't load it with other programs either, unless you trust who made it."
        )
    return (
        f"expected a checkpoint (.pth or .pth.tar) at '{path}'; it is not one, but something else or a pickle "
        "of a kind that is refused. Nothing in it was executed."
    )


def _first_line(problem: Exception) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
