"""Where driving frames come from besides the page's own camera: a clip at its own pace, a camera of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import cv2

from ..fomm_core.errors import FommError, ImageError
from ..fomm_core.video import VideoReader
from ..fomm_core.video.pixels import Pixels

OnFrame = Callable[[Pixels], None]

LOST = 50
"""Reads without a frame after which a camera counts as gone."""


class Feed(Protocol):
    """Gives frames at their own pace."""

    name: str

    def frames(self, stop: threading.Event) -> Iterator[Pixels]:
        """Until `stop` is set, or there are no more; waits between them."""
        ...


class ClipFeed:
    """A clip at its own speed, from the start again when it ends where `loop`. Raises ImageError for what is none."""

    def __init__(self, path: Path, *, loop: bool) -> None:
        self.name, self._path, self._loop = path.name, path, loop
        with VideoReader(path):
            pass

    def frames(self, stop: threading.Event) -> Iterator[Pixels]:
        """Each frame at its time; late ones at once, so that the reader drops what it cannot use."""
        start = time.monotonic()
        while not stop.is_set():
            with VideoReader(self._path) as reader:
                for begins, frame in reader.timed():
                    if stop.wait(max(0.0, start + float(begins) - time.monotonic())):
                        return
                    yield frame
                assert reader.times is not None
                start += reader.times[-1] - reader.times[0]
            if not self._loop:
                return
            start = max(start, time.monotonic() - 1)


class CameraFeed:
    """A camera of this machine by its number. Raises FommError where there is none."""

    def __init__(self, number: int) -> None:
        self.name = f"camera {number}"
        self._camera = cv2.VideoCapture(number)
        if not self._camera.isOpened():
            self._camera.release()
            raise FommError(
                f"expected a camera of number {number}; none can be opened. Leave --camera out: the page then asks for "
                "the browser's camera."
            )

    def frames(self, stop: threading.Event) -> Iterator[Pixels]:
        """As they come."""
        missing = 0
        try:
            while not stop.is_set():
                there, frame = self._camera.read()
                if there:
                    missing = 0
                    yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)  # type: ignore[misc]
                    continue
                missing += 1
                if missing > LOST:
                    raise ImageError(f"expected frames of {self.name}; it gives none any more. Is it unplugged?")
                stop.wait(0.02)
        finally:
            self._camera.release()


def start_feed(feed: Feed, on_frame: OnFrame, on_end: Callable[[str], None], stop: threading.Event) -> threading.Thread:
    """Run a feed in a thread of its own. on_end: hears why it ended, "" for no reason."""

    def run() -> None:
        told = ""
        try:
            for frame in feed.frames(stop):
                on_frame(frame)
        except FommError as problem:
            told = str(problem)
        finally:
            on_end(told)

    thread = threading.Thread(target=run, name="fomm-feed", daemon=True)
    thread.start()
    return thread
