"""All blocks as plain data, for where their libraries are missing (Blender) or too large (planning a batch).

`python -m fomm_nodes.nodes.block_table` writes the file anew after a change of the declarations.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .hosts.names import built_in
from .spec import NodeSpec, Port

if TYPE_CHECKING:
    from .hosts.headless.comfy_nodes import CoreNode

PATH = Path(__file__).with_name("blocks.json")
CORE_MENU = "ComfyUI"


@lru_cache(maxsize=1)
def known_blocks() -> dict[str, Any]:
    """The file: each block by its class name, in the order of the menu. Loads no library."""
    blocks: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return blocks


def declared_blocks() -> dict[str, Any]:
    """The same from the declarations themselves."""
    from .declarations import ALL
    from .hosts.headless.comfy_nodes import CORE_NODES

    return {spec.id: _block(spec) for spec in ALL} | {node.id: _core_block(node) for node in CORE_NODES.values()}


def _block(spec: NodeSpec) -> dict[str, Any]:
    return {
        "title": spec.title,
        "category": spec.category,
        "description": spec.description,
        "saves": spec.is_output,
        "inputs": [_port(port) for port in spec.inputs],
        "outputs": [{"name": port.id, "title": port.title, "type": port.types[0]} for port in spec.outputs],
    }


def _port(port: Port) -> dict[str, Any]:
    listed = port.options if isinstance(port.options, str) else None
    first = next(iter(built_in(listed)), "") if listed else None
    return _filled(
        {
            "name": port.id,
            "title": port.title,
            "tooltip": port.tooltip,
            "type": ",".join(port.types),
            "widget": port.is_widget,
            "default": port.default if port.default is not None else first,
            "minimum": port.minimum,
            "maximum": port.maximum,
            "step": port.step,
            "choices": list(port.options) if isinstance(port.options, tuple) else None,
            "list": listed,
            "optional": port.optional or None,
            "advanced": port.advanced or None,
        }
    )


def _core_block(node: CoreNode) -> dict[str, Any]:
    from .hosts.headless.comfy_nodes import object_info

    return {
        "title": node.title,
        "category": f"{CORE_MENU}/{node.category}",
        "description": "",
        "saves": node.is_output or node.is_preview,
        "inputs": [_core_port(name, entry, optional=name in node.optional) for name, entry in node.older.items()],
        "outputs": [{"name": name, "title": name, "type": kind} for kind, name in node.outputs],
        **({"now": object_info(node.now)} if node.now else {}),
        **({"title_now": node.title_now} if node.title_now else {}),
        **({"more_outputs": [[kind, name] for kind, name in node.more_outputs]} if node.more_outputs else {}),
    }


def _core_port(name: str, entry: tuple[Any, ...], *, optional: bool) -> dict[str, Any]:
    from .hosts.headless.comfy_nodes import UPLOADS

    kind, options = entry[0], entry[1] if len(entry) > 1 else {}
    upload = next((mark.removesuffix("_upload") for mark in UPLOADS if options.get(mark)), None)
    is_choice = isinstance(kind, list)
    return _filled(
        {
            "name": name,
            "title": name.replace("_", " "),
            "tooltip": "",
            "type": "COMBO" if is_choice else kind,
            "widget": is_choice or kind in ("INT", "FLOAT", "BOOLEAN", "STRING", "COMBO"),
            "default": options.get("default", "" if upload else None),
            "minimum": options.get("min"),
            "maximum": options.get("max"),
            "step": options.get("step"),
            "choices": kind if is_choice and not upload else None,
            "upload": upload,
            "optional": optional or None,
        }
    )


def _filled(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not None}


def table_text() -> str:
    """The file's content."""
    return json.dumps(declared_blocks(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(table_text(), encoding="utf-8")
