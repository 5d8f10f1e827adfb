"""From files to files: a picture and a driving clip (or a saved performance) in, a video out, as a stream.

Frames are never held: the driving clip is read once for its face where it has to be cropped, once for its keypoints,
and again only where it is to be shown.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from .animation import AnimationOptions, anchor_index, drive, prepare_source
from .background import read_ahead
from .errors import FommError, ImageError, KeypointError
from .faces import FaceFinder
from .fitting import FitMode, from_uint8
from .frames import at_positions, fitted_frames, grouped
from .geometry import Keypoints
from .motion import Performance, part, rate_of, save_keypoints, timed
from .options import FileOptions, OnProgress, Progress, Report, check_files
from .region import Region, crop_pixels
from .rendering import Moving, render
from .schedule import scheduled
from .session import AnimationSession, PreparedSource
from .video import Seconds, VideoReader, VideoWriter, holds_alpha, read_picture
from .video.pixels import WHITE, Pixels, over_background
from .video.source import still_paths
from .whole import Canvas, FoundDriving, FoundSource, find_driving, find_source, framing_of, turned_apart

log = logging.getLogger("fomm.pipeline")

PathLike = str | os.PathLike[str]

UNTIMED_RATE = Fraction(25)
"""Frames per second where neither the driving clip nor the options say: stills, and performances saved without."""


@dataclass(frozen=True, eq=False)
class Found:
    """What is to be animated: the picture uint8 [H, W, 3 or 4], and the squares that were found."""

    picture: Pixels
    source: FoundSource
    driving: FoundDriving

    @property
    def words(self) -> str:
        """In one line, for the user; empty where nothing was looked for."""
        return "; ".join(words for words in (self.source.words, self.driving.words) if words)


def animate_files(
    session: AnimationSession,
    source: PathLike,
    driving: PathLike | None,
    output: PathLike,
    options: FileOptions | None = None,
    *,
    performance: Performance | None = None,
    on_progress: OnProgress | None = None,
    on_found: Callable[[str], None] | None = None,
) -> Report:
    """Animate the picture `source` by the clip `driving` into the video `output`; its ending chooses the kind.

    Faces are found in both, followed in the clip, cropped alike, and what moves is laid back into the whole picture,
    where these are not close crops already: see `FileOptions.crop`.

    performance: keypoints detected before; `driving` then gives only the sound and the pictures to compare with, and
    may be None. on_progress: what it raises ends the run. on_found: hears, in a line, what was found, before anything
    is rendered. Files are whole or not there, however the run ends, and memory does not grow with the length of the
    clip.

    Raises FommError (ImageError, SizeError, KeypointError, RegionError) for input that does not do; OSError for a full
    disk.
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

    def warn(message: str) -> None:
        noted.append(message)
        log.warning("%s", message)

    with ExitStack() as stack:
        reader = None if driving is None else stack.enter_context(_open(driving, options))
        found = find(session, source, None if performance is not None else reader, driving, options, warn, report)
        if found.words and on_found is not None:
            on_found(found.words)
        sources, canvas, clear = _prepared(session, found, output, options, warn)

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
            keypoints, own_rate = detect_clip(
                session, reader, sources[0], mode=options.fit, region=found.driving.region, on_progress=report
            )
            own_rate = own_rate if has_rate else None
        else:
            own_rate = performance.fps or rate_of(performance.keypoints)
            keypoints = _part(performance.keypoints, own_rate or wished or UNTIMED_RATE, options)
        rate = own_rate or wished or UNTIMED_RATE
        if options.keypoints is not None:
            notes = {"model": session.model.name} | ({"driving": Path(driving).name} if driving is not None else {})
            save_keypoints(options.keypoints, keypoints, fps=own_rate, metadata=notes)
        moving: list[Moving] = []
        anchors = []
        for prepared in sources:
            anchor, driven = _driven(prepared.keypoints, keypoints, options.animation, rate, found.driving.shots)
            schedule = scheduled(
                driven, rate, wished or rate, writers[:1] if moving else writers, keep=options.fps == "keep"
            )
            moving.append(Moving(prepared, schedule))
            anchors.append(anchor)
        for face, anchor in zip(found.source.faces, anchors, strict=False):
            apart = turned_apart(face, found.driving.track, anchor) if options.animation.anchor != "best" else None
            if apart is not None:
                warn(apart)
                break
        schedule = moving[0].schedule
        start = Fraction(0) if reader is None else reader.start_seconds
        for writer in writers:
            writer.set_times(schedule.fps, start, uneven=schedule.until is not None)
        size = sources[0].size if canvas is None else canvas.size
        shown = None
        if options.compare and reader is not None:
            column = size if canvas is None else (size[0], size[0])
            frames_beside = fitted_frames(reader, column, options.fit, region=found.driving.region)
            shown = stack.enter_context(read_ahead(at_positions(frames_beside, schedule.shown)))
        render(session, moving, canvas, writers, shown, options, report, clear=clear)
    warnings = [
        *noted,
        *(reader.warnings if reader is not None else ()),
        *(w for writer in writers for w in writer.warnings),
    ]
    return Report(
        output=Path(output),
        frames=writers[0].frame_count,
        size=size,
        fps=schedule.fps,
        anchor=anchors[0],
        seconds=time.perf_counter() - started,
        warnings=tuple(warnings),
        found=found.words,
        pasted=canvas is not None,
    )


