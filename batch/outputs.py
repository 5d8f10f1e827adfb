"""From what the output nodes of a graph made to the files that a job promises, complete or not there."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..fomm_core.files import atomic_path
from .engine import Job, JobError, Outcome


@dataclass(frozen=True)
class Made:
    """A file that an output node made, complete, in a folder on the same disk as the job's output.

    title: the node's label (see `labels`); tells the files of several output nodes apart.
    preview: the node only shows its images (PreviewImage); kept where a job makes nothing else. node: its id, where
    that is known.
    """

    title: str
    path: Path
    preview: bool = False
    node: str = ""


def labels(graph: Mapping[str, Any]) -> dict[str, str]:
    """A word for each node of an API graph that tells its files from those of other nodes: the end of its
    `filename_prefix` where no other node has the same, else its title, with its id where titles repeat.
    """
    prefixes = {name: _prefix(node.get("inputs", {}).get("filename_prefix")) for name, node in graph.items()}
    titles = {name: node.get("_meta", {}).get("title") or node["class_type"] for name, node in graph.items()}
    often, titled = Counter(prefixes.values()), Counter(titles.values())
    found = {}
    for name, title in titles.items():
        unique = f"{title} {name}" if titled[title] > 1 else title
        found[name] = prefixes[name] if prefixes[name] and often[prefixes[name]] == 1 else unique
    return found


def _prefix(value: Any) -> str:
    return value.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(value, str) else ""


def final_names(job: Job, made: Sequence[Made]) -> list[Path]:
    """The name of each file: `stem.mp4` for the only one, `stem_00001.png`... for several of one node,
    `stem_LABEL.mp4` where several nodes write.
    """
    titles = list(dict.fromkeys(file.title for file in made))
    names = []
    for file in made:
        siblings = [other for other in made if other.title == file.title]
        part = f"_{re.sub(r'[^A-Za-z0-9]+', '-', file.title).strip('-') or titles.index(file.title)}"
        count = f"_{siblings.index(file) + 1:05d}"
        stem = job.output.name + (part if len(titles) > 1 else "") + (count if len(siblings) > 1 else "")
        names.append(job.output.with_name(stem + file.path.suffix))
    if len(set(names)) < len(names):  # titles that differ only in signs
        names = [name.with_name(f"{name.stem}_{index + 1}{name.suffix}") for index, name in enumerate(names)]
    return names


def publish(job: Job, made: Sequence[Made], frames: int, worker: str) -> tuple[Path, ...]:
    """Give the files of a job their final names; returns them. What they are is noted before (see `published`).

    frames, worker: for that note; see `Outcome`.

    Raises:
        JobError: The graph made no file at all.
    """
    kept = [file for file in made if not file.preview] or list(made)
    if not kept:
        raise JobError(
            "expected a graph that writes at least one file; nothing came out. Add a Save Video or Save Image node.",
            retryable=False,
        )
    names = final_names(job, kept)
    job.output.parent.mkdir(parents=True, exist_ok=True)
    if job.note is not None:
        states = {name.name: _state(file.path) for file, name in zip(kept, names, strict=True)}
        told = {"key": job.key, "files": states, "frames": frames, "worker": worker}
        with atomic_path(job.note) as part:
            part.write_text(json.dumps(told), encoding="utf-8")
    for file, name in zip(kept, names, strict=True):
        os.replace(file.path, name)
    return tuple(names)


def published(job: Job) -> Outcome | None:
    """What a driver made of the same job that was killed before it could put it on record; None where any file is
    missing, or was changed since.
    """
    if job.note is None:
        return None
    with contextlib.suppress(
        OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError
    ):  # cut, or of another kind
        told = json.loads(job.note.read_text(encoding="utf-8"))
        files = {job.output.with_name(name): state for name, state in told["files"].items()}
        if files and told["key"] == job.key and all(_state(path) == state for path, state in files.items()):
            return Outcome(tuple(files), 0.0, int(told["frames"]), str(told["worker"]))
    return None


def _state(path: Path) -> list[int]:
    """Tells a file from any other that had its name; a new name leaves it as it is."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
