"""Which square of an image or clip shows a whole person, for models of bodies and clothes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..background import read_ahead
from ..faces.track import Track, with_shots
from ..persons import PersonFinder
from ..region import Framing, Region
from ..video import VideoReader
from ..video.pixels import Pixels
from ..video.shots import ShotFinder
from ..wording import counted, setting
from .choices import PLACE, CropOptions
from .found import FoundDriving, FoundSource, cut_warning, real_cuts

BODY = Framing(0.85)
"""How a person lies in the square: the longer side of the box, with some room for arms."""
SMALL_PERSON = 128
"""Pixels of a person's longer side below which little of the movement can be seen or shown."""


def person_in_picture(picture: Pixels, name: str, options: CropOptions, finder: PersonFinder) -> FoundSource:
    """The square around the largest person in an image uint8 [H, W, 3 or 4]; several that touch are one."""
    person = finder.find(picture[..., :3])
    if person is None:
        return FoundSource((), (), f"no person in {name}", (_nobody(name, "crop.source"),))
    height, width = picture.shape[:2]
    x, y, side = person.square
    square = Region(torch.tensor([[x, y]]), torch.tensor([side]), torch.zeros(1), height, width)
    warnings = (_small(name, side),) if side < SMALL_PERSON else ()
    region = _framed(square, options)
    return FoundSource((region.snapped(),), (), f"1 person in {name}, {side:.0f} px", warnings)


def person_in_clip(
    reader: VideoReader,
    name: str,
    options: CropOptions,
    finder: PersonFinder,
    on_frames: Callable[[int], None] | None = None,
) -> FoundDriving:
    """The square around the largest person in a clip, or one for each frame, as for faces; passes over it once."""
    rows = []
    shots = ShotFinder()
    with read_ahead(reader) as frames:
        for done, frame in enumerate(frames, 1):
            shots.add(frame)
            person = finder.find(frame)
            rows.append((torch.nan,) * 4 if person is None else (*person.square, person.certainty))
            if on_frames is not None:
                on_frames(done)
    assert reader.times is not None
    table = torch.tensor(rows)
    found = table[:, 3].isfinite()
    if not bool(found.any()):
        return FoundDriving(words=f"no person in {name}", warnings=(_nobody(name, "crop.driving"),))
    none = torch.where(found, 0.0, torch.nan)
    track = Track(
        found=found,
        square=table[:, :3],
        roll=none,
        turn=none,
        mouth=none,
        eyes=None,
        presence=table[:, 3],
        height=reader.info.height,
        width=reader.info.width,
        shots=shots.starts,
        times=torch.tensor(reader.times[:-1], dtype=torch.float64),
    )
    track = with_shots(track, real_cuts(track))
    gone, side = int((~found).sum()), float(track.square[found, 2].median())
    warnings = [_small(name, side)] if side < SMALL_PERSON else []
    if gone:
        warnings.append(f"nobody is seen in {counted(gone, 'frame')} of {name}: the square is bridged there.")
    if len(track.shots) > 1:
        warnings.append(cut_warning(name, track.shots))
    words = f"1 person in {name}, seen in {int(found.sum())} of {len(track)} frames"
    region = track.region(options.roomy(BODY), follow=options.follow)
    return FoundDriving(region, track, track.shots, words, tuple(warnings), BODY)


def _framed(square: Region, options: CropOptions) -> Region:
    return square.scaled(1 / options.roomy(BODY).share)


def _nobody(name: str, option: str) -> str:
    return (
        f"no person was found in {name}, so its middle square is taken. Choose the part with {setting(option, PLACE)}."
    )


def _small(name: str, side: float) -> str:
    return (
        f"the person in {name} is only {side:.0f} pixels large: the movement will hardly show. A larger image will "
        "do better."
    )
