"""The local engine: results, reuse, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import heic_files
import numpy as np
import pytest
import torch
from fomm_nodes.batch.engine import JobError, JobProgress
from fomm_nodes.batch.local.engine import LocalEngine
from fomm_nodes.batch.local.memo import Memo
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.fomm_core.errors import FommError
from fomm_nodes.fomm_core.session import AnimationSession
from fomm_nodes.nodes.hosts.headless.files import Folders
from fomm_nodes.nodes.hosts.headless.limits import Limits
from hypothesis import given, settings
from hypothesis import strategies as st
from nearness import steps_near
from PIL import Image


def nothing(progress: JobProgress) -> None:
    return None


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_pictures_come_out_as_the_nodes_say(engine, job, pictures, inputs) -> None:
    outcome = engine.run(job(pictures), nothing)
    (file,) = outcome.files
    assert file.name == "result.png"
    expected = pixels(inputs / "a.png").reshape(8, 2, 8, 2, 3).mean((1, 3))
    assert np.abs(255 - expected - pixels(file)).max() <= 1
    assert json.loads(Image.open(file).info["prompt"]) == pictures
    assert (outcome.frames, outcome.reused) == (1, 0)
    assert [path.name for path in file.parent.iterdir()] == ["result.png"]


def test_a_phones_picture_is_loaded_though_comfyui_does_not_know_its_kind(engine, job, pictures, inputs) -> None:
    rows, columns = np.mgrid[0:64, 0:96]
    shown = np.stack([40 + 2 * columns, 30 + 3 * rows, 200 - columns - rows], -1).astype(np.uint8)
    file = heic_files.Heic()
    file.picture(shown, heic_files.colours(1, 13))
    (inputs / "IMG_0001.HEIC").write_bytes(file.bytes())
    pictures["1"]["inputs"]["image"] = "IMG_0001.HEIC"
    pictures["2"]["inputs"] |= {"width": 96, "height": 64}
    (made,) = engine.run(job(pictures), nothing).files
    steps_near(pixels(made), 255 - shown, 6)  # what HEVC loses of soft colours


def test_what_did_not_change_is_reused_and_what_did_is_not(engine, job, pictures, inputs) -> None:
    first = engine.run(job(pictures, "first"), nothing)
    again = engine.run(job(pictures, "again"), nothing)
    assert again.reused == 3
    assert again.files[0].read_bytes() == first.files[0].read_bytes()
    pictures["2"]["inputs"]["width"] = 4
    wider = engine.run(job(pictures, "wider"), nothing)
    assert wider.reused == 1
    assert pixels(wider.files[0]).shape == (8, 4, 3)
    Image.new("RGB", (16, 16), "white").save(inputs / "a.png")
    changed = engine.run(job(pictures, "changed"), nothing)
    assert changed.reused == 0
    assert pixels(changed.files[0]).max() == 0


def test_a_source_that_many_clips_move_is_prepared_once(engine, job, animation, inputs, monkeypatch) -> None:
    seen = []
    prepare = AnimationSession.prepare
    monkeypatch.setattr(AnimationSession, "prepare", lambda self, image, **more: seen.append(1) or prepare(self, image))
    made = []
    for strength in (0.5, 1.0, 1.5):
        animation["4"]["inputs"]["strength"] = strength
        made += engine.run(job(animation, f"s{strength}"), nothing).files
    animation["1"]["inputs"]["image"] = "b.png"
    engine.run(job(animation, "other"), nothing)
    assert len(seen) == 2
    assert len({path.read_bytes() for path in made}) == 3
    with av.open(str(made[0])) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3


def test_a_clip_that_moves_many_pictures_is_searched_once(engine, job, animation, monkeypatch) -> None:
    seen = []
    detect = AnimationSession._detect
    monkeypatch.setattr(
        AnimationSession, "_detect", lambda self, frames: seen.append(len(frames)) or detect(self, frames)
    )
    made = []
    for picture in ("a.png", "b.png", "c.png"):
        animation["1"]["inputs"]["image"] = picture
        made += engine.run(job(animation, picture[0]), nothing).files
    assert sum(seen) == 3
    fresh = LocalEngine(engine.options)
    (alone,) = fresh.run(job(animation, "alone"), nothing).files
    fresh.close()
    with av.open(str(alone)) as one, av.open(str(made[-1])) as other:
        for left, right in zip(one.decode(video=0), other.decode(video=0), strict=True):
            assert np.array_equal(left.to_ndarray(format="rgb24"), right.to_ndarray(format="rgb24"))


def test_temporary_files_go_with_the_results_that_hold_them(engine, job, animation) -> None:
    engine.run(job(animation), nothing)
    assert len(list(engine.temporary.rglob("*.mp4"))) == 1
    engine.memo.clear()
    assert not list(engine.temporary.rglob("*.mp4"))


def test_saved_performances_are_outputs_too(engine, job, animation) -> None:
    animation["6"] = {
        "class_type": "FOMM_SaveKeypoints",
        "inputs": {"keypoints": ["4", 1], "fps": ["4", 2], "filename_prefix": "moves"},
    }
    names = {path.name for path in engine.run(job(animation), nothing).files}
    assert names == {"result_out.mp4", "result_moves.safetensors"}


def test_previews_run_where_nothing_saves(engine, job, pictures) -> None:
    pictures["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    assert len(engine.run(job(pictures), nothing).files) == 1
    del pictures["4"]
    (shown,) = engine.run(job(pictures, "shown"), nothing).files
    assert pixels(shown).shape == (16, 16, 3)


def edited(graph: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for where, value in changes.items():
        node, _, port = where.partition(".")
        if port:
            graph[node]["inputs"][port] = value
        else:
            graph[node] = value
    return graph


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"3": {"class_type": "KSampler", "inputs": {"image": ["2", 0]}}}, "no KSampler .* --server"),
        ({"9": {"class_type": "SaveGLB", "inputs": {}}}, "no SaveGLB .* --comfyui"),
        ({"2.image": ["3", 0]}, "circle"),
        ({"2.image": ["7", 0]}, "node 7, which is not in the graph"),
        ({"2.image": ["1", 5]}, "output 5"),
        ({"2.image": ["1", 1]}, "expects IMAGE; its wire brings MASK"),
        ({"2.width": 99999}, "“width”: expected 0 to 16384; got 99999"),
        ({"2.width": "wide"}, "“width”: expected a number"),
        ({"2.crop": "middle"}, "“crop”: expected one of disabled, center"),
        ({"3": {"class_type": "ImageInvert", "inputs": {}}}, "“image” is not connected"),
        ({"1.image": "nothing.png"}, "nothing.png' is not there"),
        ({"1.image": "clip.mp4"}, "expected an image"),
        ({"4": {"class_type": "ImageInvert", "inputs": {"image": ["3", 0]}}}, "a node that saves something"),
        ({"4.filename_prefix": "../../evil"}, r"without '\.\.'"),
        ({"1.image": "../secret.png"}, r"without '\.\.'"),
        ({"1.image": "a.png [output]"}, "output folder"),
        ({"1.image": "linked.png"}, "link that leads out"),
        ({"1.image": "elsewhere/secret.png"}, "link that leads out"),
    ],
)
def test_what_does_not_fit_is_said_and_not_tried_again(changes, words, engine, job, pictures, inputs) -> None:
    secret = inputs.parent / "outside" / "secret.png"
    secret.parent.mkdir()
    Image.new("RGB", (4, 4)).save(secret)
    (inputs / "linked.png").symlink_to(secret)
    (inputs / "elsewhere").symlink_to(secret.parent, target_is_directory=True)
    with pytest.raises(JobError, match=words) as caught:
        engine.run(job(edited(pictures, changes)), nothing)
    assert not caught.value.retryable
    assert not list((inputs.parent / "out").glob("*"))


def test_absolute_names_are_refused_everywhere(engine, job, animation, inputs) -> None:
    for node, port, name in (("1", "image", "a.png"), ("2", "file", "clip.mp4")):
        graph = edited(json.loads(json.dumps(animation)), {f"{node}.{port}": str(inputs / name)})
        with pytest.raises(JobError, match="leading slash"):
            engine.run(job(graph), nothing)
    with pytest.raises(JobError, match="expected one of"):
        engine.run(job(edited(animation, {"3.model": str(inputs / "model.pth")})), nothing)


@pytest.mark.parametrize(
    ("limits", "changes", "words"),
    [
        (Limits(pixels=100), {}, "at most 100 pixels"),
        (Limits(), {"2.width": 16384, "2.height": 16384}, "--max-pixels"),
        (
            Limits(frames=20),
            {"3": {"class_type": "RepeatImageBatch", "inputs": {"image": ["2", 0], "amount": 21}}},
            "at most 20 frames",
        ),
        (
            Limits(held=1000),
            {"3": {"class_type": "RepeatImageBatch", "inputs": {"image": ["2", 0], "amount": 16}}},
            "16 frames of 8x8",
        ),
        (
            Limits(),
            {
                "3": {
                    "class_type": "EmptyImage",
                    "inputs": {"width": 4096, "height": 4096, "batch_size": 4096, "color": 0},
                }
            },
            "at once",
        ),
    ],
)
def test_limits(limits, changes, words, inputs, job, pictures) -> None:
    engine = LocalEngine(LocalOptions(Folders((inputs,)), device="cpu", limits=limits))
    with pytest.raises(JobError, match=words):
        engine.run(job(edited(pictures, changes)), nothing)


def test_long_clips_are_stopped_as_they_are_read(inputs, job, animation) -> None:
    engine = LocalEngine(LocalOptions(Folders((inputs,)), device="cpu", limits=Limits(frames=2)))
    with pytest.raises(JobError, match="at most 2 frames"):
        engine.run(job(animation), nothing)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3000)), max_size=40), st.integers(1, 20_000))
def test_memory_for_results_is_bounded(entries, limit) -> None:
    memo = Memo(limit)
    for key, floats in entries:
        memo.put(str(key), (torch.zeros(floats),))
        held = [memo.get(str(name)) for name in range(6)]
        assert sum(tensors[0].nbytes for tensors in held if tensors) <= limit
        assert all(tensors is None or tensors[0].nbytes <= limit // 2 for tensors in held)


def test_data_sets_are_folders_below_the_input_folder(tmp_path) -> None:
    inputs, outside = tmp_path / "input", tmp_path / "outside"
    for folder in (inputs / "people" / "anna", inputs / ".hidden", inputs / "empty", outside):
        folder.mkdir(parents=True)
    for folder in (inputs / "people" / "anna", inputs / ".hidden", outside):
        (folder / "clip.mp4").touch()
    (inputs / "away").symlink_to(outside)
    folders = Folders((inputs,))
    assert folders.choices("datasets") == ("example (built-in)", "away", "people", "people/anna")
    assert folders.find("datasets", "people/anna") == inputs / "people" / "anna"
    assert folders.find("datasets", "example (built-in)").is_dir()
    for choice in ("away", "nothing", "../outside", str(outside), "people/anna/clip.mp4"):
        with pytest.raises(FommError):
            folders.find("datasets", choice)


def test_a_model_is_trained_and_used_in_one_job(engine, job) -> None:
    from fomm_nodes.batch.render import local_schemas
    from fomm_nodes.graph.reading import read_graph

    path = Path(__file__).parents[2] / "workflows" / "train.json"
    graph = read_graph(path, local_schemas(engine.options.folders)).to_api()
    for node in graph.values():
        if node["class_type"] == "FOMM_Train":
            node["inputs"] |= {"steps": 2, "batch_size": 2, "recipe": "demo", "backbone": "none"}
    outcome = engine.run(job(graph), nothing)
    assert {file.suffix for file in outcome.files} >= {".mp4", ".safetensors"}
