"""The sequencer's queue: many stills by one movie, or one still by many; what is at work, and what became of it."""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path
from typing import Any

import bpy

from .paragraphs import paragraph
from .preferences import worker_settings
from .queued import CANCELLED, DONE, FAILED, RUNNING, WAITING, Entry, Queue
from .span import StripError
from .strip_choice import pairs
from .strip_inputs import strips_of
from .strip_results import file_of, place_from, place_to
from .strip_work import amiss, folder_for, output_for, prepare, show_files

TICK = 0.3
ICONS = {WAITING: "TIME", RUNNING: "PLAY", DONE: "CHECKMARK", FAILED: "ERROR", CANCELLED: "X"}
SHOWN = 12
"""Rows of the list."""

_queues: dict[Path, Queue] = {}
"""By folder; Blender gives no other place that lives as long as it does."""


def edited_scene(context: Any) -> Any:
    """The scene whose strips are seen."""
    return getattr(context, "sequencer_scene", None) or context.scene  # Blender 5 has both


def queue_of(scene: Any) -> Queue:
    """The queue of the folder that the scene's results go to, as an earlier Blender may have left it."""
    folder = folder_for(scene.fomm_strips.folder)
    if folder not in _queues:
        _queues[folder] = Queue.load(folder)
        _look_for_strips(_queues[folder])
    return _queues[folder]


def _look_for_strips(queue: Queue) -> None:
    """What was put on the timeline of a file that was not saved then is put there again."""
    lying: set[Path] = set()
    for scene in bpy.data.scenes:
        for strip in strips_of(scene.sequence_editor) if scene.sequence_editor is not None else ():
            if strip.type in ("MOVIE", "IMAGE"):
                lying.add(file_of(strip).resolve())
    for entry in queue.entries:
        if entry.state == DONE and entry.made:
            entry.shown = entry.shown and Path(entry.made[0]).resolve() in lying


def go_on(queue: Queue) -> None:
    """Begin what waits, and look after it from a timer."""
    from .session import SESSION

    queue.start(SESSION.settings or worker_settings(None))
    if not bpy.app.background and not bpy.app.timers.is_registered(_look):
        bpy.app.timers.register(_look, first_interval=TICK, persistent=True)


def _look() -> float | None:
    """A timer: until nothing is at work."""
    busy = False
    for queue in _queues.values():
        was = queue.running
        look_after(queue)
        busy = busy or queue.running
        if was and not queue.running:
            _notice(queue)
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "SEQUENCE_EDITOR":
                area.tag_redraw()
    return TICK if busy else None


def look_after(queue: Queue) -> None:
    """Hear of the queue, bring what is finished onto the timeline, and begin what was added meanwhile."""
    was = queue.running
    queue.poll()
    changed = False
    for entry in queue.entries:
        if entry.state == DONE and not entry.shown:
            _show(entry)
            changed = True
    if changed:
        queue.save()
    if was and not queue.running and not queue.problem:
        go_on(queue)


def _show(entry: Entry) -> None:
    entry.shown = True
    try:
        place = place_from(entry.place)
        strip = show_files([Path(path) for path in entry.made], place)
    except (KeyError, TypeError, ValueError, RuntimeError) as problem:
        entry.message = f"It could not be put on the timeline ({problem}): {entry.made[:1]}"
        return
    if strip is None:
        entry.message = f"Its scene is gone; the result is {entry.made[0]}"
    elif told := amiss(strip, place):
        entry.message = told.strip()


def summary(queue: Queue) -> str:
    """12 animations: 3 done, 1 failed, 8 left."""
    states = [entry.state for entry in queue.entries]
    parts = [f"{states.count(DONE)} done"]
    parts += [f"{states.count(state)} {state}" for state in (FAILED, CANCELLED) if state in states]
    parts += [f"{len(queue.left)} left"] if queue.left else []
    return f"{len(states)} in the queue: {', '.join(parts)}"


def _notice(queue: Queue) -> None:
    """A word at the end, wherever the user is by now."""
    words = queue.problem or summary(queue)
    bpy.context.window_manager.popup_menu(
        lambda menu, context: menu.layout.label(text=words), title="First Order Motion", icon="INFO"
    )


class _Operator(bpy.types.Operator):
    @classmethod
    def poll(cls, context: Any) -> bool:
        return edited_scene(context) is not None

    def wait(self: Any, queue: Queue) -> None:
        """Without a window there is no timer: to the end, as `Animate Still by Strip` does."""
        while bpy.app.background and queue.running:
            look_after(queue)
            time.sleep(TICK / 5)


class QueueAdd(_Operator):
    """Queue each selected still with each selected movie, and begin. The list goes on after a crash"""

    bl_idname = "fomm.queue_add"
    bl_label = "Add to Queue"

    def execute(self: Any, context: Any) -> set[str]:
        scene = edited_scene(context)
        queue = queue_of(scene)
        try:
            entries = _entries(scene, queue)
            queue.add(entries)
        except (StripError, OSError) as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        go_on(queue)
        self.wait(queue)
        self.report({"ERROR"} if queue.problem else {"INFO"}, queue.problem or summary(queue))
        return {"FINISHED"}


