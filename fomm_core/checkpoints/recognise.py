"""Which model is it? Answered from key names and shapes alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from ..config import PRESETS, MotionModelConfig
from ..errors import CheckpointError
from ..model import MotionModel, build_discriminator
from ..wording import counted
from .families import NAMES
from .infer import infer, infer_avd, infer_background

log = logging.getLogger("fomm.checkpoints")

Shapes = dict[str, tuple[int, ...]]


@lru_cache(maxsize=64)
def expected_shapes(config: MotionModelConfig) -> Shapes:
    """Every key of a model of this configuration with its shape, kernels of the anti-alias filters included."""
    with torch.device("meta"):
        return {key: tuple(tensor.shape) for key, tensor in MotionModel(config).state_dict().items()}


@lru_cache(maxsize=64)
def expected_discriminator_shapes(config: MotionModelConfig) -> Shapes:
    """The same of its discriminator, prefixed `discriminator.`; empty where the configuration has none."""
    with torch.device("meta"):
        discriminator = build_discriminator(config)
    if discriminator is None:
        return {}
    return {f"discriminator.{key}": tuple(tensor.shape) for key, tensor in discriminator.state_dict().items()}


def _model_shapes(state: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in state.items() if not key.startswith("discriminator.")}


def _discriminator_shapes(state: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in state.items() if key.startswith("discriminator.")}


def with_extras(config: MotionModelConfig, state: Mapping[str, Tensor]) -> MotionModelConfig:
    """The same with the avd network and the background predictor that a state in our key names has, or has not:
    files come with and without, at every stage of training.
    """
    avd = infer_avd(state)
    background = infer_background(state) if config.background is None else config.background
    if not any(key.startswith("background.") for key in state):
        background = None
    return replace(config, avd=avd, background=background)


def _likely(state: Mapping[str, Tensor]) -> list[str]:
    """Presets of the families that a state in our key names can be of."""
    families = {"fomm", "mraa"}
    if "detector.encoder.fc.weight" in state:
        families = {"tps"}
    elif "detector.segmentation_head.weight" in state:
        families = {"partswap"}
    elif "detector.jacobian_head.weight" in state:
        families = {"fomm"}
    return [name for name, config in PRESETS.items() if config.family in families]


def matching_presets(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Names of all presets that the state fits exactly; discriminator, avd network and background predictor count
    where the state holds one.
    """
    model, discriminator = _model_shapes(state), _discriminator_shapes(state)
    return tuple(
        name
        for name in _likely(state)
        if expected_shapes(_as_stored(PRESETS[name], state)) == model
        and (not discriminator or expected_discriminator_shapes(PRESETS[name]) == discriminator)
    )


def _as_stored(config: MotionModelConfig, state: Mapping[str, Tensor]) -> MotionModelConfig:
    """Without the avd network and the background predictor where the state has none; a published one has its published
    size.
    """
    held = {key.partition(".")[0] for key in state}
    return replace(
        config,
        avd=config.avd if "avd" in held else None,
        background=config.background if "background" in held else None,
    )


def nearest_preset(state: Mapping[str, Tensor]) -> tuple[str, int]:
    """The preset with the fewest keys that are missing, extra or of another shape, and that number."""
    model = set(_model_shapes(state).items())
    distances = {
        name: len(model ^ set(expected_shapes(_as_stored(PRESETS[name], state)).items())) for name in _likely(state)
    }
    name = min(distances, key=lambda candidate: distances[candidate])
    return name, distances[name]


def hint(name: str) -> str:
    """What a file's name has to contain to choose a preset: 'taichi' of 'taichi-256' and of 'mraa-taichi-256'."""
    config = PRESETS[name]
    if config.family == "fomm":
        return name.removesuffix("-256")
    return name.removeprefix(f"{config.family}-").rpartition("-")[0]


def recognise(state: Mapping[str, Tensor], *, file_name: str = "", family: str | None = None) -> MotionModelConfig:
    """The configuration of a state in our key names: a preset where one fits, else read off the shapes.

    Several presets differ in nothing that a shape shows; `file_name` then chooses among them ('taichi-cpk.pth.tar' ->
    taichi-256), else the first. Where they differ in what inference uses, as MRAA's in the padding of their heads,
    there is no first: CheckpointError asks for a name. family: of the networks' names, where it is known.
    """
    names = [name for name in matching_presets(state) if family in (None, PRESETS[name].family)]
    if names:
        hinted = [name for name in names if hint(name) in file_name]
        if not hinted:
            _check_alike(names, file_name)
        return _as_stored(PRESETS[max(hinted, key=lambda name: len(hint(name))) if hinted else names[0]], state)
    try:
        return with_extras(infer(state, family or _family(state)), state)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as problem:
        name, differences = nearest_preset(state)
        lacks = f"a file without {problem}" if isinstance(problem, KeyError) else f"shapes of another kind ({problem})"
        raise CheckpointError(
            f"expected the weights of {NAMES[family or 'fomm']}; got {lacks}. The nearest preset is "
            f"'{name}', with {counted(differences, 'key')} missing, extra or of another shape."
        ) from problem


def _family(state: Mapping[str, Tensor]) -> str:
    """Of a state in our key names without notes; a zero-order model is taken for a first-order one's kind."""
    likely = {PRESETS[name].family for name in _likely(state)}
    extras = any(key.startswith(("avd.", "background.")) for key in state)
    return "mraa" if extras and "mraa" in likely else min(likely)


def _check_alike(names: list[str], file_name: str) -> None:
    """Presets of the same shapes, none of them named by the file: raise where it matters, warn where it may."""
    words = " or ".join(f"'{hint(name)}' ({name})" for name in names)
    detectors = {PRESETS[name].detector for name in names}
    if len(detectors) > 1:
        raise CheckpointError(
            f"expected a file whose name says what it was trained on, {words}, since these have the same shapes and "
            f"are computed in different ways; got '{file_name}'. Choose the preset, give the "
            "configuration, or rename the file."
        )
    if len({PRESETS[name].frame_size for name in names}) > 1:
        log.warning(
            "%s has the shapes of %s, and its name says nothing: %s is assumed. Another preset can be chosen.",
            file_name or "the file",
            words,
            names[0],
        )
