"""An operator that hands a graph to the worker, shows in the header how far it is, and ends when the graph has. Esc
cancels. Without a window it waits instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from . import strip_preview
from .client import Client, Failure, Handle, Progress, Result
from .results import remove_preview, show_preview
from .session import client

LOOK_SECONDS = 0.1
HEADERS = ("SEQUENCER_HT_header", "NODE_HT_header", "IMAGE_HT_header")
NARROW = 900
"""Pixels of a header that has room for few words."""

SURE_SECONDS = 2.0
"""Of work, before its end is foretold."""

SPACES = ("SEQUENCE_EDITOR", "NODE_EDITOR", "IMAGE_EDITOR")


@dataclass
class Pace:
    """How fast the node at work is, to tell how long it still takes."""

    node: str = ""
    began: float = 0.0
    first: float = 0.0

    def left(self, node: str, share: float, now: float | None = None) -> float | None:
        """Seconds; None as long as too little is known."""
        now = time.monotonic() if now is None else now
        if node != self.node or share < self.first:
            self.node, self.began, self.first = node, now, share
        took, done = now - self.began, share - self.first
        return None if took < SURE_SECONDS or done <= 0 else took * (1 - share) / done


def frame_of(progress: Progress, frames: int) -> int | None:
    """Which frame of the clip is being made; None before that: work of as many steps as there are frames may come
    first, such as finding keypoints.
    """
    if not frames or progress.total % frames or progress.done <= progress.total - frames:
        return None
    return progress.done - (progress.total - frames)


def in_words(seconds: float) -> str:
    """8 s, 3 min, 1 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@dataclass(eq=False)
class Run:
    """A graph at work, or done: then `result` or `failure` says how it ended. frames: of the clip, if it is known."""

    title: str
    handle: Handle | None = None
    result: Result | None = None
    failure: Failure | None = None
    frames: int = 0
    pace: Pace = field(default_factory=Pace)

    @property
    def share(self) -> float:
        """0..1 of the node at work."""
        progress = self.handle.progress if self.handle else None
        return min(1.0, progress.done / progress.total) if progress and progress.total else 0.0

    @property
    def words(self) -> str:
        """What is done at the moment."""
        if self.handle is not None and self.handle.cancelled_at is not None:
            return "Cancelling"
        progress = self.handle.progress if self.handle else None
        if progress is None or not progress.node:
            return "Starting the worker"
        return f"{progress.node} {self.short}"

    @property
    def short(self) -> str:
        """The same in a few words: 12 of 46 frames, 8 s left; the percentage before frames are made; nothing without
        steps.
        """
        progress = self.handle.progress if self.handle and self.handle.cancelled_at is None else None
        if progress is None or not progress.total:
            return ""
        frame = frame_of(progress, self.frames)
        told = f"{frame} of {self.frames} frames" if frame is not None else f"{round(self.share * 100)} %"
        left = self.pace.left(progress.node, self.share)
        return told if left is None else f"{told}, {in_words(left)} left"

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.result is not None or self.failure is not None

    def finish(self, result: Result) -> None:
        """It went well."""
        self.result = result

    def fail(self, failure: Failure) -> None:
        """It did not."""
        self.failure = failure


_running: list[Run] = []


def running() -> Run | None:
    """What the header shows."""
    return _running[-1] if _running else None


