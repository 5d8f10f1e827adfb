"""Runs inside Blender's Python (see test_in_blender.py): `python bpy_suite.py ROOT WORKER_PYTHON FOLDER`.

Each function `check_...` is one test; a JSON line tells how each went.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
import traceback
import warnings
from pathlib import Path
from types import SimpleNamespace

ROOT, WORKER, FOLDER = Path(sys.argv[-3]), sys.argv[-2], Path(sys.argv[-1])
PATIENCE = 120.0


def bind():
    spec = importlib.util.spec_from_file_location(
        "fomm_nodes", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    module = sys.modules["fomm_nodes"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pack = bind()
import bpy  # noqa: E402

OURS = "fomm_nodes.nodes.hosts.blender."


def part(name):
    return importlib.import_module(OURS + name)


def run(tree):
    """Run a tree to its end; returns what went wrong, if anything did."""
    try:
        assert bpy.ops.fomm.run(tree=tree.name) == {"FINISHED"}
    except RuntimeError as problem:
        return str(problem)
    return ""


def new_tree(name="Tree"):
    tree = bpy.data.node_groups.new(name, "FommTree")
    tree.w_output = str(FOLDER / "out")
    return tree


def add(tree, block, **values):
    node = tree.nodes.new(f"FommNode_{block}")
    for name, value in values.items():
        setattr(node, f"w_{name}", value)
    return node


def link(tree, origin, output, target, port):
    """From an output, by its place, into an input, by its name."""
    return tree.links.new(origin.outputs[output], part("nodes").find_socket(target.inputs, port))


def small_tree():
    """The example on the built-in model at its own 128 pixels, with a viewer for the image."""
    tree = new_tree("Small")
    tree.use_fake_user = True
    example, model = add(tree, "FOMM_LoadExample"), add(tree, "FOMM_LoadModel")
    animate = add(tree, "FOMM_AnimateVideo", size="model", strength=0.8)
    save, view = add(tree, "SaveVideo"), add(tree, "PreviewImage")
    link(tree, model, 0, animate, "model")
    link(tree, example, 0, animate, "source")
    link(tree, example, 1, animate, "driving")
    link(tree, animate, 0, save, "video")
    link(tree, example, 0, view, "images")
    return tree


def is_known():
    """Whether Blender has our tree's class."""
    return bpy.types.NodeTree.bl_rna_get_subclass_py("FommTree") is not None


def check_nothing_heavy_is_loaded():
    heavy = {"torch", "av", "cv2", "safetensors", "kornia"} & set(sys.modules)
    assert not heavy, heavy


def check_every_block_has_a_node():
    tree = new_tree()
    for name, block in part("blocks").blocks().items():
        node = tree.nodes.new(block.idname)
        assert [socket.identifier for socket in node.inputs] == [port.name for port in block.inputs], name
        assert [socket.kinds for socket in node.outputs] == [output.type for output in block.outputs], name
        for port in block.widgets:
            default = port.default if port.default is not None else port.shown(None)
            assert port.told(node.value(port), default) == default, f"{name}.{port.name}"
            hint = node.bl_rna.properties[port.attribute].description
            assert hint == port.tooltip, f"{name}.{port.name}"


def check_every_wire_has_a_colour():
    kinds = {
        kind
        for block in part("blocks").blocks().values()
        for socket in (*block.inputs, *block.outputs)
        for kind in socket.type.split(",")
    }
    assert kinds <= set(part("sockets").COLOURS)


def check_ranges_and_numbers_of_choices():
    tree = new_tree()
    node = add(tree, "FOMM_Animate")
    node.w_strength = 5.0
    assert node.w_strength == 2.0
    items = node.bl_rna.properties["w_size"].enum_items
    assert {item.identifier: item.value for item in items}["custom"] == part("blocks").number_of("custom")
    assert len({item.value for item in items}) == 4


def check_advanced_settings_are_folded():
    tree = new_tree()
    node = add(tree, "FOMM_Animate")
    width = part("nodes").find_socket(node.inputs, "width")
    assert width.hide
    node.w_advanced = True
    assert not width.hide
    node.w_advanced = False
    assert width.hide
    number = add(tree, "PrimitiveInt")
    link(tree, number, 0, node, "width")
    node.fold()
    assert not width.hide, "a wire would end nowhere"


