"""How a model's mouths and eyes follow real talking clips: on the clip's own first frame, and on another person's.

Each clip is followed by its face and cut as `fomm animate` cuts it. Of each, the parts are taken in which the mouth
moves most, from a frame on in which it is calm; parts in which it hardly moves say nothing, and are left out. The
openings of mouth and eyes are read off the frames, as in `fomm evaluate`: correlation and slope of the mouth with the
driver's, and its blinks that the result shows. L1 is that of the own face, relative to the first frame repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, drive, load_model
from fomm_nodes.fomm_core.faces import FaceFinder
from fomm_nodes.fomm_core.fitting import to_uint8
from fomm_nodes.fomm_core.frames import fitted_frames
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.prepared import PreparedSource
from fomm_nodes.fomm_core.region import FRAMINGS
from fomm_nodes.fomm_core.training.metrics.acting import Acted, Acting, blinks, followed, met
from fomm_nodes.fomm_core.video import VideoReader, write_image
from fomm_nodes.fomm_core.view import side_by_side
from fomm_nodes.fomm_core.whole import CropOptions, find_driving
from torch import Tensor

CALM = 0.3
"""A part begins where the mouth is no wider open than in this share of the clip's frames."""
LEAST = 0.15
"""How far a part's mouth has to move, from its 5th to its 95th percentile, as a share of its width."""
COLUMNS = ("spread", "L1", "own r", "slope", "other r", "slope")
SHOWN = 8
"""Frames of a part in its image."""


@dataclass(frozen=True, eq=False)
class Part:
    """Frames [T, 3, H, W] in 0..1 of a talking face, and what it does in them."""

    title: str
    frames: Tensor
    spread: float
    acted: Acted


@dataclass(frozen=True)
class Followed:
    """Of one result: correlation and slope of the mouth, the driver's blinks, those seen, and those made up."""

    r: float
    slope: float
    blinks: int
    seen: int
    false: int

    @classmethod
    def of(cls, result: Acted, truth: Acted) -> Followed:
        """How a result follows the truth."""
        made, true = blinks(result.eyes), blinks(truth.eyes)
        seen, false = (sum(met(blink, others) for blink in some) for some, others in ((true, made), (made, true)))
        return cls(*followed(result.mouth, truth.mouth), len(true), seen, len(made) - false)


def cut(path: Path, side: int, finder: FaceFinder) -> tuple[Tensor, Tensor]:
    """(frames [T, 3, H, W] in 0..1 of a clip's largest face, how far its mouth is open [T])."""
    with VideoReader(path) as reader:
        found = find_driving(reader, path.name, CropOptions(driving="face"), FRAMINGS["demo"], finder)
    assert found.track is not None
    assert found.region is not None
    with VideoReader(path) as reader:
        return torch.cat(list(fitted_frames(reader, (side, side), "crop", region=found.region))), found.track.mouth


def parts_of(mouth: Tensor, length: int, most: int) -> list[tuple[int, float]]:
    """(first frame, spread) of the parts that move most, none of them over another."""
    known = mouth.nan_to_num(float(mouth.nanmedian()))
    calm = known.quantile(CALM)
    length = min(length, len(known))
    spreads = []
    for start in range(len(known) - length + 1):
        low, high = known[start : start + length].quantile(torch.tensor([0.05, 0.95])).tolist()
        if known[start] <= calm and high - low >= LEAST:
            spreads.append((high - low, start))
    chosen: list[tuple[int, float]] = []
    for spread, start in sorted(spreads, reverse=True):
        if len(chosen) < most and all(abs(start - other) >= length for other, _ in chosen):
            chosen.append((start, spread))
    return chosen


def rendered(session: AnimationSession, source: PreparedSource, keypoints: Keypoints) -> Tensor:
    """All frames [T, 3, H, W] in 0..1."""
    return torch.cat([some.images for some in session.render(source, keypoints)]).float().clamp(0, 1)


def measure(*, clips: list[Path], models: list[str], frames: int, most: int, show: Path | None) -> None:
    """Print a table for each model."""
    torch.set_num_threads(1)
    metric, finder = Acting(), FaceFinder()
    sessions = [AnimationSession(load_model(model)) for model in models]
    side = max(sessions[0].config.frame_size)
    each: list[list[Part]] = []
    for path in clips:
        images, mouth = cut(path, side, finder)
        found = parts_of(mouth, frames, most)
        each.append([])
        for start, spread in found:
            part = images[start : start + frames]
            each[-1].append(Part(f"{path.stem}, frame {start}", part, spread, metric.look(part)))
        print(f"{path.name}: {len(images)} frames, {len(found)} parts in which the mouth moves", flush=True)
    others = [parts for parts in each if parts]
    if len(others) < 2:
        raise SystemExit("expected talking faces in at least two clips: each moves the other's.")
    faces = {id(parts): following[0] for parts, following in pairwise([*others, others[0]])}
    for session in sessions:
        rows: list[tuple[float, Followed, Followed]] = []
        print(f"\n{session.model.name}\n{'part':32}", *(f"{name:>7}" for name in COLUMNS))
        for parts in others:
            for part in parts:
                rows.append(_measured(session, part, faces[id(parts)], metric, show))
                l1, own, other = rows[-1]
                _print_row(part.title, part.spread, l1, own, other)
        _print_means(rows)


def _measured(
    session: AnimationSession, part: Part, other: Part, metric: Acting, show: Path | None
) -> tuple[float, Followed, Followed]:
    keypoints = session.detect(part.frames)
    source, face = (session.prepare(some.frames[:1]) for some in (part, other))
    own = rendered(session, source, keypoints)
    moved = rendered(session, face, drive(face.keypoints, keypoints, AnimationOptions()))
    truth, still = part.frames[1:], part.frames[:1]
    l1 = float((own[1:] - truth).abs().mean() / (still - truth).abs().mean())
    if show is not None:
        rows = torch.linspace(0, len(own) - 1, SHOWN).round().long()
        picture = side_by_side([some[rows] for some in (part.frames, own, moved)], ["driver", "own", "other"])
        show.mkdir(parents=True, exist_ok=True)
        name = f"{session.model.name}-{part.title.replace(', frame ', '-')}.png"
        write_image(show / name, to_uint8(torch.cat(list(picture), 1)[None])[0])
    return l1, *(Followed.of(metric.look(result), part.acted) for result in (own, moved))


def _print_row(title: str, spread: float, l1: float, own: Followed, other: Followed) -> None:
    print(
        f"{title:32}", *(f"{value:7.2f}" for value in (spread, l1, own.r, own.slope, other.r, other.slope)), flush=True
    )


def _print_means(rows: list[tuple[float, Followed, Followed]]) -> None:
    def mean(values: list[float]) -> float:
        return float(torch.tensor(values).nanmean())

    l1 = mean([row[0] for row in rows])
    means = [Followed(mean([at.r for at in some]), mean([at.slope for at in some]), 0, 0, 0) for some in _sides(rows)]
    _print_row(f"mean of {len(rows)} parts", torch.nan, l1, *means)
    for title, some in zip(("own face", "another"), _sides(rows), strict=True):
        total, seen, false = (sum(getattr(at, name) for at in some) for name in ("blinks", "seen", "false"))
        print(f"blinks, {title}: {seen} of {total} seen, {false} made up")


def _sides(rows: list[tuple[float, Followed, Followed]]) -> tuple[list[Followed], list[Followed]]:
    return [row[1] for row in rows], [row[2] for row in rows]
