"""From files to files: a picture and a driving clip (or a saved performance) in, a video out, as a stream.

Frames are never held: the driving clip is read once for its keypoints, and again only where it is to be shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from .animation import AnimationOptions, Size, anchor_index, drive, prepare_source
from .background import read_ahead, write_behind
from .errors import FommError, ImageError, KeypointError
from .fitting import FitMode, fit_uint8, from_uint8, to_uint8
from .geometry import Keypoints
from .motion import Performance, part, rate_of, save_keypoints, timed
from .schedule import Schedule, scheduled
from .session import AnimationSession, PreparedSource, Rendered
from .video import Seconds, VideoReader, VideoWriter, holds_alpha, read_picture
from .video.pixels import WHITE, Colour
from .video.source import still_paths
from .view import side_by_side

PathLike = str | os.PathLike[str]

UNTIMED_RATE = Fraction(25)
"""Frames per second where neither the driving clip nor the options say: stills, and performances saved without."""

LABELLED_HEIGHT = 128
"""Comparisons of smaller pictures go without labels: they would hide the heads."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are animated.

    animation: how the clip moves the source. size, fit: of the frames, see `output_size`.
    background: what a transparent source lies over, RGB of 0..255. None keeps it transparent where the output can be
        (`holds_alpha`), and lays it over white where not.
    start, frames: the part of the driving clip to use: its first frame, and how many, or both in `Seconds`; None is all
        of them.
    fps: of the result. Movement keeps its pace: it is interpolated between the driving frames by their true times. None
        keeps their rate; where frames are uneven, that of most of them (`common_rate`). 'keep' gives each frame of the
        result the time of its driving frame, in files that can hold it.
    audio: carry the driving clip's sound over. quality: 0 to 100, see `VideoWriter`.
    compare: show source | driving | result side by side.
    occlusion: a second video to write, white where the source does not show what is needed.
    keypoints: a file to save the driving performance to. It is written as soon as the clip is detected.
    overwrite: replace files that exist; otherwise they are an error, before any work is done.
    """

    animation: AnimationOptions = field(default_factory=AnimationOptions)
    size: Size = "auto"
    fit: FitMode = "crop"
    background: Colour | None = None
    start: int | Seconds = 0
    frames: int | Seconds | None = None
    fps: Fraction | Literal["keep"] | None = None
    audio: bool = True
    quality: int = 80
    compare: bool = False
    occlusion: PathLike | None = None
    keypoints: PathLike | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Progress:
    """What `on_progress` hears after each chunk. total: an estimate while detecting; None where nothing is known."""

    stage: Literal["detect", "render", "rebuild"]
    done: int
    total: int | None


@dataclass(frozen=True)
class Report:
    """What was written. size: (height, width) of the frames. anchor: the driving frame taken as the source's pose;
    None in absolute mode. warnings: what was wrong with the files and could be lived with.
    """

    output: Path
    frames: int
    size: tuple[int, int]
    fps: Fraction
    anchor: int | None
    seconds: float
    warnings: tuple[str, ...]


OnProgress = Callable[[Progress], None]


def animate_files(
    session: AnimationSession,
    source: PathLike,
    driving: PathLike | None,
    output: PathLike,
    options: FileOptions | None = None,
    *,
    performance: Performance | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Animate the picture `source` by the clip `driving` into the video `output`; its ending chooses the kind.

    performance: keypoints detected before; `driving` then gives only the sound and the pictures to compare with, and
    may be None. on_progress: what it raises ends the run. Files are whole or not there, however the run ends, and
    memory does not grow with the length of the clip.

    Raises FommError (ImageError, SizeError, KeypointError) for input that does not do; OSError for a full disk.
    """
    options = options or FileOptions()
    started = time.perf_counter()
    if driving is None and performance is None:
        raise FommError("expected a driving video, or a performance (a keypoints file); got neither.")
    check_files([source, driving], output, options)
    if options.occlusion is not None and not _has_occlusion(session):
        raise ImageError(f"expected a model with an occlusion map to write one; '{session.model.name}' has none.")
    report = on_progress or (lambda progress: None)

    noted: list[str] = []
    picture = from_uint8(read_picture(source, warn=noted.append))
    colour = tuple(value / 255 for value in options.background or WHITE)
    prepared = prepare_source(session, picture, size=options.size, mode=options.fit, background=colour)
    clear = prepared.alpha is not None and _stays_transparent(output, options, noted)
    with ExitStack() as stack:
        reader = None if driving is None else stack.enter_context(_open(driving, options))
        has_rate = performance is not None or not _are_stills(driving)
        audio = driving if options.audio and reader is not None and reader.info.has_audio else None
        writers = [
            stack.enter_context(VideoWriter(output, fps=UNTIMED_RATE, quality=options.quality, audio_from=audio))
        ]
        if options.occlusion is not None:
            mask = VideoWriter(options.occlusion, fps=UNTIMED_RATE, quality=options.quality)
            writers.append(stack.enter_context(mask))

        wished = options.fps if isinstance(options.fps, Fraction) else None
        own_rate: Fraction | None
        if performance is None:
            assert reader is not None
            keypoints, own_rate = detect_clip(session, reader, prepared, mode=options.fit, on_progress=report)
            own_rate = own_rate if has_rate else None
        else:
            own_rate = performance.fps or rate_of(performance.keypoints)
            keypoints = _part(performance.keypoints, own_rate or wished or UNTIMED_RATE, options)
        rate = own_rate or wished or UNTIMED_RATE
        if options.keypoints is not None:
            notes = {"model": session.model.name} | ({"driving": Path(driving).name} if driving is not None else {})
            save_keypoints(options.keypoints, keypoints, fps=own_rate, metadata=notes)
        anchor, animation = _anchored(prepared.keypoints, keypoints, options.animation)
        driven = drive(prepared.keypoints, keypoints, animation, fps=float(rate))
        schedule = scheduled(driven, rate, wished or rate, writers, keep=options.fps == "keep")
        start = Fraction(0) if reader is None else reader.start_seconds
        for writer in writers:
            writer.set_times(schedule.fps, start, uneven=schedule.until is not None)
        shown = None
        if options.compare and reader is not None:
            fitted_frames = _fitted(reader, prepared.size, options.fit)
            shown = stack.enter_context(read_ahead(_at(fitted_frames, schedule.shown)))
        _render(session, prepared, schedule, writers, shown, options, report, clear=clear)
    warnings = [
        *noted,
        *(reader.warnings if reader is not None else ()),
        *(w for writer in writers for w in writer.warnings),
    ]
    return Report(
        output=Path(output),
        frames=writers[0].frame_count,
        size=prepared.size,
        fps=schedule.fps,
        anchor=anchor,
        seconds=time.perf_counter() - started,
        warnings=tuple(warnings),
    )