def check_wrong_links_are_marked():
    tree = new_tree()
    example, model, animate = add(tree, "FOMM_LoadExample"), add(tree, "FOMM_LoadModel"), add(tree, "FOMM_Animate")
    right = link(tree, model, 0, animate, "model")
    wrong = link(tree, model, 0, animate, "source")
    either = link(tree, example, 1, animate, "driving")
    reroute = tree.nodes.new("NodeReroute")
    tree.links.new(model.outputs[0], reroute.inputs[0])
    tree.links.new(reroute.outputs[0], part("nodes").find_socket(animate.inputs, "source"))
    wrong = next(one for one in tree.links if one.from_node == reroute)
    assert part("tree").mark_links(tree) == 1
    assert right.is_valid
    assert either.is_valid
    assert not wrong.is_valid


def check_the_add_menu_has_all_blocks():
    import nodeitems_utils

    named = {
        item.nodetype
        for category in nodeitems_utils._node_categories[part("tree").MENU][0]
        for item in category.items(None)
    }
    assert named >= {block.idname for block in part("blocks").blocks().values()}


def check_our_workflows_come_out_as_they_went_in():
    for path in sorted((ROOT / "workflows").glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        tree = part("canvas_import").read_tree(path)
        assert json.dumps(part("canvas_export").canvas(tree)) == json.dumps(data), path.name
        assert part("tree").mark_links(tree) == 0, path.name
        api = part("api_export").api_graph(tree)
        again = part("canvas_import").tree_from(api, "again")
        assert json.dumps(part("api_export").api_graph(again)) == json.dumps(api), path.name
        (FOLDER / f"api-{path.name}").write_text(json.dumps(api), encoding="utf-8")


def check_inputs_that_no_port_has_are_kept():
    data = {"1": {"class_type": "PreviewAny", "inputs": {"source": 5, "preview": "x", "other": [1, 2, 3]}}}
    tree = part("canvas_import").tree_from(data, "extra")
    assert part("api_export").api_graph(tree) == data


def check_a_changed_workflow_keeps_the_rest():
    path = ROOT / "workflows" / "animate.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    tree = part("canvas_import").read_tree(path)
    node = next(node for node in tree.nodes if node.get("fomm_id") == "4")
    node.w_strength, node.location = 1.5, (10, -20)
    extra = add(tree, "PreviewImage")
    example = next(node for node in tree.nodes if node.get("fomm_id") == "2")
    tree.links.new(example.outputs[0], extra.inputs[0])
    out = part("canvas_export").canvas(tree)
    changed = next(entry for entry in out["nodes"] if entry["id"] == 4)
    old = next(entry for entry in data["nodes"] if entry["id"] == 4)
    assert changed["widgets_values"][3] == 1.5
    assert changed["pos"] == [10, 20]
    assert {**changed, "widgets_values": 0, "pos": 0} == {**old, "widgets_values": 0, "pos": 0}
    assert out["nodes"][-1]["type"] == "PreviewImage"
    assert out["last_node_id"] == out["nodes"][-1]["id"] == data["last_node_id"] + 1
    assert out["links"][:-1] == data["links"]
    assert out["links"][-1][1:5] == [2, 0, out["nodes"][-1]["id"], 0]


def check_a_copied_node_gets_its_own_number():
    tree = part("canvas_import").read_tree(ROOT / "workflows" / "animate.json")
    before = set(part("api_export").api_graph(tree))
    twin = add(tree, "FOMM_LoadExample")
    twin["fomm_id"] = "2"
    after = part("api_export").api_graph(tree)
    assert len(after) == len(before) + 1
    assert before < set(after)


def check_muted_nodes_and_reroutes():
    tree = new_tree()
    example, invert, save = add(tree, "FOMM_LoadExample"), add(tree, "ImageInvert"), add(tree, "SaveImage")
    reroute = tree.nodes.new("NodeReroute")
    tree.links.new(example.outputs[0], invert.inputs[0])
    tree.links.new(invert.outputs[0], reroute.inputs[0])
    tree.links.new(reroute.outputs[0], save.inputs[0])
    export = part("api_export").api_graph
    assert export(tree)[save["fomm_id"]]["inputs"]["images"] == [invert["fomm_id"], 0]
    invert.mute = True
    graph = export(tree)
    assert graph[save["fomm_id"]]["inputs"]["images"] == [example["fomm_id"], 0]
    assert invert["fomm_id"] not in graph
    entry = next(e for e in part("canvas_export").canvas(tree)["nodes"] if e["type"] == "ImageInvert")
    assert entry["mode"] == 4


def check_a_group_runs_as_what_is_in_it():
    if (
        not hasattr(bpy.types.NodeTree.bl_rna.properties, "get")
        or "interface" not in bpy.types.NodeTree.bl_rna.properties
    ):
        return  # before Blender 4.0
    tree = small_tree()
    export = part("api_export").api_graph
    before = export(tree)
    example = next(node for node in tree.nodes if node.bl_idname == "FommNode_FOMM_LoadExample")
    animate = next(node for node in tree.nodes if node.bl_idname == "FommNode_FOMM_AnimateVideo")
    group = part("grouping").make_group(tree, [animate, example])
    after = export(tree)
    moved = {animate_id: f"{group['fomm_id']}:{animate_id}" for animate_id in ("1", "3")}

    def renamed(value):
        return [moved.get(value[0], value[0]), value[1]] if isinstance(value, list) else value

    expected = {
        moved.get(name, name): {**entry, "inputs": {port: renamed(v) for port, v in entry["inputs"].items()}}
        for name, entry in before.items()
    }
    for name in expected:
        assert after.get(name) == expected[name], (after.get(name), expected[name])
    assert len(after) == len(expected)
    assert len(group.inputs) == 1
    assert len(group.outputs) == 2, "the video, and the picture for the viewer"
    outer = next(node for node in tree.nodes if node.bl_idname == "FommNode_PreviewImage")
    assert part("results").node_of(tree, moved["3"]).bl_idname == "FommNode_FOMM_AnimateVideo"
    group.mute = True
    assert moved["3"] not in export(tree)
    group.mute = False
    again = tree.nodes.new("FommGroupNode")
    again.node_tree = group.node_tree
    again.sync()
    tree.links.new(again.outputs[1], outer.inputs[0])
    twice = export(tree)
    assert len(twice) == len(before) + 2
    assert twice[outer["fomm_id"]]["inputs"]["images"] == [f"{again['fomm_id']}:1", 0]
    inside = group.node_tree.nodes.new("FommGroupNode")
    inside.node_tree = group.node_tree
    if inside.node_tree is not None:  # Blender may refuse by itself
        try:
            export(tree)
            raise AssertionError("a group in itself")
        except ValueError as problem:
            said = str(problem)
        assert "holds itself" in said


def check_files_that_are_no_graph_are_refused():
    for text in ("", "{}", "[1]", '{"nodes": [{"id": 1}]}', '{"1": {"class_type": 5, "inputs": 3}}'):
        (FOLDER / "bad.json").write_text(text)
        count = len(bpy.data.node_groups)
        try:
            part("canvas_import").read_tree(FOLDER / "bad.json")
            raise AssertionError(text)
        except part("canvas_import").ImportProblem as problem:
            said = str(problem)
        assert "bad" in said
        assert len(bpy.data.node_groups) == count


def check_build_run_save_reopen_run_again():
    tree = small_tree()
    graph = part("api_export").api_graph(tree)
    video = part("operators").output_of(tree).with_suffix(".mp4")
    assert run(tree) == ""
    first = video.read_bytes()
    save = next(node for node in tree.nodes if node.bl_idname == "FommNode_SaveVideo")
    view = next(node for node in tree.nodes if node.bl_idname == "FommNode_PreviewImage")
    clip, still = part("results").result_of(save), part("results").result_of(view)
    assert (clip.source, clip.frame_duration, tuple(clip.size)) == ("MOVIE", 46, (128, 128))
    assert (still.source, tuple(still.size)) == ("FILE", (256, 256))
    name = tree.name
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "tree.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(FOLDER / "tree.blend"))
    tree = bpy.data.node_groups[name]
    assert json.dumps(part("api_export").api_graph(tree)) == json.dumps(graph)
    video.unlink()
    assert run(tree) == ""
    assert video.read_bytes() == first


def check_a_failing_node_is_told():
    tree = new_tree("Failing")
    load, view = add(tree, "LoadImage", image="nowhere.png"), add(tree, "PreviewImage")
    tree.links.new(load.outputs[0], view.inputs[0])
    words = run(tree)
    assert "nowhere.png" in words, words


def check_files_of_the_user_reach_the_worker():
    image = bpy.data.images.new("own", 40, 24)
    image.filepath_raw, image.file_format = str(FOLDER / "own.png"), "PNG"
    image.save()
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "own.blend"))
    for path in (str(FOLDER / "own.png"), "//own.png"):
        tree = new_tree("Own")
        load, view = add(tree, "LoadImage", image=path), add(tree, "PreviewImage")
        tree.links.new(load.outputs[0], view.inputs[0])
        assert run(tree) == ""
        assert tuple(part("results").result_of(view).size) == (40, 24)


