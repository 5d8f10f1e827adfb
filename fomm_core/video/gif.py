"""GIFs written frame by frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from .pixels import Pixels
from .transparency import bled
from .yuv import Box

TICKS = 100  # per second
SHORTEST = 2  # ticks; viewers slow down what is faster
COLOURS = 255  # and one that stands for "as before", or for nothing
HALF = 128  # from this alpha on a pixel is seen
TAIL = 0.995
TOLERANCE = 12  # levels
DITHER_PER_MISS = 3
LEAST_DITHER, MOST_DITHER = 4, 32  # levels, peak to peak
# Half a level for the cut to whole numbers; and Pillow looks colours up by multiples of 4, rounded down.
ROUNDING = 2.0


class GifEncoder:
    """A GIF that repeats for ever.

    The first frame's 255 colours serve until a frame comes whose worst 0.5 % of pixels they miss by 12 levels more than
    they did at first; that frame then brings its own. So colours hardly flicker, and still areas cost nothing.
    Times in a GIF are hundredths of a second: frames fall on the nearest, and keep the rate, or their own times, on
    average. Above 50 frames per second frames are left out, since viewers slow such files down. Of frames with alpha a
    pixel is seen or not.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: Fraction) -> None:
        height, width = size
        self._fps = fps
        self._count = 0
        self._last_time = -SHORTEST
        self._last_delay = round(TICKS / fps)
        self._waiting: av.Packet[VideoStream] | None = None
        self._palette: Palette | None = None
        self._container = av.open(str(path), "w", format="gif", container_options={"loop": "0"})
        stream = self._container.add_stream("gif", rate=TICKS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "pal8"
        stream.codec_context.time_base = Fraction(1, TICKS)
        self._stream = stream

    def write(self, frame: Pixels, time: Fraction | None = None, changed: Box | None = None) -> None:
        """Encode one frame."""
        tick = round((self._count / self._fps if time is None else time) * TICKS)
        self._count += 1
        if tick - self._last_time < SHORTEST:
            return
        self._last_time = tick
        seen = None
        if frame.shape[-1] == 4:
            seen, frame = frame[..., 3] >= HALF, bled(frame)[..., :3]
        if self._palette is None:
            self._palette = Palette(frame)
        indices = self._palette.indices(frame)
        if self._palette.misses(frame, indices):
            self._palette = Palette(frame)
            indices = self._palette.indices(frame)
        if seen is not None:
            indices = np.where(seen, indices, np.uint8(COLOURS))
        picture = VideoFrame.from_ndarray((indices, self._palette.argb), format="pal8")  # type: ignore[arg-type]
        picture.pts, picture.time_base = tick, Fraction(1, TICKS)
        self._mux(self._stream.encode(picture))

    def finish(self, end: Fraction | None = None) -> None:
        """Write the last frame and the trailer."""
        if end is not None:
            self._last_delay = round(end * TICKS) - self._last_time
        self._mux(self._stream.encode(None))
        self._hand_on()
        self._container.close()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        self._container.close()

    def _mux(self, packets: list[av.Packet[VideoStream]]) -> None:
        """Hand packets on, each when the next is there: only the last one's length is asked for, and known last."""
        for packet in packets:
            self._hand_on()
            self._waiting = packet

    def _hand_on(self) -> None:
        if self._waiting is not None:
            self._waiting.duration = max(SHORTEST, self._last_delay)
            self._container.mux_one(self._waiting)
            self._waiting = None


class Palette:
    """255 colours chosen for one frame, and an ordered dither as strong as they lie apart.

    argb: uint8 [256, 4]; the last one is transparent.
    """

    def __init__(self, frame: Pixels) -> None:
        sample = Image.fromarray(colour_sample(frame)[None])
        self._image = sample.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
        listed = np.array(self._image.getpalette("RGB"), np.uint8).reshape(-1, 3)[:COLOURS]
        self.argb: NDArray[np.uint8] = np.zeros((256, 4), np.uint8)
        self.argb[:COLOURS, 0] = 255
        self.argb[: len(listed), 1:] = listed
        self._noise = np.full((1, 1, 1), ROUNDING, np.float32)
        spacing = DITHER_PER_MISS * float(np.median(self._distance(frame, self.indices(frame))))
        self._noise = ordered_noise(*frame.shape[:2]) * np.clip(spacing, LEAST_DITHER, MOST_DITHER) + ROUNDING
        self._usual_miss = self._miss(frame, self.indices(frame))

    def indices(self, frame: Pixels) -> NDArray[np.uint8]:
        """The colour of each pixel of a dithered frame, [H, W]."""
        dithered = Image.fromarray(np.clip(frame + self._noise, 0, 255).astype(np.uint8))
        return np.asarray(dithered.quantize(palette=self._image, dither=Image.Dither.NONE))

    def misses(self, frame: Pixels, indices: NDArray[np.uint8]) -> bool:
        """Whether these colours are much poorer for a frame than for the one that they were chosen for."""
        return self._miss(frame, indices) > self._usual_miss + TOLERANCE

    def _miss(self, frame: Pixels, indices: NDArray[np.uint8]) -> float:
        distance = self._distance(frame, indices).ravel()
        place = int(TAIL * (distance.size - 1))
        return float(np.partition(distance, place)[place])

    def _distance(self, frame: Pixels, indices: NDArray[np.uint8]) -> NDArray[np.int16]:
        return np.abs(self.argb[indices, 1:].astype(np.int16) - frame).max(-1)


def colour_sample(frame: Pixels) -> Pixels:
    """Pixels [n, 3] in which each colour (to 5 bits) occurs as often as the root of its count in the frame.

    So that a palette keeps small things, such as lips, of a colour of their own.
    """
    pixels = frame.reshape(-1, 3)
    red, green, blue = (pixels >> 3).astype(np.int32).T
    names = (red << 10) | (green << 5) | blue
    order = np.argsort(names, kind="stable")
    _, starts, counts = np.unique(names[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(starts, counts)
    share = 1 / np.sqrt(np.repeat(counts, counts))
    return pixels[order[np.floor((rank + 1) * share) > np.floor(rank * share)]]


def ordered_noise(height: int, width: int) -> NDArray[np.float32]:
    """An 8x8 Bayer matrix laid over the frame, [height, width, 1], from -0.5 to 0.5."""
    matrix = np.zeros((1, 1))
    for _ in range(3):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    tiled = np.tile((matrix + 0.5) / 64 - 0.5, (-(-height // 8), -(-width // 8)))
    return tiled[:height, :width, None].astype(np.float32)
