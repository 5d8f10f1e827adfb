"""Frames from networks to files, as a stream: laid into the whole image, compared, encoded in a thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import islice

import torch
from torch import Tensor

from .background import write_behind
from .enlarging import Large
from .fitting import from_uint8, to_uint8
from .options import FileOptions, OnProgress, Progress
from .prepared import PreparedSource, Rendered
from .schedule import Schedule
from .session import AnimationSession
from .video import VideoWriter
from .video.pixels import Pixels
from .view import LABELLED_HEIGHT, side_by_side
from .whole import Canvas


@dataclass(frozen=True, eq=False)
class Moving:
    """One square of an image, or all of it, and how it moves. large: the same in full resolution, for its detail."""

    source: PreparedSource
    schedule: Schedule
    large: Large | None = None

    def images(self, rendered: Rendered, *, clear: bool) -> Tensor:
        """Frames [n, 3, H, W], or [n, 4, H, W] with alpha where `clear`."""
        if self.large is not None:
            return self.large.images(rendered, clear=clear).cpu()
        return (rendered.transparent if clear else rendered.images).cpu()

    def hidden(self, rendered: Rendered) -> Pixels:
        """What was invented, uint8 [n, H, W, 3]."""
        occlusion = rendered.occlusion
        assert occlusion is not None
        shown = occlusion if self.large is None else self.large.hidden(occlusion)
        return to_uint8((1 - shown.clamp(0, 1)).expand(-1, 3, -1, -1))

    def still(self) -> Tensor:
        """The image as the frames show it, [1, 3, H, W]."""
        return (self.source.picture if self.large is None else self.large.image).cpu()


def render(
    session: AnimationSession,
    moving: Sequence[Moving],
    canvas: Canvas | None,
    writers: Sequence[VideoWriter],
    shown: Sequence[Iterator[Tensor]],
    options: FileOptions,
    report: OnProgress,
    *,
    clear: bool,
) -> None:
    """Stream all frames into the writers: the frames, and, where there are two, what was invented of them.

    canvas: the whole image that they are laid into, one square of it for each of `moving`; None leaves the frames of
    the only one as they are. shown: the driving frames of each clip to compare with, [1, 3, H, W] each. clear: keep the
    alpha.
    """
    schedule = moving[0].schedule
    still = moving[0].still() if canvas is None else from_uint8(canvas.picture[..., :3])

    @lru_cache(maxsize=1)  # what stands comes again and again
    def pixels(chunk: tuple[Rendered, ...]) -> tuple[list[Tensor], list[Pixels]]:
        parts = list(zip(moving, chunk, strict=True))
        hidden = [part.hidden(rendered) for part, rendered in parts] if len(writers) > 1 else []
        return [part.images(rendered, clear=clear) for part, rendered in parts], hidden

    def write(chunk: tuple[Rendered, ...], driving: list[Tensor], until: Sequence[Fraction] | None) -> None:
        images, hidden = pixels(chunk)
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
                beside = [clip[number : number + 1] for clip in driving]
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
            submit(chunk, [torch.cat(list(islice(clip, count))) for clip in shown], until)
            done += count
            report(Progress("render", done, len(schedule.keypoints)))


def _compared(still: Tensor, driving: Sequence[Tensor], images: Tensor) -> Tensor:
    names = [f"driving {number}" if len(driving) > 1 else "driving" for number in range(1, len(driving) + 1)]
    labels = ["source", *names, "result"] if images.shape[-2] >= LABELLED_HEIGHT else None
    return side_by_side([still, *driving, images], labels)


def _together(streams: Sequence[Iterator[Rendered]]) -> Iterator[tuple[Rendered, ...]]:
    """The chunks of one stream; of several, which may differ in their chunks, frame by frame."""
    if len(streams) == 1:
        return ((rendered,) for rendered in streams[0])
    return zip(*(_singly(stream) for stream in streams), strict=True)


def _singly(stream: Iterator[Rendered]) -> Iterator[Rendered]:
    for rendered in stream:
        for number in range(len(rendered)):
            yield rendered if len(rendered) == 1 else rendered[number : number + 1]
