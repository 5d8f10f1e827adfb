"""Our saved workflows inside Blender, with models of each family: the same graph, another model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
from checks import ROOT, addon, main

FILES = Path(sys.argv[-1])


def prepare() -> None:
    if not hasattr(bpy.types, "FommTree"):
        addon().register()


def of_type(tree: Any, name: str) -> list[Any]:
    return [node for node in tree.nodes if node.bl_idname == f"FommNode_{name}"]


def told_of(workflow: str, model: str) -> dict[str, Any]:
    """Run a workflow with another model: frames and size of its video, and how many previews came."""
    tree = addon("canvas_import").read_tree(ROOT / "workflows" / f"{workflow}.json")
    (load,), (save,) = of_type(tree, "FOMM_LoadModel"), of_type(tree, "SaveVideo")
    load.w_model = model
    tree.w_output = str(FILES / f"{workflow}-{model}")
    assert bpy.ops.fomm.run(tree=tree.name) == {"FINISHED"}
    clip = addon("results").result_of(save)
    shown = [addon("results").result_of(node) for node in of_type(tree, "PreviewImage")]
    return {"frames": clip.frame_duration, "size": tuple(clip.size), "shown": len([one for one in shown if one])}


def check_each_family() -> dict[str, Any]:
    return {
        f"{workflow} {model}": told_of(workflow, model)
        for workflow in ("animate", "animate-step-by-step")
        for model in ("fomm.safetensors", "tps.safetensors", "mraa.safetensors")
    }


if __name__ == "__main__":
    main(globals(), prepare)
