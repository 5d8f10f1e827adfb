"""A run on disk: full states that are whole or not there, the last few of them, and the model they have come to."""

from __future__ import annotations

import errno
import logging
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..bounds import shown
from ..checkpoints.recognise import expected_discriminator_shapes, expected_shapes
from ..checksums import check_archive
from ..config import MotionModelConfig
from ..cost import check_cost
from ..errors import CheckpointError, FommError, TrainingError
from ..files import atomic_path
from .config import TrainingConfig

log = logging.getLogger("fomm.training")

FORMAT = "fomm-training-state"
FORMAT_VERSION = 1
PATTERN = "step-*.pt"
FREE_TO_CHANGE = ("training.steps", "training.milestones")
"""What a resumed run may be told anew."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RunState:
    """Everything that the next step depends on, after `step` steps.

    model, discriminator, optimisers, scaler, average: `state_dict()` of each; None for what the run has not. There is
    no state of random numbers and of the sampler: all that is random follows from (seed, step, place in the batch).
    seconds: spent training so far.
    """

    step: int
    seed: int
    seconds: float
    model_config: MotionModelConfig
    training_config: TrainingConfig
    model: Mapping[str, Any]
    discriminator: Mapping[str, Any] | None
    average: Mapping[str, Any] | None
    optimisers: Mapping[str, Any]
    scaler: Mapping[str, Any] | None

    def check_same(self, model: MotionModelConfig, training: TrainingConfig, seed: int) -> None:
        """Raise TrainingError, naming each difference, where these are not what the run was started with.

        Free to change are steps and milestones; and all that is no part of the configurations, such as the number of
        processes, since a step's batch is shared out among them.
        """
        before = _flat({"seed": self.seed, **asdict(self.model_config), "training": asdict(self.training_config)})
        now = _flat({"seed": seed, **asdict(model), "training": asdict(training)})
        differences = [
            f"{name} was {before.get(name)}, is {now.get(name)}"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name) and name not in FREE_TO_CHANGE
        ]
        if differences:
            more = f" and {len(differences) - 4} more" if len(differences) > 4 else ""
            raise TrainingError(
                f"expected the run to be resumed as it was started; {'; '.join(differences[:4])}{more}. Leave these "
                "options out, or start a new run, in another folder, from what this one has learned."
            )

    def write(self, path: Path) -> None:
        """Write to a file, whole or not at all, and wait until the disk has it.

        Raises:
            TrainingError: it can't be written (no room, no permission); an older file of that name stays.
        """
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        content |= {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "torch": str(torch.__version__),
            "model_config": self.model_config.to_dict(),
            "training_config": self.training_config.to_dict(),
        }
        with writing(path), atomic_path(path) as temporary, open(temporary, "wb") as file:
            try:
                torch.save(content, file)
            except RuntimeError as problem:  # how torch reports that `file` could not be written
                raise (problem.__context__ if isinstance(problem.__context__, OSError) else problem) from None
            file.flush()
            os.fsync(file.fileno())

    def learned(self) -> dict[str, Tensor]:
        """The model's weights, averaged where the run averages."""
        if self.average is None:
            return dict(self.model)
        prefix = "module."
        return {key.removeprefix(prefix): value for key, value in self.average.items() if key.startswith(prefix)}

    @staticmethod
    def read(path: str | os.PathLike[str]) -> RunState:
        """Read a file that `write` wrote, tensors on the CPU. Raises CheckpointError for anything else."""
        path = Path(path)
        check_archive(path)
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as problem:  # a damaged pickle fails in any way there is
            reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
            raise CheckpointError(
                f"expected a training state at '{path}'; it can't be read ({reason}). Remove it to go on from an older "
                "one."
            ) from problem
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CheckpointError(f"expected a training state at '{path}'; it holds something else.")
        version = content.get("format_version")
        if type(version) is not int or version > FORMAT_VERSION:
            raise CheckpointError(
                f"expected a state of version {FORMAT_VERSION} or older in '{path}'; got {shown(version)}. Update "
                "fomm-nodes, or remove it to go on from an older one."
            )
        try:
            content["model_config"] = MotionModelConfig.from_dict(content["model_config"])
            content["training_config"] = TrainingConfig.from_dict(content["training_config"])
            state = RunState(**{field.name: content[field.name] for field in fields(RunState)})
            lacks = _lacking(state)
        except (FommError, KeyError, TypeError) as problem:
            lacks = str(problem)
        if lacks:
            raise CheckpointError(
                f"expected a whole training state at '{path}'; it is not ({lacks}). Remove it to go on from an older "
                "one."
            )
        return state


