"""From files to files: a picture and a driving clip (or a saved performance) in, a video out, as a stream.

Frames are never held: the driving clip is read once for its keypoints, and again only where it is to be shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
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
from .motion import Performance, save_keypoints
from .session import AnimationSession, PreparedSource, Rendered
from .video import VideoReader, VideoWriter, holds_alpha, read_picture
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
    start, frames: the part of the driving clip to use: its first frame, and how many; None is all of them.
    fps: of the result. Movement keeps its pace: it is interpolated between the driving frames. None keeps their rate.
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
    start: int = 0
    frames: int | None = None
    fps: Fraction | None = None
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
        timed = performance.fps if performance is not None else _rate(reader, driving)
        rate = timed or options.fps or UNTIMED_RATE
        fps = options.fps or rate
        audio = driving if options.audio and reader is not None and reader.info.has_audio else None
        writers = [
            stack.enter_context(
                VideoWriter(output, fps=fps, quality=options.quality, audio_from=audio, audio_start=_start(reader))
            )
        ]
        if options.occlusion is not None:
            writers.append(stack.enter_context(VideoWriter(options.occlusion, fps=fps, quality=options.quality)))

        if performance is None:
            assert reader is not None
            keypoints = detect_clip(session, reader, prepared, mode=options.fit, on_progress=report)
        else:
            keypoints = _part(performance.keypoints, options)
        if options.keypoints is not None:
            notes = {"model": session.model.name} | ({"driving": Path(driving).name} if driving is not None else {})
            save_keypoints(options.keypoints, keypoints, fps=timed, metadata=notes)
        anchor, animation = _anchored(prepared.keypoints, keypoints, options.animation)
        driven, positions = resample(drive(prepared.keypoints, keypoints, animation, fps=float(rate)), rate, fps)
        shown = None
        if options.compare and reader is not None:
            shown = stack.enter_context(read_ahead(_at(_fitted(reader, prepared.size, options.fit), positions)))
        _render(session, prepared, driven, writers, shown, options, report, clear=clear)
    warnings = [
        *noted,
        *(reader.warnings if reader is not None else ()),
        *(w for writer in writers for w in writer.warnings),
    ]
    return Report(
        output=Path(output),
        frames=writers[0].frame_count,
        size=prepared.size,
        fps=fps,
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
) -> Keypoints:
    """Keypoints of a clip whose frames are fitted as the source was, decoded in a thread as they are needed."""
    expected = reader.info.frame_count

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(Progress("detect", done, None if expected is None else max(done, expected)))

    fitted = _fitted(reader, source.working, mode, source.size)
    with read_ahead(_grouped(fitted, session.chunk)) as frames:
        return session.detect(frames, on_frames=report)


def resample(keypoints: Keypoints, rate: Fraction, new_rate: Fraction) -> tuple[Keypoints, list[int]]:
    """The same movement at another frame rate, interpolated linearly; and the nearest old frame for each new one."""
    old = len(keypoints)
    if rate == new_rate:
        return keypoints, list(range(old))
    count = max(1, round(old * new_rate / rate))
    exact = [min(index * rate / new_rate, Fraction(old - 1)) for index in range(count)]
    before = torch.tensor([int(position) for position in exact])
    after = (before + 1).clamp(max=old - 1)
    share = torch.tensor([float(position % 1) for position in exact])

    def between(values: Tensor) -> Tensor:
        weight = share.reshape(-1, *[1] * (values.ndim - 1)).to(values)
        return torch.lerp(values[before], values[after], weight)

    jacobian = None if keypoints.jacobian is None else between(keypoints.jacobian)
    return Keypoints(between(keypoints.position), jacobian), [int(position + Fraction(1, 2)) for position in exact]


def _render(
    session: AnimationSession,
    source: PreparedSource,
    keypoints: Keypoints,
    writers: list[VideoWriter],
    shown: Iterator[Tensor] | None,
    options: FileOptions,
    report: OnProgress,
    *,
    clear: bool,
) -> None:
    """Stream all frames into the writers; conversion, drawing and encoding happen in a thread."""
    still = source.picture.cpu()

    def write(rendered: Rendered, driving: Tensor | None) -> None:
        images = (rendered.transparent if clear else rendered.images).cpu()
        if options.compare:
            columns = {"source": still, "driving": driving, "result": images}
            present = {name: column for name, column in columns.items() if column is not None}
            labels = list(present) if images.shape[-2] >= LABELLED_HEIGHT else None
            images = side_by_side(list(present.values()), labels)
        writers[0].write(to_uint8(images))
        if len(writers) > 1:
            assert rendered.occlusion is not None
            writers[1].write(to_uint8((1 - rendered.occlusion).expand(-1, 3, -1, -1)))

    done = 0
    with write_behind(write) as submit:
        for rendered in session.render(source, keypoints):
            submit(rendered, None if shown is None else torch.cat(list(islice(shown, len(rendered)))))
            done += len(rendered)
            report(Progress("render", done, len(keypoints)))


def _has_occlusion(session: AnimationSession) -> bool:
    return session.config.dense_motion is not None and session.config.generator.estimate_occlusion_map


def _open(driving: PathLike, options: FileOptions) -> VideoReader:
    if options.frames is not None and options.frames < 1:
        raise ImageError(f"expected at least one frame to use; got {options.frames}.")
    stop = None if options.frames is None else options.start + options.frames
    return VideoReader(driving, start=options.start, stop=stop)


def _rate(reader: VideoReader | None, driving: PathLike | None) -> Fraction | None:
    """The clip's own frames per second; stills have none."""
    if reader is None or driving is None or still_paths(driving) is not None:
        return None
    return reader.info.fps


def _start(reader: VideoReader | None) -> Fraction:
    return Fraction(0) if reader is None else reader.start_seconds


def _part(keypoints: Keypoints, options: FileOptions) -> Keypoints:
    stop = None if options.frames is None else options.start + options.frames
    part = keypoints[options.start : stop]
    if not len(part):
        raise KeypointError(
            f"expected a performance of more than {options.start} frames, the first to use; got {len(keypoints)}."
        )
    return part


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
