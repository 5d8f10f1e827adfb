"""The blocks as plain data: the file for Blender, and values between graphs and properties."""

from __future__ import annotations

import ast
import struct
from pathlib import Path

import fomm_nodes
import pytest
from fomm_nodes.nodes.block_table import PATH, table_text
from fomm_nodes.nodes.hosts.blender.blocks import Port, blocks, number_of, shortest, single
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[4]


def test_the_file_is_what_the_declarations_say() -> None:
    assert PATH.read_text(encoding="utf-8") == table_text(), "python -m fomm_nodes.nodes.block_table writes it anew"


def test_choices_have_different_numbers() -> None:
    for block in blocks().values():
        for port in block.widgets:
            assert len({number_of(choice) for choice in port.choices}) == len(port.choices), f"{block.name}.{port.name}"


def test_classes_fit_blenders_names() -> None:
    for block in blocks().values():
        assert len(block.idname) < 64
        assert all(len(port.attribute) < 64 for port in block.inputs)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_the_shortest_number_is_the_same_one(number: float) -> None:
    assert single(shortest(number)) == number


@given(st.integers(-10_000, 10_000))
def test_what_a_user_types_comes_out(hundredths: int) -> None:
    typed = hundredths / 100
    assert shortest(single(typed)) == typed


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans(), st.text()))
@pytest.mark.parametrize(
    "port",
    [
        Port("a", "a", "FLOAT", widget=True, default=1.0, minimum=0.0, maximum=2.0),
        Port("a", "a", "INT", widget=True, default=1),
        Port("a", "a", "BOOLEAN", widget=True, default=True),
        Port("a", "a", "STRING", widget=True, default=""),
        Port("a", "a", "COMBO", widget=True, default="x", choices=("x", "y")),
    ],
    ids=lambda port: port.type,
)
def test_a_value_that_nobody_changed_comes_out_as_it_went_in(port: Port, value: object) -> None:
    held = port.shown(value)
    if port.type == "FLOAT":
        held = struct.unpack("f", struct.pack("f", held))[0]
    assert port.told(held, value) is value


def test_a_value_that_was_changed_is_told() -> None:
    strength = Port("a", "a", "FLOAT", widget=True, default=1.0, minimum=0.0, maximum=2.0)
    assert strength.told(single(0.8), 1) == 0.8
    assert strength.told(1.0, 5.0) == 1
    assert Port("a", "a", "COMBO", widget=True, default="x", choices=("x", "y")).told("y", "x") == "y"


def test_bl_info_is_literal_and_of_this_version() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    (value,) = [node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "bl_info"]
    info = ast.literal_eval(value)
    assert ".".join(map(str, info["version"])) == fomm_nodes.__version__
    assert info["blender"] == (4, 2, 0)