def find(
    session: AnimationSession,
    source: PathLike,
    reader: VideoReader | None,
    driving: PathLike | None,
    options: FileOptions,
    warn: Callable[[str], None],
    report: OnProgress,
) -> Found:
    """What is to move in a picture, and what in a clip moves it (None: nothing has to be looked for there)."""
    picture = read_picture(source, warn=warn)
    crop = options.cropping if options.crop.paste else options.cropping.close()
    framing = framing_of(session.config, session.model.name)
    looked_for = {crop.source, crop.driving} & ({"face"} if framing is None else {"auto", "face"})
    if not looked_for and crop.source == crop.driving == "off":
        return Found(picture, FoundSource(), FoundDriving())
    finder = FaceFinder(session.device)
    in_picture = find_source(picture, Path(source).name, crop, framing, finder)
    in_clip = FoundDriving()
    if reader is not None and driving is not None:
        expected = reader.info.frame_count

        def tracked(done: int) -> None:
            report(Progress("track", done, None if expected is None else max(done, expected)))

        alike = crop if in_picture.regions else crop.close()
        in_clip = find_driving(reader, Path(driving).name, alike, framing, finder, tracked)
    for message in (*in_picture.warnings, *in_clip.warnings):
        warn(message)
    return Found(picture, in_picture, in_clip)


def _prepared(
    session: AnimationSession, found: Found, output: PathLike, options: FileOptions, warn: Callable[[str], None]
) -> tuple[list[PreparedSource], Canvas | None, bool]:
    """The sources to move, the whole picture that they are laid into, and whether frames keep their alpha."""
    colour = tuple(value / 255 for value in options.background or WHITE)
    regions = found.source.regions
    squares = [crop_pixels(found.picture, region, round(float(region.side[0]))) for region in regions]
    sources = [
        prepare_source(session, from_uint8(square), size=options.size, mode=options.fit, background=colour)
        for square in squares or [found.picture]
    ]
    is_clear = found.picture.shape[-1] == 4
    clear = is_clear and _stays_transparent(output, options, warn)
    if not regions or not options.crop.paste:
        return sources[:1], None, clear
    whole = found.picture if clear or not is_clear else over_background(found.picture, options.background or WHITE)
    return sources, Canvas(whole, regions, options.crop.feather), clear


def detect_clip(
    session: AnimationSession,
    reader: VideoReader,
    source: PreparedSource,
    *,
    mode: FitMode = "crop",
    region: Region | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Keypoints, Fraction]:
    """Keypoints of a clip whose frames are cropped by `region` or fitted as the source was, decoded in a thread as they
    are needed, and its rate; see `timed`.
    """
    expected = reader.info.frame_count

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(Progress("detect", done, None if expected is None else max(done, expected)))

    fitted = fitted_frames(reader, source.working, mode, source.size, region)
    with read_ahead(grouped(fitted, session.chunk)) as frames:
        keypoints = session.detect(frames, on_frames=report)
    assert reader.times is not None
    return timed(keypoints, reader.times, reader.info.fps)


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


def _driven(
    source: Keypoints, driving: Keypoints, options: AnimationOptions, rate: Fraction, shots: Sequence[int]
) -> tuple[int | None, Keypoints]:
    """The keypoints to render, and the number of the first shot's anchor, or of the one that was asked for; absolute
    mode needs none. Each shot has an anchor of its own: where one frame was asked for, the others take their first.
    """
    anchors, parts = [], []
    for start, end in pairwise([*shots, len(driving)]):
        shot, chosen = driving[start:end], options
        if options.transfer.mode == "absolute":
            chosen = replace(options, anchor="first")
        elif isinstance(options.anchor, int) and len(shots) > 1:
            inside = start <= options.anchor < end
            anchor_index(source, driving, options.anchor)
            chosen = replace(options, anchor=options.anchor - start if inside else "first")
        index = anchor_index(source, shot, chosen.anchor)
        anchors.append(start + index)
        parts.append(drive(source, shot, replace(chosen, anchor=index), fps=float(rate)))
    if options.transfer.mode == "absolute":
        anchor = None
    else:
        anchor = options.anchor if isinstance(options.anchor, int) else anchors[0]
    driven = parts[0] if len(parts) == 1 else replace(Keypoints.cat(parts), times=driving.times)
    return anchor, driven


def _stays_transparent(output: PathLike, options: FileOptions, warn: Callable[[str], None]) -> bool:
    """Whether the frames of a transparent source keep their alpha."""
    if options.background is not None:
        return False
    if options.compare or not holds_alpha(output):
        warn(
            f"the source is transparent, and lies over white: "
            f"{'a comparison' if options.compare else Path(output).name} cannot be transparent. Choose a background, "
            "or write a .webm, a .mov, or a folder of PNG files."
        )
        return False
    return True


__all__ = [
    "FileOptions",
    "Found",
    "OnProgress",
    "Progress",
    "Report",
    "animate_files",
    "check_files",
    "detect_clip",
    "find",
]
