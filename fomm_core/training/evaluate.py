"""How well a model rebuilds clips that it has not seen: the first frame is moved as each of the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from ..errors import DataError, ImageError
from ..fitting import from_uint8
from ..geometry import Keypoints
from ..model import Frames
from ..session import AnimationSession, PreparedSource, Rendered
from .data import Clip, ClipSet, LeftOut
from .metrics import Column, Metric, build_metrics
from .strips import strip

BATCH = 8
"""Frames that are detected and compared at once."""
ROWS = 3
"""Of a clip's strip: a frame after a third, after two thirds, and the last."""


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What is measured, and on how much.

    size: (height, width) of the frames; None is the size that the model was trained at. frames: most frames of a clip,
    from its first; None takes all. metrics: names of `metrics.METRICS`; None takes all whose packages are installed.
    samples: clips whose strips are kept, evenly over the set. worst: strips kept of those with the highest L1 in
    relation to the baseline.
    """

    size: tuple[int, int] | None = None
    frames: int | None = None
    metrics: tuple[str, ...] | None = None
    samples: int = 8
    worst: int = 4

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 2:
            raise DataError(f"expected at least 2 frames of a clip, the source and one to rebuild; got {self.frames}.")


@dataclass(frozen=True)
class Mean:
    """A mean that can be added to others: of `number` values whose sum is `total`."""

    total: float = 0.0
    number: int = 0

    @classmethod
    def of(cls, values: Tensor) -> Mean:
        """Values that are NaN do not count."""
        there = values[~values.isnan()].double()
        return cls(float(there.sum()), there.numel())

    def __add__(self, other: Mean) -> Mean:
        return Mean(self.total + other.total, self.number + other.number)

    @property
    def value(self) -> float:
        """NaN for the mean of nothing."""
        return self.total / self.number if self.number else math.nan


@dataclass(frozen=True)
class Score:
    """The figures of a clip or a group, by column name, over all its rebuilt frames.

    model: of what the model made. baseline: of the first frame copied, which moves nothing.
    """

    name: str
    frames: int
    model: dict[str, Mean]
    baseline: dict[str, Mean]
    group: str = ""
    clips: int = 1

    def ratio(self, column: str) -> float:
        """The model's figure in relation to the baseline's; below 1 it is the better one of a distance."""
        ours, theirs = self.model[column].value, self.baseline[column].value
        return ours / theirs if theirs else math.nan


@dataclass(frozen=True, eq=False)
class Shown:
    """A clip's strip, [3, H, W] in 0..1. why: 'sample' or 'worst'."""

    score: Score
    picture: Tensor
    why: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found. left_out: why some metrics are missing. problems: clips that were left out."""

    model: str
    size: tuple[int, int]
    columns: tuple[Column, ...]
    clips: tuple[Score, ...]
    strips: tuple[Shown, ...]
    left_out: tuple[str, ...]
    problems: tuple[LeftOut, ...]

    @property
    def groups(self) -> tuple[Score, ...]:
        """One score for each group, over its frames."""
        names = sorted({score.group for score in self.clips})
        return tuple(_together(name, [score for score in self.clips if score.group == name]) for name in names)

    @property
    def total(self) -> Score:
        """Over the frames of all clips."""
        return _together("all", self.clips)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; figures that could not be taken are None."""
        return {
            "model": self.model,
            "size": {"width": self.size[1], "height": self.size[0]},
            "total": self._plain(self.total),
            "groups": [self._plain(score) for score in self.groups],
            "clips": [self._plain(score) for score in self.clips],
            "left_out": list(self.left_out),
            "problems": [{"name": problem.name, "reason": problem.reason} for problem in self.problems],
        }

    def _plain(self, score: Score) -> dict[str, Any]:
        def number(value: float) -> float | None:
            return None if math.isnan(value) else round(value, 6)

        figures = {
            column.name: {
                "model": number(score.model[column.name].value),
                "baseline": number(score.baseline[column.name].value),
                "frames": score.model[column.name].number,
            }
            for column in self.columns
        }
        return {"name": score.name, "group": score.group, "clips": score.clips, "frames": score.frames, **figures}


OnProgress = Callable[[int, int], None]


