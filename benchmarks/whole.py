"""Whole photographs: what `fomm animate` costs beside its networks, against decoding and encoding alone; peak memory.

Decoding and encoding alone: the same clip is read, and as many frames of the same kind as the result's are written, by
the same reader and writer. Both in processes of their own, one second of the machine each in turn; CPU time of all
their threads. Of `fomm animate`, the time that its thread spends in networks (of the model and of faces) is taken off.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image, write_image

from .processes import run, run_in_turns

HEIGHT, WIDTH = 1080, 1920
HELD = 48
"""Frames of the result that are written over and over, forwards and backwards, where they are encoded alone."""

ANIMATE = """
import time
from fomm_nodes.fomm_core import AnimationSession, load_builtin, load_model
from fomm_nodes.fomm_core.faces import networks
from fomm_nodes.fomm_core.options import FileOptions
from fomm_nodes.fomm_core.pipeline import animate_files
model, picture, clip, result = sys.argv[1:]
in_networks = [0.0]
def timed(call):
    def wrapped(*arguments, **named):
        began = time.thread_time()
        try:
            return call(*arguments, **named)
        finally:
            in_networks[0] += time.thread_time() - began
    return wrapped
for part in (networks.FaceDetector, networks.FaceMesh, networks.EyeContours):
    part.forward = timed(part.forward)
for name in ("prepare", "_detect", "_render"):
    setattr(AnimationSession, name, timed(getattr(AnimationSession, name)))
session = AnimationSession(load_builtin() if model == "demo" else load_model(model))
began, from_second = time.process_time(), time.perf_counter()
report = animate_files(session, picture, clip, result, FileOptions(overwrite=True))
print("from", from_second)
print("to", time.perf_counter())
print("cpu", time.process_time() - began, in_networks[0], report.frames)
print("said", report.found)
"""

ALONE = """
import time
from itertools import islice
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
clip, shown, result, count = sys.argv[1:]
with VideoReader(shown) as reader:
    held = list(islice(reader, int(count)))
held += held[-2:0:-1]
began, from_second = time.process_time(), time.perf_counter()
with VideoReader(clip) as reader, VideoWriter(result, fps=reader.info.fps) as writer:
    for number, frame in enumerate(reader):
        writer.write(held[number % len(held)])
print("from", from_second)
print("to", time.perf_counter())
print("cpu", time.process_time() - began)
"""

TRACK = """
import statistics, time
from fomm_nodes.fomm_core.faces import FaceTracker
from fomm_nodes.fomm_core.video import VideoReader
clip, count = sys.argv[1:]
tracker, spent = FaceTracker(), []
with VideoReader(clip, length=int(count)) as reader:
    for frame in reader.stored():
        began = time.process_time()
        tracker.add(frame)
        spent.append(1e3 * (time.process_time() - began))
tenth = statistics.quantiles(spent, n=10)
print(f"ms {statistics.median(spent):.1f} ms a frame (median), {tenth[0]:.1f} to {tenth[-1]:.1f} (deciles); "
      f"{tracker.finish().summary()}")
"""


def measure(*, frames: int, rounds: int, threads: int, model: str, picture: Path | None, clip: Path | None) -> None:
    """Print both figures of each round, and the peak."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        photo = picture or example_photo(here / "photo.png")
        driving = str(clip if clip and _has_the_size(clip) else driving_clip(here / "clip.mp4", frames, clip))
        short = str(driving_clip(here / "short.mp4", HELD, clip))
        shown, result, alone = (str(here / name) for name in ("shown.mp4", "result.mp4", "alone.mp4"))
        print(_said(run([model, str(photo), short, shown], threads=threads, work=ANIMATE).printed, "said"), flush=True)
        ratios = []
        for _ in range(rounds):
            whole, codec = run_in_turns(
                ([model, str(photo), driving, result], ANIMATE),
                ([driving, shown, alone, str(HELD)], ALONE),
                threads=threads,
            )
            spent, in_networks, count = (float(number) for number in _said(whole.printed, "cpu").split())
            both = float(_said(codec.printed, "cpu"))
            ratios.append((spent - in_networks) / both)
            beside, alone_ms, ours = (1e3 * part / count for part in (spent - in_networks, both, in_networks))
            print(
                f"{count:.0f} frames of {WIDTH}x{HEIGHT}, a frame: {beside:.1f} ms beside the networks, {alone_ms:.1f} "
                f"ms for decoding and encoding alone: {ratios[-1]:.3f}x; networks {ours:.1f} ms; "
                f"peak {whole.peak:.0f} MiB",
                flush=True,
            )
        print(f"CPU time beside the networks: {sorted(ratios)[len(ratios) // 2]:.3f}x of decoding and encoding alone")


def measure_tracking(*, frames: int, rounds: int, threads: int, clip: Path | None) -> None:
    """Print the median CPU time of following a face through frames of 1920x1080, decoding aside."""
    with tempfile.TemporaryDirectory() as folder:
        driving = str(clip if clip and _has_the_size(clip) else driving_clip(Path(folder) / "clip.mp4", frames, clip))
        for _ in range(rounds):
            ran = run([driving, str(frames)], threads=threads, work=TRACK)
            print(_said(ran.printed, "ms"), flush=True)


def example_photo(path: Path) -> Path:
    """1920x1080, with the example's face in 300 pixels at the right."""
    photo = _ground()
    face = cv2.resize(read_image(ASSETS / "source.png"), (300, 300), interpolation=cv2.INTER_AREA)
    photo[240:540, 1380:1680] = face
    write_image(path, photo)
    return path


def driving_clip(path: Path, frames: int, clip: Path | None) -> Path:
    """So many frames of a clip, over and over, at 1920x1080; where none is given, the example's before a noisy wall."""
    noise = np.random.default_rng(0)
    with VideoReader(clip or ASSETS / "driving.mp4") as reader, VideoWriter(path, fps=reader.info.fps) as writer:
        left = iter(reader)
        for _ in range(frames):
            if (frame := next(left, None)) is None:
                left = iter(reader)
                frame = next(left)
            if clip is None:
                grain = noise.integers(-3, 4, (HEIGHT, WIDTH, 1), np.int16)
                wall = np.clip(_ground() + grain, 0, 255).astype(np.uint8)
                wall[200:840, 500:1140] = cv2.resize(frame, (640, 640), interpolation=cv2.INTER_CUBIC)
                frame = wall
            elif frame.shape[:2] != (HEIGHT, WIDTH):
                frame = np.asarray(cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
            writer.write(frame)
    return path


def _has_the_size(clip: Path) -> bool:
    with VideoReader(clip) as reader:
        return (reader.info.height, reader.info.width) == (HEIGHT, WIDTH)


def _ground() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([60 + x / 24, 90 + y / 18, 120 + (x + y) / 50], -1).astype(np.uint8)


def _said(printed: list[str], what: str) -> str:
    return next(line.removeprefix(what + " ") for line in printed if line.startswith(what + " "))
