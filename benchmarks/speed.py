"""Frames per CPU second: the session against a naive loop that does what the published demo does.

Naive: one frame at a time; the source is encoded again for each; normalisation and upsampling are layers of their own.
All ways run the same random weights of the published size on the example clip. They take turns, so that a machine
whose speed drifts slows all alike; the figures are medians of process CPU time.

The last column is the roofline: arithmetic done (counted by torch) per second, as a share of what one large 3x3
convolution in the same number format reaches in the same run.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from fomm_nodes.fomm_core import AnimationSession, Keypoints, MotionModel, transfer
from fomm_nodes.fomm_core.checkpoints import ASSETS, load_builtin
from fomm_nodes.fomm_core.config import PRESETS
from fomm_nodes.fomm_core.fitting import fit_uint8, resize
from fomm_nodes.fomm_core.video import VideoReader, read_image
from kornia.metrics import psnr
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def lively_model(pictures: Tensor, preset: str = "vox-256") -> MotionModel:
    """Random weights of the published size, with the statistics that real `pictures` [B, 3, H, W] give them."""
    torch.manual_seed(0)
    model = MotionModel(replace(PRESETS[preset], avd=None), name=f"random {preset}").requires_grad_(False)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    model.train()
    keypoints = model.detect(pictures)
    model(pictures, keypoints, keypoints)
    return model.eval()


def naive_loop(model: MotionModel, source: Tensor, anchor: Keypoints) -> Callable[[Tensor], Tensor]:
    """One frame in, one frame out, as the published demo does it."""
    at_source = model.detect(source)

    def frame(driving: Tensor) -> Tensor:
        return model(source, at_source, transfer(at_source, model.detect(driving), anchor)).images

    return frame


def session_loop(
    model: MotionModel, source: Tensor, anchor: Keypoints, dtype: torch.dtype, *, compile: bool = False
) -> Callable[[Tensor], Tensor]:
    """The same through a session."""
    session = AnimationSession(model, dtype=dtype, compile=compile)
    prepared = session.prepare(source)

    def frame(driving: Tensor) -> Tensor:
        keypoints = transfer(prepared.keypoints, session.detect(driving), anchor)
        return next(session.render(prepared, keypoints)).images

    return frame


def gflop(work: Callable[[], object]) -> float:
    """Arithmetic of matrix products and convolutions, in 10^9 operations (a multiplication and an addition are two)."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def peak_work(dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """A convolution that keeps a processor as busy as any: 3x3, 256 to 256 channels, 64x64."""
    conv = nn.Conv2d(256, 256, 3, padding=1).to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.rand(1, 256, 64, 64).to(dtype=dtype, memory_format=torch.channels_last)
    return lambda _: conv(x)


def example(size: int, *, trained: bool, preset: str = "vox-256") -> tuple[MotionModel, Tensor, list[Tensor]]:
    """The built-in model, or random weights of the published size; the example image; its clip, frame by frame."""
    source = fit_uint8(read_image(ASSETS / "source.png"), size, size)
    with VideoReader(ASSETS / "driving.mp4") as reader:
        clip = [fit_uint8(frame, size, size) for frame in reader]
    if trained:
        return load_builtin(), source, clip
    usual = min(size, PRESETS[preset].frame_size[0])  # ten images of 1024x1024 at once would take all memory
    return lively_model(resize(torch.cat([source, *clip[::6]]), usual, usual), preset), source, clip


@torch.inference_mode()
def measure(
    *, rounds: int, size: int, threads: int, half: bool, compile: bool, trained: bool, preset: str = "vox-256"
) -> None:
    """Print the table. `trained` takes the built-in model in place of random weights of the published size."""
    torch.set_num_threads(threads)
    model, source, clip = example(size, trained=trained, preset=preset)
    model = model.with_config(model.config.for_size(size, size))
    anchor = model.detect(clip[0])
    ways = {
        "naive loop": naive_loop(model, source, anchor),
        "session, float32": session_loop(model, source, anchor, torch.float32),
    }
    if half:
        ways["session, bfloat16"] = session_loop(model, source, anchor, torch.bfloat16)
    arithmetic = {name: gflop(lambda frame=frame: frame(clip[1])) for name, frame in ways.items()}
    if compile:
        for name in ("float32", "bfloat16")[: 1 + half]:
            ways[f"compiled, {name}"] = session_loop(model, source, anchor, getattr(torch, name), compile=True)
            arithmetic[f"compiled, {name}"] = arithmetic[f"session, {name}"]
    peaks = {name: f"peak of {'bfloat16' if 'bfloat16' in name else 'float32'}" for name in ways}
    work = {name: peak_work(getattr(torch, name.split()[-1])) for name in set(peaks.values())}
    arithmetic |= {name: gflop(lambda run=run: run(source)) for name, run in work.items()}
    seconds: dict[str, list[float]] = {name: [] for name in (*ways, *work)}
    difference = dict.fromkeys(ways, 0.0)
    likeness = dict.fromkeys(ways, math.inf)
    for run in (*ways.values(), *work.values()):
        run(clip[1])
    for index in range(rounds):
        driving = clip[(2 * index + 1) % len(clip)]
        outputs = {}
        for name, run in (ways | work).items():
            began = time.process_time()
            outputs[name] = run(driving)
            seconds[name].append(time.process_time() - began)
        for name in ways:
            difference[name] = max(difference[name], (outputs[name] - outputs["naive loop"]).abs().max().item())
            likeness[name] = min(likeness[name], psnr(outputs[name], outputs["naive loop"], 1.0).item())
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    rate = {name: arithmetic[name] / median[name] for name in median}
    print(f"{model.name}, {size}x{size}, {threads} thread(s), torch {torch.__version__}, {rounds} frames each")
    print(f"contrast of the output (standard deviation): {outputs['naive loop'].std().item():.3f}")
    print(", ".join(f"{name}: {rate[name]:.0f} GFLOP/s" for name in sorted(work)))
    print(f"{'way':<20}{'CPU s/frame':>12}{'ratio':>8}{'max difference':>16}{'PSNR':>12}{'GFLOP':>8}{'of peak':>9}")
    for name in ways:
        print(
            f"{name:<20}{median[name]:>12.3f}{median['naive loop'] / median[name]:>7.2f}x{difference[name]:>16.1e}"
            f"{likeness[name]:>9.1f} dB{arithmetic[name]:>8.1f}{rate[name] / rate[peaks[name]]:>9.0%}"
        )
