"""The words of the blocks in each language, as ComfyUI's front end reads them."""

from __future__ import annotations

import json
import re

import pytest
from fomm_nodes.nodes.declarations import ALL
from fomm_nodes.nodes.hosts.comfyui.locales import FOLDER, LANGUAGES, as_text, files, table, words_of

WRITE = "python -m fomm_nodes.nodes.hosts.comfyui.locales"
others = pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_files_are_those_of_the_declarations(language: str) -> None:
    made = files(language)
    assert {path.name for path in (FOLDER / language).iterdir()} == set(made)
    for name, content in made.items():
        assert (FOLDER / language / name).read_text(encoding="utf-8") == as_text(content), f"run: {WRITE}"


@others
def test_each_word_is_translated_and_none_is_left_over(language: str) -> None:
    known, wanted = table(language), {text for spec in ALL for text in words_of(spec)}
    assert sorted(wanted - known.keys()) == [], f"add them to locales/words.{language}.json, then run: {WRITE}"
    assert sorted(known.keys() - wanted) == []
    assert [text for text, translated in known.items() if not translated.strip() or translated == text] == []


@others
def test_what_is_typed_or_named_stays_as_it_is(language: str) -> None:
    """Choices, names of files and folders, numbers: what a user would look for or type."""
    kept = re.compile(
        r"models/\w+|output/\w+|\.safetensors|\.pth\.tar|\b\d+(?:\.\d+)?\b|\b[a-z][a-z-]*(?=: )|xywh|xyxy"
    )
    for text, translated in table(language).items():
        choices = [word for word in kept.findall(text) if word not in ("wiring", "reasons")]
        lost = [word for word in choices if word not in translated]
        assert not [word for word in lost if not word.isalpha() or word in OPTIONS], (text, translated)


OPTIONS = {option for spec in ALL for port in spec.inputs if isinstance(port.options, tuple) for option in port.options}


def test_the_front_end_finds_each_port() -> None:
    nodes = json.loads((FOLDER / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
    for spec in ALL:
        assert list(nodes[spec.id]["inputs"]) == [port.id for port in spec.inputs]
        assert list(nodes[spec.id]["outputs"]) == [str(place) for place in range(len(spec.outputs))]
