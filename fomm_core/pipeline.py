"""From files to files: an image and a driving clip (or a saved performance) in, a video out, as a stream.

Frames are never held: the driving clip is read once for its face where it has to be cropped, once for its keypoints,
and again only where it is to be shown.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from .background import read_ahead
from .drivers import Clip, detect_clip, performed, pose_in
from .errors import FommError, ImageError, KeypointError, RegionError
from .faces import FaceFinder
from .frames import at_positions, fitted_frames
from .geometry import Keypoints
from .keeping import groups_of, save_driver
from .motion import UNTIMED_RATE, Performance
from .movements import movements
from .options import FileOptions, OnProgress, Progress, Report, check_files
from .rendering import render
from .session import AnimationSession
from .stills import Found, Still, canvas_of, prepare_still
from .video import VideoWriter, read_picture
from .video.pixels import Pixels
from .whole import CropOptions, FoundDriving, FoundSource, find_source, framing_of
from .wording import counted

log = logging.getLogger("fomm.pipeline")

PathLike = str | os.PathLike[str]
Warn = Callable[[str], None]


def animate_files(
    session: AnimationSession,
    source: PathLike,
    driving: PathLike | Sequence[PathLike] | None,
    output: PathLike,
    options: FileOptions | None = None,
    *,
    performance: Performance | None = None,
    on_progress: OnProgress | None = None,
    on_found: Callable[[str], None] | None = None,
) -> Report:
    """Animate an image with a clip, from files to a file.

    Faces are found in both, followed in the clip and cropped alike, and the result is pasted back into the whole image,
    unless both are close crops already; see `FileOptions.crop`. Files appear only when they are complete, and memory
    does not grow with the length of the clip.

    Args:
        session: The session that renders.
        source: The image.
        driving: One clip, or one for each face that moves, from left to right. The result is as long as the longest
            (the others rest in their last pose), has the rate of the first, and the audio of the first that has any.
        output: The video to write; its ending chooses the kind.
        options: `FileOptions()` by default.
        performance: Saved keypoints to use instead; `driving` then only provides audio and images to compare with, and
            may be None.
        on_progress: Called after each chunk; an exception raised there ends the run.
        on_found: Called before rendering with a line that says what was found.

    Returns:
        What was written.

    Raises:
        FommError: The input is not suitable; see its subclasses.
        OSError: The disk is full, for example.

    Example:
        >>> from fomm_nodes.fomm_core import AnimationSession, load_builtin
        >>> from fomm_nodes.fomm_core.options import FileOptions
        >>> from fomm_nodes.fomm_core.pipeline import animate_files
        >>> from fomm_nodes.fomm_core.shipped import ASSETS
        >>> session, options = AnimationSession(load_builtin()), FileOptions(size=128, frames=2)
        >>> animate_files(session, ASSETS / "source.png", ASSETS / "driving.mp4", "out.mp4", options).frames
        2
    """
    clips: Sequence[PathLike]
    clips = () if driving is None else [driving] if isinstance(driving, str | os.PathLike) else driving
    return Animator(session, options).animate(
        source, clips, output, performance=performance, on_progress=on_progress, on_found=on_found
    )


class Animator:
    """Animates images by clips, with one model and one set of options.

    A clip is followed once, and its keypoints are found once, however many images it moves; the last image is
    searched and encoded once, however many clips move it.
    """

    def __init__(self, session: AnimationSession, options: FileOptions | None = None) -> None:
        self.session = session
        self.options = options or FileOptions()
        self._framing = framing_of(session.config, session.model.name)
        self._finder: FaceFinder | None = None
        self._clips: dict[Path, Clip] = {}
        self._still: tuple[Path, Still, tuple[str, ...]] | None = None
        self._told: set[str] = set()

    def animate(
        self,
        source: PathLike,
        driving: Sequence[PathLike],
        output: PathLike,
        *,
        occlusion: PathLike | None = None,
        keypoints: PathLike | None = None,
        performance: Performance | None = None,
        on_progress: OnProgress | None = None,
        on_found: Callable[[str], None] | None = None,
    ) -> Report:
        """One video, see `animate_files`. occlusion, keypoints: other files to write than the options say."""
        options = replace(
            self.options,
            occlusion=occlusion if occlusion is not None else self.options.occlusion,
            keypoints=keypoints if keypoints is not None else self.options.keypoints,
        )
        started = time.perf_counter()
        self._check(source, driving, output, options, performance)
        report = on_progress or (lambda progress: None)
        noted: list[str] = []

        def warn(message: str) -> None:
            if message not in noted:
                noted.append(message)
            if message not in self._told:
                self._told.add(message)
                log.warning("%s", message)

        with ExitStack() as stack:
            clips = [self._clip(path) for path in driving]
            found = self.find(source, () if performance is not None else driving, warn, report)
            if found.words and on_found is not None:
                on_found(found.words)
            still = self._prepared(source, found, warn)
            canvas, clear = canvas_of(still, output, options, warn)
            heard = next((clip for clip in clips if options.audio and clip.info.has_audio), None)
            audio = None if heard is None else heard.path
            kept = VideoWriter(
                output, fps=UNTIMED_RATE, quality=options.quality, audio_from=audio, encoder=options.encoder
            )
            writers = [stack.enter_context(kept)]
            if options.occlusion is not None:
                mask = VideoWriter(options.occlusion, fps=UNTIMED_RATE, quality=options.quality)
                writers.append(stack.enter_context(mask))

            if performance is not None:
                drivers = [performed(performance, options)]
            else:
                drivers = [
                    clip.driver(self.session, still.sources[0], options.fit, squares, found.room, report)
                    for clip, squares in zip(clips, found.driving, strict=True)
                ]
            if options.keypoints is not None:
                notes = {"model": self.session.model.name} | ({"driving": Path(driving[0]).name} if driving else {})
                of_faces = performance is None and self._framing is not None
                groups = groups_of(self.session, still.sources[0], self.finder) if of_faces else None
                clip = clips[0] if clips else None
                save_driver(options.keypoints, drivers[0], notes, performance=performance, clip=clip, groups=groups)
            pose = self._pose(still, found)
            moving, anchors = movements(still, drivers, options, writers, warn, self.session.avd, pose)
            start = Fraction(0) if not clips else (heard or clips[0]).start
            schedule = moving[0].schedule
            for writer in writers:
                writer.set_times(schedule.fps, start, uneven=schedule.until is not None)
            size = still.size if canvas is None else canvas.size
            shown = []
            if options.compare:
                column = size if canvas is None else (size[0], size[0])
                squares_of = found.driving or tuple(FoundDriving() for _ in clips)
                for clip, squares, part in zip(clips, squares_of, moving, strict=False):
                    reader = stack.enter_context(clip.open())
                    beside = fitted_frames(reader, column, options.fit, region=squares.region)
                    shown.append(stack.enter_context(read_ahead(at_positions(beside, part.schedule.shown))))
            render(self.session, moving, canvas, writers, shown, options, report, clear=clear)
        warnings = [
            *noted,
            *(w for clip in clips for w in clip.warnings),
            *(w for out in writers for w in out.warnings),
        ]
        return Report(
            output=Path(output),
            frames=writers[0].frame_count,
            size=size,
            fps=schedule.fps,
            anchor=anchors[0],
            seconds=time.perf_counter() - started,
            warnings=tuple(dict.fromkeys(warnings)),
            found=found.words,
            pasted=canvas is not None,
        )

    def find(self, source: PathLike, driving: Sequence[PathLike], warn: Warn, report: OnProgress) -> Found:
        """What is to move in an image, and what in each clip moves it (without clips, only the first).

        Raises RegionError where there are several clips, but not one for each face that moves.
        """
        options = self.options
        crop = options.cropping if options.crop.paste else options.cropping.close()
        path = Path(source)
        if self._still is not None and self._still[0] == path:
            picture = self._still[1].picture
            in_picture = self._still[1].found
            for message in self._still[2]:
                warn(message)
        else:
            picture = read_picture(source, warn=warn)
            in_picture = self._search(picture, path.name, crop)
        moving = max(1, len(in_picture.regions)) if crop.paste else 1
        if len(driving) > 1 and len(driving) != moving:
            raise RegionError(
                f"expected one clip, or one for each face that moves, from left to right; got {len(driving)} clips, "
                f"and {counted(moving, 'face')} in {path.name}{'' if crop.paste else ', as nothing is pasted back'}."
            )
        for message in in_picture.warnings:
            warn(message)
        alike = self._alike(in_picture)
        in_clips = []
        for clip in driving:
            in_clip = FoundDriving()
            if _looked_for(crop):
                in_clip = self._clip(clip).find(Path(clip).name, alike, self._framing, self.finder, report)
            for message in in_clip.warnings:
                warn(message)
            in_clips.append(in_clip)
        return Found(picture, in_picture, tuple(in_clips), alike.room)

    def _alike(self, found: FoundSource) -> CropOptions:
        """How a clip is cropped for an image in which that was found."""
        crop = self.options.cropping if self.options.crop.paste else self.options.cropping.close()
        return crop if found.regions else crop.close()

    def _pose(self, still: Still, found: Found) -> Keypoints | None:
        picture, crop = self.options.anchor_picture, self._alike(found.source)
        if picture is None:
            return None
        chosen = crop if _looked_for(crop) else None
        source = still.sources[0]
        return pose_in(picture, self.options, self.session, source, chosen, self._framing, self.finder)

    @property
    def finder(self) -> FaceFinder:
        """Made when it is first needed."""
        if self._finder is None:
            self._finder = FaceFinder(self.session.device)
        return self._finder

    def _search(self, picture: Pixels, name: str, crop: CropOptions) -> FoundSource:
        return find_source(picture, name, crop, self._framing, self.finder) if _looked_for(crop) else FoundSource()

    def _clip(self, path: PathLike) -> Clip:
        key = Path(path)
        if key not in self._clips:
            self._clips[key] = Clip(path, self.options)
        return self._clips[key]

    def _prepared(self, source: PathLike, found: Found, warn: Warn) -> Still:
        """The picture's sources; kept until another image comes."""
        path = Path(source)
        if self._still is None or self._still[0] != path:
            self._still = None  # before the next one takes its room
            said: list[str] = []
            still = prepare_still(self.session, found.picture, found.source, self.options, said.append)
            self._still = path, still, tuple(said)
            for message in said:
                warn(message)
        return self._still[1]

    def _check(
        self,
        source: PathLike,
        driving: Sequence[PathLike],
        output: PathLike,
        options: FileOptions,
        performance: Performance | None,
    ) -> None:
        if not driving and performance is None:
            raise FommError("expected a driving video, or a performance (a keypoints file); got neither.")
        if len(driving) > 1 and (performance is not None or options.keypoints is not None or options.fps == "keep"):
            raise KeypointError(
                "expected one clip where keypoints are saved or loaded, or where a clip's own times are kept; got "
                f"{len(driving)}."
            )
        check_files([source, *driving, options.hold, options.anchor_picture], output, options)
        if options.anchor_picture is not None and options.animation.transfer.mode != "relative":
            raise KeypointError("expected relative mode, in which an anchor image counts; got another mode.")
        config = self.session.config
        if options.occlusion is not None and (
            config.dense_motion is None or not config.generator.estimate_occlusion_map
        ):
            raise ImageError(
                f"expected a model with an occlusion map to write one; '{self.session.model.name}' has none."
            )
        if config.dense_motion is None and (options.detail is not None or options.hold is not None):
            raise ImageError(
                f"expected a model with dense motion to carry detail over or to hold parts still; "
                f"'{self.session.model.name}' has none."
            )


def _looked_for(crop: CropOptions) -> bool:
    return not crop.source == crop.driving == "off"


__all__ = [
    "UNTIMED_RATE",
    "Animator",
    "FileOptions",
    "Found",
    "OnProgress",
    "Progress",
    "Report",
    "animate_files",
    "check_files",
    "detect_clip",
]
