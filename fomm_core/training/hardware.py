"""Where a run computes: devices, processes and precision, by Lightning Fabric; and what many processes share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from ..networks import at_least_float32
from ..precision import AUTO, choose_precision, fast_dtype

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FABRIC = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}
"""Our names -> Fabric's. Weights are float32 always; positions, jacobians, grids and flows are computed in float32."""

BUCKET = 25_000_000
"""Numbers that are averaged over processes at once (100 MB)."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What to compute on.

    accelerator: 'auto', 'cpu', 'cuda' or 'mps'. devices: how many of them on this machine, their indices, or 'auto'
    for all. nodes: how many machines (each started alike, by torchrun or a batch system). precision: 'float32',
    'bfloat16', 'float16', or 'auto' (see `choose_precision`).
    """

    accelerator: str = "auto"
    devices: int | str | Sequence[int] = 1
    nodes: int = 1
    precision: str = "float32"

    @staticmethod
    def on(device: torch.device, *, precision: str = "float32") -> Hardware:
        """One device that is chosen already."""
        devices: int | list[int] = 1 if device.type != "cuda" else [device.index or 0]
        return Hardware(accelerator=device.type, devices=devices, precision=precision)

    def fabric(self) -> Fabric:
        """Start up: after this every process runs what follows. Raises TrainingError where it can't be had."""
        try:
            from lightning_fabric import Fabric
        except ImportError as problem:
            raise TrainingError(
                "expected the library lightning-fabric for training; it is not installed. "
                "Run: pip install lightning-fabric"
            ) from problem
        if self.precision not in (AUTO, *FABRIC):
            raise TrainingError(f"expected a precision of {AUTO}, {', '.join(FABRIC)}; got '{self.precision}'.")
        devices = self.devices if isinstance(self.devices, (int, str)) else list(self.devices)
        try:
            fabric = Fabric(
                accelerator=self.accelerator,
                devices=devices,
                num_nodes=self.nodes,
                precision=FABRIC.get(self.precision, FABRIC["float32"]),
            )
        except Exception as problem:  # it raises of its own kinds
            raise TrainingError(
                f"expected devices that torch can use; accelerator '{self.accelerator}', devices {self.devices} can't "
                f"be had ({problem}). `fomm doctor` lists the devices; cpu works everywhere."
            ) from problem
        if self.precision == AUTO:
            return replace(self, precision=choose_precision(AUTO, fabric.device, "training")).fabric()
        if self.precision == "float16" and fabric.device.type != "cuda":
            raise TrainingError("expected a CUDA device for float16; choose bfloat16 or float32 here.")
        if self.precision == "bfloat16" and fast_dtype(torch.bfloat16, fabric.device) == torch.float32:
            return replace(self, precision="float32").fabric()
        fabric.launch()
        return fabric


def to_device(networks: nn.Module, device: torch.device) -> None:
    """Move what is to be trained. On a GPU its weights lie channels last, as images do everywhere.

    On a CPU they stay as they are: each convolution rearranges them whatever they are, and fused Adam copies every
    gradient that lies otherwise.
    """
    layout = torch.channels_last if device.type == "cuda" else torch.preserve_format
    networks.to(device, memory_format=layout)  # type: ignore[call-overload]


def share_of_batch(batch_size: int, accumulate: int, rank: int, processes: int) -> list[range]:
    """Which places of the global batch a process computes, pass by pass. Raises TrainingError where they don't share
    out evenly.
    """
    passes = accumulate * processes
    if batch_size % passes != 0:
        raise TrainingError(
            f"expected a batch size that is a multiple of {passes} ({processes} processes, {accumulate} passes each); "
            f"got {batch_size}. Choose another batch size, or fewer devices."
        )
    size = batch_size // passes
    return [range(start, start + size) for start in ((turn * processes + rank) * size for turn in range(accumulate))]


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics are those of all processes, for processes on CPUs (torch has it for GPUs)."""

    def forward(self, x: Tensor) -> Tensor:  # [B, C, H, W]
        """Normalise; in training, over the batches of all processes."""
        if not self.training:
            return super().forward(x)
        from torch.distributed.nn.functional import all_reduce

        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        wide = at_least_float32(x)
        count = torch.full((1,), wide.numel() // wide.shape[1], dtype=wide.dtype, device=x.device)
        total = all_reduce(torch.cat((wide.sum((0, 2, 3)), count)))
        number = total[-1].detach()
        mean = total[:-1] / number
        centred = wide - mean[:, None, None]
        variance = all_reduce(centred.square().sum((0, 2, 3))) / number
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (number / (number - 1)), self.momentum)
        out = centred * torch.rsqrt(variance + self.eps)[:, None, None]
        return (out * self.weight[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def share_batch_norm(module: nn.Module, device: torch.device) -> nn.Module:
    """The module with batch norms that see the batches of all processes; the same parameters and state."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return converted
    for part in module.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = SharedBatchNorm
    return module


def average_gradients(fabric: Fabric, parameters: Iterable[nn.Parameter]) -> None:
    """Give all processes the mean of their gradients, a bucket at a time."""
    if fabric.world_size == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    bucket: list[Tensor] = []
    for index, gradient in enumerate(gradients):
        bucket.append(gradient)
        if index == len(gradients) - 1 or sum(part.numel() for part in bucket) >= BUCKET:
            flat = fabric.all_reduce(torch.cat([part.flatten() for part in bucket]), reduce_op="mean")
            for part, mean in zip(bucket, flat.split([part.numel() for part in bucket]), strict=True):
                part.copy_(mean.view(part.shape))
            bucket = []