def _entries(scene: Any, queue: Queue) -> list[Entry]:
    promised = [Path(entry.output).name for entry in queue.entries]
    entries = []
    for source, driving in pairs(scene):
        name = uuid.uuid4().hex
        folder = queue.folder / ".fomm" / "inputs" / name
        folder.mkdir(parents=True)
        prepared = prepare(scene, source, driving, folder)
        with contextlib.suppress(OSError):
            folder.rmdir()  # most need no files of their own
        output = output_for(scene.fomm_strips.folder, prepared.stem, promised)
        promised.append(output.name)
        request = prepared.request
        files = {title: str(path) for title, path in request.files.items()}
        entries.append(Entry(name, prepared.title, dict(request.graph), files, str(output), place_to(prepared.place)))
    return entries


class QueueGoOn(_Operator):
    """Render what waits in the queue; what is done already is not done again"""

    bl_idname = "fomm.queue_go_on"
    bl_label = "Go On"

    def execute(self: Any, context: Any) -> set[str]:
        queue = queue_of(edited_scene(context))
        look_after(queue)  # what was finished while no Blender was there
        go_on(queue)
        self.wait(queue)
        self.report({"ERROR"} if queue.problem else {"INFO"}, queue.problem or summary(queue))
        return {"FINISHED"}


class QueueCancel(_Operator):
    """Cancel this animation, or all that wait and run"""

    bl_idname = "fomm.queue_cancel"
    bl_label = "Cancel"
    __annotations__ = {"entry": bpy.props.StringProperty(options={"SKIP_SAVE"})}

    def execute(self: Any, context: Any) -> set[str]:
        queue = queue_of(edited_scene(context))
        queue.cancel([entry for entry in queue.entries if self.entry in ("", entry.id)])
        return {"FINISHED"}


class QueueRetry(_Operator):
    """Try again what failed or was cancelled"""

    bl_idname = "fomm.queue_retry"
    bl_label = "Retry"
    __annotations__ = {"entry": bpy.props.StringProperty(options={"SKIP_SAVE"})}

    def execute(self: Any, context: Any) -> set[str]:
        queue = queue_of(edited_scene(context))
        queue.retry([entry for entry in queue.entries if self.entry in ("", entry.id)])
        go_on(queue)
        self.wait(queue)
        return {"FINISHED"}


class QueueClear(_Operator):
    """Take what has ended off the list; strips and files stay"""

    bl_idname = "fomm.queue_clear"
    bl_label = "Clear Finished"

    def execute(self: Any, context: Any) -> set[str]:
        queue_of(edited_scene(context)).clear()
        return {"FINISHED"}


class QueuePanel(bpy.types.Panel):
    """The list, in the sidebar of the sequencer."""

    bl_label = "Queue"
    bl_idname = "FOMM_PT_queue"
    bl_space_type = "SEQUENCE_EDITOR"
    bl_region_type = "UI"
    bl_category = "First Order Motion"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return edited_scene(context) is not None

    def draw(self: Any, context: Any) -> None:
        layout, queue = self.layout, queue_of(edited_scene(context))
        layout.operator(QueueAdd.bl_idname, icon="ADD")
        if queue.problem:
            paragraph(layout, queue.problem, context)
        if not queue.entries:
            return
        layout.label(text=summary(queue))
        column = layout.column(align=True)
        for entry in _seen(queue):
            _draw_entry(column, entry, context)
        row = layout.row(align=True)
        if not queue.running and queue.left:
            row.operator(QueueGoOn.bl_idname, icon="PLAY")
        if queue.left:
            row.operator(QueueCancel.bl_idname, text="Cancel All", icon="X")
        row = layout.row(align=True)
        if any(entry.state in (FAILED, CANCELLED) for entry in queue.entries):
            row.operator(QueueRetry.bl_idname, icon="FILE_REFRESH")
        row.operator(QueueClear.bl_idname, text="Clear", icon="TRASH")


def _seen(queue: Queue) -> list[Entry]:
    """What matters now comes first: at work, failed, next, then the last that were done."""
    order = {RUNNING: 0, FAILED: 1, WAITING: 2, CANCELLED: 3, DONE: 4}
    return sorted(queue.entries, key=lambda entry: order[entry.state])[:SHOWN]


def _draw_entry(column: Any, entry: Entry, context: Any) -> None:
    row = column.row(align=True)
    words = f"{entry.title}  {entry.share * 100:.0f} %" if entry.state == RUNNING else entry.title
    row.label(text=words, icon=ICONS[entry.state])
    if entry.state in (WAITING, RUNNING):
        row.operator(QueueCancel.bl_idname, text="", icon="X").entry = entry.id
    elif entry.state in (FAILED, CANCELLED):
        row.operator(QueueRetry.bl_idname, text="", icon="FILE_REFRESH").entry = entry.id
    if entry.message and entry.state != CANCELLED:
        paragraph(column, entry.message, context)


def forget(*_: Any) -> None:
    """End all processes; lists are read anew when they are asked for."""
    for queue in _queues.values():
        queue.close()
    _queues.clear()
    with contextlib.suppress(ValueError):
        bpy.app.timers.unregister(_look)


CLASSES = (QueueAdd, QueueGoOn, QueueCancel, QueueRetry, QueueClear, QueuePanel)
