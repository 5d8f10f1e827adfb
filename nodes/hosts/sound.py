"""AUDIO values: {"waveform": [B, channels, samples] -1..1, "sample_rate": Hz}."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ...fomm_core.errors import ImageError
from ...fomm_core.video.sound import Sound
from ...fomm_core.video.sound import read_sound as read_file
from ...fomm_core.video.sound_writing import write_wav
from ...fomm_core.video.timeline import DEFAULT_LAYOUTS

logger = logging.getLogger("fomm.video")

NewFile = Callable[[str], Path]
HIGHEST_RATE = 1_000_000
WHAT = 'expected an AUDIO value, {"waveform": [batch, channels, samples], "sample_rate": Hz}'


def checked(audio: Any) -> tuple[Tensor, int] | None:
    """An AUDIO value as its waveform, float32 [B, channels, samples] on the CPU, and its rate; None for no sound at
    all. Takes what other packs' blocks give, too: one sound without a batch, integers, a rate as a float or tensor.

    Raises ImageError for everything else.
    """
    if audio is None:
        return None
    if not isinstance(audio, Mapping) or "waveform" not in audio or "sample_rate" not in audio:
        raise ImageError(f"{WHAT}; got {_told(audio)}. Connect an audio output.")
    try:
        waveform = torch.as_tensor(audio["waveform"]).detach().cpu()
        rate = round(float(audio["sample_rate"]))
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ImageError(f"{WHAT}; this one cannot be read ({error}). Connect another audio output.") from error
    if waveform.ndim > 3 or waveform.ndim == 0 or waveform.is_complex() or not 0 < rate <= HIGHEST_RATE:
        raise ImageError(f"{WHAT}; got a waveform {list(waveform.shape)} at {rate} Hz. Connect another audio output.")
    if not waveform.is_floating_point():
        waveform = waveform.float() / _full_scale(waveform.dtype)
    waveform = waveform.float().nan_to_num(0.0, 1.0, -1.0).reshape(*[1] * (3 - waveform.ndim), *waveform.shape)
    return None if 0 in waveform.shape else (waveform, rate)


def sounds(audio: Any) -> list[Sound]:
    """Each sound of an AUDIO value, with the layout that is usual for its number of channels. Where none is, all
    channels are mixed evenly into one.
    """
    found = checked(audio)
    return [] if found is None else [_sound(waveform, found[1]) for waveform in found[0]]


def write_sound(audio: Any, new_file: NewFile) -> Path | None:
    """The first sound of an AUDIO value as a temporary WAV file, 16 bit; None where there is no sound."""
    found = sounds(audio)
    if not found:
        return None
    path = new_file(".wav")
    write_wav(path, found[0])
    return path


def read_sound(
    path: str | Path | BinaryIO, start: Fraction = Fraction(0), stop: Fraction | None = None
) -> dict[str, Any] | None:
    """The sound of a file as an AUDIO value, from `start` to `stop` seconds after the first image of its video;
    None where there is none. An AUDIO value has no time of its own, so a sound that begins later starts with silence.
    """
    sound = read_file(path, start=start, stop=stop)
    if sound is None or sound.samples.shape[1] == 0:
        return None
    return {"waveform": torch.from_numpy(sound.samples)[None], "sample_rate": sound.rate}


def sound_of_video(path: str | Path | BinaryIO, start: Fraction = Fraction(0), stop: Fraction | None = None) -> Any:
    """As `read_sound`; a sound that cannot be read is a warning, and None, for the images are there."""
    try:
        return read_sound(path, start, stop)
    except ImageError as error:
        name = Path(path).name if isinstance(path, (str, Path)) else "the video"
        logger.warning("the audio of %s was left out: %s", name, error)
        return None


def _sound(waveform: Tensor, rate: int) -> Sound:
    """waveform: [channels, samples]."""
    layout = DEFAULT_LAYOUTS.get(len(waveform))
    if layout is None:
        waveform, layout = waveform.mean(0, keepdim=True), "mono"
    return Sound(waveform.numpy(), rate, layout)


def _full_scale(kind: torch.dtype) -> float:
    return 1.0 if kind == torch.bool else float(torch.iinfo(kind).max) + 1


def _told(value: Any) -> str:
    return f"one with {', '.join(map(str, value)) or 'nothing'}" if isinstance(value, Mapping) else type(value).__name__
