"""Clips written frame by frame; under the final name there is a whole file or none."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from ..errors import ImageError
from ..files import atomic_path
from ..wording import did_you_mean
from .audio import AudioTrack
from .codecs import AUTO, check_encoder, rules_of
from .encoders import CONTAINERS, WITH_ALPHA, ContainerEncoder, Encoder, StillsEncoder
from .gif import GifEncoder
from .images import WRITE_OPTIONS
from .pixels import Pixels
from .rate import frame_rate
from .source import MediaSource, NumberedName, PathLike, kind_of, still_paths
from .yuv import Box

logger = logging.getLogger("fomm.video")

STILLS_WITH_ALPHA = frozenset({".png", ".webp", ".tif", ".tiff"})
FOLDER_NAMES = NumberedName("frame-", 5, ".png")
KINDS = f"{', '.join(CONTAINERS)}, .gif, a folder for PNG stills, or a pattern such as frame-%05d.png"


class VideoWriter:
    """Writes uint8 RGB frames to a video. Use it in a `with` block, at whose end the file appears.

    The suffix of `path` chooses the kind: .mp4, .m4v, .mov and .mkv (H.264), .webm (VP9), .gif and .avif (AV1; both
    repeating), a pattern such as `frame-%05d.png` (also .jpg and others), or a name without suffix: a folder with
    frame-00000.png and so on.

    - 8-bit 4:2:0 in BT.709, tagged so. H.264 needs even sides: of an odd image, the last column or row is repeated.
    - Frames with alpha are held by .webm (VP9), .mov (then ProRes 4444), .gif (each pixel fully or not at all) and by
      PNG, WebP and TIFF stills: see `holds_alpha`.
    - Nothing appears under the final name before everything is written; an exception or Ctrl-C in the block leaves no
      file behind, and an older file as it was. Folders must be new or empty, and no file may match a pattern yet.
    - Memory does not grow with the number of frames.

    Args:
        path: The file to write.
        fps: Frames per second, kept as an exact fraction; in a GIF rounded to hundredths of a second, frame by frame.
            With `uneven`, the rate of most frames.
        quality: 0 to 100; 80 is hard to tell from the original. PNG is always exact, and a GIF as good as 256 colours
            are.
        audio_from: A file whose audio is carried over: copied if the new file can hold it, otherwise re-encoded (AAC,
            Opus), and cut to the video's length (to within a packet, about 20 ms). GIF, AVIF and stills hold no
            audio; `warnings` and the logger "fomm.video" say so.
        audio_start: Seconds of that file's video before the audio begins (`VideoReader.start_seconds`).
        uneven: Each frame gets the time that `write` is told. Stills hold no times; see `holds_times`.
        encoder: "auto", as above; "av1" (SVT-AV1) makes files a third smaller; "nvenc", "qsv", "amf" and "videotoolbox"
            are H.264 encoders of graphics cards and processors. Where the machine lacks one, "auto" is used, and
            `warnings` says so.

    Raises:
        ImageError: The suffix, rate, quality or encoder is not supported, a frame has another shape, type or size than
            the first, or no frame was written.

    Example:
        >>> import numpy as np
        >>> from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
        >>> with VideoWriter("grey.mp4", fps=25) as writer:
        ...     writer.write(np.full((5, 64, 64, 3), 128, np.uint8))
        >>> VideoReader("grey.mp4").count()
        5
    """

    def __init__(
        self,
        path: PathLike,
        *,
        fps: Fraction | float | str,
        quality: int = 80,
        audio_from: PathLike | BinaryIO | None = None,
        audio_start: Fraction | float = 0,
        uneven: bool = False,
        encoder: str = AUTO,
    ) -> None:
        self.path = Path(path)
        self.frame_count = 0
        self.warnings: list[str] = []
        if not 0 <= quality <= 100:
            raise ImageError(f"expected a quality of 0 to 100; got {quality}.")
        self._quality = quality
        self._kind = _kind(self.path)
        check_encoder(encoder, self.path.suffix.lower() if self._kind in CONTAINERS else "")
        self._encoder_name = encoder
        self._channels = (3, 4) if holds_alpha(self.path) else (3,)
        self._audio_from = _sound_source(audio_from)
        self._until = Fraction(0)
        self._last: Pixels | None = None
        self._size: tuple[int, ...] | None = None
        self._encoder: Encoder | None = None
        self._temporary: Path | None = None
        self._cleanup = ExitStack()
        self.set_times(fps, audio_start, uneven=uneven)

    @property
    def holds_times(self) -> bool:
        """Whether this kind of file can say when each frame is shown."""
        return self._kind in CONTAINERS or self._kind == ".gif"

    def set_times(
        self, fps: Fraction | float | str, audio_start: Fraction | float = 0, *, uneven: bool = False
    ) -> None:
        """Set the rate and the start of the audio, if they were not known when the writer was made; before the first
        frame.

        Args:
            fps: Frames per second.
            audio_start: Seconds, as in the constructor.
            uneven: As in the constructor.

        Raises:
            ImageError: The rate is not above 0, or this kind of file holds no times.
            RuntimeError: A frame has been written already.
        """
        if self._encoder is not None:
            raise RuntimeError("expected the times before the first frame")
        if uneven and not self.holds_times:
            raise ImageError(f"expected a video or GIF for frames with times of their own; got {self.path.name}.")
        self.fps = frame_rate(fps)
        self._audio_start = Fraction(audio_start).limit_denominator(1_000_000)
        self._uneven = uneven

    def __enter__(self) -> VideoWriter:
        if self._temporary is not None:
            raise RuntimeError("a VideoWriter writes one file: make another for the next")
        keeping = _atomic_stills(self.path.parent) if self._kind == "pattern" else atomic_path(self.path)
        self._temporary = self._cleanup.enter_context(keeping)
        if self._kind == "folder":
            self._temporary.mkdir()
        return self

    def write(self, frames: Pixels, until: Sequence[Fraction] | None = None, *, changed: Box | None = None) -> None:
        """Add one frame or several.

        Args:
            frames: uint8 RGB [H, W, 3] or [n, H, W, 3]; or RGBA with straight alpha, if the file can hold it.
            until: With `uneven`, the second of the new video at which each of them ends; the first begins at 0.
            changed: (left, top, right, bottom) of a box outside which every frame is identical to the one before;
                encoding is then cheaper.

        Raises:
            ImageError: A frame does not fit the first, or the times do not fit the frames.
            RuntimeError: The writer is not in a `with` block.
        """
        if self._temporary is None:
            raise RuntimeError("expected `with VideoWriter(...) as writer:` around write()")
        channels = self._channels
        fits = frames.ndim in (3, 4) and frames.shape[-1] in channels and 0 not in frames.shape[-3:]
        if frames.dtype != np.uint8 or not fits:
            raise ImageError(
                f"expected uint8 frames [H, W, 3] or [n, H, W, 3]{' (or 4 channels)' if 4 in channels else ''}; got "
                f"{frames.dtype} {list(frames.shape)}. Scale floats by 255 and round first."
            )
        several = frames if frames.ndim == 4 else frames[None]
        if (until is not None) != self._uneven or (until is not None and len(until) != len(several)):
            raise ImageError("expected an end for each frame where the times are uneven, and none where they are not.")
        for number, frame in enumerate(several):
            if self._size is None or self._encoder is None:
                self._size = frame.shape
                self._encoder = self._start()
            if frame.shape != self._size:
                raise ImageError(
                    f"expected frames of {_described(self._size)} as the first; got {_described(frame.shape)}."
                )
            if until is None:
                self._encoder.write(frame, changed=changed)
            else:
                self._write_timed(self._encoder, frame, until[number], changed)
            self.frame_count += 1

    def _write_timed(self, encoder: Encoder, frame: Pixels, until: Fraction, changed: Box | None) -> None:
        if until <= self._until:
            raise ImageError(f"expected times that rise; got {float(until)} s after {float(self._until)} s.")
        encoder.write(frame, self._until, changed)
        self._last, self._last_begin, self._until = frame, self._until, until

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._cleanup.__exit__(kind, error, trace)
            return
        with self._cleanup:
            if self._encoder is None:
                raise ImageError(f"expected at least one frame for {self.path.name}; got none.")
            if self._last is not None and self._kind != ".gif" and (self._until - self._last_begin) * self.fps > 1.5:
                # As another frame, since Matroska states no lengths.
                self._encoder.write(self._last, self._until - 1 / self.fps)
                self.frame_count += 1
            if self._uneven:
                self._encoder.finish(self._until)
            else:
                self._encoder.finish()

    def _start(self) -> Encoder:
        assert self._size is not None
        assert self._temporary is not None
        height, width, channels = self._size
        audio = self._open_audio()
        temporary = self._temporary
        encoder: Encoder
        if self._kind == "folder":
            encoder = StillsEncoder(lambda number: temporary / FOLDER_NAMES.format(number))
        elif self._kind == "pattern":
            pattern = NumberedName.parse(self.path.name)
            assert pattern is not None
            encoder = StillsEncoder(lambda number: temporary / pattern.format(number))
        elif self._kind == ".gif":
            encoder = GifEncoder(temporary, (height, width), self.fps)
        else:
            size = (height, width)
            if channels == 3:
                rules = rules_of(self._encoder_name, self._kind, size, self.fps, self._quality, self._warn)
            else:
                rules = WITH_ALPHA[self._kind]
                if self._encoder_name != AUTO:
                    self._warn(
                        f"the encoder {self._encoder_name} holds no transparency: {rules.codec} is used instead."
                    )
            encoder = ContainerEncoder(
                temporary, rules, size, self.fps, self._quality, audio, self._warn, uneven=self._uneven
            )
        self._cleanup.callback(encoder.close)
        return encoder

    def _open_audio(self) -> AudioTrack | None:
        if self._audio_from is None:
            return None
        try:
            audio = AudioTrack(self._audio_from, self._audio_start, self._warn)
        except LookupError:
            return None
        except ImageError as error:
            self._warn(f"the audio of {self._audio_from.name} was left out: {error}")
            return None
        self._cleanup.callback(audio.close)
        if self._kind not in CONTAINERS:
            self._warn(f"the audio of {self._audio_from.name} was left out: {self.path.name} cannot hold any.")
            return None
        return audio

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        logger.warning("%s", message)


def holds_alpha(path: PathLike) -> bool:
    """Whether a file that `VideoWriter` writes under this name can be transparent."""
    path = Path(path)
    if not path.suffix or path.is_dir():
        return True
    stills = NumberedName.parse(path.name) is not None
    return path.suffix.lower() in (STILLS_WITH_ALPHA if stills else {*WITH_ALPHA, ".gif"})


def _described(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}{' with alpha' if shape[2] == 4 else ''}"


def _kind(path: Path) -> str:
    """A suffix of `CONTAINERS`, ".gif", "folder" or "pattern"; ImageError where nothing can be written there."""
    suffix = path.suffix.lower()
    if pattern := NumberedName.parse(path.name):
        if suffix not in WRITE_OPTIONS:
            raise ImageError(
                f"expected an image's suffix ({', '.join(WRITE_OPTIONS)}) after the number; got {path.name}."
            )
        older = [
            p.name
            for p in (path.parent.iterdir() if path.parent.is_dir() else ())
            if pattern.number(p.name) is not None
        ]
        if older:
            raise ImageError(
                f"expected no file named as {path.name} yet; got {len(older)}. Remove them, or write elsewhere."
            )
        return "pattern"
    if path.is_dir() or not suffix:
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise ImageError(f"expected a new or empty folder; {path} is neither. Remove it, or write elsewhere.")
        return "folder"
    if suffix in CONTAINERS or suffix == ".gif":
        return suffix
    raise ImageError(f"expected one of {KINDS}; got {path.name!r}.{did_you_mean(path.suffix, (*CONTAINERS, '.gif'))}")


def _sound_source(audio_from: PathLike | BinaryIO | None) -> MediaSource | None:
    """The file to take sound from; None where it is a kind that has none (stills, animated WebP)."""
    if audio_from is None:
        return None
    if isinstance(audio_from, (str, os.PathLike)) and still_paths(audio_from) is not None:
        return None
    media = MediaSource(audio_from)
    return media if kind_of(media) == "container" else None


@contextmanager
def _atomic_stills(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `folder` if the block succeeds, all of them or none."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=folder))
    moved: list[Path] = []
    try:
        yield temporary
        for file in sorted(temporary.iterdir()):
            moved.append(file.replace(folder / file.name))
    except BaseException:
        for file in moved:
            file.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
