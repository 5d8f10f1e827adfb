"""Eight-bit integers in the decoder, against bfloat16: why the session does not offer them.

Static quantisation by torch (one scale for each channel of a kernel, activations calibrated on the clip's first
frames) of everything from the moved features to the image. Random weights of vox-256 size on the example clip, ways
in turn, medians of process CPU time.
"""

from __future__ import annotations

import copy
import statistics
import time

import torch
from fomm_nodes.fomm_core import AnimationSession, transfer
from fomm_nodes.fomm_core.lowering import fold_normalisation
from fomm_nodes.fomm_core.networks import OcclusionAwareGenerator
from kornia.metrics import psnr
from torch import Tensor, nn
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from .speed import example

CALIBRATION = 8


class Decoder(nn.Module):
    """From moved features to an image, in a form that torch's quantisation can trace."""

    def __init__(self, generator: OcclusionAwareGenerator) -> None:
        super().__init__()
        self.layers = nn.Sequential(generator.bottleneck, *generator.up, generator.final)

    def forward(self, features: Tensor) -> Tensor:
        return torch.sigmoid(self.layers(features))


def quantised(generator: OcclusionAwareGenerator, examples: list[Tensor]) -> nn.Module:
    """The decoder in 8-bit integers, calibrated on moved features."""
    plain = copy.deepcopy(generator)
    fold_normalisation(plain)
    prepared = prepare_fx(Decoder(plain).eval(), get_default_qconfig_mapping("x86"), (examples[0],))
    for features in examples:
        prepared(features)
    return convert_fx(prepared)


@torch.no_grad()
def measure(*, rounds: int, size: int, threads: int, trained: bool) -> None:
    """Print the table."""
    torch.set_num_threads(threads)
    model, source, clip = example(size, trained=trained)
    sessions = {name: AnimationSession(model, dtype=getattr(torch, name)) for name in ("float32", "bfloat16")}
    prepared = {name: session.prepare(source) for name, session in sessions.items()}
    exact = sessions["float32"]
    keypoints = exact.detect(torch.cat(clip))
    plain = prepared["float32"]
    motions = list(exact.motion(plain, transfer(plain.keypoints, keypoints, keypoints[0])))
    moved = [plain.network.generator.move(plain.features[-1], motion).clone() for motion in motions]
    ways = {name: source.network.generator.decode for name, source in prepared.items()}
    ways["int8"] = quantised(model.generator, moved[:CALIBRATION])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    likeness: dict[str, list[float]] = {name: [] for name in ways}
    for index in range(rounds):
        features = moved[(CALIBRATION + 2 * index) % len(moved)]
        outputs = {}
        for name, decode in ways.items():
            began = time.process_time()
            outputs[name] = decode(features)
            seconds[name].append(time.process_time() - began)
        for name, output in outputs.items():
            likeness[name].append(psnr(output.float(), outputs["float32"], 1.0).item())
    print(f"{model.name}, {size}x{size}, {threads} thread(s), torch {torch.__version__}: the decoder alone")
    print(f"{'way':<12}{'CPU s/frame':>12}{'PSNR':>12}")
    for name in ways:
        print(f"{name:<12}{statistics.median(seconds[name][1:]):>12.3f}{min(likeness[name]):>9.1f} dB")
