"""What a declaration may be, and how inputs are checked against it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fomm_nodes.nodes.spec import (
    COMBO,
    FLOAT,
    IMAGE,
    INT,
    VIDEO,
    NodeInputError,
    NodeSpec,
    Port,
    category,
    choice,
    decimal,
    integer,
    socket,
    switch,
    text,
)


def make(**changes) -> NodeSpec:
    values = {
        "id": "FOMM_Test",
        "title": "Test",
        "category": category("View"),
        "description": "Does nothing.",
        "aliases": ("nothing",),
        "inputs": (
            socket("images", (IMAGE, VIDEO), "images", "Pictures."),
            integer("count", "count", "How many.", default=3, minimum=1, maximum=9),
            decimal("share", "share", "How much.", default=0.5, minimum=0, maximum=1),
            choice("mode", "mode", "Which.", ("one", "two")),
            choice("model", "model", "Which.", "models"),
            switch("loud", "loud", "Or not.", default=False),
            text("name", "name", "Any.", default="a"),
            socket("mask", IMAGE, "mask", "A mask.", optional=True),
        ),
        "outputs": (socket("result", IMAGE, "result", "The same."),),
        "run": lambda host, **inputs: (inputs["images"],),
    }
    return NodeSpec(**{**values, **changes})


class Choices:
    """A host that only has choices."""

    def __init__(self, *models: str) -> None:
        self.models = models

    def options(self, name: str) -> tuple[str, ...]:
        assert name == "models"
        return self.models


HOST = Choices("demo", "other")


def test_missing_inputs_take_their_defaults() -> None:
    values = make().check(HOST, {"images": "pixels", "count": 5})
    assert values == {
        "images": "pixels",
        "count": 5,
        "share": 0.5,
        "mode": "one",
        "model": "demo",
        "loud": False,
        "name": "a",
        "mask": None,
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "“images” is not connected"),
        ({"images": 1, "count": 0}, "expected 1 to 9; got 0"),
        ({"images": 1, "count": 2.5}, "expected a whole number; got 2.5"),
        ({"images": 1, "count": True}, "expected a whole number; got True"),
        ({"images": 1, "share": 1.5}, "expected 0 to 1; got 1.5"),
        ({"images": 1, "share": float("nan")}, "expected 0 to 1; got nan"),
        ({"images": 1, "share": "much"}, "expected a number; got 'much'"),
        ({"images": 1, "mode": "three"}, "expected one of one, two; got 'three'"),
        ({"images": 1, "model": "../demo"}, "expected one of demo, other; got '../demo'"),
        ({"images": 1, "loud": "yes"}, "expected true or false; got 'yes'"),
        ({"images": 1, "name": 7}, "expected text; got 7"),
        ({"images": 1, "extra": 7}, r"got \['extra'\]"),
    ],
)
def test_what_does_not_fit_is_named(values: dict, words: str) -> None:
    with pytest.raises(NodeInputError, match=words):
        make().check(HOST, values)


def test_an_empty_list_is_said_to_be_empty() -> None:
    with pytest.raises(NodeInputError, match="expected one of nothing yet; got None"):
        make().check(Choices(), {"images": 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "Test"},
        {"id": "FOMM_My Test"},
        {"title": " "},
        {"description": ""},
        {"aliases": ()},
        {"aliases": ("a", " ")},
        {"category": "image/video"},
        {"outputs": (socket("images", IMAGE, "images", "An id that an input has."),)},
        {"outputs": (socket("result", (IMAGE, VIDEO), "result", "Of two types."),)},
    ],
)
def test_a_block_without_what_users_need_is_refused(changes: dict) -> None:
    with pytest.raises(ValueError, match="block"):
        make(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "Count"},
        {"tooltip": ""},
        {"title": ""},
        {"types": ()},
        {"types": ("SOMETHING",)},
        {"types": (INT, FLOAT)},
        {"types": (COMBO,)},
        {"options": ("a", "b")},
        {"types": (COMBO,), "options": ("a", "b"), "default": "c"},
        {"types": (COMBO,), "options": "files", "default": None},
    ],
)
def test_a_port_without_what_users_need_is_refused(changes: dict) -> None:
    port = Port("count", (INT,), "count", "How many.", 3)
    with pytest.raises(ValueError, match="port"):
        replace(port, **changes)
