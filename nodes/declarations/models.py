"""Blocks that bring models in and out, and the example to try them on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...fomm_core.checkpoints import ASSETS, load_model, save_model
from ...fomm_core.config import PRESETS
from ...fomm_core.fitting import from_uint8
from ...fomm_core.video import read_image
from ..spec import IMAGE, MODEL, STRING, VIDEO, Host, NodeSpec, category, choice, socket, text
from .border import MODEL_IN, images_to_graph

AUTO = "auto"
EXAMPLE_SOURCES = {"astronaut": "source.png", "redhead": "source-redhead.png", "mouse": "source-mouse.png"}
EXAMPLE_DRIVING = "driving.mp4"


def file_state(path: Path) -> str:
    """A text that changes when the file is replaced."""
    stat = path.stat()
    return f"{path}:{stat.st_mtime_ns}:{stat.st_size}"


def _load(host: Host, model: str, preset: str) -> tuple[Any, ...]:
    loaded = load_model(host.find("models", model), preset_name=None if preset == AUTO else preset)
    return (host.hold(loaded),)


def _model_state(host: Host, values: Mapping[str, Any]) -> str:
    return file_state(host.find("models", values["model"]))


def _save(host: Host, model: Any, filename_prefix: str) -> tuple[Any, ...]:
    path, name = host.new_file("models", filename_prefix, ".safetensors")
    save_model(model.model, path, metadata={"name": model.model.name})
    return (name,)


def _example(host: Host, picture: str) -> tuple[Any, ...]:
    source = from_uint8(read_image(ASSETS / EXAMPLE_SOURCES[picture]))
    return images_to_graph(source), host.make_video(ASSETS / EXAMPLE_DRIVING)


LOAD_MODEL = NodeSpec(
    id="FOMM_LoadModel",
    title="Load Motion Model",
    category=category("Models"),
    description="Loads a First Order Motion Model: the built-in demo model, or a checkpoint from models/fomm.",
    aliases=("fomm", "first order model", "load checkpoint", "vox-cpk", "talking head model"),
    inputs=(
        choice(
            "model",
            "model",
            (
                "The built-in demo model (small, for a first try) or a file from models/fomm: .safetensors, .pth or"
                " .pth.tar, including the authors' published checkpoints. Press R after adding a file."
            ),
            "models",
        ),
        choice(
            "preset",
            "preset",
            "Leave it at auto to recognise the kind of model. Choose one only if a checkpoint fits several.",
            (AUTO, *PRESETS),
            advanced=True,
        ),
    ),
    outputs=(socket("loaded", MODEL, "model", "The motion model, for all other blocks of this pack."),),
    run=_load,
    fingerprint=_model_state,
)

SAVE_MODEL = NodeSpec(
    id="FOMM_SaveModel",
    title="Save Motion Model",
    category=category("Models"),
    description="Saves a motion model as one safetensors file, including its configuration.",
    aliases=("fomm", "export model", "convert checkpoint", "pth to safetensors"),
    inputs=(
        MODEL_IN,
        text(
            "filename_prefix",
            "filename prefix",
            "Name of the file, below output/fomm_models; a number is added. Sub-folders are possible: faces/mine.",
            default="model",
        ),
    ),
    outputs=(socket("file", STRING, "file", "The file's name, as Load Motion Model lists it."),),
    run=_save,
    is_output=True,
)

LOAD_EXAMPLE = NodeSpec(
    id="FOMM_LoadExample",
    title="Load Example",
    category=category(),
    description="A source image and a driving video that come with this pack, to try out a graph.",
    aliases=("fomm", "sample", "demo", "test input", "astronaut"),
    inputs=(
        choice(
            "picture",
            "picture",
            "Which portrait: a photograph (astronaut), or one of two drawn faces (redhead, mouse).",
            tuple(EXAMPLE_SOURCES),
        ),
    ),
    outputs=(
        socket("source", IMAGE, "source", "A still portrait. Replace this block with Load Image to use your own."),
        socket(
            "driving",
            VIDEO,
            "driving",
            "A short clip of a moving head. Replace this block with Load Video to use your own.",
        ),
    ),
    run=_example,
)

SPECS = (LOAD_EXAMPLE, LOAD_MODEL, SAVE_MODEL)
