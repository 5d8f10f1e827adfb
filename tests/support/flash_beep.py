"""Clips in which a white flash and a beep of 1 kHz come together once a second, and where they come in any file.

    write_clip(path, steady(6, 25), gaps=[(1.8, 2.3)])       # any times, containers, codecs, offsets, gaps
    seen = measure(path)                                     # by the times at which a player shows and plays
    seen.check(seconds=6)                                    # each flash with its beep, each beep, all of the length

Clips happen in a world of which the file records a part: at BEAT, BEAT + 1, ... seconds it flashes and beeps. What is
measured counts from the first image that the file shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

BEAT = 1.0
"""Seconds of the first flash and beep; the others follow a second apart. All whole rates have an image then."""
LENGTH = 0.15
"""Seconds that a flash and a beep last."""
PITCH = 1000
IN_STEP = 0.045
"""Seconds by which image and sound may lie apart before viewers notice (ITU-R BT.1359: sound 45 ms early)."""
FAINT = 1e-3
"""Of brightness from 0 to 255, or loudness from 0 to 1: what varies by less neither flashes nor beeps."""
SIDE = 64
STILLS = (".gif", ".webp", ".png")
CODECS = {".webm": ("libvpx", "libopus"), ".avi": ("mpeg4", "pcm_s16le"), ".ts": ("libx264", "aac")}
QUICK = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "g": "25"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def steady(seconds: float, fps: float, start: float = 0) -> list[float]:
    """Times of frames at a constant rate, from `start` up to before `start + seconds`."""
    return [start + index / fps for index in range(math.ceil(seconds * fps - 1e-6))]


def beats(start: float, stop: float) -> list[float]:
    """When the world flashes and beeps within [start, stop)."""
    first = max(0, math.ceil(start - BEAT - 1e-9))
    return [BEAT + beat for beat in range(first, math.ceil(stop - BEAT - 1e-9))]


def lit(time: float) -> bool:
    """Whether an image of that time is white."""
    return (time - BEAT + 1e-6) % 1 < LENGTH and time > BEAT - 1e-6


def picture(time: float, *, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """uint8 [height, width, 3] of the world: white, or a grey disc that goes round on dark ground."""
    if lit(time):
        return np.full((height, width, 3), 255, np.uint8)
    rows, columns = np.mgrid[0:height, 0:width]
    angle = 2 * math.pi * time / 3
    away = np.hypot(rows - height * (0.5 + 0.2 * math.sin(angle)), columns - width * (0.5 + 0.2 * math.cos(angle)))
    return np.repeat((30 + 60 * (away < min(height, width) / 6)).astype(np.uint8)[..., None], 3, axis=2)


def sound(start: float, stop: float, rate: int) -> np.ndarray:
    """float32 [samples] of the world: beeps, nothing between."""
    times = start + np.arange(round((stop - start) * rate)) / rate
    since = np.where(times >= BEAT, (times - BEAT) % 1, 1.0)
    loud = np.clip(np.minimum(since, LENGTH - since) / 0.002, 0, 1)  # up and down within 2 ms: no clicks
    return (0.5 * loud * np.sin(2 * np.pi * PITCH * since)).astype(np.float32)


def write_clip(
    path: Path,
    times: Sequence[float] = (),
    *,
    hold: float | None = None,
    video: str | None = None,
    fps: Fraction | float | None = None,
    reordered: bool = False,
    options: dict[str, str] | None = None,
    height: int = SIDE,
    width: int = SIDE,
    audio: str | None = None,
    rate: int = 48_000,
    layout: str = "stereo",
    channel: int | None = None,
    sound_start: float | None = None,
    sound_stop: float | None = None,
    gaps: Iterable[tuple[float, float]] = (),
    jitter: float = 0,
    muxer: str | None = None,
) -> Path:
    """Record the world into a file of the kind that `path` ends in; GIF, WebP and PNG are silent, by Pillow.

    times: of the images, rising, in seconds of the world; none for sound alone. hold: seconds that the last one
        stands; as long as the one before by default.
    video, audio: encoders, by default what is usual in the container; "" for none. options: of the video encoder.
    fps: for encoders and containers that know no times (AVI, MPEG-4): images go to the nearest of its ticks.
    reordered: store images in another order than shown (B-frames).
    rate, layout: of the sound. channel: the only one that beeps; all do by default.
    sound_start, sound_stop: the part of the world that is heard; as long as the images by default.
    gaps: packets of sound within these times are missing, as Opus with DTX, or a call with a bad line, leaves them out.
    jitter: seconds by which the times of sound packets stray, evenly to both sides.
    """
    times = list(times)
    hold = hold if hold is not None else (times[-1] - times[-2] if len(times) > 1 else 0.04)
    if path.suffix in STILLS:
        return _write_stills(path, times, hold, height, width)
    usual = CODECS.get(path.suffix, ("libx264", "aac"))
    video, audio = usual[0] if video is None else video, usual[1] if audio is None else audio
    begin = sound_start if sound_start is not None else (times[0] if times else 0.0)
    end = sound_stop if sound_stop is not None else (times[-1] + hold if times else begin + 6)
    with av.open(str(path), "w", format=muxer) as container:
        pictures = None
        if video and times:
            tick = 1 / Fraction(fps).limit_denominator(1001) if fps else Fraction(1, 90_000)
            chosen = dict(QUICK.get(video, {}))
            if reordered and chosen.pop("tune", None):
                chosen |= {"bf": "3", "b-adapt": "0"}
            coder = container.add_stream(
                video, rate=round(1 / tick) if fps else 30, options={**chosen, **(options or {})}
            )
            coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
            coder.codec_context.time_base = tick
            if reordered and video != "libx264":
                coder.codec_context.max_b_frames = 2
            pictures = coder
        player = container.add_stream(audio, rate=rate, layout=layout) if audio and end > begin else None
        if player is not None and audio in ("opus", "vorbis", "dca"):
            player.codec_context.options = {"strict": "-2"}
        container.start_encoding()
        packets = [] if pictures is None else _picture_packets(pictures, times, hold, height, width)
        if player is not None:
            packets += _sound_packets(player, begin, end, channel, list(gaps), jitter)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux_one(packet)
    return path


def _picture_packets(
    stream: av.VideoStream, times: list[float], hold: float, height: int, width: int
) -> list[av.Packet]:
    tick = stream.codec_context.time_base
    packets: list[av.Packet] = []
    stamps = [round(time / tick) for time in times]
    assert stamps == sorted(set(stamps)), "each picture needs a time of its own, later than the one before"
    for time, stamp in zip(times, stamps, strict=True):
        frame = av.VideoFrame.from_ndarray(picture(time, height=height, width=width), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = stamp, tick
        packets += stream.encode(frame)
    packets += stream.encode(None)
    following = dict(zip(stamps, [*stamps[1:], stamps[-1] + round(hold / tick)], strict=True))
    for packet in packets:
        packet.duration = following[packet.pts] - packet.pts
    return packets


def _sound_packets(
    stream: av.AudioStream,
    start: float,
    stop: float,
    channel: int | None,
    gaps: list[tuple[float, float]],
    jitter: float,
) -> list[av.Packet]:
    context = stream.codec_context
    rate, count = context.sample_rate, context.layout.nb_channels
    one = sound(start, stop, rate)
    values = np.zeros((count, len(one)), np.float32)
    values[slice(None) if channel is None else channel] = one
    packed = np.ascontiguousarray(values.T).reshape(1, -1)  # PyAV stumbles over planes from 8 channels on
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=context.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(context.format, context.layout, rate, context.frame_size or 1024)
    first = round(start * rate)
    packets = []
    for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
        if piece is not None:
            piece.pts, piece.time_base = first, Fraction(1, rate)
            first += piece.samples
        packets += stream.encode(piece)
    strays = np.random.default_rng(0).uniform(-jitter, jitter, len(packets))
    kept = []
    for packet, stray in zip(packets, strays, strict=True):
        begin = float(packet.pts * packet.time_base)
        end = begin + float((packet.duration or 0) * packet.time_base)
        if not any(begin >= left and end <= right for left, right in gaps):
            packet.pts = packet.dts = packet.pts + (round(stray / packet.time_base) if kept else 0)
            kept.append(packet)
    return kept


def _write_stills(path: Path, times: list[float], hold: float, height: int, width: int) -> Path:
    """Pillow joins equal images that follow each other, and adds their times."""
    delays = [
        round(1000 * (following - time)) for time, following in zip(times, [*times[1:], times[-1] + hold], strict=True)
    ]
    first, *others = (Image.fromarray(picture(time, height=height, width=width)) for time in times)
    first.save(path, save_all=True, append_images=others, duration=delays, loop=0, lossless=True)
    return path


@dataclass(frozen=True)
class Seen:
    """When a file flashes and beeps, in seconds from its first image (from 0 in sound alone).

    seconds: how long its images last, the last one included where the file says how long it stands. sound: from when
    to when there is sound, silence included; None without a track. frames: how many images; size: (height, width).
    """

    flashes: tuple[float, ...]
    beeps: tuple[float, ...]
    seconds: float
    sound: tuple[float, float] | None
    frames: int
    size: tuple[int, int]

    def check(
        self,
        *,
        seconds: float | None = None,
        flashes: Sequence[float] | None = None,
        beeps: Sequence[float] | None = None,
        within: float = IN_STEP,
        sound_within: float | None = None,
    ) -> None:
        """Assert that flashes and beeps are these, all of them and no other (or just that each flash has its beep), and
        that images last `seconds`, to within a picture's time.

        sound_within: for the beeps, where they are to be more exact than `within`.
        """
        if flashes is not None:
            _same("flash", self.flashes, flashes, within)
        if beeps is not None:
            _same("beep", self.beeps, beeps, sound_within or within)
        if flashes is None and beeps is None:
            assert self.flashes, "no flash was seen"
            _same("beep for each flash", self.beeps, self.flashes, within)
        if seconds is not None:
            slack = max(within, 1.5 * self.seconds / max(self.frames, 1))
            assert abs(self.seconds - seconds) <= slack, f"expected {seconds} s of pictures; got {self.seconds:.3f}"


def _same(what: str, got: Sequence[float], wanted: Sequence[float], within: float) -> None:
    shown = f"wanted {[round(time, 3) for time in wanted]}, got {[round(time, 3) for time in got]}"
    assert len(got) == len(wanted), f"{what}: {shown}"
    worst = max((abs(a - b) for a, b in zip(got, wanted, strict=True)), default=0.0)
    assert worst <= within, f"{what} {1000 * worst:.0f} ms aside (at most {1000 * within:.0f}): {shown}"


def measure(path: Path, column: tuple[float, float] = (0, 1), *, track: int = 0) -> Seen:
    """Look at a file and listen to it, by the presentation times of its frames.

    column: the part of the picture's width to look at: (1/3, 2/3) is the driving clip in a comparison of three.
    track: the sound track to hear.
    """
    with av.open(str(path)) as container:
        has_pictures, has_sound = bool(container.streams.video), len(container.streams.audio) > track
    shown = _pictures(path, column) if has_pictures else None
    origin = float(shown.times[0]) if shown else 0.0
    flashes = tuple(float(time - origin) for time in _rising(shown.times, shown.bright)) if shown else ()
    heard = hear(path, track) if has_sound else None
    return Seen(
        flashes=flashes,
        beeps=() if heard is None else tuple(float(time - origin) for time in heard.beeps()),
        seconds=shown.end - origin if shown else 0.0,
        sound=None if heard is None else (heard.start - origin, heard.stop - origin),
        frames=len(shown.times) if shown else 0,
        size=shown.size if shown else (0, 0),
    )


@dataclass(frozen=True)
class Heard:
    """Sound on a file's own clock. values: float64 [channels, samples] from `start` seconds on; 0 where none is."""

    values: np.ndarray
    rate: int
    start: float
    layout: str

    @property
    def stop(self) -> float:
        """When the sound ends, in seconds."""
        return self.start + self.values.shape[1] / self.rate

    def beeps(self) -> list[float]:
        """When beeps begin: where the tone of 1 kHz has half of its loudness."""
        return beeps_in(self.values, self.rate, self.start)


