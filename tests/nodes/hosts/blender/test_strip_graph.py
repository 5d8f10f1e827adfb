"""The sequencer's graphs: a ComfyUI server takes only those that give each input, and none besides."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.nodes.hosts.blender.blocks import blocks, table
from fomm_nodes.nodes.hosts.blender.over_time import with_strength
from fomm_nodes.nodes.hosts.blender.span import Clip, clip_of
from fomm_nodes.nodes.hosts.blender.strip_graph import ANIMATES, REGIONS, Look, Still, animation

CLIP: Clip = clip_of(46, 0, 0, 1.0, (0, 46))


def graphs() -> Iterator[dict[str, Any]]:
    """All kinds: wholes and squares, opaque and transparent, with and without more for the compositor."""
    for region, alpha, occlusion, wide in product(REGIONS, (False, True), (False, True), (False, True)):
        still = Still(Path("face.png"), 320 if wide else 180, 180, alpha)
        flow = region == "off" or (region == "auto" and not wide)
        look = Look(region=region, occlusion=occlusion, flow=occlusion and flow)
        graph = animation(still, Path("talk.mp4"), CLIP, 25.0, look, (640, 360)).graph
        yield dict(graph)
        yield with_strength(graph, ANIMATES, [0.0, 0.5, 1.0])


@pytest.mark.parametrize("graph", list(graphs()))
def test_each_node_has_all_that_a_server_asks_for(graph: dict[str, Any]) -> None:
    for name, node in graph.items():
        kind, inputs = node["class_type"], node["inputs"]
        assert kind in table(), name
        block = blocks().get(kind)
        if block is not None:
            assert {port.name for port in block.inputs if not port.optional} <= set(inputs), (name, kind)
            assert set(inputs) <= set(block.ports), (name, kind)


def test_what_is_filled_in_is_the_default() -> None:
    node = next(graphs())[ANIMATES]
    ports = blocks()[node["class_type"]].ports
    assert node["inputs"]["mismatch"] == ports["mismatch"].choices[0]
    assert ports["mismatch"].start == "stop"
