"""The networks with the weights that come with the package."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..errors import CheckpointError
from ..shipped import FACE_WEIGHTS
from .networks import EyeContours, FaceDetector, FaceMesh


@dataclass(frozen=True, eq=False)
class FaceNetworks:
    """Detector, mesh and eyes on one device: float32, in inference mode, channels last."""

    detector: FaceDetector
    mesh: FaceMesh
    eyes: EyeContours
    device: torch.device


def load_networks(device: torch.device | str = "cpu") -> FaceNetworks:
    """The face networks on `device`: 0.7 million numbers of a detector and a mesh, as many of the eyes.

    Raises:
        CheckpointError: the file of weights is missing or damaged: the package was not installed whole.
    """
    device = torch.device(device)
    loaded = FaceNetworks(FaceDetector(), FaceMesh(), EyeContours(), device)
    try:
        weights = load_file(FACE_WEIGHTS)
        for part in ("detector", "mesh", "eyes"):
            network: nn.Module = getattr(loaded, part)
            start = f"{part}."
            state = {name.removeprefix(start): value for name, value in weights.items() if name.startswith(start)}
            network.load_state_dict(state)
            network.eval().requires_grad_(False)
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"expected the weights of the face networks at {FACE_WEIGHTS}; they cannot be read ({error}). "
            "Install fomm-nodes again."
        ) from error
    return loaded