class RunsGraph:
    """Mixed into an operator. It defines `begin`, which calls `start`, and `finish`."""

    def begin(self, context: Any) -> Run:
        """Prepare and submit; a ValueError's words are what the user sees."""
        raise NotImplementedError

    def finish(self, context: Any, result: Result) -> str:
        """Use the result; returns what to tell the user."""
        raise NotImplementedError

    def failed(self, context: Any, failure: Failure) -> None:
        """It did not go well; the user hears why in any case."""

    def start(
        self,
        title: str,
        graph: Mapping[str, Any],
        output: Path,
        files: Mapping[str, Path],
        frames: int = 0,
    ) -> Run:
        """Submit a graph to the worker. frames: of the clip that it makes, if that is known."""
        run = Run(title, frames=frames)
        run.handle = client().submit(graph, output=output, files=files, on_done=run.finish, on_error=run.fail)
        _running.append(run)
        return run

    def execute(self, context: Any) -> set[str]:
        """Run to the end; Blender stands still meanwhile."""
        try:
            run = self.begin(context)
        except ValueError as problem:
            return self._say_no(str(problem))
        try:
            _wait(client(), lambda: run.ended)
        finally:
            _running.remove(run)
        return self._end(context, run)

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Run beside everything else; without a window as `execute`."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        if running() is not None:
            return self._say_no("another graph is at work. Wait for it, or cancel it (Esc).")
        try:
            self._run, self._shown = self.begin(context), Progress()
        except ValueError as problem:
            return self._say_no(str(problem))
        self._timer = context.window_manager.event_timer_add(LOOK_SECONDS, window=context.window)
        context.window_manager.modal_handler_add(self)
        strip_preview.begin()
        _redraw(context)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        """Look after the worker; Esc cancels unless it ends playback, everything else stays the user's."""
        if event.type == "ESC" and event.value == "PRESS" and not _plays(context):
            assert self._run.handle is not None
            self._run.handle.cancel()
            return {"RUNNING_MODAL"}
        if event.type == "TIMER":
            client().poll()
            self._show(context)
            _redraw(context)
            if self._run.ended:
                self._leave(context)
                return self._end(context, self._run)
        return {"PASS_THROUGH"}

    def cancel(self, context: Any) -> None:
        """Blender ends the operator: another file is opened, or the window closes."""
        if self._run.handle is not None:
            self._run.handle.cancel()
            client().poll()  # tells the worker; its answer is heard by the next run
        self._leave(context)

    def _show(self, context: Any) -> None:
        """The image at work, when there is a new one."""
        told = self._run.handle.progress if self._run.handle else None
        if told is not None and told.preview is not None and told != self._shown and told.preview.is_file():
            self._shown = told
            show_preview(told.preview, context)

    def _leave(self, context: Any) -> None:
        strip_preview.end()
        remove_preview()
        context.window_manager.event_timer_remove(self._timer)
        if self._run in _running:
            _running.remove(self._run)
        _redraw(context)

    def _end(self, context: Any, run: Run) -> set[str]:
        if run.result is None:
            assert run.failure is not None
            if run.failure.cancelled:
                self.report({"INFO"}, "Cancelled")  # type: ignore[attr-defined]
                return {"CANCELLED"}
            self.failed(context, run.failure)
            return self._say_no(run.failure.message)
        self.report({"INFO"}, self.finish(context, run.result))  # type: ignore[attr-defined]
        return {"FINISHED"}

    def _say_no(self, message: str) -> set[str]:
        self.report({"ERROR"}, message)  # type: ignore[attr-defined]
        return {"CANCELLED"}


class FOMM_OT_cancel(bpy.types.Operator):
    """End the graph at work; nothing of it is kept"""

    bl_idname = "fomm.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return running() is not None

    def execute(self, context: Any) -> set[str]:
        run = running()
        if run is not None and run.handle is not None:
            run.handle.cancel()
        return {"FINISHED"}


def draw_progress(header: Any, context: Any) -> None:
    """The bar in a header."""
    run = running()
    if run is None:
        return
    row = header.layout.row(align=True)
    narrow = context.region is not None and context.region.width < NARROW * context.preferences.system.ui_scale
    text = (run.short or run.words) if narrow else f"{run.title}: {run.words}"
    if hasattr(row, "progress"):  # Blender 4
        row.ui_units_x = 9 if narrow else 20
        row.progress(factor=run.share, text=text)
    else:
        full = round(run.share * 20)
        row.label(text=text if narrow else f"{run.title}: {'█' * full}{'░' * (20 - full)} {run.words}")
    row.operator(FOMM_OT_cancel.bl_idname, text="", icon="X")


def _wait(worker: Client, ended: Callable[[], bool]) -> None:
    while not ended():
        worker.poll()
        time.sleep(LOOK_SECONDS / 5)


def _plays(context: Any) -> bool:
    """Whether Esc is for an animation that plays."""
    return any(window.screen.is_animation_playing for window in context.window_manager.windows)


def _redraw(context: Any) -> None:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in SPACES:
                area.tag_redraw()


def register() -> None:
    """Add the operator and the bar."""
    bpy.utils.register_class(FOMM_OT_cancel)
    for name in HEADERS:
        getattr(bpy.types, name).prepend(draw_progress)  # what stands at the end of a narrow header is cut off


def unregister() -> None:
    """Take them away again."""
    strip_preview.end()
    for name in HEADERS:
        getattr(bpy.types, name).remove(draw_progress)
    bpy.utils.unregister_class(FOMM_OT_cancel)
