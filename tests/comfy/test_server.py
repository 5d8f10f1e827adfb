"""The pack in a running ComfyUI."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import builtin_models
from fomm_nodes.fomm_core.motion import load_keypoints
from fomm_nodes.fomm_core.video import VideoReader
from fomm_nodes.nodes.declarations import BY_ID

WORKFLOWS = sorted(Path(__file__).parents[2].glob("workflows/*.json"))
DEMO = "demo-128 (built-in)"
FRAMES = {"flow-as-control": 45, "edit-a-performance": 54, "puppet-by-hand": 60}
"""Of videos unlike the example clip in length: pairs of its frames; the clip slower, as a loop; keys by hand."""


def load_model(model: str = DEMO) -> dict:
    return {"class_type": "FOMM_LoadModel", "inputs": {"model": model, "preset": "auto"}}


def example() -> dict:
    return {"class_type": "FOMM_LoadExample", "inputs": {"picture": "astronaut"}}


def block(name: str, **inputs: Any) -> dict:
    """A node with the defaults of its declaration where `inputs` has none."""
    spec = BY_ID[f"FOMM_{name}"]
    defaults = {port.id: port.default for port in spec.inputs if port.is_widget}
    if "size" in defaults:
        defaults["size"] = "model"  # quick
    return {"class_type": spec.id, "inputs": {**defaults, **inputs}}


def detection(**changes: Any) -> dict:
    """A short graph that ends in a saved performance."""
    return {
        "1": load_model(),
        "2": example(),
        "3": block("DetectKeypoints", model=["1", 0], images=["2", 1], **changes),
        "4": block("SaveKeypoints", keypoints=["3", 0]),
    }


def test_every_block_is_there_with_its_words(server, blocks) -> None:
    ours = {name: info for name, info in blocks.items() if info["python_module"] == "custom_nodes.my-fomm"}
    assert set(ours) == set(BY_ID)
    for name, info in ours.items():
        spec = BY_ID[name]
        assert info["display_name"] == spec.title
        assert info["category"] == spec.category
        assert info["output_name"] == [port.title for port in spec.outputs]
        assert info["output_tooltips"] == [port.tooltip for port in spec.outputs]
        offered = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        assert list(offered) == [
            *(port.id for port in spec.inputs if not port.optional),
            *(port.id for port in spec.inputs if port.optional),
        ]
        assert all(words[1]["tooltip"] for words in offered.values())
        assert server.get(f"/extensions/my-fomm/docs/{name}/en.md").startswith(f"# {spec.title}")


def test_the_pack_loads_without_a_complaint(server) -> None:
    log = server.log.read_text(errors="replace")
    assert "my-fomm" in log
    assert not [line for line in log.splitlines() if "my-fomm" in line and ("FAILED" in line or "File" in line)]
    assert "fomm-nodes could not be loaded" not in log


def test_the_saved_graphs_are_offered_as_templates(server) -> None:
    assert sorted(server.get("/workflow_templates")["my-fomm"]) == sorted(path.stem for path in WORKFLOWS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_saved_graphs_run(server, as_graph, path: Path) -> None:
    server.offer_inputs()
    graph = as_graph(json.loads(path.read_text()))
    for node in graph.values():
        if "size" in node["inputs"]:
            node["inputs"]["size"] = "model"  # quick
        if node["class_type"] == "FOMM_Train":
            node["inputs"]["steps"] = 12
    run = server.run(graph)
    assert (run.outcome, run.error) == ("success", "")
    videos = [
        shown for output in run.outputs.values() for shown in output.get("images", ()) if "video" in shown["subfolder"]
    ]
    assert videos
    for shown in videos:
        with VideoReader(server.base / "output" / shown["subfolder"] / shown["filename"]) as reader:
            assert len(list(reader)) == FRAMES.get(path.stem, 46)


def test_a_cancelled_training_goes_on_where_it_was(server) -> None:
    graph = {
        "1": block("VideoDataSet", folder="example (built-in)"),
        "2": block("NewModel", channels=0.25),
        "3": block(
            "Train", model=["2", 0], dataset=["1", 0], steps=400, batch_size=2, backbone="none", run_name="cancelled"
        ),
        "4": block("SaveModel", model=["3", 0]),
    }
    prompt = server.queue(graph)

    def steps() -> list[int]:
        logs = list((server.base / "output" / "fomm_training").glob("cancelled-*/log.jsonl"))
        return [json.loads(line)["step"] for log in logs for line in log.read_text().splitlines()]

    deadline = time.monotonic() + 120
    while len(steps()) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    server.post("/interrupt", {})
    assert server.result(prompt).outcome == "interrupted"
    done = len(steps())
    assert 3 <= done < 400
    state = next((server.base / "output" / "fomm_training").glob("cancelled-*/states/*.pt"))
    assert state.stem == f"step-{done:08d}"
    graph["3"]["inputs"]["steps"] = done + 4
    run = server.run(graph)
    assert (run.outcome, run.error) == ("success", "")
    assert steps() == list(range(1, done + 5))


def test_an_unchanged_graph_is_cached_and_a_changed_one_runs_from_there(server) -> None:
    first = server.run(detection(fit="pad"))
    assert first.outcome == "success"
    assert server.run(detection(fit="pad")).cached == {"1", "2", "3", "4"}
    assert server.run(detection(fit="stretch")).cached >= {"1", "2"}


def test_a_replaced_model_file_is_loaded_again(server) -> None:
    path = server.base / "models" / "fomm" / "mine.safetensors"
    shutil.copyfile(builtin_models()["demo-128"], path)
    graph = {**detection(), "1": load_model("mine.safetensors")}
    assert server.run(graph).outcome == "success"
    assert "1" in server.run(graph).cached
    path.write_bytes(b"no longer a model")
    broken = server.run(graph)
    assert broken.outcome == "error"
    assert "mine.safetensors" in broken.error
    path.unlink()


def test_published_checkpoints_are_found_in_extra_paths(server) -> None:
    options = server.get("/object_info/FOMM_LoadModel")["FOMM_LoadModel"]["input"]["required"]["model"][1]["options"]
    assert options[0] == DEMO
    name = str(Path("deep", "old.pth.tar"))
    assert name in options
    assert server.run({**detection(fit="pad"), "1": load_model(name)}).outcome == "success"


@pytest.mark.parametrize(
    "name", ["../../secret.safetensors", "/etc/passwd", "C:\\secret.safetensors", "\\\\host\\share\\x.pth", "a/../../b"]
)
@pytest.mark.parametrize("kind", ["model", "file"])
def test_names_that_lead_out_of_the_folder_are_refused(server, name: str, kind: str) -> None:
    graph = detection()
    if kind == "model":
        graph["1"] = load_model(name)
    else:
        graph = {"1": {"class_type": "FOMM_LoadKeypoints", "inputs": {"file": name}}}
        graph["2"] = block("SaveKeypoints", keypoints=["1", 0])
    with pytest.raises(server.Refused, match="inside its folder"):
        server.queue(graph)


@pytest.mark.parametrize("prefix", ["../evil", "/tmp/evil", "a/../../../evil", "C:/evil", " "])
def test_files_are_written_nowhere_else(server, prefix: str) -> None:
    before = {path for path in server.base.rglob("*evil*")}
    graph = detection()
    graph["4"]["inputs"]["filename_prefix"] = prefix
    run = server.run(graph)
    assert run.outcome == "error"
    assert "inside its folder" in run.error
    assert {path for path in server.base.rglob("*evil*")} == before


def test_saved_performances_can_be_chosen(server) -> None:
    graph = detection()
    graph["4"]["inputs"]["filename_prefix"] = "nods/take"
    assert server.run(graph).outcome == "success"
    name = str(Path("nods", "take_00001_.safetensors"))
    assert (server.base / "output" / "fomm" / name).is_file()
    options = server.get("/object_info/FOMM_LoadKeypoints")["FOMM_LoadKeypoints"]["input"]["required"]["file"][1]
    assert name in options["options"]
    replay = {
        "1": load_model(),
        "2": example(),
        "3": {"class_type": "FOMM_LoadKeypoints", "inputs": {"file": name}},
        "4": block("AnimateVideo", model=["1", 0], source=["2", 0], driving=["3", 0]),
        "5": {
            "class_type": "SaveVideo",
            "inputs": {"video": ["4", 0], "filename_prefix": "replay", "format": "auto", "codec": "auto"},
        },
    }
    assert server.run(replay).outcome == "success"


def refused(server, graph: dict) -> dict[str, list[str]]:
    """What the server says of a graph that it does not take: the inputs that it marks, by node."""
    with pytest.raises(server.Refused) as problem:
        server.queue(graph)
    told = json.loads(str(problem.value))["node_errors"]
    return {node: [error["extra_info"]["input_name"] for error in entry["errors"]] for node, entry in told.items()}


def test_a_choice_that_is_none_is_refused(server, blocks) -> None:
    with pytest.raises(server.Refused, match=r"expected one of crop, pad, stretch; got 'squash'|not in list"):
        server.queue(detection(fit="squash"))
    if "ResizeImageMaskNode" in blocks:  # 0.33 checks choices itself, one by one
        graph = detection(fit="squash")
        graph["1"] = load_model("nothing.safetensors")
        assert refused(server, graph) == {"1": ["model"], "3": ["fit"]}


def test_training_without_its_library_says_how_to_get_it(inside) -> None:
    told = inside(WITHOUT_FABRIC)
    assert told["says"].startswith("expected the library lightning-fabric, which training needs; it is not installed.")
    assert told["says"].endswith(f"{told['python']} -m pip install lightning-fabric")
    assert told["asked"]


WITHOUT_FABRIC = """
import importlib, inspect
importlib.import_module("pack.nodes.hosts.requirements").find_spec = lambda name: None
adapter = importlib.import_module("pack.nodes.hosts.comfyui.extension")
node = adapter.node_of(next(spec for spec in adapter.ALL if spec.id == "FOMM_Train"))
told["says"] = node.validate_inputs(steps=1)
told["python"] = sys.executable
told["asked"] = list(inspect.signature(node.validate_inputs).parameters)
"""


def test_a_number_out_of_range_is_refused(server) -> None:
    with pytest.raises(server.Refused, match="bigger than max"):
        server.queue(detection(width=1_000_000))


def test_errors_say_what_to_do(server) -> None:
    graph = {
        "1": load_model(),
        "2": example(),
        "3": block("FitToModel", model=["1", 0], images=["2", 1]),
        "4": block("Animate", model=["1", 0], source=["3", 0], driving=["2", 0]),
        "5": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
    }
    run = server.run(graph)
    assert run.outcome == "error"
    assert "“source”: expected one image, or as many as the driver has frames, 1; got 46" in run.error


def test_an_output_without_its_input_stops_only_what_hangs_on_it(server) -> None:
    graph = {
        **detection(),
        "5": block("DetectKeypoints", model=["1", 0], images=["2", 0]),
        "6": block("TransferMotion", source=["5", 0], driving=["3", 0]),
        "7": block("DenseMotion", model=["1", 0], source=["2", 0], keypoints=["6", 0]),
        "8": block("WarpImage", motion=["7", 0], image=["2", 0]),
        "9": {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}},
        "10": {"class_type": "MaskToImage", "inputs": {"mask": ["8", 1]}},
        "11": {"class_type": "PreviewImage", "inputs": {"images": ["10", 0]}},
    }
    run = server.run(graph)
    assert "9" in run.outputs
    assert "11" not in run.outputs


def test_cancel_stops_within_a_chunk_and_leaves_no_file(server) -> None:
    graph = {
        "1": load_model(),
        "2": example(),
        "3": block("AnimateVideo", model=["1", 0], source=["2", 0], driving=["2", 1], size="custom"),
        "4": {
            "class_type": "SaveVideo",
            "inputs": {"video": ["3", 0], "filename_prefix": "given_up", "format": "auto", "codec": "auto"},
        },
    }
    graph["3"]["inputs"] |= {"width": 1024, "height": 1024}  # minutes
    before = set(server.base.joinpath("temp").rglob("*.mp4"))
    prompt = server.queue(graph)
    while not server.get("/queue")["queue_running"]:
        time.sleep(0.05)
    time.sleep(3)
    server.post("/interrupt", {})
    assert server.result(prompt).outcome == "interrupted"
    assert set(server.base.joinpath("temp").rglob("*.mp4")) == before
    assert not list(server.base.joinpath("output").rglob("given_up*"))


def test_a_video_made_in_the_graph_drives_as_its_frames_do(server) -> None:
    graph = {
        "1": load_model(),
        "2": example(),
        "3": block("FitToModel", model=["1", 0], images=["2", 1]),
        "4": {"class_type": "CreateVideo", "inputs": {"images": ["3", 0], "fps": 12.0}},
        "5": block("DetectKeypoints", model=["1", 0], images=["4", 0]),
        "6": block("SaveKeypoints", keypoints=["5", 0], fps=["5", 1], filename_prefix="from-video"),
        "7": block("DetectKeypoints", model=["1", 0], images=["3", 0]),
        "8": block("SaveKeypoints", keypoints=["7", 0], fps=["5", 1], filename_prefix="from-frames"),
    }
    assert server.run(graph).outcome == "success"
    folder = server.base / "output" / "fomm"
    video, frames = (load_keypoints(folder / f"from-{kind}_00001_.safetensors") for kind in ("video", "frames"))
    assert torch.equal(video.keypoints.position, frames.keypoints.position)
    assert video.fps == 12
