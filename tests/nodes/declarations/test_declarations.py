"""The blocks as a whole: contracts that saved graphs and help pages rely on."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from fomm_nodes.nodes import declarations
from fomm_nodes.nodes.declarations import ALL, BY_ID
from fomm_nodes.nodes.declarations.animate import Settings
from fomm_nodes.nodes.spec import NodeSpec
from PIL import Image

ROOT = Path(__file__).parents[3]
SNAPSHOT = Path(__file__).with_name("ports.json")
each = pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.id)


def ports_of(spec: NodeSpec) -> dict[str, list[str]]:
    """As in ports.json: `id types` of each port in order."""
    return {
        "inputs": [f"{port.id} {','.join(port.types)}" for port in spec.inputs],
        "outputs": [f"{port.id} {port.types[0]}" for port in spec.outputs],
    }


def test_ids_are_different() -> None:
    assert len(BY_ID) == len(ALL)
    assert len({spec.title for spec in ALL}) == len(ALL)


@pytest.mark.parametrize("block", sorted(json.loads(SNAPSHOT.read_text())))
def test_ports_grow_only_at_the_end(block: str) -> None:
    # Saved graphs hold widget values by position. A port may get further types; none may go, move or be renamed.
    now, then = ports_of(BY_ID[block]), json.loads(SNAPSHOT.read_text())[block]
    for side in ("inputs", "outputs"):
        for old, new in zip(then[side], now[side], strict=False):
            (old_id, old_types), (new_id, new_types) = old.split(), new.split()
            assert old_id == new_id, f"{block}: {old_id} was at this place, now {new_id} is"
            assert set(old_types.split(",")) <= set(new_types.split(",")), f"{block}.{old_id} lost a type"
        assert len(now[side]) >= len(then[side]), f"{block} lost {side}"


def test_the_snapshot_knows_every_block_and_port() -> None:
    # After adding a port or a block: write {block: ports_of(spec)} for all of ALL to ports.json.
    assert json.loads(SNAPSHOT.read_text()) == {spec.id: ports_of(spec) for spec in ALL}


@each
def test_the_help_page_matches_the_ports(spec: NodeSpec, root: Path) -> None:
    page = (root / "web" / "docs" / spec.id / "en.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {spec.title}\n")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for heading, ports in (("Inputs", spec.inputs), ("Outputs", spec.outputs)):
        named = re.findall(r"^\| \*\*(.+?)\*\* \|", sections.get(heading, ""), re.MULTILINE)
        assert named == [port.title for port in ports]
    assert len(sections["Typical wiring"].strip()) > 40
    assert len(sections["Good to know"].strip()) > 40


def test_there_are_no_pages_without_a_block(root: Path) -> None:
    assert {path.name for path in (root / "web" / "docs").iterdir()} == set(BY_ID)


@each
def test_widgets_have_defaults_within_their_range(spec: NodeSpec) -> None:
    for port in spec.inputs:
        if port.is_widget and not isinstance(port.options, str):
            assert port.problem(port.default) is None


@each
def test_widgets_are_called_by_their_ids(spec: NodeSpec) -> None:
    # Older front ends write the id on a widget, newer ones the title; the help page has the title.
    for port in spec.inputs:
        assert not port.is_widget or port.id == port.title.replace(" ", "_")


@each
def test_words_are_for_people(spec: NodeSpec) -> None:
    texts = [spec.description, *(port.tooltip for port in (*spec.inputs, *spec.outputs))]
    for words in texts:
        assert not words[0].islower() or ":" in words, words
        assert words.rstrip().endswith("."), words


@each
def test_run_takes_what_the_ports_give(spec: NodeSpec) -> None:
    signature = inspect.signature(spec.run)
    given = {port.id: None for port in spec.inputs}
    bound = signature.bind(None, **given)
    rest = bound.arguments.get("settings")
    if rest is not None:
        assert set(rest) == {field.name for field in dataclasses.fields(Settings)}


REGIONS = [spec.id for spec in ALL if spec.category.endswith("/Region")] + ["FOMM_Hold", "FOMM_TransferDetail"]


@pytest.mark.parametrize("block", REGIONS)
def test_the_help_pages_of_regions_show_a_picture(block: str, root: Path) -> None:
    folder = root / "web" / "docs"  # where ComfyUI's front end takes the paths of images from
    (shown,) = re.findall(
        r"^!\[[^\]]{10,}\]\((.+?)\)$", (folder / block / "en.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    with Image.open(folder / shown) as picture:
        assert picture.width >= 400
    assert (folder / shown).stat().st_size < 60_000


def test_the_map_says_where_each_block_is() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)\.py` \| (.+) \|$", page, re.MULTILINE)
    files = [path.stem for path in Path(declarations.__file__).parent.glob("*.py") if path.stem != "__init__"]
    modules = {name: import_module(f"{declarations.__name__}.{name}") for name in files}
    declared = {
        name: [spec.title for spec in found.SPECS] for name, found in modules.items() if hasattr(found, "SPECS")
    }
    assert {name: titles.split(", ") for name, titles in rows} == declared
    assert sum(map(len, declared.values())) == len(ALL)
