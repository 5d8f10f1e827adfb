"""AUDIO values: {"waveform": [B, channels, samples] -1..1, "sample_rate": Hz}."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

NewFile = Callable[[str], Path]


def write_sound(audio: Any, new_file: NewFile) -> Path | None:
    """An AUDIO value as a temporary WAV file, 16 bit; None where there is no sound."""
    if audio is None:
        return None
    waveform, rate = audio["waveform"], int(audio["sample_rate"])  # [B, channels, samples]
    if waveform.ndim != 3 or waveform.shape[0] == 0 or waveform.shape[-1] == 0:
        return None
    samples = (waveform[0].detach().cpu().float().clamp(-1, 1) * 32767).round().to(torch.int16)
    path = new_file(".wav")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(samples.T.numpy().astype("<i2")).tobytes())
    return path


def read_sound(path: Path) -> dict[str, Any] | None:
    """The first sound track of a file as an AUDIO value; None where there is none."""
    import av

    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        track = container.streams.audio[0]
        parts = [_samples(frame.to_ndarray(), track.channels) for frame in container.decode(track)]
        if not parts:
            return None
        waveform = torch.from_numpy(np.concatenate(parts, axis=1))[None]  # [1, channels, samples]
        return {"waveform": waveform, "sample_rate": int(track.rate or 1)}


def _samples(packed: np.ndarray, channels: int) -> np.ndarray:
    """A decoded frame as [channels, samples] float32 -1..1, whether its channels were interleaved or not."""
    if packed.shape[0] != channels:
        packed = packed.reshape(-1, channels).T
    if packed.dtype.kind == "f":
        return packed.astype(np.float32)
    if packed.dtype == np.uint8:
        return (packed.astype(np.float32) - 128) / 128
    return packed.astype(np.float32) / -float(np.iinfo(packed.dtype).min)