def check_files(inputs: Iterable[PathLike | None], output: PathLike, options: FileOptions) -> None:
    """Raise FommError, before any work is done, where a file would be lost: written while it is read, written twice,
    or there already and not to be overwritten.
    """
    read = {Path(path).resolve() for path in inputs if path is not None}
    written: set[Path] = set()
    for path in (Path(name) for name in (output, options.occlusion, options.keypoints) if name is not None):
        if path.resolve() in read:
            raise FommError(f"expected another name to write to than what is read; got '{path}' for both.")
        if path.resolve() in written:
            raise FommError(f"expected a name of its own for each file to write; got '{path}' twice.")
        if path.is_file() and not options.overwrite:
            raise FommError(
                f"expected a new name to write to; '{path}' exists already. Choose another, or allow it to be "
                "overwritten (-y)."
            )
        written.add(path.resolve())


def detect_clip(
    session: AnimationSession,
    reader: VideoReader,
    source: PreparedSource,
    *,
    mode: FitMode = "crop",
    on_progress: OnProgress | None = None,
) -> tuple[Keypoints, Fraction]:
    """Keypoints of a clip whose frames are fitted as the source was, decoded in a thread as they are needed, and its
    rate; see `timed`.
    """
    expected = reader.info.frame_count

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(Progress("detect", done, None if expected is None else max(done, expected)))

    fitted = _fitted(reader, source.working, mode, source.size)
    with read_ahead(_grouped(fitted, session.chunk)) as frames:
        keypoints = session.detect(frames, on_frames=report)
    assert reader.times is not None
    return timed(keypoints, reader.times, reader.info.fps)


