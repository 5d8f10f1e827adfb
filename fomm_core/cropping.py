"""The square of an image or a clip as a file of its own, or as a region to use again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from .errors import FommError
from .faces import FaceFinder
from .options import OnProgress, PathLike, Progress
from .region import Cropper, Framing, Region, crop_pixels, region_middle, save_region
from .video import VideoReader, VideoWriter, read_picture, write_image
from .video.source import MediaSource, kind_of, still_paths
from .whole import CropOptions, FoundDriving, FoundSource, find_driving, find_source, preview_sheet

REGION = ".safetensors"


@dataclass(frozen=True)
class Cropped:
    """What was written. found: in words. size: of the crop's sides in pixels; None for a region."""

    outputs: tuple[Path, ...]
    found: str
    size: int | None
    warnings: tuple[str, ...]


def is_clip(source: PathLike) -> bool:
    """Whether a file is taken as a clip: videos and animations, folders and patterns of stills."""
    return still_paths(source) is not None or kind_of(MediaSource(source)) != "still"


def crop_file(
    source: PathLike,
    output: PathLike,
    options: CropOptions,
    framing: Framing,
    *,
    size: int | None = None,
    device: str = "cpu",
    preview: bool = False,
    warn: Callable[[str], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Cropped:
    """Write the square of an image or of each frame of a clip, with its sound; to a name with .safetensors the region
    alone, which `CropOptions` take again.

    options: `source` says which square, of a clip too. `face` 'all' gives a file for each face of an image, numbered
    from the left. framing: how the face is to lie in the square. size: side of the crop; None is the square's own.
    preview: write one image of the whole with its square and the crops instead.

    Raises ImageError, RegionError as finding and reading do, FommError where the output is what is read.
    """
    output = Path(output)
    if output.resolve() == Path(source).resolve():
        raise FommError(f"expected another name to write to than what is read; got '{output}' for both.")
    report = on_progress or (lambda progress: None)
    noted: list[str] = []

    def note(message: str) -> None:
        noted.append(message)
        if warn is not None:
            warn(message)

    if is_clip(source):
        done = _crop_clip(Path(source), output, options, framing, size, device, preview, note, report)
    else:
        done = _crop_picture(Path(source), output, options, framing, size, device, preview, note)
    return replace(done, warnings=tuple(noted))


def _crop_picture(
    source: Path,
    output: Path,
    options: CropOptions,
    framing: Framing,
    size: int | None,
    device: str,
    preview: bool,
    note: Callable[[str], None],
) -> Cropped:
    picture = read_picture(source, warn=note)
    finder = FaceFinder(device)
    found = (
        FoundSource()
        if options.source == "off"
        else find_source(picture, source.name, _always(options), framing, finder)
    )
    for message in found.warnings:
        note(message)
    regions = found.regions or (region_middle(*picture.shape[:2]),)
    if preview:
        write_image(output, preview_sheet(picture, regions, [], [found.words or source.name]))
        return Cropped((output,), found.words, None, ())
    if len(regions) == 1:
        outputs = [output]
    else:
        outputs = [output.with_name(f"{output.stem}-{number}{output.suffix}") for number in range(len(regions))]
    side = None
    for region, path in zip(regions, outputs, strict=True):
        if output.suffix == REGION:
            save_region(path, region, metadata={"of": source.name})
            continue
        side = size or max(1, round(float(region.side[0])))
        write_image(path, crop_pixels(picture, region, side))
    return Cropped(tuple(outputs), found.words, side, ())


def _crop_clip(
    source: Path,
    output: Path,
    options: CropOptions,
    framing: Framing,
    size: int | None,
    device: str,
    preview: bool,
    note: Callable[[str], None],
    report: OnProgress,
) -> Cropped:
    with VideoReader(source) as reader:
        found = FoundDriving()
        if options.source != "off":
            chosen = replace(_always(options), driving=_always(options).source)
            expected = reader.info.frame_count

            def tracked(done: int) -> None:
                report(Progress("track", done, None if expected is None else max(done, expected)))

            found = find_driving(reader, source.name, chosen, framing, FaceFinder(device), tracked)
        for message in found.warnings:
            note(message)
        region = found.region or region_middle(reader.info.height, reader.info.width)
        words = found.words
        if preview:
            count = reader.count()
            numbers = sorted({round(i * (count - 1) / 4) for i in range(5)})
            frames = list(zip(numbers, reader.at(numbers), strict=True))
            write_image(output, preview_sheet(frames[0][1], (region[:1],), [(frames, region)], [words or source.name]))
            return Cropped((output,), words, None, ())
        if output.suffix == REGION:
            save_region(output, region, metadata={"of": source.name})
            return Cropped((output,), words, None, ())
        side = size or max(2, round(float(region.side.median()) / 2) * 2)
        _write_clip(reader, source, output, region, side)
        return Cropped((output,), words, side, ())


def _write_clip(reader: VideoReader, source: Path, output: Path, region: Region, side: int) -> None:
    """Each frame's square, at its own time where the file can say it."""
    cropper = Cropper(region, side)
    sound = source if reader.info.has_audio else None
    with VideoWriter(output, fps=reader.info.fps, audio_from=sound) as writer:
        timed = writer.holds_times
        writer.set_times(reader.info.fps, reader.start_seconds, uneven=timed)
        waiting = None
        for index, (time, frame) in enumerate(reader.timed()):
            if waiting is not None:
                writer.write(waiting, [time])
            waiting = cropper(frame, index)
            if not timed:
                writer.write(waiting)
                waiting = None
        if waiting is not None:
            assert reader.times is not None
            writer.write(waiting, [Fraction(reader.times[-1]).limit_denominator(1_000_000)])


def _always(options: CropOptions) -> CropOptions:
    """What is asked for is cropped, close or not, as the model expects it."""
    return replace(options.close(), source="face" if options.source == "auto" else options.source)
