"""ComfyUI's workflows as trees, inside Blender: what comes out again, as a canvas and as what is run."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
from checks import addon, main, refusal

FILES = Path(sys.argv[-1])
DATA = Path(__file__).resolve().parents[4] / "data" / "graphs"
CASES = ("values", "bypassed", "reroutes", "subgraphs", "nested-subgraphs", "group-nodes", "texts")
CASES_2026 = ("shown-outside", "widget-kinds")
CLASSES, CLASSES_2026 = DATA / "object_info.json", DATA / "object_info-2026.json"
_ready: list[bool] = []


def prepare() -> None:
    if not _ready:
        addon().register()
        _ready.append(True)


def load(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def tree_of(data: Any, name: str = "Tree") -> Any:
    return addon("canvas_import").tree_from(data, name)


def canvas_of(tree: Any) -> Any:
    return addon("canvas_export").canvas(tree)


def sent(tree: Any) -> dict[str, Any]:
    return {name: entry["inputs"] for name, entry in addon("api_export").api_graph(tree).items()}


def inside_of(tree: Any) -> Any:
    return next(node for node in tree.nodes if node.bl_idname == "FommGroupNode")


def value_of(node: Any, key: str) -> Any:
    return next(value for value in node.w_values if value.key == key)


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two pieces of JSON differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            where for key in {**one, **other} for where in differences(one.get(key), other.get(key), f"{path}/{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            where for i, pair in enumerate(zip(one, other, strict=True)) for where in differences(*pair, f"{path}/{i}")
        ]
    return [] if one == other and type(one) is type(other) else [path]


def cases() -> list[tuple[str, Any, Any, Path]]:
    found = [(name, load(name)["workflow"], load(name)["prompt"], CLASSES) for name in CASES]
    for name in CASES_2026:
        found += [(name, load(name)[form], load(name)["prompt"], CLASSES_2026) for form in ("workflow", "saved")]
    return found


def check_what_is_run_is_the_front_ends() -> None:
    for name, data, prompt, classes in cases():
        tree = tree_of(data, name)
        assert addon("classes").ask(tree, str(classes)) == set(), name
        made = sent(tree)
        assert made == {key: entry["inputs"] for key, entry in prompt.items()}, name
        assert [list(made[key]) for key in prompt] == [list(entry["inputs"]) for entry in prompt.values()], name


def check_a_canvas_comes_out_as_it_went_in() -> None:
    for name, data, _, classes in cases():
        tree = tree_of(data, name)
        assert json.dumps(canvas_of(tree), sort_keys=True) == json.dumps(data, sort_keys=True), name
        addon("classes").ask(tree, str(classes))
        assert differences(canvas_of(tree), data) == [], name


def check_real_workflows() -> dict[str, Any]:
    """Each canvas as it is run, for the test to compare; and those that come out as another canvas."""
    changed = []
    for folder in (Path(one) for one in os.environ.get("FOMM_WORKFLOWS", "").split(os.pathsep) if one):
        for path in sorted((folder / "ui").glob("*.json")):
            data = json.loads(path.read_text(encoding="utf-8"))
            tree = tree_of(data, path.stem)
            addon("classes").ask(tree, str(folder / "object_info.json"))
            if differences(canvas_of(tree), data):
                changed.append(path.name)
            made = FILES / folder.name / path.name
            made.parent.mkdir(exist_ok=True)
            made.write_text(json.dumps(addon("api_export").api_graph(tree)), encoding="utf-8")
            for one in list(bpy.data.node_groups):
                bpy.data.node_groups.remove(one)
    return {"changed": changed}


STRANGER = {
    "nodes": [
        {
            "id": 1,
            "type": "KSampler",
            "pos": [0, 0],
            "size": [300, 200],
            "mode": 0,
            "inputs": [],
            "outputs": [{"name": "LATENT", "type": "LATENT", "links": []}],
            "properties": {},
            "widgets_values": [156680208700286, "randomize", 20, 8.0, "euler", "normal", 1.0],
        }
    ],
    "links": [],
    "version": 0.4,
}
SAMPLER = {
    "input": {
        "required": {
            "seed": ["INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}],
            "steps": ["INT", {"default": 20, "min": 1, "max": 10000}],
            "cfg": ["FLOAT", {"default": 8.0}],
            "sampler_name": [["euler", "heun"]],
            "scheduler": [["normal", "karras"]],
            "denoise": ["FLOAT", {"default": 1.0}],
        }
    },
    "output": ["LATENT"],
    "output_node": True,
}


def classes_file() -> str:
    path = FILES / "object_info.json"
    path.write_text(json.dumps({"KSampler": SAMPLER}), encoding="utf-8")
    return str(path)


def check_values_of_other_packs_are_shown_and_edited() -> None:
    tree = tree_of(STRANGER)
    node = tree.nodes[0]
    assert [value.title for value in node.w_values] == [f"Value {number}" for number in range(1, 8)], "not named yet"
    node.w_values[2].whole = 30  # by its place, as long as nobody knows more
    addon("classes").ask(tree, classes_file())
    assert [value.key for value in node.w_values] == list(SAMPLER["input"]["required"])
    assert value_of(node, "steps").whole == 30, "what was set before the classes were known"
    assert value_of(node, "sampler_name").choices.split("\n") == ["euler", "heun"]
    value_of(node, "sampler_name").choice = "heun"
    value_of(node, "seed").text = str(2**63)
    value_of(node, "cfg").number = 6.1
    wanted = [2**63, "randomize", 30, 6.1, "heun", "normal", 1.0]
    assert canvas_of(tree)["nodes"][0]["widgets_values"] == wanted
    assert sent(tree)["1"] == dict(
        zip(SAMPLER["input"]["required"], [v for v in wanted if v != "randomize"], strict=True)
    )
    value_of(node, "seed").text = "no number"
    assert sent(tree)["1"]["seed"] == 156680208700286, "what can't be a seed leaves it as it was"


def check_nodes_of_other_packs_survive_saving() -> None:
    tree = tree_of(STRANGER)
    addon("classes").ask(tree, classes_file())
    value_of(tree.nodes[0], "steps").whole = 7
    before = sent(tree)
    bpy.ops.wm.save_as_mainfile(filepath=str(FILES / "stranger.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(FILES / "stranger.blend"))
    assert sent(bpy.data.node_groups[0]) == before


def check_unknown_values_are_told() -> dict[str, Any]:
    tree = tree_of(STRANGER)
    said = refusal(bpy.ops.fomm.run, tree=tree.name)
    return {"said": said, "chosen": tree.nodes.active == tree.nodes[0]}


def check_a_subgraph_is_a_group_that_can_be_edited() -> None:
    case = load("subgraphs")
    tree = tree_of(case["workflow"])
    addon("classes").ask(tree, str(CLASSES))
    host = next(node for node in tree.nodes if node.bl_idname == "FommGroupNode" and len(node.w_values))
    before = sent(tree)
    value = next(value for value in host.w_values if value.kind)
    field = addon("values").FIELDS[value.kind]
    old = getattr(value, field)
    setattr(value, field, "changed" if isinstance(old, str) else not old if isinstance(old, bool) else old + 3)
    after = sent(tree)
    changed = [where for where in differences(after, before) if where.startswith(f"/{host['fomm_id']}:")]
    assert changed, "a value on the group counts inside"
    assert changed == differences(after, before)


def check_a_group_made_here_is_a_subgraph_there() -> None:
    tree = bpy.data.node_groups.new("Made", "FommTree")
    names = ("FOMM_LoadExample", "ImageInvert", "ImageInvert", "PreviewImage")
    nodes = [tree.nodes.new(f"FommNode_{name}") for name in names]
    for one, other in itertools.pairwise(nodes):
        tree.links.new(one.outputs[0], other.inputs[0])
    inner = addon("grouping").make_group(tree, nodes[1:2], "Inner")
    addon("grouping").make_group(tree, [inner, nodes[2]], "Outer")
    data = canvas_of(tree)
    assert [entry["name"] for entry in data["definitions"]["subgraphs"]] == ["Outer", "Inner"]
    again = tree_of(data, "again")
    assert sent(again) == sent(tree)
    assert differences(canvas_of(again), data) == []
    assert [entry for entry in sent(tree) if entry.count(":") == 2]


def check_a_new_socket_of_a_subgraph_is_kept() -> None:
    tree = tree_of(load("subgraphs")["workflow"])
    addon("classes").ask(tree, str(CLASSES))
    group = inside_of(tree)
    before, inner = sent(tree), group.node_tree
    item = addon("groups").new_item(inner, "extra", "IMAGE", "OUTPUT")
    image = inner.nodes.new("FommNode_FOMM_LoadExample")
    end = addon("groups").end_of(inner)
    inner.links.new(image.outputs[0], addon("nodes").find_socket(end.inputs, item.identifier))
    group.sync()
    view = tree.nodes.new("FommNode_PreviewImage")
    tree.links.new(addon("nodes").find_socket(group.outputs, item.identifier), view.inputs[0])
    after = sent(tree)
    assert before.items() <= after.items()
    assert after[view["fomm_id"]]["images"] == [f"{group['fomm_id']}:{image['fomm_id']}", 0]
    assert sent(tree_of(canvas_of(tree), "again")).keys() == after.keys()


if __name__ == "__main__":
    main(globals(), prepare)
