"""What ComfyUI's front end reads of the blocks' words, in each language: `locales/LANGUAGE/*.json`.

The English words are those of the declarations; of another language there is a table `locales/words.LANGUAGE.json`.
`python -m fomm_nodes.nodes.hosts.comfyui.locales` writes the files anew after a change of either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...spec import NodeSpec, Port

FOLDER = Path(__file__).parents[3] / "locales"
LANGUAGES = ("en", "zh")


def words_of(spec: NodeSpec) -> Iterator[str]:
    """All that a user reads of a block."""
    yield from (spec.title, spec.description, *spec.category.split("/"))
    for port in (*spec.inputs, *spec.outputs):
        yield from (port.title, port.tooltip)


def table(language: str) -> dict[str, str]:
    """The words of a language by the English ones."""
    from ...declarations import ALL

    if language == "en":
        return {text: text for spec in ALL for text in words_of(spec)}
    words: dict[str, str] = json.loads((FOLDER / f"words.{language}.json").read_text(encoding="utf-8"))
    return words


def files(language: str) -> dict[str, Any]:
    """The content of each file of a language. Raises KeyError for words that its table lacks."""
    from ...declarations import ALL

    words = table(language)
    nodes = {spec.id: _node(spec, words) for spec in ALL}
    categories = {part: words[part] for spec in ALL for part in spec.category.split("/")}
    return {"nodeDefs.json": nodes, "main.json": {"nodeCategories": categories}}


def _node(spec: NodeSpec, words: Mapping[str, str]) -> dict[str, Any]:
    return {
        "display_name": words[spec.title],
        "description": words[spec.description],
        "inputs": {port.id: _port(port, words) for port in spec.inputs},
        "outputs": {str(place): _port(port, words) for place, port in enumerate(spec.outputs)},
    }


def _port(port: Port, words: Mapping[str, str]) -> dict[str, str]:
    return {"name": words[port.title], "tooltip": words[port.tooltip]}


def as_text(content: Any) -> str:
    """A file's text."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for language in LANGUAGES:
        (FOLDER / language).mkdir(parents=True, exist_ok=True)
        for name, content in files(language).items():
            (FOLDER / language / name).write_text(as_text(content), encoding="utf-8")
