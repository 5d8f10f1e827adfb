"""Which classes a tree knows: our blocks, and those of other packs as a ComfyUI tells of them, kept with the tree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ....graph.canvas_nodes import CANVAS_ONLY
from ....graph.saved import GROUP_PREFIXES, saved_node
from ....graph.schemas import Schemas, schemas_from, schemas_in, schemas_of
from ....graph.shown import shown_values
from .blocks import table
from .groups import GroupNode
from .nodes import ForeignNode, keep_entry, saved_entry
from .values import set_values, with_values

KEPT = "fomm_classes"
"""Under this name a tree keeps what a ComfyUI told of the classes in it that are none of ours."""

PATIENCE = 5.0
"""Seconds that a server has to answer while the user waits."""


@lru_cache(maxsize=1)
def ours() -> Schemas:
    """Of our blocks, and of ComfyUI's own that we have."""
    return schemas_of(table())


def known_to(tree: Any) -> Schemas:
    """All that a tree knows."""
    try:
        return schemas_in(json.loads(tree.get(KEPT, "")), tree.name).merged(ours())
    except ValueError:  # none, or a file that something else wrote
        return ours()


def trees_in(tree: Any) -> Iterator[Any]:
    """A tree and those of its groups, however deep, each once."""
    waiting, seen = [tree], {tree.name}
    while waiting:
        current = waiting.pop(0)
        yield current
        for node in current.nodes:
            if isinstance(node, GroupNode) and node.node_tree is not None and node.node_tree.name not in seen:
                seen.add(node.node_tree.name)
                waiting.append(node.node_tree)


def strangers(tree: Any) -> set[str]:
    """The classes in a tree that it does not know."""
    known = known_to(tree)
    found = {str(node.w_class) for one in trees_in(tree) for node in one.nodes if isinstance(node, ForeignNode)}
    older = (saved_entry(tree).get("extra") or {}).get("groupNodes") or {}  # which stay a single node here
    found |= {str(node.get("type")) for group in older.values() for node in group.get("nodes") or ()}
    return {kind for kind in found - CANVAS_ONLY if kind not in known and not kind.startswith(GROUP_PREFIXES)}


def ask(tree: Any, source: str) -> set[str]:
    """Learn of the strangers in a tree from a ComfyUI's address, or from a file with what it tells at /object_info.

    Returns those that are still unknown. Raises ValueError where there is no answer.
    """
    if wanted := strangers(tree):
        learn(tree, schemas_from(source, PATIENCE), wanted)
        wanted = strangers(tree)
    return wanted


def learn(tree: Any, schemas: Schemas, wanted: set[str]) -> None:
    """Keep what is told of the wanted classes, and show the values of their nodes by it."""
    kept = json.loads(tree.get(KEPT, "{}"))
    tree[KEPT] = json.dumps({**kept, **{kind: schemas.entries[kind] for kind in wanted if kind in schemas}})
    for one in trees_in(tree):
        for node in one.nodes:
            if isinstance(node, ForeignNode) and node.w_class in wanted:
                keep_entry(node, with_values(saved_entry(node), node.w_values))
                show_values(node, known_to(tree))


def show_values(node: Any, schemas: Schemas) -> None:
    """Show on a node the values of the entry that it was imported from."""
    entry = saved_entry(node)
    if "type" in entry:
        set_values(node, shown_values(saved_node(entry), schemas, is_subgraph=isinstance(node, GroupNode)))
    elif entry:
        prompt = {"id": "", "type": entry["class_type"], "widgets_values": plain_inputs(entry)}
        set_values(node, shown_values(saved_node(prompt), schemas))


def plain_inputs(entry: Any) -> dict[str, Any]:
    """The inputs of an entry of a graph as it is run that are values."""
    return {name: value for name, value in entry.get("inputs", {}).items() if not was_wire(value)}


def was_wire(value: Any) -> bool:
    """Whether a saved input names another node, which may be gone."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