def evaluate(
    session: AnimationSession,
    clips: ClipSet,
    options: EvaluationOptions | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Rebuild each clip from its first frame and the keypoints of the others (absolute motion), and compare.

    Beside it stands what the first frame copied would score. The first frame itself does not count: it is given. (The
    published reconstruction counts it, which lowers its mean by one frame's share.) Clips should be of identities that
    the model was not trained on. A clip that can't be read is left out and listed in `problems`.

    on_progress: hears (frames rebuilt, frames in all); what it raises ends the evaluation.

    Raises DataError where no clip is left, MetricMissing for metrics that can't be had, SizeError for a size that does
    not fit the model.
    """
    options = options or EvaluationOptions()
    size = options.size or session.config.frame_size
    session.network(*size)  # wrong sizes are known before any work is done
    metrics, left_out = build_metrics(options.metrics, device=session.device)
    lengths = [_length(clip, options) for clip in clips]
    sampled = {round((index + 0.5) * len(clips) / options.samples - 0.5) for index in range(options.samples)}
    scores: list[Score] = []
    problems = list(clips.problems)
    strips: list[Shown] = []
    worst: list[Shown] = []
    done = 0
    for index, clip in enumerate(clips):

        def told(frames: int, before: int = done) -> None:
            if on_progress is not None:
                on_progress(before + frames, sum(lengths) - len(clips))

        try:
            rebuilt = _Rebuilt(session, metrics, size)
            score = rebuilt.score(clip, lengths[index], told)
        except (ImageError, OSError) as problem:
            problems.append(LeftOut(clip.name, str(problem)))
        else:
            scores.append(score)
            if index in sampled:
                strips.append(Shown(score, rebuilt.strip(), "sample"))
            elif len(worst) < options.worst or (worst and _badness(score) > _badness(worst[-1].score)):
                worst.append(Shown(score, rebuilt.strip(), "worst"))
                worst.sort(key=lambda shown: _badness(shown.score), reverse=True)
                del worst[options.worst :]
        done += lengths[index] - 1
    if not scores:
        first = f" The first: {problems[0].name}: {problems[0].reason}" if problems else ""
        raise DataError(f"expected at least one clip that can be read; got none of {len(clips)}.{first}")
    return Evaluation(
        model=session.model.name,
        size=size,
        columns=tuple(column for metric in metrics for column in metric.columns),
        clips=tuple(scores),
        strips=(*strips, *worst),
        left_out=tuple(left_out),
        problems=tuple(problems),
    )


def _badness(score: Score) -> float:
    """L1 in relation to the baseline's; 0 where it was not measured or nothing moves."""
    ratio = score.ratio("l1") if "l1" in score.model else math.nan
    return 0.0 if math.isnan(ratio) else ratio


class _Rebuilt:
    """One clip on its way through the model."""

    def __init__(self, session: AnimationSession, metrics: Sequence[Metric], size: tuple[int, int]) -> None:
        self.session = session
        self.metrics = metrics
        self.size = size
        self.source: PreparedSource | None = None
        self.kept: list[tuple[Tensor, Keypoints]] = []
        self.last: tuple[Tensor, Keypoints] | None = None  # of a clip that ends before its time

    def score(self, clip: Clip, length: int, told: Callable[[int], None]) -> Score:
        frames = (from_uint8(frame) for frame in islice(clip.frames(self.size), length))
        first = next(frames, None)
        if first is None:
            raise ImageError(f"expected whole frames in {clip.name}; got none.")
        self.source = self.session.prepare(first)
        stills = [metric.look(first.to(self.session.device)) for metric in self.metrics]
        model: dict[str, Mean] = {}
        baseline: dict[str, Mean] = {}
        looks: list[tuple[list[Any], list[Any]]] = [([], []) for _ in self.metrics]
        shown = {round(row * (length - 1) / ROWS) for row in range(1, ROWS + 1)}
        done = 0
        for truth in _grouped(frames, BATCH):
            keypoints = self.session.detect(truth)
            made = torch.cat([rendered.images for rendered in self.session.render(self.source, keypoints)])
            device_truth = truth.to(self.session.device)
            for metric, still, (ours, theirs) in zip(self.metrics, stills, looks, strict=True):
                result, looked = metric.look(made), metric.look(device_truth)
                _add(model, metric.compare(result, looked))
                _add(baseline, metric.compare(still, looked))
                if metric.of_clips:
                    ours.append(result)
                    theirs.append(looked)
            pairs = [(truth[index : index + 1], keypoints[index]) for index in range(len(truth))]
            self.kept += [pair for number, pair in enumerate(pairs, done + 1) if number in shown]
            self.last = pairs[-1]
            done += len(truth)
            told(done)
        if not done:
            raise ImageError(f"expected at least two whole frames in {clip.name}; got one.")
        for metric, still, (ours, theirs) in zip(self.metrics, stills, looks, strict=True):
            if metric.of_clips:
                _add(model, metric.over(ours, theirs))
                _add(baseline, metric.over([still] * done, theirs))
        return Score(clip.name, done, model, baseline, clip.group)

    def strip(self) -> Tensor:
        """The frames that were kept, rendered again with all that led to them, [3, H, W] with a row for each."""
        assert self.source is not None
        assert self.last is not None
        rows = []
        for driving, keypoints in self.kept or [self.last]:
            (rendered,) = self.session.render(self.source, keypoints)
            rows.append(strip(self.source.image, driving, self.source.keypoints, keypoints, _frames(rendered)))
        return torch.cat(rows, 1)


def _frames(rendered: Rendered) -> Frames:
    return Frames(rendered.images, rendered.motion, rendered.warped)


def _length(clip: Clip, options: EvaluationOptions) -> int:
    return min(len(clip), options.frames or len(clip))


def _grouped(frames: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    left = iter(frames)
    while group := list(islice(left, size)):
        yield torch.cat(group)


def _add(means: dict[str, Mean], values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        means[name] = means.get(name, Mean()) + Mean.of(value)


def _together(name: str, scores: Sequence[Score]) -> Score:
    def means(side: str) -> dict[str, Mean]:
        parts = [getattr(score, side) for score in scores]
        return {column: sum((part[column] for part in parts), Mean()) for column in parts[0]}

    frames = sum(score.frames for score in scores)
    return Score(name, frames, means("model"), means("baseline"), scores[0].group, len(scores))
