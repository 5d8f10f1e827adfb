"""What Blender's users read: notes of templates, labels, downloads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from fomm_nodes.fomm_core.library import PUBLISHED, model_folders
from fomm_nodes.nodes.hosts.blender.blocks import blocks, in_short, titled, titled_choice
from fomm_nodes.nodes.hosts.blender.command import Command, share_in
from fomm_nodes.nodes.hosts.blender.notes import WORDS, for_blender

PATIENCE = 240.0
COMFYUIS = ("Ctrl", "**R**", "Node Info", "**?**", "**i**", "models/fomm", "output/fomm", "ComfyUI")


def notes(root: Path) -> list[str]:
    told = [
        json.loads(path.read_text(encoding="utf-8"))["nodes"] for path in sorted((root / "workflows").glob("*.json"))
    ]
    return [node["widgets_values"][0] for nodes in told for node in nodes if "Note" in node["type"]]


def test_notes_speak_of_blenders_keys(root: Path) -> None:
    said = notes(root)
    assert any(word in text for text in said for word in COMFYUIS)
    for text in map(for_blender, said):
        assert not [word for word in COMFYUIS if word in text], text


def test_each_rewording_is_for_a_note_that_there_is(root: Path) -> None:
    import re

    said = "\n".join(notes(root))
    assert [pattern for pattern, _ in WORDS if not re.search(pattern, said)] == []


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("source region", "Source Region"),
        ("fps", "FPS"),
        ("width of the edge", "Width of the Edge"),
        ("BBOX", "BBOX"),
        ("Load it", "Load it"),
        ("as it is", "As It Is"),
        ("on", "On"),
    ],
)
def test_labels_are_titles(label: str, shown: str) -> None:
    assert titled(label) == shown


def test_no_label_is_small() -> None:
    titles = [port.title for block in blocks().values() for port in (*block.inputs, *block.outputs)]
    assert not [title for title in titles if title[:1].islower()]


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        ("auto", "Auto"),
        ("high-pass", "High-pass"),
        ("y-axis: horizontally", "Y-axis: Horizontally"),
        ("90 degrees", "90 Degrees"),
        ("xyxy", "XYXY"),
        ("vox-adv-256", "vox-adv-256"),
        ("h264", "h264"),
        ("mobilenet_v2", "mobilenet_v2"),
        ("128k", "128k"),
    ],
)
def test_choices_are_titles_and_names_stay(choice: str, shown: str) -> None:
    assert titled_choice(choice) == shown


@pytest.mark.parametrize(
    ("hint", "short"),
    [
        ("The image.", "The image"),
        ("The image. One, of any size, or many of the same size; the first counts.", "The image"),
        ("Where to start: New Motion Model, or Load Motion Model to refine one.", "Where to start: New Motion Model"),
        ("Masks over the image, and whatever else lies over it in front of what is behind.", "Masks over the image"),
        (
            "Whatever is to be done where the two of them have a different number of frames.",
            "Whatever is to be done where the two of them have a different..",
        ),
        ("", ""),
    ],
)
def test_hints_end_where_a_sentence_or_a_part_of_it_does(hint: str, short: str) -> None:
    assert in_short(hint) == short


def test_every_socket_has_a_hint_that_fits() -> None:
    for block in blocks().values():
        for socket in (*block.inputs, *block.outputs):
            short = in_short(socket.tooltip)
            assert len(short.encode()) <= 63
            assert bool(short) == bool(socket.tooltip), (block.name, socket.name)


def test_no_two_choices_look_the_same() -> None:
    for block in blocks().values():
        for port in block.widgets:
            assert len({titled_choice(choice) for choice in port.choices}) == len(port.choices), port.name


def test_a_command_in_the_workers_python() -> None:
    asked = Command(sys.executable, ["models", "--json"])
    assert asked.wait(PATIENCE) == 0, asked.words
    assert json.loads(asked.output)["folders"] == [str(folder) for folder in model_folders()]


def test_what_can_be_downloaded_is_what_there_is(root: Path) -> None:
    source = (root / "nodes" / "hosts" / "blender" / "model_choice.py").read_text(encoding="utf-8")
    assert all(f'("{name}", "{name}",' in source for name in PUBLISHED)


def test_how_far_a_download_is() -> None:
    assert share_in("vox-cpk.pth.tar: 365 MB of 730 MB") == 0.5
    assert share_in("mine: 1.5 MB of 6.0 MB") == 0.25
    assert share_in("asking https://example.org") is None