def check_cancel():
    tree = small_tree()
    animate = next(node for node in tree.nodes if node.bl_idname == "FommNode_FOMM_AnimateVideo")
    animate.w_size, animate.w_width, animate.w_height = "custom", 512, 512
    graph, progress = part("api_export").api_graph(tree), part("progress")
    job = progress.RunsGraph().start("slow", graph, FOLDER / "cancelled" / "x", {})
    client = part("session").client()
    end = time.monotonic() + PATIENCE
    while job.handle.progress.node != "Animate to Video" and time.monotonic() < end:
        client.poll()
        time.sleep(0.02)
    pid = client.process.pid
    assert not bpy.ops.fomm.run.poll(), "one at a time"
    assert bpy.ops.fomm.cancel() == {"FINISHED"}
    asked = time.monotonic()
    while not job.ended:
        client.poll()
        time.sleep(0.02)
    took = time.monotonic() - asked
    progress._running.remove(job)
    assert job.failure.cancelled, job.failure
    assert took < client.settings.cancel_seconds
    assert client.process.pid == pid
    assert list((FOLDER / "cancelled").iterdir()) == []


def check_a_file_survives_being_opened_without_the_add_on():
    tree = part("canvas_import").read_tree(ROOT / "workflows" / "occlusion-to-inpaint.json")
    name, before = tree.name, json.dumps(part("canvas_export").canvas(tree))
    path = str(FOLDER / "without.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    pack.unregister()
    bpy.ops.wm.open_mainfile(filepath=path)
    assert not is_known()
    assert bpy.data.node_groups[name].bl_idname == "NodeTreeUndefined"
    bpy.ops.wm.save_as_mainfile(filepath=path)
    pack.register()
    bpy.ops.wm.open_mainfile(filepath=path)
    tree = bpy.data.node_groups[name]
    assert json.dumps(part("canvas_export").canvas(tree)) == before


def check_nodes_of_an_older_version_are_brought_up_to_date():
    tree = new_tree("Old")
    animate, model = add(tree, "FOMM_Animate", strength=0.25), add(tree, "FOMM_LoadModel")
    link(tree, model, 0, animate, "model")
    animate.inputs.remove(part("nodes").find_socket(animate.inputs, "strength"))
    animate.inputs.new("FommSocket_IMAGE", "gone", identifier="gone")
    part("tree").sync_all()
    assert [socket.identifier for socket in animate.inputs] == [port.name for port in animate.block.inputs]
    assert animate.w_strength == 0.25
    assert len(tree.links) == 1


def check_the_add_on_can_be_switched_off_and_on():
    pack.unregister()
    assert part("session").SESSION.client is None
    assert not is_known()
    pack.register()
    assert is_known()


def check_esc_is_for_what_plays():
    tree = small_tree()
    progress = part("progress")
    job = progress.RunsGraph().start("esc", part("api_export").api_graph(tree), FOLDER / "esc" / "x", {})
    operator = SimpleNamespace(_run=job)

    def press(*, plays):
        screen = SimpleNamespace(is_animation_playing=plays)
        context = SimpleNamespace(window_manager=SimpleNamespace(windows=[SimpleNamespace(screen=screen)]))
        return progress.RunsGraph.modal(operator, context, SimpleNamespace(type="ESC", value="PRESS"))

    assert press(plays=True) == {"PASS_THROUGH"}
    assert job.handle.cancelled_at is None
    assert press(plays=False) == {"RUNNING_MODAL"}
    assert job.handle.cancelled_at is not None
    progress._wait(part("session").client(), lambda: job.ended)
    progress._running.remove(job)
    assert job.failure.cancelled


def check_models_are_a_list():
    session, search = part("session"), part("choices").choices_of("models")
    session.SESSION.choices.clear()
    session.SESSION.asked = False
    assert search(None, bpy.context, "") == [], "until the worker has answered"
    end = time.monotonic() + PATIENCE
    while not session.SESSION.choices and time.monotonic() < end:
        session.SESSION.look()
        time.sleep(0.02)
    found = search(None, bpy.context, "DEMO-128 (")
    assert found == ["demo-128 (built-in)"], found
    assert search(None, bpy.context, "no such model") == []
    assert bpy.context.scene.fomm_strips.model == found[0]


def check_an_example_that_was_left_alone_is_opened_again():
    bpy.data.batch_remove(bpy.data.node_groups)
    for _ in range(3):
        assert bpy.ops.fomm.open_example(name="whole-frame") == {"FINISHED"}
    assert len(bpy.data.node_groups) == 1
    tree = bpy.data.node_groups["whole-frame"]
    next(node for node in tree.nodes if hasattr(node, "w_strength")).w_strength = 0.5
    assert bpy.ops.fomm.open_example(name="whole-frame") == {"FINISHED"}
    assert len(bpy.data.node_groups) == 2, "what was changed stays"


def check_labels_and_colours_tell_nodes_apart():
    tree = new_tree()
    nodes = {name: tree.nodes.new(block.idname) for name, block in part("blocks").blocks().items()}
    assert all(node.use_custom_color for node in nodes.values())
    assert len({tuple(round(part, 3) for part in node.color) for node in nodes.values()}) == 8, "one for each category"
    items = [
        item.name
        for node in nodes.values()
        for name, held in node.bl_rna.properties.items()
        if name.startswith("w_") and held.type == "ENUM"
        for item in held.enum_items
    ]
    small = {name for name in items if name[0].islower() and not any(sign.isdigit() or sign == "_" for sign in name)}
    assert small == set(), small


class Drawn:
    """A layout that notes what is drawn."""

    use_property_split = False

    def __init__(self, said=None):
        self.said = [] if said is None else said

    def split(self, **room):
        self.said.append(("split", room["factor"]))
        return self

    def label(self, text=""):
        self.said.append(("label", text))

    def prop(self, owner, name, text):
        self.said.append((owner.bl_rna.properties[name].type, text))


def check_words_beside_fields_have_room():
    tree = new_tree()
    for block in part("blocks").blocks().values():
        node = tree.nodes.new(block.idname)
        for port, socket in zip(block.inputs, node.inputs, strict=True):
            drawn = Drawn()
            socket.draw(bpy.context, drawn, node, socket.name)
            if not port.widget or port.type == "BOOLEAN" or (not port.choices and port.type in ("INT", "FLOAT")):
                assert [text for _, text in drawn.said] == [port.title]
                continue
            (_, share), words, (_, text) = drawn.said
            assert (words, text) == (("label", port.title), "")
            assert share <= 0.65, (block.name, port.title)
            if len(port.title) < 18:
                assert share * node.width > 6.5 * len(port.title), "a letter is this wide"


def check_examples_have_pictures():
    templates = part("templates")
    assert templates.names()[0] == "animate"
    assert {path.stem for path in templates.PICTURES.iterdir()} == set(templates.names())
    made = templates._choices(None, None)
    assert [name for name, *_ in made] == templates.names()
    for name in templates.names():  # icons are made where there is a window
        image = bpy.data.images.load(str(templates.PICTURES / f"{name}.jpg"))
        assert tuple(image.size) == (128, 128), name
        bpy.data.images.remove(image)
    assert made[0][:2] == ("animate", "Animate")
    bpy.context.window_manager.fomm_template = "two-faces"
    name = bpy.context.window_manager.fomm_template
    assert bpy.ops.fomm.open_example(name=name) == {"FINISHED"}
    assert "two-faces" in bpy.data.node_groups


def check_a_preview_fits_into_its_corner():
    inset = part("strip_preview").inset
    assert inset((1000, 500), (256, 256)) == (16, 16, 225, 225)
    assert inset((200, 500), (320, 160)) == (16, 16, 90, 45)


def main():
    warnings.filterwarnings("error", category=DeprecationWarning, module=r"fomm_nodes\.")
    pack.register()
    part("session").SESSION.settings = part("client").Settings(WORKER, device="cpu", shown=FOLDER)
    for name, check in list(globals().items()):
        if not name.startswith("check_"):
            continue
        started = time.monotonic()
        try:
            check()
            fault = ""
        except Exception:
            fault = traceback.format_exc()
        print("CHECK " + json.dumps({"name": name, "fault": fault, "seconds": time.monotonic() - started}), flush=True)
    pack.unregister()
    sys.stdout.flush()
    os._exit(0)  # some versions hang or crash at exit once there were custom nodes


main()
