"""From parsed JSON to a graph's own table, through whatever a server or program has put around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..fomm_core.errors import GraphError
from ..fomm_core.wording import counted
from .saved import is_saved_canvas

WRAPPERS = ("prompt", "workflow", "output")
"""What is posted to a server, what programs keep together, and what the front end makes of a canvas."""

RUNNING, PENDING = "queue_running", "queue_pending"
MOST_LAYERS = 16


@dataclass(frozen=True)
class Unwrapped:
    """The innermost table, and what was chosen on the way where there was more than one."""

    data: Any
    note: str = ""


def unwrapped(data: Any, parse: Callable[[str], Any]) -> Unwrapped:
    """The graph in `data`: out of texts that are JSON themselves, a request to a server, its history or its queue.

    What is none of these is given back as it is. Raises GraphError for a queue or history in which nothing is; what
    `parse` raises goes through.
    """
    note = ""
    for _ in range(MOST_LAYERS):
        if isinstance(data, str) and data.lstrip()[:1] in ("{", "[", '"'):
            data = parse(data)
            continue
        if _is_graph(data):
            break
        inner, chosen = _inner(data)
        if inner is None:
            break
        data, note = inner, note or chosen
    return Unwrapped(data, note)


def _is_graph(data: Any) -> bool:
    return is_saved_canvas(data) or (
        isinstance(data, Mapping) and any(isinstance(e, Mapping) and "class_type" in e for e in data.values())
    )


def _inner(data: Any) -> tuple[Any, str]:
    """What stands one layer deeper, and what was chosen; None where there is nothing to open."""
    if _is_run(data):
        return data[2], ""
    if not isinstance(data, Mapping) or not data:
        return None, ""
    if RUNNING in data or PENDING in data:
        runs = [run for key in (RUNNING, PENDING) for run in data.get(key) or () if _is_run(run)]
        if not runs:
            raise GraphError("expected a graph in a server's queue; the queue is empty. Its /history has what is done.")
        return runs[0], "" if len(runs) == 1 else _note("first", runs[0], len(runs), "queue")
    if all(isinstance(entry, Mapping) and _is_run(entry.get("prompt")) for entry in data.values()):
        runs = [entry["prompt"] for entry in data.values()]
        newest = max(enumerate(runs), key=lambda numbered: (_time(numbered[1]), numbered[0]))[1]
        return newest, "" if len(runs) == 1 else _note("newest", newest, len(runs), "history")
    for key in WRAPPERS:
        if data.get(key) and isinstance(data[key], (Mapping, str, Sequence)):
            return data[key], ""
    return None, ""


def _is_run(data: Any) -> bool:
    """Whether it is how a server keeps a run: number, id, graph, further data, outputs."""
    return isinstance(data, Sequence) and len(data) > 2 and isinstance(data[1], str) and isinstance(data[2], Mapping)


def _time(run: Sequence[Any]) -> float:
    """When it was asked for, in milliseconds; 0 where the server was too old to note it."""
    further = run[3] if len(run) > 3 else None
    time = further.get("create_time") if isinstance(further, Mapping) else None
    return float(time) if isinstance(time, (int, float)) and not isinstance(time, bool) else 0.0


def _note(which: str, run: Sequence[Any], number: int, where: str) -> str:
    time = _time(run)
    try:
        asked = f" of {datetime.fromtimestamp(time / 1000, timezone.utc):%Y-%m-%d %H:%M} UTC" if time else ""
    except (OverflowError, OSError, ValueError):
        asked = ""
    return (
        f"of {counted(number, 'run')} in this {where} the {which} is taken, {run[1]}{asked}; for another, save "
        "/history/ID alone"
    )


def decoded(data: bytes) -> str:
    """JSON as text, from UTF-8, UTF-16 or UTF-32, with or without a mark. Raises UnicodeDecodeError."""
    return data.decode(json.detect_encoding(data))
