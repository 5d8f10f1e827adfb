"""Whether the driver in a file will move the image in another well: `check_drive` from files to an image."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .animation import anchor_index
from .checking import DriveCheck, check_drive
from .drivers import Clip, performed
from .faces import Face, FaceFinder
from .fitting import to_uint8
from .frames import fitted_frames
from .motion import Performance
from .options import FileOptions, OnProgress, PathLike
from .pipeline import Animator
from .plots import check_sheet
from .prepared import PreparedSource
from .session import AnimationSession
from .stills import prepare_still
from .video.shots import ShotFinder
from .whole import FoundDriving, framing_of

LOOKED_AT = 6
"""Frames of a driver in which faces are looked for."""


def check_drive_files(
    session: AnimationSession,
    source: PathLike,
    driving: PathLike | Performance,
    options: FileOptions | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> tuple[DriveCheck, Tensor]:
    """What becomes of an image that is moved by a clip or a performance, and that as an image [1, 3, H, W].

    Both are searched for faces and cropped as `animate_files` would do it; of several faces the first is meant.

    Raises FommError for input that does not do.
    """
    options = options or FileOptions()
    report = on_progress or (lambda progress: None)
    clips = [] if isinstance(driving, Performance) else [driving]
    animator = Animator(session, options)
    found = animator.find(source, clips, lambda message: None, report)
    prepared = prepare_still(session, found.picture, found.source, options, lambda message: None).sources[0]
    if isinstance(driving, Performance):
        done = check_drive(session, prepared, performed(driving, options).keypoints, options=options.animation)
        return done, check_sheet(prepared.image.cpu(), prepared.keypoints, performed(driving, options).keypoints, done)
    in_clip = found.driving[0]
    clip = Clip(driving, options)
    keypoints = clip.driver(session, prepared, options.fit, in_clip, found.room, report).keypoints
    anchor = anchor_index(prepared.keypoints, keypoints, options.animation.anchor)
    frames, shots = _frames(clip, prepared, options, in_clip, anchor, len(keypoints))
    of_faces = framing_of(session.config, session.model.name) is not None
    face, faces = _faces(animator.finder, prepared, frames) if of_faces else (None, None)
    chosen = replace(options.animation, anchor=anchor)
    done = check_drive(
        session,
        prepared,
        keypoints,
        options=chosen,
        shots=sorted({*in_clip.shots, *shots}),
        source_face=face,
        faces=faces,
    )
    return done, check_sheet(prepared.image.cpu(), prepared.keypoints, keypoints, done, frames[:1])


def _frames(
    clip: Clip, source: PreparedSource, options: FileOptions, found: FoundDriving, anchor: int, count: int
) -> tuple[Tensor, tuple[int, ...]]:
    """The anchor, then some frames of the clip, as the networks see them, [n, 3, H, W]; and where shots begin."""
    wanted = [anchor, *(round(i * (count - 1) / (LOOKED_AT - 1)) for i in range(LOOKED_AT))]
    kept: dict[int, Tensor] = {}
    finder = ShotFinder()
    with clip.open() as reader:
        for number, frame in enumerate(fitted_frames(reader, source.working, options.fit, source.size, found.region)):
            finder.add(to_uint8(frame)[0])
            if number in wanted:
                kept[number] = frame
    last = kept[max(kept)]
    return torch.cat([kept.get(number, last) for number in wanted]), finder.starts


def _faces(finder: FaceFinder, source: PreparedSource, frames: Tensor) -> tuple[Face | None, list[Face | None]]:
    """The source's face, and those of the frames."""
    return finder.largest(source.image), [finder.largest(frame[None]) for frame in frames]
