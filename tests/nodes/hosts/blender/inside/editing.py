"""Trees as people change them, inside Blender: groups, copies, takes, files that are gone."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
from checks import addon, main, refusal

FILES = Path(sys.argv[-1])
SESSION = "session"


def prepare() -> None:
    if not _ready:
        addon().register()
        settings = addon("client").Settings(os.environ["FOMM_PYTHON"], device="cpu", silent_seconds=120.0)
        addon(SESSION).SESSION.settings = settings
        _ready.append(True)


_ready: list[bool] = []


def new_tree(name: str = "Tree") -> Any:
    tree = bpy.data.node_groups.new(name, "FommTree")
    tree.w_output = str(FILES / "out")
    return tree


def add(tree: Any, block: str, **values: Any) -> Any:
    node = tree.nodes.new(f"FommNode_{block}")
    for name, value in values.items():
        setattr(node, f"w_{name}", value)
    return node


def graph_of(tree: Any) -> Any:
    return addon("api_export").api_graph(tree)


def chain(tree: Any, *blocks: str) -> list[Any]:
    """Blocks one after the other, by their first sockets."""
    nodes = [add(tree, block) for block in blocks]
    for before, after in itertools.pairwise(nodes):
        tree.links.new(before.outputs[0], after.inputs[0])
    return nodes


def make_group(tree: Any, *nodes: Any) -> Any:
    return addon("grouping").make_group(tree, list(nodes))


def wired(graph: Any, kind: str) -> list[str]:
    """The classes that feed each other, from the first output back to the source, along the first wire of each."""
    at = next(entry for entry in graph.values() if entry["class_type"] == kind)
    classes = [kind]
    while wires := [value for value in at["inputs"].values() if isinstance(value, list)]:
        at = graph[wires[0][0]]
        classes.append(at["class_type"])
    return classes


def check_a_node_that_is_added_inside_a_group_runs() -> None:
    tree = new_tree()
    example, _ = chain(tree, "FOMM_LoadExample", "PreviewImage")
    inner = make_group(tree, example).node_tree
    invert = add(inner, "ImageInvert")
    end = next(node for node in inner.nodes if node.bl_idname == "NodeGroupOutput")
    old = end.inputs[0].links[0]
    inner.links.new(old.from_socket, invert.inputs[0])
    inner.links.new(invert.outputs[0], end.inputs[0])
    assert wired(graph_of(tree), "PreviewImage") == ["PreviewImage", "ImageInvert", "FOMM_LoadExample"]
    assert bpy.ops.fomm.run(tree=tree.name) == {"FINISHED"}


def check_groups_nest_by_hand() -> None:
    tree = new_tree()
    inner = new_tree("inner")
    end = inner.nodes.new("NodeGroupOutput")
    inner.interface.new_socket("image", in_out="OUTPUT", description="IMAGE")
    inner.links.new(add(inner, "FOMM_LoadExample").outputs[0], end.inputs[0])
    middle = new_tree("middle")
    middle.interface.new_socket("image", in_out="OUTPUT", description="IMAGE")
    holder = middle.nodes.new("FommGroupNode")
    holder.node_tree = inner
    holder.sync()
    middle.links.new(holder.outputs[0], middle.nodes.new("NodeGroupOutput").inputs[0])
    outer = tree.nodes.new("FommGroupNode")
    outer.node_tree = middle
    outer.sync()
    tree.links.new(outer.outputs[0], add(tree, "PreviewImage").inputs[0])
    assert wired(graph_of(tree), "PreviewImage") == ["PreviewImage", "FOMM_LoadExample"]


def check_a_group_is_grouped_with_others() -> None:
    tree = new_tree()
    nodes = chain(tree, "FOMM_LoadExample", "ImageInvert", "ImageInvert", "PreviewImage")
    before = wired(graph_of(tree), "PreviewImage")
    first = make_group(tree, nodes[1])
    make_group(tree, first, nodes[0])
    assert wired(graph_of(tree), "PreviewImage") == before
    assert [node.bl_idname for node in tree.nodes].count("FommGroupNode") == 1


def check_other_nodes_are_grouped_beside_a_group() -> None:
    tree = new_tree()
    nodes = chain(tree, "FOMM_LoadExample", "ImageInvert", "ImageInvert", "PreviewImage")
    before = wired(graph_of(tree), "PreviewImage")
    make_group(tree, nodes[0])
    make_group(tree, nodes[2])
    assert wired(graph_of(tree), "PreviewImage") == before


def check_from_within_a_group_the_whole_is_run_and_saved() -> None:
    tree = new_tree()
    example, _ = chain(tree, "FOMM_LoadExample", "PreviewImage")
    inner = make_group(tree, example).node_tree
    inside = SimpleNamespace(space_data=SimpleNamespace(node_tree=tree, edit_tree=inner))
    assert addon("operators").whole_tree(inside) == tree
    try:
        addon("canvas_export").canvas(inner)
        raise AssertionError("the inside of a group is no canvas")
    except ValueError as problem:
        said = str(problem)
    assert "Leave the group" in said


def check_copies_have_no_results() -> None:
    tree = new_tree()
    _, view = chain(tree, "FOMM_LoadExample", "PreviewImage")
    assert bpy.ops.fomm.run(tree=tree.name) == {"FINISHED"}
    result_of = addon("results").result_of
    image = result_of(view)
    twin = tree.copy()
    copied = next(node for node in twin.nodes if node.bl_idname == view.bl_idname)
    assert result_of(copied) is None
    assert bpy.ops.fomm.run(tree=twin.name) == {"FINISHED"}
    copied = next(node for node in twin.nodes if node.bl_idname == view.bl_idname)
    assert result_of(copied) not in (None, image)
    assert result_of(view) == image
    tree.name = "renamed"
    assert result_of(view) == image


def check_a_tree_that_is_renamed_meanwhile_gets_its_results() -> None:
    tree, other = new_tree("first"), new_tree("second")
    held = addon("held").Held.of(tree)
    tree.name = "third"
    other.name = "first"
    assert held.find(bpy.data.node_groups) == tree
    bpy.data.node_groups.remove(tree)
    assert held.find(bpy.data.node_groups) is None


def check_takes_are_kept() -> dict[str, Any]:
    for name in ("Ä", "Ö"):
        tree = new_tree(name)
        chain(tree, "FOMM_LoadExample", "SaveImage")
        for _ in range(2):
            assert bpy.ops.fomm.run(tree=tree.name) == {"FINISHED"}
    tree = new_tree("Ä")
    _, save = chain(tree, "FOMM_LoadExample", "SaveImage")
    save.w_filename_prefix = "shots/hero"
    assert bpy.ops.fomm.run(tree=tree.name) == {"FINISHED"}
    return {"names": sorted(path.name for path in (FILES / "out").iterdir())}


def check_a_file_that_is_gone_is_named() -> dict[str, Any]:
    tree = new_tree("Gone")
    load, _ = chain(tree, "LoadImage", "PreviewImage")
    load.w_image = str(FILES / "gone.png")
    said = refusal(bpy.ops.fomm.run, tree=tree.name)
    return {"said": said, "chosen": tree.nodes.active == load and load.select}


if __name__ == "__main__":
    main(globals(), prepare)