def beeps_in(values: np.ndarray, rate: int, start: float = 0) -> list[float]:
    """When beeps begin in sound [channels, samples] whose first sample is heard at `start` seconds."""
    values = np.atleast_2d(np.asarray(values, np.float64))
    window = max(1, round(4 * rate / PITCH))  # 4 ms: whole periods, so that the envelope does not ripple
    wave = np.exp(-2j * np.pi * PITCH * np.arange(values.shape[1]) / rate)
    sums = np.cumsum(np.pad(values * wave, ((0, 0), (window, 0))), axis=1)
    loud = np.sqrt(
        (np.abs((sums[:, window:] - sums[:, :-window]) / window) ** 2).sum(0)
    )  # of the window that ends here
    if not loud.size or loud.max() < 0.01:
        return []
    times = start + (np.arange(len(loud)) - window / 2 + 0.5) / rate
    # Half of the ramp is over 1 ms after the begin. A beep with a crack in it (times in ms, as Matroska's) is one.
    return [time - 0.001 for time in _rising(times, loud, joined=LENGTH / 2)]


def hear(path: Path, track: int = 0) -> Heard:
    """All sound of a track, each decoded frame put where its own time says."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        parts: list[tuple[float, np.ndarray]] = []
        rate, layout = stream.codec_context.sample_rate, stream.codec_context.layout.name
        for packet in container.demux(stream):
            for frame in _decoded(packet):
                converted = av.AudioResampler("flt", frame.layout, frame.sample_rate).resample(frame)
                begin = float(frame.pts * frame.time_base)
                parts += [(begin, piece.to_ndarray().reshape(piece.samples, -1).T) for piece in converted]
                rate, layout = frame.sample_rate, frame.layout.name
    if not parts:
        return Heard(np.zeros((1, 0)), rate, 0.0, layout)
    first = parts[0][0]
    stop = max(round((time - first) * rate) + part.shape[1] for time, part in parts)
    values = np.zeros((max(len(part) for _, part in parts), stop))
    for time, part in parts:
        place = round((time - first) * rate)
        skipped = max(0, -place)
        values[: len(part), place + skipped : place + part.shape[1]] = part[:, skipped:]
    return Heard(values, rate, first, layout)


@dataclass(frozen=True)
class _Shown:
    times: np.ndarray
    bright: np.ndarray
    end: float
    size: tuple[int, int]


def _pictures(path: Path, column: tuple[float, float]) -> _Shown:
    """Time and brightness of each image, in the middle of the given part of it."""
    if path.suffix in STILLS:
        return _stills(path, column)
    times, bright = [], []
    size = (0, 0)
    end = 0.0
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        stream.thread_type = "SLICE"  # frame threads lose more frames than are damaged
        for packet in container.demux(stream):
            for frame in _decoded(packet):
                untimed = (times[-1] if times else 0.0) + float(1 / (stream.average_rate or 25))  # a bare stream
                times.append(untimed if frame.pts is None else float(frame.pts * frame.time_base))
                bright.append(_brightness(frame.to_ndarray(format="gray"), column))
                size = frame.height, frame.width
                last = float((frame.duration or 0) * frame.time_base)
                end = times[-1] + (last or (times[-1] - times[-2] if len(times) > 1 else 0.0))
    return _Shown(np.array(times), np.array(bright), end, size)


def _decoded(packet: av.Packet) -> list:
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def _stills(path: Path, column: tuple[float, float]) -> _Shown:
    times, bright, now = [], [], 0.0
    with Image.open(path) as animation:
        for index in range(getattr(animation, "n_frames", 1)):
            animation.seek(index)
            animation.load()
            times.append(now)
            bright.append(_brightness(np.asarray(animation.convert("L")), column))
            now += animation.info.get("duration", 0) / 1000
        return _Shown(np.array(times), np.array(bright), now, (animation.height, animation.width))


def _brightness(grey: np.ndarray, column: tuple[float, float]) -> float:
    height, width = grey.shape
    left, right = (round(edge * width) for edge in column)
    aside = (right - left) // 4
    return float(grey[height // 4 : height - height // 4, left + aside : max(left + aside + 1, right - aside)].mean())


def _rising(times: np.ndarray, values: np.ndarray, joined: float = 0.0) -> list[float]:
    """The times at which values come above the middle between their least and their greatest.

    joined: seconds for which they may fall below it without that ending what has begun.
    """
    if len(values) == 0 or values.max() - values.min() < FAINT:
        return []
    high = np.flatnonzero(values > (values.min() + values.max()) / 2)
    fresh = np.concatenate([[True], (np.diff(high) > 1) & (np.diff(times[high]) > joined)])
    return [float(times[index]) for index in high[fresh]]
