"""The three networks as ONNX operators; the same formulas as in `networks`, and tests hold both to each other."""

from __future__ import annotations

import torch
from torch import nn

from ..geometry.affine import SMALLEST_DETERMINANT
from ..networks import (
    ConvBlock,
    DenseMotionNetwork,
    DownBlock,
    Downsample,
    Hourglass,
    KeypointDetector,
    OcclusionAwareGenerator,
    ResidualBlock,
    UpBlock,
)
from .graph import Graph


def detector_graph(detector: KeypointDetector, channels: int, keypoints: int) -> Graph:
    """From image [n, C, H, W] -> position [n, K, 2], and jacobian [n, K, 2, 2] where the model has them."""
    graph = Graph("fomm_detector")
    image = graph.input("image", ["n", channels, "height", "width"])
    features = _hourglass(graph, _reduced(graph, image, detector.downsample), detector.hourglass)
    logits = graph.op("Div", graph.conv(features, detector.heatmap_head), graph.number(detector.temperature))
    heat = graph.op("Softmax", graph.reshape(logits, 0, keypoints, -1), axis=-1)  # [n, K, hw]
    places = graph.reshape(graph.grid(logits), -1, 2)
    graph.output("position", graph.op("MatMul", heat, places), ["n", keypoints, 2])
    if detector.jacobian_head is not None:
        head = detector.jacobian_head
        maps = graph.reshape(graph.conv(features, head), 0, head.out_channels // 4, 4, -1)  # [n, K or 1, 4, hw]
        averaged = graph.op("MatMul", maps, graph.op("Unsqueeze", heat, graph.whole(-1)))
        graph.output("jacobian", graph.reshape(averaged, 0, keypoints, 2, 2), ["n", keypoints, 2, 2])
    return graph


def encoder_graph(generator: OcclusionAwareGenerator, dense_motion: DenseMotionNetwork, channels: int) -> Graph:
    """From source [1, C, H, W] -> features [1, F, h, w], small [1, C, h', w']; once for each image."""
    graph = Graph("fomm_encoder")
    source = graph.input("source", [1, channels, "height", "width"])
    features = _conv_block(graph, _as(graph, source, generator.first), generator.first)
    width = _width(generator.first)
    for block in generator.down:
        assert isinstance(block, DownBlock)
        features, width = _down_block(graph, features, block), _width(block)
    graph.output("features", _float(graph, features, generator.first), [1, width, "features_height", "features_width"])
    small = _reduced(graph, source, dense_motion.downsample)
    graph.output("small", small, [1, channels, "small_height", "small_width"])
    return graph


def animator_graph(
    generator: OcclusionAwareGenerator, dense_motion: DenseMotionNetwork, channels: int, keypoints: int, *, local: bool
) -> Graph:
    """From source [1, C, H, W], its features and small copy, source_position [1, K, 2], driving_position [n, K, 2], and
    where `local`, the jacobians of both -> frame [n, C, H, W], flow [n, h', w', 2], and occlusion [n, 1, h', w'] where
    the model has it.
    """
    graph = Graph("fomm_animator")
    source = graph.input("source", [1, channels, "height", "width"])
    first = generator.down[-1] if len(generator.down) else generator.first
    features = graph.input("features", [1, _width(first), "features_height", "features_width"])
    small = graph.input("small", [1, channels, "small_height", "small_width"])
    places = [graph.input(f"{one}_position", [n, keypoints, 2]) for one, n in (("source", 1), ("driving", "n"))]
    maps = None
    if local:
        maps = [graph.input(f"{one}_jacobian", [n, keypoints, 2, 2]) for one, n in (("source", 1), ("driving", "n"))]
    flow, occlusion = _motion(graph, dense_motion, small, places, maps, channels, keypoints)
    frame = _painted(graph, generator, source, features, flow, occlusion)
    graph.output("frame", frame, ["n", channels, "height", "width"])
    graph.output("flow", flow, ["n", "small_height", "small_width", 2])
    if occlusion is not None:
        graph.output("occlusion", occlusion, ["n", 1, "small_height", "small_width"])
    return graph


def _motion(
    graph: Graph,
    network: DenseMotionNetwork,
    small: str,
    places: list[str],
    maps: list[str] | None,
    channels: int,
    keypoints: int,
) -> tuple[str, str | None]:
    """`DenseMotionNetwork.forward`: flow [n, h, w, 2] and occlusion [n, 1, h, w]."""
    grid = graph.reshape(graph.grid(small), 1, 1, -1, 2)  # [1, 1, hw, 2]
    frames, size = graph.sizes(places[1], 0, 1), graph.sizes(small, 2, 4)
    apart = [graph.op("Sub", grid, graph.op("Unsqueeze", place, graph.whole(2))) for place in places]
    offset = apart[1]  # [n, K, hw, 2]
    if maps is not None:
        source_from_driving = graph.op("MatMul", maps[0], _inverse(graph, maps[1]))
        offset = graph.op("MatMul", offset, graph.op("Transpose", source_from_driving, perm=[0, 1, 3, 2]))
    moved = graph.op("Add", offset, graph.op("Unsqueeze", places[0], graph.whole(2)))
    still = graph.op("Expand", grid, graph.join(frames, graph.whole(1, 1, 1)))
    flows = graph.join(still, moved, axis=1)  # [n, K + 1, hw, 2]
    one_by_one = graph.reshape(flows, 1, -1, graph.sizes(small, 3, 4), 2)  # [1, n (K + 1) h, w, 2]
    warped = graph.sample(small, one_by_one, align_corners=network.align_corners)
    warped = graph.reshape(warped, channels, -1, keypoints + 1, size)  # [C, n, K + 1, h, w]
    warped = graph.op("Transpose", warped, perm=[1, 2, 0, 3, 4])
    warmth = [_gaussian(graph, away, network.kp_variance) for away in apart]  # [n, K, hw], [1, K, hw]
    heat = graph.op("Sub", warmth[1], warmth[0])
    heat = graph.op("Pad", heat, graph.whole(0, 1, 0, 0, 0, 0))  # zeros for the background
    heat = graph.reshape(heat, 0, keypoints + 1, 1, size)
    inputs = graph.reshape(graph.join(heat, warped, axis=2), 0, (keypoints + 1) * (1 + channels), size)
    features = _hourglass(graph, _as(graph, inputs, network.mask_head), network.hourglass)
    logits = _float(graph, graph.conv(features, network.mask_head), network.mask_head)
    mask = graph.op("Softmax", logits, axis=1)
    weights = graph.reshape(mask, 0, keypoints + 1, -1, 1)
    flow = graph.op("ReduceSum", graph.op("Mul", flows, weights), graph.whole(1), keepdims=0)
    flow = graph.reshape(flow, 0, size, 2)
    if network.occlusion_head is None:
        return flow, None
    hidden = graph.conv(features, network.occlusion_head)
    return flow, graph.op("Sigmoid", _float(graph, hidden, network.occlusion_head))


def _painted(
    graph: Graph, generator: OcclusionAwareGenerator, source: str, features: str, flow: str, occlusion: str | None
) -> str:
    """`OcclusionAwareGenerator.paint`."""
    count = graph.sizes(flow, 0, 1)
    by_maps = graph.op("Transpose", flow, perm=[0, 3, 1, 2])

    def moved(layers: str) -> str:
        larger = graph.resize_to(by_maps, layers, align_corners=generator.blend_source)
        points = graph.op("Transpose", larger, perm=[0, 2, 3, 1])
        every = graph.op("Expand", layers, graph.join(count, graph.whole(1, 1, 1)))
        return graph.sample(every, points, align_corners=generator.align_corners)

    out = moved(features)
    if occlusion is not None:
        out = graph.op("Mul", out, graph.resize_to(occlusion, features))
    out = _as(graph, out, generator.final)
    for block in generator.bottleneck:
        assert isinstance(block, ResidualBlock)
        inner = graph.conv(graph.op("Relu", graph.norm(out, block.norm1)), _plain(block.conv1))
        inner = graph.conv(graph.op("Relu", graph.norm(inner, block.norm2)), _plain(block.conv2))
        out = graph.op("Add", out, inner)
    for up in generator.up:
        assert isinstance(up, UpBlock)
        out = _up_block(graph, out, up)
    painted = graph.op("Sigmoid", _float(graph, graph.conv(out, _plain(generator.final)), generator.final))
    if not generator.blend_source or occlusion is None:
        return painted
    shown = graph.resize_to(occlusion, source)
    return graph.op("Add", painted, graph.op("Mul", shown, graph.op("Sub", moved(source), painted)))


def _hourglass(graph: Graph, value: str, network: Hourglass) -> str:
    skips = [value]
    for down in network.down:
        assert isinstance(down, DownBlock)
        skips.append(_down_block(graph, skips[-1], down))
    out = skips.pop()
    for up in network.up:
        assert isinstance(up, UpBlock)
        out = graph.join(_up_block(graph, out, up), skips.pop(), axis=1)
    return out


def _conv_block(graph: Graph, value: str, block: ConvBlock | UpBlock) -> str:
    return graph.op("Relu", graph.norm(graph.conv(value, _plain(block.conv)), block.norm))


def _down_block(graph: Graph, value: str, block: DownBlock) -> str:
    return graph.op("AveragePool", _conv_block(graph, value, block), kernel_shape=[2, 2], strides=[2, 2])


def _up_block(graph: Graph, value: str, block: UpBlock) -> str:
    doubled = graph.op(
        "Resize",
        value,
        "",
        graph.constant(torch.tensor([1.0, 1.0, 2.0, 2.0]).numpy()),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return _conv_block(graph, doubled, block)


def _reduced(graph: Graph, image: str, layer: Downsample | None) -> str:
    if layer is None:
        return image
    size, factor = layer.kernel.shape[-1], round(1 / layer.scale)
    return graph.op(
        "Conv",
        image,
        graph.weight(layer.kernel),
        kernel_shape=[size, size],
        strides=[factor, factor],
        pads=[size // 2] * 4,
        group=layer.kernel.shape[0],
    )


def _gaussian(graph: Graph, away: str, variance: float) -> str:
    """exp(-|z|^2 / 2 variance) of offsets [n, K, hw, 2]: [n, K, hw]."""
    squared = graph.op("ReduceSum", graph.op("Mul", away, away), graph.whole(-1), keepdims=0)
    return graph.op("Exp", graph.op("Mul", squared, graph.number(-0.5 / variance)))


def _inverse(graph: Graph, matrix: str) -> str:
    """`geometry.inverse` of [n, K, 2, 2]."""
    a, b, c, d = (
        graph.op("Gather", graph.reshape(matrix, 0, 0, 4), graph.whole(place), axis=-1) for place in range(4)
    )  # [n, K, 1] each
    product = graph.op("Sub", graph.op("Mul", a, d), graph.op("Mul", b, c))
    limit, zero = graph.number(SMALLEST_DETERMINANT), graph.number(0)
    signed = graph.op("Where", graph.op("Less", product, zero), graph.op("Neg", limit), limit)
    tiny = graph.op("Less", graph.op("Abs", product), limit)
    product = graph.op("Where", tiny, signed, product)
    adjugate = graph.join(d, graph.op("Neg", b), graph.op("Neg", c), a, axis=-1)
    return graph.reshape(graph.op("Div", adjugate, product), 0, 0, 2, 2)


def _plain(layer: nn.Module) -> nn.Conv2d:
    assert isinstance(layer, nn.Conv2d)
    return layer


def _dtype(layer: nn.Module) -> torch.dtype:
    return next(layer.parameters()).dtype


def _as(graph: Graph, value: str, layer: nn.Module) -> str:
    """A float32 value in the layer's type."""
    return value if _dtype(layer) == torch.float32 else graph.cast(value, _dtype(layer))


def _float(graph: Graph, value: str, layer: nn.Module) -> str:
    """A value of the layer's type in float32."""
    return value if _dtype(layer) == torch.float32 else graph.cast(value, torch.float32)


def _width(block: nn.Module) -> int:
    """Channels that a block gives."""
    assert isinstance(block, ConvBlock)
    return _plain(block.conv).out_channels
