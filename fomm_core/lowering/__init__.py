"""From the plain networks to the fast form of the same function, for inference only.

Each rewriting is a pure function on layers, exact up to float rounding, and leaves the structure of the networks as
it is: what a layer is replaced by takes the same place. Training and checkpoints use the plain form.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..model import MotionModel
from ..networks import DownBlock, Hourglass, KeypointDetector, ResidualBlock, ThinPlateMotionNetwork, UpBlock
from .few_pixels import FewPixelsConv2d
from .folding import fold_normalisation, fold_upsampling, four_at_once, transposed_kernel, wide_kernel
from .memory import let_go, trim
from .residual import ResidualBlocks, WinogradResidualBlock
from .scratch import Scratch
from .upsampling import UpsampledConv2d
from .winograd import UpsampledWinogradConv2d, WinogradConv2d

__all__ = [
    "ChannelsLast",
    "FewPixelsConv2d",
    "ResidualBlocks",
    "Scratch",
    "UpsampledConv2d",
    "UpsampledWinogradConv2d",
    "WinogradConv2d",
    "WinogradResidualBlock",
    "cast",
    "compiled",
    "fold_normalisation",
    "fold_upsampling",
    "four_at_once",
    "lower",
    "plain_copy",
    "transposed_kernel",
    "wide_kernel",
]

WINOGRAD_CHANNELS, WINOGRAD_SIDE = 64, 16
"""Winograd's way pays from so many channels in, and from maps of so many pixels a side."""
PHASES_SIDE, TRANSPOSED_SIDE = 8, 32
"""Up blocks: four matrix products from outputs of this side on, a transposed convolution from that."""
CHANNELS_OF_A_PIXEL = 8
"""A map so small that its channels are as many as this times its pixels is a matrix product."""
UPSAMPLED_CHANNELS, UPSAMPLED_SIDE = 256, 16
"""Up blocks with so many channels in, and outputs of so many pixels a side, go Winograd's way in float32."""


