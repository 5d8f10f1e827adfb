"""The saved graphs against the declarations. That they run is tested in tests/comfy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.nodes.declarations import ALL, BY_ID

FOLDER = Path(__file__).parents[2] / "workflows"
NAMES = (
    "animate",
    "animate-files",
    "animate-step-by-step",
    "blend-groups",
    "crop-restore-paste",
    "edit-a-performance",
    "flow-as-control",
    "occlusion-to-inpaint",
    "puppet-by-hand",
    "reuse-a-performance",
    "train",
    "two-faces",
    "whole-frame",
)
CORE = {
    *("CLIPTextEncode", "CreateVideo", "EmptyImage", "GrowMask", "ImageBlur", "ImageCompositeMasked", "ImageFromBatch"),
    *(
        "ImageSharpen",
        "ImageToMask",
        "KSampler",
        "LoadImage",
        "LoadVideo",
        "MarkdownNote",
        "MaskToImage",
        "PreviewAny",
        "PreviewImage",
        "SaveVideo",
        "ThresholdMask",
    ),
    *("TrimVideoLatent", "VAEDecode", "VAEEncodeForInpaint", "WanVaceToVideo"),
}
each = pytest.mark.parametrize("name", NAMES)


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_these_graphs_are_there_with_pictures() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(NAMES)
    for name in NAMES:  # ComfyUI's template browser asks for .jpg
        assert (FOLDER / f"{name}.jpg").read_bytes().startswith(b"\xff\xd8")


@each
def test_only_blocks_of_ours_and_of_the_core(name: str) -> None:
    assert {node["type"] for node in read(name)["nodes"]} <= CORE | set(BY_ID)


@each
def test_saved_values_fit_their_ports(name: str) -> None:
    for node in read(name)["nodes"]:
        if node["type"] not in BY_ID:
            continue
        spec = BY_ID[node["type"]]
        widgets = [port for port in spec.inputs if port.is_widget]
        assert len(node["widgets_values"]) == len(widgets), f"{spec.id}: save the graph again, ports were added"
        for port, value in zip(widgets, node["widgets_values"], strict=True):
            if isinstance(port.options, str):
                assert value.endswith(" (built-in)")
            else:
                assert port.problem(value) is None
        slots = {slot["name"] for slot in node["inputs"]}
        assert slots == {port.id for port in spec.inputs}
        assert [slot["name"] for slot in node["outputs"]] == [port.title for port in spec.outputs]


@each
def test_links_join_ports_that_fit(name: str) -> None:
    graph = read(name)
    nodes = {node["id"]: node for node in graph["nodes"]}
    for _, origin, out, target, into, kind in graph["links"]:
        assert nodes[origin]["outputs"][out]["type"] == kind
        assert {kind, "*"} & set(nodes[target]["inputs"][into]["type"].split(","))


def test_the_graphs_show_most_of_the_blocks() -> None:
    used = {node["type"] for name in NAMES for node in read(name)["nodes"]}
    left = {spec.id.removeprefix("FOMM_") for spec in ALL} - {kind.removeprefix("FOMM_") for kind in used}
    by_other_means = {"RegionFromBox", "RegionFromMask", "RegionFromNumbers", "PasteBackVideo"}
    refinements = {"FindBestFrame", "Hold", "TransferDetail", "WarpImage"}
    other_models = {"DetectParts", "SwapParts"}
    to_look_at = {"FillGaps", "WillItWork", "LivePreview"}
    assert left == {"LoadKeypoints", "SaveFlow"} | by_other_means | refinements | other_models | to_look_at
