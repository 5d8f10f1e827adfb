"""Which squares are meant: those of the faces in an image, and of the one in a clip that moves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice

import torch

from ..background import read_ahead
from ..errors import RegionError
from ..faces import Face, FaceFinder, FaceTracker, Track, Tracking, choose
from ..faces.track import with_shots
from ..persons import PersonFinder
from ..region import FRAMINGS, Framing, Region
from ..video import VideoReader
from ..video.pixels import Pixels
from ..wording import counted, setting
from .choices import PLACE, Crop, CropOptions, Square
from .found import FoundDriving, FoundSource, border_warning, cut_warning, real_cuts
from .framing import USUAL
from .people import person_in_clip, person_in_picture

SMALL_FACE = 64
"""Pixels of a face below which little of its movement can be seen or shown."""
SQUARE = 0.05
"""How far the sides of an image that counts as square may differ, as a share of the longer one."""
CLOSE = (0.6, 1.5)
"""A square image is a close crop where the square that the model wants has a side of so many of its own."""
PEEK = 5
"""Frames of a square clip that are looked at to see whether it is a close crop."""


def find_source(
    picture: Pixels, name: str, options: CropOptions, framing: Framing | None, finder: FaceFinder
) -> FoundSource:
    """The squares of an image uint8 [H, W, 3 or 4] that move. framing: what the model expects, see `framing_of`.

    Raises RegionError where a face of that number is not there, or a square does not fit the image.
    """
    height, width = picture.shape[:2]
    crop = options.source
    if (by_hand := _by_hand(crop, height, width)) is not None:
        return FoundSource((by_hand.snapped(),))
    if crop == "off" or (crop == "auto" and framing is None):
        return FoundSource()
    if crop == "person":
        return person_in_picture(picture, name, options, PersonFinder(finder.networks.device))
    framing = framing or FRAMINGS[USUAL]
    faces = finder.find(picture[..., :3])
    if not faces:
        square = is_square(height, width)
        note = (
            f"no face was found in {name}, so its middle square is animated, and the rest left out. Choose the part "
            f"with {setting('crop.source', PLACE)}; {setting('crop.source', 'off')} says that the middle is meant."
        )
        return FoundSource((), (), f"no face in {name}", () if square else (note,))
    chosen = _chosen(faces, options.face, name)
    words = f"{counted(len(faces), 'face')} in {name}, {', '.join(f'{face.size:.0f}' for face in chosen)} px"
    if crop == "auto" and len(chosen) == 1 and is_close(chosen[0], framing):
        return FoundSource((), chosen, f"{words}, a close crop already")
    warnings = []
    if len(faces) > 1 and options.face == "largest":
        x, y, side, _ = chosen[0].box
        warnings.append(
            f"{name} shows {len(faces)} faces; the largest moves, at ({x + side / 2:.0f}, {y + side / 2:.0f}). Choose "
            f"with {setting('crop.face', 0)} to {len(faces) - 1}, counted from left to right, or "
            f"{setting('crop.face', 'all')}."
        )
    for face in chosen:
        if face.size < SMALL_FACE:
            warnings.append(
                f"the face in {name} is only {face.size:.0f} pixels large: its movement will hardly show. A larger "
                "image of it will do better."
            )
    return FoundSource(
        tuple(face.region(options.roomy(framing)).snapped() for face in chosen), chosen, words, tuple(warnings)
    )


def find_driving(
    reader: VideoReader,
    name: str,
    options: CropOptions,
    framing: Framing | None,
    finder: FaceFinder,
    on_frames: Callable[[int], None] | None = None,
) -> FoundDriving:
    """The square of a clip that moves the image; passes over it once, where it is not a close crop already.

    on_frames(n) is called after each frame; what it raises ends the search. Raises RegionError for a square that does
    not fit.
    """
    height, width = reader.info.height, reader.info.width
    crop = options.driving
    if (by_hand := _by_hand(crop, height, width)) is not None:
        return FoundDriving(_from_second(by_hand, float(reader.start_seconds)))
    if crop == "person":
        return person_in_clip(reader, name, options, PersonFinder(finder.networks.device), on_frames)
    if crop == "off" or (crop == "auto" and framing is None):
        return FoundDriving()
    framing = framing or FRAMINGS[USUAL]
    if crop == "auto" and is_square(height, width) and _shows_close(reader, framing, finder):
        return FoundDriving(words=f"{name} is a close crop already")
    tracker = FaceTracker(finder)
    first: tuple[Face, ...] | None = None
    with read_ahead(reader.stored()) as frames:
        for done, frame in enumerate(frames, 1):
            faces = tracker.add(frame)
            if first is None and any(faces):
                first = finder.find(frame, tiles="never")
            if on_frames is not None:
                on_frames(done)
    assert reader.times is not None
    tracking = tracker.finish(torch.tensor(reader.times[:-1], dtype=torch.float64))
    if not tracking.tracks:
        note = (
            f"no face was found in {name}, so its middle square drives. Choose the part with "
            f"{setting('crop.driving', PLACE)}."
        )
        return FoundDriving(words=f"no face in {name}", warnings=() if is_square(height, width) else (note,))
    track = with_shots(tracking.tracks[0], real_cuts(tracking.tracks[0]))
    return FoundDriving(
        track.region(options.roomy(framing), follow=options.follow),
        track,
        track.shots,
        _words(name, track),
        tuple(_driving_warnings(name, track, first or (), tracking)),
    )


def reframed(found: FoundDriving, options: CropOptions, framing: Framing | None) -> FoundDriving:
    """What `find_driving` would find with another room around the face."""
    if found.track is None:
        return found
    wanted = found.framing or framing or FRAMINGS[USUAL]
    region = found.track.region(options.roomy(wanted), follow=options.follow)
    return replace(found, region=region)


def is_square(height: int, width: int) -> bool:
    """Whether an image counts as square."""
    return abs(height - width) <= SQUARE * max(height, width)


def is_close(face: Face, framing: Framing) -> bool:
    """Whether an image is a square around its face already, about as the model wants it."""
    if not is_square(face.height, face.width):
        return False
    side = (face.height + face.width) / 2
    square = face.region(framing)
    away = (square.centre[0] - torch.tensor([face.width / 2, face.height / 2], dtype=torch.float64)).abs().max()
    return CLOSE[0] <= float(square.side[0]) / side <= CLOSE[1] and float(away) < 0.25 * side


def _by_hand(crop: Crop, height: int, width: int) -> Region | None:
    if isinstance(crop, Square):
        return crop.region(height, width)
    if isinstance(crop, Region):
        crop.check_size(height, width)
        return crop
    return None


def _from_second(region: Region, start: float) -> Region:
    """The squares of a clip that is used from some second on."""
    if len(region) == 1 or start == 0:
        return region
    if region.times is None:
        raise RegionError(
            "expected a region with the times of its frames, to use it from a later one on; it has none. Find it again "
            f"with `fomm crop`, or leave {setting('start')} out."
        )
    return region[int((region.times - start).abs().argmin()) :]


def _chosen(faces: Sequence[Face], which: str | int, name: str) -> tuple[Face, ...]:
    if which == "all":
        return tuple(sorted(faces, key=lambda face: face.box[0]))
    face = choose(faces, which)  # type: ignore[arg-type]
    if face is None:
        raise RegionError(
            f"expected a face's number from 0 at the left; {name} shows {counted(len(faces), 'face')}, and got {which}."
        )
    return (face,)


def _shows_close(reader: VideoReader, framing: Framing, finder: FaceFinder) -> bool:
    with closing(reader.timed()) as frames:
        for _, frame in islice(frames, PEEK):
            face = choose(finder.find(frame, tiles="never"), "largest")
            if face is not None:
                return is_close(face, framing)
    return False


def _words(name: str, track: Track) -> str:
    shots = "" if len(track.shots) < 2 else f", {len(track.shots)} shots"
    return f"1 face in {name}, tracked {int(track.found.sum())} of {len(track)} frames{shots}"


def _driving_warnings(name: str, track: Track, first: Sequence[Face], tracking: Tracking) -> list[str]:
    warnings = []
    gone = int((~track.found).sum())
    if gone:
        warnings.append(
            f"the face is not seen in {counted(gone, 'frame')} of {name}: its square is bridged, and what the image "
            "does there is chance."
        )
    if (cut_off := border_warning(name, track)) is not None:
        warnings.append(cut_off)
    if len(first) > 1:
        x, y, side = track.square[track.found][0].tolist()
        warnings.append(
            f"{name} shows {len(first)} faces; the largest drives, at ({x:.0f}, {y:.0f}). Choose another with "
            f"{setting('crop.driving', PLACE)}."
        )
    size = float(track.square[track.found, 2].median())
    if size < SMALL_FACE:
        warnings.append(f"the face in {name} is only {size:.0f} pixels large: its movement is known only roughly.")
    if len(track.shots) > 1:
        warnings.append(cut_warning(name, track.shots))
    return warnings
