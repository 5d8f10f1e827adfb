"""Set Up Worker inside Blender, with a list of one small wheel. The test names what it needs in the environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
from checks import addon, main, refusal

FILES = Path(sys.argv[-1])


def prepare() -> None:
    if not _ready:
        addon().register()
        _ready.append(True)
    ours = addon("environment").Plan(
        FILES / "own" / "worker", (str(FILES / "maker"),), pinned=FILES / "list.txt", needed=("fomm_small_thing",)
    )
    addon("environment").NEEDED_BYTES.update(cpu=1, cuda=1)
    addon("setting_up").plan = lambda: ours
    addon("setting_up").online = lambda: True
    for module in ("setting_up", "preferences"):
        addon(module).worker_folder = lambda: ours.folder
    for variable in ("FOMM_PYTHON", "VIRTUAL_ENV"):
        os.environ.pop(variable, None)


_ready: list[bool] = []


class Layout:
    """Notes what a panel shows."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: Layout(self.said)

    def label(self, text: str = "", **_: Any) -> None:
        self.said.append(text)

    def operator(self, name: str, text: str = "", **_: Any) -> Any:
        self.said.append(f"[{name} {text}]".strip())


def shown(*, always: bool) -> list[str]:
    said: list[str] = []
    preferences = SimpleNamespace(system=SimpleNamespace(ui_scale=1.0))
    context = SimpleNamespace(region=SimpleNamespace(width=2000), preferences=preferences)
    addon("setting_up").draw(Layout(said), context, always=always)
    return said


def check_from_nothing_and_back() -> None:
    session = addon("session")
    session.SESSION.settings = None
    assert any("[fomm.set_up Set Up Worker]" in line for line in shown(always=False))
    assert not bpy.ops.fomm.remove_worker.poll()
    assert bpy.ops.fomm.set_up() == {"FINISHED"}
    made = addon("environment").complete(FILES / "own" / "worker")
    assert made
    assert session.client().settings.python == made, "the next run takes it"
    assert shown(always=False) == []
    assert any("Repair" in line for line in shown(always=True))
    assert bpy.ops.fomm.remove_worker() == {"FINISHED"}
    assert list((FILES / "own").iterdir()) == []


def check_a_failure_is_told() -> dict[str, str]:
    (FILES / "list.txt").write_text("fomm-nothing-of-this-name==3.0\n")
    said = refusal(bpy.ops.fomm.set_up)
    setup = addon("setting_up").current()
    panel = shown(always=False)
    assert any("Repair" in line for line in panel)
    assert any("fomm.copy_report" in line for line in panel)
    return {"said": said, "report": setup.report}


def check_offline_is_respected() -> dict[str, str]:
    addon("setting_up").online = lambda: False
    return {"said": refusal(bpy.ops.fomm.set_up)}


if __name__ == "__main__":
    main(globals(), prepare)
