"""An ONNX graph, written down operator by operator; every size of an image and every count of frames stays free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 20
"""The first in which GridSample takes images of any rank, and that browsers have."""
IR_VERSION = 10
"""Of the file: runtimes refuse files of a later one than they know."""
TYPES = {torch.float32: TensorProto.FLOAT, torch.float16: TensorProto.FLOAT16}

Shape = Sequence["int | str"]
"""Of an input or output: numbers, and names for what is free."""


class Graph:
    """Nodes, weights, inputs and outputs of one ONNX model. Values are their names.

    dtype of a value is what the operator gives; `cast` changes it. Nothing is computed here.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._known: dict[tuple[str, bytes, tuple[int, ...]], str] = {}

    def input(self, name: str, shape: Shape) -> str:
        """Declare a float32 input."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def output(self, name: str, value: str, shape: Shape) -> None:
        """Declare a value as a float32 output."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"{name}_out"))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def model(self, metadata: dict[str, str]) -> onnx.ModelProto:
        """The checked model."""
        graph = helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, [*self._weights.values()])
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="fomm-nodes")
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """One operator with one output."""
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: NDArray[Any], name: str = "constant") -> str:
        """A fixed array; equal ones are stored once."""
        value = np.ascontiguousarray(value)
        key = (str(value.dtype), value.tobytes(), value.shape)
        if key not in self._known:
            self._known[key] = f"{name}_{len(self._weights)}"
            self._weights[self._known[key]] = numpy_helper.from_array(value, self._known[key])
        return self._known[key]

    def number(self, value: float) -> str:
        """A float32 scalar."""
        return self.constant(np.float32(value).reshape(()))

    def whole(self, *values: int) -> str:
        """An int64 vector."""
        return self.constant(np.array(values, np.int64))

    def weight(self, value: Tensor) -> str:
        """A layer's numbers, in their own type."""
        return self.constant(value.detach().cpu().numpy(), "weight")

    def cast(self, value: str, dtype: torch.dtype) -> str:
        """The same in another type of number."""
        return self.op("Cast", value, to=TYPES[dtype])

    def sizes(self, value: str, start: int, end: int) -> str:
        """Sizes of the axes start..end-1, int64 [end - start]."""
        return self.op("Shape", value, start=start, end=end)

    def join(self, *values: str, axis: int = 0) -> str:
        """Concatenate."""
        return self.op("Concat", *values, axis=axis)

    def reshape(self, value: str, *shape: int | str) -> str:
        """Numbers (0: as it is, -1: what is left), or names of int64 vectors with sizes."""
        if all(isinstance(part, int) for part in shape):
            return self.op("Reshape", value, self.whole(*(part for part in shape if isinstance(part, int))))
        parts = [self.whole(part) if isinstance(part, int) else part for part in shape]
        return self.op("Reshape", value, self.join(*parts))

    def conv(self, value: str, layer: nn.Conv2d) -> str:
        """A convolution as torch has it; padding of zeros."""
        top, left = (int(side) for side in layer.padding)
        weights = [self.weight(layer.weight)] + ([] if layer.bias is None else [self.weight(layer.bias)])
        return self.op(
            "Conv",
            value,
            *weights,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=[top, left, top, left],
            group=layer.groups,
        )

    def norm(self, value: str, layer: nn.Module) -> str:
        """Normalisation by stored statistics; nothing where it was folded away."""
        if isinstance(layer, nn.Identity):
            return value
        assert isinstance(layer, nn.BatchNorm2d)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        numbers = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
        return self.op("BatchNormalization", value, *(self.weight(one) for one in numbers), epsilon=layer.eps)

    def resize_to(self, value: str, like: str, *, align_corners: bool = False) -> str:
        """[B, C, h, w] to the height and width of `like` [B, D, H, W], bilinear as `F.interpolate` without
        anti-aliasing.
        """
        target = self.join(self.sizes(value, 0, 2), self.sizes(like, 2, 4))
        mode = "align_corners" if align_corners else "half_pixel"
        return self.op("Resize", value, "", "", target, mode="linear", coordinate_transformation_mode=mode)

    def sample(self, image: str, flow: str, *, align_corners: bool) -> str:
        """`geometry.warp` of float32 images."""
        return self.op("GridSample", image, flow, mode="linear", padding_mode="zeros", align_corners=int(align_corners))

    def line(self, length: str) -> str:
        """-1..1 in so many steps (int64 [1]), float32 [length]; -1 alone for one."""
        count = self.op("Squeeze", length)
        zero, one = (self.constant(np.int64(number).reshape(())) for number in (0, 1))
        steps = self.op("Range", zero, count, one)
        last = self.op("Max", self.op("Sub", count, one), one)
        share = self.op("Div", self.cast(steps, torch.float32), self.cast(last, torch.float32))
        return self.op("Sub", self.op("Mul", share, self.number(2)), self.number(1))

    def grid(self, maps: str) -> str:
        """`geometry.coordinate_grid` of maps [B, C, h, w], made of their shape: [h, w, 2]."""
        height, width = self.sizes(maps, 2, 3), self.sizes(maps, 3, 4)
        shape = self.join(height, width, self.whole(1))
        x = self.op("Expand", self.reshape(self.line(width), 1, -1, 1), shape)
        y = self.op("Expand", self.reshape(self.line(height), -1, 1, 1), shape)
        return self.join(x, y, axis=-1)
