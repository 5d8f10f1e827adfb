"""Pictures of the add-on in a real Blender window, for docs/blender.md, without a screen: Xvfb holds the window.

    python tools/blender_screenshots.py --worker .venv/bin/python --out docs/blender

Needs Blender 4.2 or newer, Xvfb, xdotool and ImageMagick's `import` (Debian 13: apt install blender xvfb xdotool
imagemagick).
`--worker` is a Python that has fomm-nodes. Also shows that Esc ends a run, and how soon.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SIZE = (1400, 860)
SECONDS = 400
NAME = "fomm_nodes"
Steps = Generator[float, None, None]


def main() -> None:
    """Start Blender on a screen of its own; the rest happens inside."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blender", default="blender", help="the program (default: the one on the path)")
    parser.add_argument("--worker", default=sys.executable, help="a Python that has fomm-nodes")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "blender", help="where the pictures go")
    parser.add_argument("--only", default="", help="names of the scenes to show, with commas: sequencer, nodes")
    arguments = parser.parse_args()
    for program in (arguments.blender, "xvfb-run", "xdotool", "import"):
        if shutil.which(program) is None:
            parser.error(f"{program} is not installed")
    arguments.out.mkdir(parents=True, exist_ok=True)
    screen = f"-screen 0 {SIZE[0]}x{SIZE[1]}x24"
    blender = [arguments.blender, "--factory-startup", "-noaudio", "--window-geometry", "0", "0", *map(str, SIZE)]
    blender += ["--app-template", "Video_Editing"]
    inner = [str(arguments.out.resolve()), arguments.only]
    environment = {**os.environ, "FOMM_PYTHON": arguments.worker, "LIBGL_ALWAYS_SOFTWARE": "1"}
    ran = subprocess.run(
        ["xvfb-run", "-a", "-s", screen, *blender, "--python", __file__, "--", *inner],
        env=environment,
        timeout=SECONDS,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = [line for line in ran.stdout.splitlines() if line.startswith(("screenshots:", "Traceback", "  File"))]
    print("\n".join(told))
    if "screenshots: done" not in told:
        print(ran.stdout[-3000:])
        raise SystemExit("the pictures were not finished")


class Stage:
    """Blender's window, seen from a timer."""

    def __init__(self, out: Path) -> None:
        import bpy

        self.bpy = bpy
        self.out = out
        self.window = bpy.context.window_manager.windows[0]

    def area(self, kind: str) -> Any:
        """The largest area of a kind."""
        areas = [area for area in self.window.screen.areas if area.type == kind]
        return max(areas, key=lambda area: area.width * area.height)

    def within(self, area: Any) -> Any:
        """A context for operators."""
        region = next(region for region in area.regions if region.type == "WINDOW")
        return self.bpy.context.temp_override(window=self.window, screen=self.window.screen, area=area, region=region)

    def show_sidebar(self, area: Any) -> None:
        area.spaces.active.show_region_ui = True

    def choose_tab(self, area: Any) -> None:
        """Ours, once the sidebar has been drawn."""
        next(region for region in area.regions if region.type == "UI").active_panel_category = "First Order Motion"

    def point(self, x: int, y: int) -> Steps:
        """Move the pointer, in Blender's coordinates: y from below."""
        self.xdotool("mousemove", str(x), str(SIZE[1] - y))
        yield 0.5

    def xdotool(self, *arguments: str) -> None:
        subprocess.run(["xdotool", *arguments], check=True)

    def shoot(self, name: str) -> None:
        target = self.out / f"{name}.jpg"
        subprocess.run(["import", "-window", "root", "-strip", "-quality", "88", str(target)], check=True)
        say(f"{target.name}: {target.stat().st_size // 1024} kB")


def say(text: str) -> None:
    print(f"screenshots: {text}", flush=True)


def part(name: str) -> Any:
    import importlib

    return importlib.import_module(f"{NAME}.nodes.hosts.blender.{name}")


def sequencer(stage: Stage) -> Steps:
    """Strips, the panel, the bar, Esc, the result."""
    bpy, area = stage.bpy, stage.area("SEQUENCE_EDITOR")
    scene = stage.window.scene
    scene.render.fps, scene.render.resolution_x, scene.render.resolution_y = 25, 512, 512
    scene.frame_start, scene.frame_end = 1, 60
    scene.view_settings.view_transform = "Standard"
    editor = scene.sequence_editor_create()
    strips = part("strip_inputs").strips_of(editor)
    talk = strips.new_movie(name="talk", filepath="//talk.mp4", channel=1, frame_start=5, fit_method="FIT")
    face = strips.new_image(name="portrait", filepath="//portrait.png", channel=2, frame_start=5, fit_method="FIT")
    face.frame_final_duration = 46
    for strip in (talk, face):
        strip.select = True
    editor.active_strip = talk
    stage.show_sidebar(area)
    yield 2.0
    stage.choose_tab(area)
    with stage.within(area):
        bpy.ops.sequencer.view_all()
    scene.frame_set(5)
    yield 2.0
    stage.shoot("sequencer")
    yield from run(stage, area, "sequencer-cancelled", cancel=True)
    yield from run(stage, area, "sequencer-progress", cancel=False)
    scene.frame_set(30)
    yield 2.0
    stage.shoot("sequencer-result")


def run(stage: Stage, area: Any, name: str, *, cancel: bool) -> Steps:
    progress = part("progress")
    with stage.within(area):
        stage.bpy.ops.fomm.animate_strips("INVOKE_DEFAULT")
    while (work := progress.running()) is not None and work.share < 0.4:
        yield 0.1
    if not cancel:
        yield 0.5  # until it is seen
        stage.shoot(name)
    else:
        work = progress.running()
        stage.xdotool("mousemove", str(SIZE[0] // 2), str(SIZE[1] // 2), "key", "Escape")
        while progress.running() is not None:
            yield 0.05
        alive = part("session").client().process is not None
        took = time.monotonic() - work.handle.cancelled_at
        say(f"the run ended {took:.2f} s after Blender heard Esc; the worker {'stays' if alive else 'ended'}")
    while progress.running() is not None:
        yield 0.2
    yield 0.5


def nodes(stage: Stage) -> Steps:
    """The example as a tree, the Add menu, a run, its result."""
    bpy = stage.bpy
    stage.window.scene.render.fps = 25
    area = stage.area("SEQUENCE_EDITOR")
    area.type = "NODE_EDITOR"
    area.spaces.active.tree_type = "FommTree"
    above = next(other for other in stage.window.screen.areas if other.type == "SEQUENCE_EDITOR")
    above.type = "IMAGE_EDITOR"
    with stage.within(area):
        bpy.ops.fomm.open_example()
    stage.show_sidebar(area)
    yield 1.0
    with stage.within(area):
        bpy.ops.screen.screen_full_area()
    yield 1.0
    full = stage.area("NODE_EDITOR")
    stage.choose_tab(full)
    with stage.within(full):
        bpy.ops.node.view_all()
        bpy.ops.node.select_all(action="DESELECT")
    yield 1.0
    with stage.within(full):
        if bpy.app.version >= (5, 0):  # which fills the editor, beneath the sidebar too
            bpy.ops.view2d.zoom_out()
            bpy.ops.view2d.pan(deltax=120)
        for _ in range(3 if bpy.app.version < (5, 0) else 0):
            bpy.ops.view2d.zoom_in()
    yield 2.0
    stage.shoot("nodes")
    yield from stage.point(SIZE[0] // 4, SIZE[1] * 3 // 4)
    with stage.within(full):
        bpy.ops.wm.call_menu(name="NODE_MT_add")
    yield 1.5
    stage.shoot("nodes-add")
    stage.xdotool("key", "Escape")
    yield 0.5
    with stage.within(full):
        bpy.ops.screen.back_to_previous()
    yield 1.0
    area = stage.area("NODE_EDITOR")
    with stage.within(area):
        bpy.ops.node.view_all()
    with stage.within(area):
        bpy.ops.fomm.run("INVOKE_DEFAULT")
    while (work := part("progress").running()) is not None and work.share < 0.7:
        yield 0.1
    stage.shoot("nodes-progress")
    while part("progress").running() is not None:
        yield 0.2
    yield 1.0
    stage.window.scene.frame_set(30)
    yield 2.0
    stage.shoot("nodes-result")


SCENES = {"sequencer": sequencer, "nodes": nodes}


def inside(out: Path, only: str) -> None:
    """In Blender: load the add-on, then play the scenes from a timer."""
    import importlib.util

    import bpy

    bpy.context.preferences.view.show_splash = False
    spec = importlib.util.spec_from_file_location(NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])
    sys.modules[NAME].register()

    film = Path(tempfile.mkdtemp(prefix="film-"))
    assets = ROOT / "fomm_core" / "assets"
    shutil.copy(assets / "driving.mp4", film / "talk.mp4")
    shutil.copy(assets / "source.png", film / "portrait.png")

    def play() -> Steps:
        yield 2.0
        bpy.ops.wm.save_as_mainfile(filepath=str(film / "film.blend"))  # so that names are short: //talk.mp4
        stage = Stage(out)
        for area in stage.window.screen.areas:
            if area.type == "FILE_BROWSER":  # shows folders of this machine
                area.type = "OUTLINER"
        for name in only.split(",") if only else SCENES:
            yield from SCENES[name](stage)
        say("done")

    steps = play()

    def tick() -> float | None:
        try:
            return next(steps)
        except BaseException as problem:
            if not isinstance(problem, StopIteration):
                import traceback

                traceback.print_exc()
        part("session").close()
        sys.stdout.flush()
        os._exit(0)

    bpy.app.timers.register(tick, first_interval=1.0, persistent=True)


if __name__ == "__main__":
    if "--" in sys.argv:
        inside(Path(sys.argv[sys.argv.index("--") + 1]), sys.argv[-1])
    else:
        main()
