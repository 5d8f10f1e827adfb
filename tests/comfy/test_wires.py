"""The wires that ComfyUI's server takes are those that the cases say, and our rule is its rule."""

from __future__ import annotations

import itertools

from fomm_nodes.graph.types import fits
from wires import CASES, wired

TYPES = ("INT", "FLOAT", "STRING", "COMBO", "IMAGE", "IMAGE,MASK", "MASK, LATENT", "image", "*", "INT,*", "FOMM_MODEL")
SCRIPT = f"""
import asyncio, inspect
import utils.install_util  # before comfy has a `utils` of its own in the way
import nodes, execution
from comfy_execution.validation import validate_node_input
types, graphs = {TYPES!r}, {[wired(*case[:3]) for case in CASES]!r}
told["rule"] = [validate_node_input(given, wanted) for given in types for wanted in types]
asyncio.run(nodes.init_builtin_extra_nodes())
extension = asyncio.run(pack.comfy_entrypoint())
for block in asyncio.run(extension.get_node_list()):
    nodes.NODE_CLASS_MAPPINGS[block.GET_SCHEMA().node_id] = block
def ask(number, graph):
    answer = execution.validate_prompt(str(number), graph, None)
    return asyncio.run(answer) if inspect.isawaitable(answer) else answer
told["taken"], told["why"] = [], []
for number, graph in enumerate(graphs):
    taken, problem, _, details = ask(number, graph)
    told["taken"].append(bool(taken))
    told["why"].append([error["type"] for node in details.values() for error in node["errors"]])
"""


def test_the_rule_and_the_graphs(inside) -> None:
    told = inside(SCRIPT)
    assert [fits(given, wanted) for given, wanted in itertools.product(TYPES, TYPES)] == told["rule"]
    assert told["taken"] == [fit for *_, fit in CASES], list(zip(CASES, told["why"], strict=True))
    assert {why for reasons in told["why"] for why in reasons} == {"return_type_mismatch"}
