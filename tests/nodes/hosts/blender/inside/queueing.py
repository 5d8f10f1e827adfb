"""The sequencer's queue inside Blender; with `kill` or `again` before the folder, killed in the middle or after it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
import sequencer
from checks import addon, main, refusal
from sequencer import FILES, movie, patient_session, select, strips

BLEND = FILES / "film.blend"
COUNT = 12


def prepare() -> None:
    sequencer.prepare()
    addon("queue_panel").forget()


def stills(count: int) -> list[Any]:
    return [
        strips().new_image(name=f"face {n}", filepath=str(FILES / "source.png"), channel=2 + n, frame_start=10)
        for n in range(count)
    ]


def queue() -> Any:
    return addon("queue_panel").queue_of(bpy.context.scene)


def results() -> list[Any]:
    return [strip for strip in strips() if strip.get("fomm")]


def check_many_stills_by_one_movie() -> None:
    some = stills(2)
    select(*some, movie(frames=2))
    assert bpy.ops.fomm.queue_add() == {"FINISHED"}
    assert [entry.state for entry in queue().entries] == ["done", "done"]
    assert len({strip.filepath for strip in results()}) == 2
    assert len({strip.channel for strip in results()}) == 2
    assert bpy.ops.fomm.queue_go_on() == {"FINISHED"}, "there is nothing left to do"
    assert len(results()) == 2
    bpy.ops.fomm.queue_clear()
    assert queue().entries == []


def check_one_still_by_many_movies() -> None:
    one = stills(1)
    select(*one, movie("talk", frames=2), movie("other", start=40, skip=9, frames=3))
    assert bpy.ops.fomm.queue_add() == {"FINISHED"}
    assert {strip.name for strip in results()} == {"face 0 as talk", "face 0 as other"}
    assert sorted(len(list(entry.made)) for entry in queue().entries) == [1, 1]


def check_what_fails_is_told_and_tried_again() -> dict[str, str]:
    bpy.ops.fomm.queue_clear()
    film = bpy.context.scene.fomm_strips
    film.model = "gone.safetensors"
    select(*stills(1), movie(frames=2))
    bpy.ops.fomm.queue_add()
    (entry,) = queue().entries
    assert entry.state == "failed"
    said = entry.message
    entry.graph["1"]["inputs"]["model"] = "demo-128 (built-in)"
    assert bpy.ops.fomm.queue_retry() == {"FINISHED"}
    assert queue().entries[0].state == "done"
    assert len(results()) == 1
    return {"said": said}


def check_cancelled_ones_are_left_out() -> None:
    bpy.ops.fomm.queue_clear()
    film = bpy.context.scene.fomm_strips
    film.size = "auto"
    select(*stills(2), movie(skip=0, frames=46))
    entries = addon("queue_panel")._entries(bpy.context.scene, queue())
    queue().add(entries)
    queue().cancel(entries[1:])
    look_after = addon("queue_panel").look_after

    def looks(at: Any) -> None:
        if entries[0].state == "running":
            at.cancel(entries[:1])
        look_after(at)

    addon("queue_panel").look_after = looks
    try:
        assert bpy.ops.fomm.queue_go_on() == {"FINISHED"}
    finally:
        addon("queue_panel").look_after = look_after
    assert [entry.state for entry in entries] == ["cancelled", "cancelled"]
    assert results() == []
    made = {path.stem for path in (FILES / "results").iterdir()}
    assert not made & {Path(entry.output).name for entry in entries}
    bpy.ops.fomm.queue_clear()


def check_refusals() -> dict[str, str]:
    select(*stills(2))
    return {"no movie": refusal(bpy.ops.fomm.queue_add)}


def killed_in_the_middle() -> None:
    """Ends by SIGKILL, as does the driver, once the third is there, and before it can be on record; the file was saved
    before the queue began.
    """
    sequencer.prepare()
    some = stills(COUNT)
    select(*some, movie(frames=2))
    bpy.context.scene.fomm_strips.folder = "//fomm/"
    bpy.ops.wm.save_as_mainfile(filepath=str(BLEND))
    threading.Thread(target=_kill_later, daemon=True).start()
    bpy.ops.fomm.queue_add()


def _kill_later() -> None:
    while len(list((FILES / "fomm").glob("*.mp4"))) < 3:
        pass
    (at,) = addon("queue_panel")._queues.values()
    os.kill(at._process.pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def reopened() -> None:
    """Another Blender, which does what is left."""
    sequencer.prepare()
    bpy.ops.wm.open_mainfile(filepath=str(BLEND))
    assert results() == []
    bpy.ops.fomm.queue_go_on()
    films = sorted(strip.filepath for strip in results())
    assert len(films) == len(set(films)) == COUNT, films
    assert {entry.state for entry in queue().entries} == {"done"}
    print("@@reopened", flush=True)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    patient_session()
    if sys.argv[1] == "kill":
        killed_in_the_middle()
    elif sys.argv[1] == "again":
        reopened()
    else:
        main(globals(), prepare)
