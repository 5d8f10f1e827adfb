"""Wall time of a frame: frames side by side, as a session computes them, all threads on one frame at a time, and one
thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, Keypoints, drive
from fomm_nodes.fomm_core.team import shares

from .speed import example

FRAMES = 12


def measure(*, rounds: int, size: int, threads: int, trained: bool) -> None:
    """Print the table. `trained` takes the built-in model in place of random weights of the published size."""
    torch.set_num_threads(threads)
    model, picture, clip = example(size, trained=trained)
    session = AnimationSession(model)
    source = session.prepare(picture)
    frames = clip[:FRAMES]
    detected = session.detect(frames)
    driven = drive(source.keypoints, detected, AnimationOptions())

    def render(keypoints: Keypoints) -> None:
        for _ in session.render(source, keypoints):
            pass

    def one_by_one() -> None:
        for index, frame in enumerate(frames):
            session.detect(frame)
            render(driven[index])

    def side_by_side() -> None:
        session.detect(frames)
        render(driven)

    def one_thread() -> None:
        torch.set_num_threads(1)
        side_by_side()
        torch.set_num_threads(threads)

    ways: dict[str, Callable[[], None]] = {
        "one thread": one_thread,
        "one frame at a time": one_by_one,
        "side by side": side_by_side,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for index in range(rounds + 1):
        for name, work in ways.items():
            began = time.perf_counter()
            work()
            if index:
                seconds[name].append((time.perf_counter() - began) / FRAMES)
    members, each = shares(threads)
    print(f"{model.name}, {size}x{size}, float32, {threads} threads: {members} frames at once, {each} thread(s) each")
    base = statistics.median(seconds["one thread"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name:<20}{median:>8.3f} s/frame{base / median:>8.2f}x")