def _lacking(state: RunState) -> str:
    """What keeps a state from being gone on from; empty where nothing does."""
    counts = ((name, getattr(state, name)) for name in ("step", "seed"))
    if wrong := [name for name, value in counts if type(value) is not int or value < 0]:
        return f"{wrong[0]} is no whole number"
    if not isinstance(state.seconds, (int, float)) or not math.isfinite(state.seconds):
        return "seconds is no number"
    check_cost(state.model_config)
    expected = expected_shapes(state.model_config)
    judge = {key.partition(".")[2]: shape for key, shape in expected_discriminator_shapes(state.model_config).items()}
    averages = state.training_config.ema_decay is not None
    parts: list[tuple[str, Any, dict[str, tuple[int, ...]]]] = [("model", state.model, expected)]
    if averages:
        shapes: dict[str, tuple[int, ...]] = {f"module.{key}": shape for key, shape in expected.items()}
        parts.append(("average", state.average, {**shapes, "n_averaged": ()}))
    if state.training_config.losses.adversarial:
        parts.append(("discriminator", state.discriminator, judge))
    for name, table, shapes in parts:
        if not isinstance(table, Mapping):
            return f"it has no {name}"
        got = {key: tuple(value.shape) if isinstance(value, Tensor) else None for key, value in table.items()}
        if different := sorted(str(key) for key in {*got, *shapes} if got.get(key) != shapes.get(key)):
            return f"of its {name}, {different[0]} is missing or of another shape"
    for name in ("generator", *(("discriminator",) if state.training_config.losses.adversarial else ())):
        optimiser = state.optimisers.get(name) if isinstance(state.optimisers, Mapping) else None
        if not isinstance(optimiser, Mapping) or not {"state", "param_groups"} <= set(optimiser):
            return f"it has no optimiser of the {name}"
    return "" if state.scaler is None or isinstance(state.scaler, Mapping) else "its scaler is none"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What goes wrong while something of a run is written, as a TrainingError that says what to do."""
    try:
        yield
    except OSError as problem:
        reasons = {
            errno.ENOSPC: "The disk is full: make room, or write elsewhere",
            errno.EDQUOT: "Your share of the disk is full: make room, or write elsewhere",
            errno.EACCES: "You may not write there: choose another folder, or change its permissions",
            errno.EPERM: "You may not write there: choose another folder, or change its permissions",
            errno.EROFS: "You may not write there: choose another folder",
        }
        advice = reasons.get(problem.errno or 0, "Choose another folder, or put that right")
        raise TrainingError(
            f"expected to write '{path}'; it did not work ({problem.strerror or problem}). {advice}, then resume: the "
            "run goes on from its last state."
        ) from problem


class RunFolder:
    """The folder of one run.

    states/step-00000500.pt: full states, the last `keep` of them. model.safetensors: the weights as of the last one
    (averaged, where the run averages), to be used like any other model. log.jsonl, strips/ and tensorboard/: see
    `RunLog`.
    """

    def __init__(self, path: str | os.PathLike[str], *, keep: int = 3) -> None:
        self.path = Path(path)
        self.keep = max(1, keep)

    @property
    def model_path(self) -> Path:
        """Where the weights are exported to."""
        return self.path / "model.safetensors"

    def states(self) -> list[Path]:
        """Files of full states, oldest first."""
        return sorted((self.path / "states").glob(PATTERN))

    def prepare(self) -> None:
        """Make the folder and see that it can be written to; sweep up what killed processes left half-written.

        Raises:
            TrainingError: it can't be written to.
        """
        with writing(self.path):
            (self.path / "states").mkdir(parents=True, exist_ok=True)
            for left in (*self.path.glob(".*.part*"), *(self.path / "states").glob(".*.part*")):
                left.unlink(missing_ok=True)
            with atomic_path(self.path / ".try") as trial:
                trial.touch()
            (self.path / ".try").unlink()

    def save(self, state: RunState) -> Path:
        """Add a state, then drop those older than the last `keep`; returns its file. Raises TrainingError."""
        path = self.path / "states" / f"step-{state.step:08d}.pt"
        state.write(path)
        older = [other for other in self.states() if other.name <= path.name]  # a later one could not be read
        for old in older[: -self.keep]:
            old.unlink(missing_ok=True)
        return path

    def latest(self) -> RunState | None:
        """The newest state that can be read; None where the folder holds none.

        Raises:
            CheckpointError: there are states, and none of them can be read.
        """
        unreadable: CheckpointError | None = None
        for path in reversed(self.states()):
            try:
                state = RunState.read(path)
            except CheckpointError as problem:
                log.warning("%s", problem)
                unreadable = problem
                continue
            if unreadable is not None:
                log.warning("going on from the older state '%s', of step %d", path, state.step)
            return state
        if unreadable is not None:
            raise unreadable
        return None
