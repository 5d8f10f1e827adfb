"""Blocks about clips: gathered to train with, and rebuilt to see how good a model has become."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...fomm_core.errors import DataError
from ...fomm_core.training.data import ClipSet, find_clips
from ...fomm_core.wording import counted
from ..spec import DATASET, IMAGE, STRING, Host, NodeSpec, category, choice, decimal, integer, socket
from .border import MODEL_IN, PRECISION_IN, images_from_graph, images_to_graph

QUICK_METRICS = ("pixels",)
MENU = category("Training")
DATASET_IN = socket("dataset", DATASET, "dataset", "The clips, from Video Data Set.")


@dataclass(frozen=True, eq=False)
class DataSet:
    """The FOMM_DATASET value. held_out: clips of identities that are not trained with; those of `train` where all are
    needed.
    """

    train: ClipSet
    held_out: ClipSet

    def __add__(self, other: DataSet) -> DataSet:
        return DataSet(_joined(self.train, other.train), _joined(self.held_out, other.held_out))

    def report(self) -> str:
        """Counts, and what was left out."""
        lines = [
            f"{counted(len(self.train), 'clip')} to train with, {counted(sum(map(len, self.train)), 'frame')}",
            f"{counted(len(self.held_out), 'clip')} to evaluate with"
            + (" (the same)" if self.held_out is self.train else ""),
        ]
        lines += [f"left out: {problem.name} ({problem.reason})" for problem in self.train.problems]
        return "\n".join(lines)


def _joined(one: ClipSet, other: ClipSet) -> ClipSet:
    return ClipSet((*one.clips, *other.clips), (*one.problems, *other.problems))


def _data_set(
    host: Host, folder: str, held_out: float, images: Tensor | None = None, more: DataSet | None = None
) -> tuple[Any, ...]:
    if images is not None:
        train = ClipSet.from_tensors([images_from_graph(images).cpu()])
        made = DataSet(train, train)
    else:
        place = host.find("datasets", folder)
        train = find_clips(place, split="train", test_share=held_out)
        try:
            made = DataSet(train, find_clips(place, split="test", test_share=held_out))
        except DataError:  # nothing to hold out
            made = DataSet(train, train)
    made = made if more is None else more + made
    return made, made.report()


def _folder_state(host: Host, values: Mapping[str, Any]) -> str:
    """Changes when a file of the folder does."""
    files = sorted(path for path in host.find("datasets", values["folder"]).rglob("*") if path.is_file())
    listed = "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files)
    return hashlib.blake2b(listed.encode(), digest_size=16).hexdigest()


def _evaluate(
    host: Host, model: Any, dataset: DataSet, clips: int, frames: int, metrics: str, precision: str
) -> tuple[Any, ...]:
    from ...fomm_core.training.evaluate import EvaluationOptions, evaluate
    from ...fomm_core.training.report import table

    held = dataset.held_out
    step = max(1, len(held) // clips) if clips else 1
    chosen = replace(held, clips=held.clips[::step][: clips or None])
    size = model.model.config.frame_size
    options = EvaluationOptions(
        frames=frames or None, metrics=QUICK_METRICS if metrics == "quick" else None, samples=4, worst=0
    )
    evaluation = evaluate(
        host.session(model, precision=precision, size=size), chosen, options, on_progress=host.progress
    )
    return table(evaluation), images_to_graph(torch.stack([shown.picture for shown in evaluation.strips]))


DATA_SET = NodeSpec(
    id="FOMM_VideoDataSet",
    title="Video Data Set",
    category=MENU,
    description="Clips for training a motion model, from a folder of videos below input/ or from images of the graph.",
    aliases=("fomm", "training data", "load videos", "folder of videos", "dataset"),
    inputs=(
        choice(
            "folder",
            "folder",
            (
                "A folder below ComfyUI's input folder with videos, GIF or WebP animations, or folders of images; "
                "or the small built-in example. Sub-folders train and test are kept apart. Press R after adding "
                "one."
            ),
            "datasets",
        ),
        decimal(
            "held_out",
            "held out",
            (
                "Share of the clips kept for Evaluate, if there are no folders train and test. Clips whose names "
                "are the same up to a # show the same person and stay together."
            ),
            default=0.2,
            minimum=0.0,
            maximum=0.9,
            step=0.05,
        ),
        socket(
            "images",
            IMAGE,
            "images",
            "The images of one clip, in order. If connected, they are used instead of the folder.",
            optional=True,
        ),
        socket("more", DATASET, "more", "Another data set to add this one to.", optional=True),
    ),
    outputs=(
        socket("dataset", DATASET, "dataset", "The clips, for Train Motion Model and Evaluate Motion Model."),
        socket("report", STRING, "report", "How many clips there are, and which were left out, with the reasons."),
    ),
    run=_data_set,
    fingerprint=_folder_state,
)

EVALUATE = NodeSpec(
    id="FOMM_Evaluate",
    title="Evaluate Motion Model",
    category=MENU,
    description=(
        "Reconstructs held-out clips from their first frame and measures the error, compared with simply "
        "repeating that frame."
    ),
    aliases=("fomm", "metrics", "L1", "reconstruction", "how good"),
    inputs=(
        MODEL_IN,
        DATASET_IN,
        integer(
            "clips", "clips", "Maximum number of clips to use; 0 uses all.", default=8, minimum=0, maximum=1_000_000
        ),
        integer(
            "frames",
            "frames",
            "Maximum number of frames of each clip, from the first; 0 uses all.",
            default=0,
            minimum=0,
            maximum=9999,
        ),
        choice(
            "metrics",
            "metrics",
            "quick: L1, PSNR and SSIM. all: also mouth, eyes and blinks, and whatever the optional packages measure.",
            ("quick", "all"),
        ),
        PRECISION_IN,
    ),
    outputs=(
        socket(
            "table", STRING, "table", "Each metric for the model and for the repeated first frame, and their ratio."
        ),
        socket("strips", IMAGE, "strips", "A few clips: source, driving, keypoints, warped, occlusion, result."),
    ),
    run=_evaluate,
)

SPECS = (DATA_SET, EVALUATE)