def lower(model: MotionModel, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> MotionModel:
    """A fast copy of `model` (in eval mode) for inference on `device`.

    Normalisation is folded into convolutions, upsampling into the decoder's convolutions, the last layer makes four
    pixels at once, channels are last; on a CPU the wide 3x3 convolutions in float32 go Winograd's way. The detector,
    and all positions and flows, stay float32 in any `dtype`; for the rest see `cast`.
    """
    fast = plain_copy(model)
    for plain, part in zip(model.children(), fast.children(), strict=True):
        fold_normalisation(part)
        let_go(plain)
    on_cpu = torch.device(device).type == "cpu"
    if on_cpu:
        with_winograd(fast, decoder=dtype.itemsize >= 4, dense_motion=dtype != torch.float16)
    for block in fast.generator.up:
        assert isinstance(block, UpBlock)
        if isinstance(block.conv, nn.Conv2d):
            fold_upsampling(block)
    fast.generator.arrange = ChannelsLast()
    assert isinstance(fast.generator.final, nn.Conv2d)
    fast.generator.final = four_at_once(fast.generator.final)
    for block in fast.modules():
        if isinstance(block, nn.ReLU):
            block.inplace = True  # what a convolution made is read by nobody else
    fast = cast(fast, dtype).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    let_go(model)
    trim()
    return fast


def plain_copy(model: MotionModel) -> MotionModel:
    """A copy in eval mode whose layers can be replaced and converted; it doubles no weights until they are."""
    shared: dict[int, Tensor] = {id(tensor): tensor.detach() for tensor in model.buffers()}
    shared |= {id(tensor): nn.Parameter(tensor.detach(), requires_grad=False) for tensor in model.parameters()}
    return copy.deepcopy(model, shared).eval()


class ChannelsLast(nn.Module):
    """The same numbers, the channels of a pixel side by side; sampling by a flow leaves them apart.

    A copy in any case: `ResidualBlocks` write to it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return x.clone(memory_format=torch.channels_last)


def cast(model: MotionModel, dtype: torch.dtype) -> MotionModel:
    """Put the layers that bear it into `dtype`, in place: the decoder always, its encoder and dense motion in float16.

    With bfloat16's eight bits, rounding in dense motion moves the flow: on random weights that leaves 38 dB against
    float32, where the decoder alone leaves 50 (see docs/performance.md).
    """
    parts: list[nn.Module | None] = [model.generator.bottleneck, model.generator.up, model.generator.final]
    if dtype == torch.float16:
        parts += [model.generator.first, model.generator.down]
        if model.dense_motion is not None:
            dense_motion = model.dense_motion
            parts += [dense_motion.hourglass, dense_motion.mask_head, dense_motion.occlusion_head]
            if isinstance(dense_motion, ThinPlateMotionNetwork):
                parts += [dense_motion.up, dense_motion.occlusion_heads]
    for part in parts:
        if part is not None:
            part.to(dtype)
    return model


def compiled(model: MotionModel) -> MotionModel:
    """Let `torch.compile` make the three networks one kernel sequence each, in place, at their first use for each size.

    The first frames take minutes on a CPU; torch keeps the result on disk for the next process. Needs a C++ compiler.
    """
    for part, method in ((model.detector, "forward"), (model.dense_motion, "forward"), (model.generator, "decode")):
        if part is not None:
            setattr(part, method, torch.compile(getattr(part, method), dynamic=False))
    return model


def with_winograd(model: MotionModel, *, decoder: bool, dense_motion: bool) -> None:
    """Replace the convolutions that it pays for, in place: always in the detector, which is float32 in any case."""
    config, scratch = model.config, Scratch()
    if decoder:
        model.generator.bottleneck = _residual(model.generator.bottleneck, scratch)
        for block in model.generator.up:
            assert isinstance(block, UpBlock)
            _upsampled(block, scratch)
    parts: list[tuple[Hourglass, float]] = []
    if isinstance(model.detector, KeypointDetector):
        parts.append((model.detector.hourglass, config.detector.scale_factor))
    if dense_motion and model.dense_motion is not None and config.dense_motion is not None:
        parts.append((model.dense_motion.hourglass, config.dense_motion.scale_factor))
    for hourglass, scale in parts:
        for block, side in _output_sides(hourglass, min(config.frame_size) * scale):
            if isinstance(block, DownBlock):
                if side >= WINOGRAD_SIDE:
                    block.conv = _winograd(block.conv, scratch)
                else:
                    block.conv = _few_pixels(block.conv, side, scratch)
            elif side >= UPSAMPLED_SIDE and _upsampled(block, scratch):
                continue
            elif side >= TRANSPOSED_SIDE:
                fold_upsampling(block)
            elif side >= PHASES_SIDE:
                assert isinstance(block.conv, nn.Conv2d)
                block.conv, block.upsample = UpsampledConv2d(block.conv, scratch), nn.Identity()
            else:
                block.conv = _few_pixels(block.conv, side, scratch)


def _output_sides(hourglass: Hourglass, side: float) -> Iterator[tuple[DownBlock | UpBlock, float]]:
    """Each block with the side of the maps that its convolution makes, for an input of `side` pixels."""
    for level, block in enumerate(hourglass.down):
        assert isinstance(block, DownBlock)
        yield block, side / 2**level
    for level, block in enumerate(reversed(hourglass.up)):
        assert isinstance(block, UpBlock)
        yield block, side / 2**level


def _winograd(conv: nn.Module, scratch: Scratch) -> nn.Module:
    assert isinstance(conv, nn.Conv2d)
    return WinogradConv2d(conv, scratch) if conv.in_channels >= WINOGRAD_CHANNELS else conv


def _few_pixels(conv: nn.Module, side: float, scratch: Scratch) -> nn.Module:
    """The convolution for outputs of `side` pixels, assumed to be square."""
    assert isinstance(conv, nn.Conv2d)
    return FewPixelsConv2d(conv, scratch) if conv.in_channels >= CHANNELS_OF_A_PIXEL * side**2 else conv


def _upsampled(block: UpBlock, scratch: Scratch) -> bool:
    """Put Winograd's form into an up block that it pays for; whether it did."""
    conv = block.conv
    assert isinstance(conv, nn.Conv2d)
    if conv.in_channels < UPSAMPLED_CHANNELS:
        return False
    block.conv, block.upsample = UpsampledWinogradConv2d(conv, scratch), nn.Identity()
    return True


def _residual(blocks: nn.Sequential, scratch: Scratch) -> nn.Sequential:
    """The residual blocks, wide ones Winograd's way; as one where all are, without instance norms."""
    made = []
    for block in blocks:
        assert isinstance(block, ResidualBlock)
        block.conv1, block.conv2 = _winograd(block.conv1, scratch), _winograd(block.conv2, scratch)
        made.append(block)
    if all(WinogradResidualBlock.stands_for(block) for block in made):
        return ResidualBlocks(*(WinogradResidualBlock(block) for block in made))
    return blocks
