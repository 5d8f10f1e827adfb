"""What a driver and its worker processes say to each other: a JSON object per line, on standard input and output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...nodes.hosts.headless.files import Folders
from ...nodes.hosts.headless.limits import Limits
from ..engine import InputFile, Job, JobError, JobProgress
from ..outputs import Made
from .options import LocalOptions, Results

Message = dict[str, Any]


def options_to(options: LocalOptions) -> Message:
    """The first line that a worker gets."""
    folders = {"inputs": _texts(options.folders.inputs), "models": _texts(options.folders.models)}
    temporary = None if options.temporary is None else str(options.temporary)
    return {**asdict(options), "folders": folders, "temporary": temporary}


def options_from(message: Mapping[str, Any]) -> LocalOptions:
    """The same on the other side."""
    inputs, models = (tuple(map(Path, message["folders"][name])) for name in ("inputs", "models"))
    folders = Folders(inputs, models)
    temporary = None if message["temporary"] is None else Path(message["temporary"])
    changed = {"folders": folders, "limits": Limits(**message["limits"]), "temporary": temporary}
    return LocalOptions(**{**message, **changed})


def _texts(paths: tuple[Path, ...]) -> list[str]:
    return [str(path.absolute()) for path in paths]


def job_to(job: Job) -> Message:
    """A job to run."""
    inputs = [{**asdict(file), "path": str(file.path)} for file in job.inputs]
    return {
        "id": job.id,
        "graph": dict(job.graph),
        "inputs": inputs,
        "output": str(job.output),
        "key": job.key,
        "settings": dict(job.settings),
    }


def job_from(message: Mapping[str, Any]) -> Job:
    """The same on the other side."""
    inputs = tuple(InputFile(**{**file, "path": Path(file["path"])}) for file in message["inputs"])
    return Job(**{**message, "inputs": inputs, "output": Path(message["output"])})


def results_to(results: Results) -> Message:
    """What a job made."""
    made = [{**asdict(file), "path": str(file.path)} for file in results.made]
    return {"made": made, "frames": results.frames, "reused": results.reused}


def results_from(message: Mapping[str, Any]) -> Results:
    """The same on the other side."""
    made = tuple(Made(**{**file, "path": Path(file["path"])}) for file in message["made"])
    return Results(made, message["frames"], message["reused"])


def error_to(error: JobError) -> Message:
    """Why a job failed."""
    return {"message": str(error), "retryable": error.retryable, "node": error.node, "details": error.details}


def error_from(message: Mapping[str, Any]) -> JobError:
    """The same on the other side."""
    return JobError(
        message["message"], retryable=message["retryable"], node=message["node"], details=message["details"]
    )


def progress_to(progress: JobProgress) -> Message:
    """How far a job is."""
    return asdict(progress)


def progress_from(message: Mapping[str, Any]) -> JobProgress:
    """The same on the other side."""
    return JobProgress(**message)
