"""Frames from networks to files, as a stream: laid into the whole picture, compared, encoded in a thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import torch
from torch import Tensor

from .background import write_behind
from .fitting import from_uint8, to_uint8
from .options import FileOptions, OnProgress, Progress
from .prepared import PreparedSource, Rendered
from .schedule import Schedule
from .session import AnimationSession
from .video import VideoWriter
from .video.pixels import Pixels
from .view import side_by_side
from .whole import Canvas

LABELLED_HEIGHT = 128
"""Comparisons of smaller pictures go without labels: they would hide the heads."""


@dataclass(frozen=True, eq=False)
class Moving:
    """One square of a picture, or all of it, and how it moves."""

    source: PreparedSource
    schedule: Schedule


def render(
    session: AnimationSession,
    moving: Sequence[Moving],
    canvas: Canvas | None,
    writers: Sequence[VideoWriter],
    shown: Iterator[Tensor] | None,
    options: FileOptions,
    report: OnProgress,
    *,
    clear: bool,
) -> None:
    """Stream all frames into the writers: the frames, and, where there are two, what was invented of them.

    canvas: the whole picture that they are laid into, one square of it for each of `moving`; None leaves the frames of
    the only one as they are. shown: driving frames to compare with, [1, 3, H, W] each. clear: keep the alpha.
    """
    schedule = moving[0].schedule
    still = moving[0].source.picture.cpu() if canvas is None else from_uint8(canvas.picture[..., :3])

    def write(chunk: tuple[Rendered, ...], driving: Tensor | None, until: Sequence[Fraction] | None) -> None:
        images = [(rendered.transparent if clear else rendered.images).cpu() for rendered in chunk]
        hidden = [_hidden(rendered) for rendered in chunk] if len(writers) > 1 else []
        if canvas is None:
            shown = _compared(still, driving, images[0]) if options.compare else images[0]
            writers[0].write(to_uint8(shown), until)
            if hidden:
                writers[1].write(hidden[0], until)
            return
        squares = [to_uint8(image) for image in images]
        for number in range(len(squares[0])):
            end = None if until is None else until[number : number + 1]
            frame = canvas.frame([square[number] for square in squares])[None]
            if options.compare:
                beside = None if driving is None else driving[number : number + 1]
                frame = to_uint8(_compared(still, beside, from_uint8(frame)))
            writers[0].write(frame, end, changed=None if options.compare else canvas.box)
            if hidden:
                writers[1].write(canvas.mask([mask[number] for mask in hidden])[None], end, changed=canvas.box)

    done = 0
    with write_behind(write) as submit:
        streams = [session.render(part.source, part.schedule.keypoints) for part in moving]
        for chunk in _together(streams):
            count = len(chunk[0])
            until = None if schedule.until is None else schedule.until[done : done + count]
            submit(chunk, None if shown is None else torch.cat(list(islice(shown, count))), until)
            done += count
            report(Progress("render", done, len(schedule.keypoints)))


def _compared(still: Tensor, driving: Tensor | None, images: Tensor) -> Tensor:
    columns = {"source": still, "driving": driving, "result": images}
    present = {name: column for name, column in columns.items() if column is not None}
    return side_by_side(list(present.values()), list(present) if images.shape[-2] >= LABELLED_HEIGHT else None)


def _hidden(rendered: Rendered) -> Pixels:
    assert rendered.occlusion is not None
    return to_uint8((1 - rendered.occlusion).expand(-1, 3, -1, -1))


def _together(streams: Sequence[Iterator[Rendered]]) -> Iterator[tuple[Rendered, ...]]:
    """The chunks of one stream; of several, which may differ in their chunks, frame by frame."""
    if len(streams) == 1:
        return ((rendered,) for rendered in streams[0])
    return zip(*(_singly(stream) for stream in streams), strict=True)


def _singly(stream: Iterator[Rendered]) -> Iterator[Rendered]:
    for rendered in stream:
        for number in range(len(rendered)):
            one = slice(number, number + 1)
            yield Rendered(
                rendered.images[one], None if rendered.motion is None else rendered.motion[one], rendered.source
            )