def _render(
    session: AnimationSession,
    source: PreparedSource,
    schedule: Schedule,
    writers: list[VideoWriter],
    shown: Iterator[Tensor] | None,
    options: FileOptions,
    report: OnProgress,
    *,
    clear: bool,
) -> None:
    """Stream all frames into the writers; conversion, drawing and encoding happen in a thread."""
    still = source.picture.cpu()

    def write(rendered: Rendered, driving: Tensor | None, until: Sequence[Fraction] | None) -> None:
        images = (rendered.transparent if clear else rendered.images).cpu()
        if options.compare:
            columns = {"source": still, "driving": driving, "result": images}
            present = {name: column for name, column in columns.items() if column is not None}
            labels = list(present) if images.shape[-2] >= LABELLED_HEIGHT else None
            images = side_by_side(list(present.values()), labels)
        writers[0].write(to_uint8(images), until)
        if len(writers) > 1:
            assert rendered.occlusion is not None
            writers[1].write(to_uint8((1 - rendered.occlusion).expand(-1, 3, -1, -1)), until)

    done = 0
    with write_behind(write) as submit:
        for rendered in session.render(source, schedule.keypoints):
            until = None if schedule.until is None else schedule.until[done : done + len(rendered)]
            submit(rendered, None if shown is None else torch.cat(list(islice(shown, len(rendered)))), until)
            done += len(rendered)
            report(Progress("render", done, len(schedule.keypoints)))


def _has_occlusion(session: AnimationSession) -> bool:
    return session.config.dense_motion is not None and session.config.generator.estimate_occlusion_map


def _open(driving: PathLike, options: FileOptions) -> VideoReader:
    return VideoReader(driving, start=options.start, length=options.frames)


def _are_stills(driving: PathLike | None) -> bool:
    """Whether the clip has no rate of its own."""
    return driving is not None and still_paths(driving) is not None


def _part(keypoints: Keypoints, rate: Fraction, options: FileOptions) -> Keypoints:
    start, length = options.start, options.frames
    chosen = keypoints[start:] if isinstance(start, int) else part(keypoints, rate, float(start.value), None)
    if not len(chosen):
        raise KeypointError(
            f"expected a performance of more than {start} frames, the first to use; got {len(keypoints)}."
        )
    return part(chosen, rate, 0, float(length.value)) if isinstance(length, Seconds) else chosen[:length]


def _anchored(source: Keypoints, driving: Keypoints, options: AnimationOptions) -> tuple[int | None, AnimationOptions]:
    """The anchor's number, and the options with it in place of a rule; absolute mode needs none."""
    if options.transfer.mode == "absolute":
        return None, replace(options, anchor="first")
    index = anchor_index(source, driving, options.anchor)
    return index, replace(options, anchor=index)


def _stays_transparent(output: PathLike, options: FileOptions, noted: list[str]) -> bool:
    """Whether the frames of a transparent source keep their alpha."""
    if options.background is not None:
        return False
    if options.compare or not holds_alpha(output):
        noted.append(
            f"the source is transparent, and lies over white: "
            f"{'a comparison' if options.compare else Path(output).name} cannot be transparent. Choose a background, "
            "or write a .webm, a .mov, or a folder of PNG files."
        )
        return False
    return True


def _fitted(
    reader: VideoReader, size: tuple[int, int], mode: FitMode, shown: tuple[int, int] | None = None
) -> Iterator[Tensor]:
    """Each frame as [1, 3, height, width]. shown: see `fit`."""
    for frame in reader:
        yield fit_uint8(frame, *size, mode=mode, shown=shown)


def _grouped(frames: Iterable[Tensor], count: int) -> Iterator[Tensor]:
    """[1, ...] joined into [count, ...], the last one smaller."""
    left = iter(frames)
    while group := list(islice(left, count)):
        yield torch.cat(group)


def _at(frames: Iterable[Tensor], positions: Iterable[int]) -> Iterator[Tensor]:
    """The frames at rising positions; the last one stands still where the clip ends before."""
    left = enumerate(frames)
    index, frame = next(left)
    for position in positions:
        while index < position and (following := next(left, None)) is not None:
            index, frame = following
        yield frame
