"""Naming a port of a graph from outside."""

from __future__ import annotations

from typing import Any

import pytest
from fomm_nodes.fomm_core.errors import GraphError
from fomm_nodes.graph.model import Graph, Link, Node
from fomm_nodes.graph.schemas import Schemas
from fomm_nodes.graph.settings import Setting, parse_setting, target, targets

GRAPH = Graph(
    {
        "1": Node("1", "LoadImage", "Portrait v1.0", {"image": "a.png"}),
        "2": Node("2", "LoadImage", "Background", {"image": "b.png"}),
        "7:3": Node("7:3", "KSampler", "KSampler", {"seed": 1, "steps": 2, "model": Link("1", 0)}),
        "4": Node("4", "SampleWidgets", "All", {"b": True, "seed": Link("7:3", 0)}),
        "5": Node("5", "Strange", "Strange one", {"n": 1, "text": "x", "wire": Link("1", 0)}),
    }
)


def test_a_setting_is_split_at_its_first_sign() -> None:
    assert parse_setting("Load Image.image=a=b.png") == Setting("Load Image.image", "a=b.png")
    assert parse_setting(" 3.seed =") == Setting("3.seed", "")
    for wrong in ("", "image", "image=3", ".=3", "=3"):
        with pytest.raises(GraphError, match=r"NODE\.PORT=VALUE"):
            parse_setting(wrong)


@pytest.mark.parametrize(
    ("where", "key"),
    [
        ("1.image", ("1", "image")),
        ("Portrait v1.0.image", ("1", "image")),
        ("background.image", ("2", "image")),
        ("7:3.seed", ("7:3", "seed")),
        ("KSampler.seed", ("7:3", "seed")),
        ("ksampler.denoise", ("7:3", "denoise")),  # it has no value yet
        ("All.seed", ("4", "seed")),  # a widget that is wired
        ("strange.n", ("5", "n")),
    ],
)
def test_a_port_is_found(where: str, key: tuple[str, str], schemas: Schemas) -> None:
    assert target(GRAPH, where, schemas).key == key


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("LoadImage.image", 'could be any of the nodes 1, 2. Name one by its id: "1.image"'),
        ("KSampler.sed", "“KSampler” (node 7:3) has no input 'sed', but: seed, steps"),
        ("Sampler.seed", "'Sampler.seed' names no node of: Portrait v1.0, Background, KSampler, All, Strange one."),
        ("Sampler.seed", "Did you mean “KSampler”?"),
        ("KSampler.model", "“KSampler”.model is wired, not set"),
        ("nonsense", "expected NODE.PORT"),
    ],
)
def test_what_is_not_found_says_what_there_is(where: str, words: str, schemas: Schemas) -> None:
    with pytest.raises(GraphError) as caught:
        target(GRAPH, where, schemas)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("where", "text", "value"),
    [
        ("KSampler.seed", "12", 12),
        ("KSampler.seed", 12.0, 12),
        ("KSampler.cfg", "2", 2.0),
        ("All.b", "False", False),
        ("All.b", " yes ", True),
        ("All.b", False, False),
        ("KSampler.sampler_name", "euler", "euler"),
        ("1.image", "3", "3"),
        ("Strange.n", "3", 3),
        ("Strange.n", "word", "word"),
        ("Strange.text", "3", "3"),
    ],
)
def test_text_becomes_what_the_port_takes(where: str, text: Any, value: Any, schemas: Schemas) -> None:
    made = target(GRAPH, where, schemas).typed(text)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("where", "text", "words"),
    [
        ("KSampler.seed", "many", "“KSampler”.seed: expected a whole number; got 'many'"),
        ("KSampler.seed", 1.5, "a whole number"),
        ("KSampler.seed", True, "a whole number"),
        ("KSampler.seed", None, "one value; got None"),
        ("1.image", 3, "the name of a file"),
        ("KSampler.cfg", "", "a number"),
        ("All.b", "perhaps", "true or false"),
    ],
)
def test_text_that_it_does_not_take(where: str, text: Any, words: str, schemas: Schemas) -> None:
    with pytest.raises(GraphError) as caught:
        target(GRAPH, where, schemas).typed(text)
    assert words in str(caught.value)


def test_all_that_can_be_set(schemas: Schemas) -> None:
    found = [str(made) for made in targets(GRAPH, schemas)]
    assert {"Portrait v1.0.image", "KSampler.denoise", "All.seed", "Strange one.n"} <= set(found)
    assert not {"KSampler.model", "Strange one.wire"} & set(found)
    for made in targets(GRAPH, schemas):
        assert target(GRAPH, f"{made.node.id}.{made.port}", schemas) == made
