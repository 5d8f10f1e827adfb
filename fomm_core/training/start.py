"""What a run begins with: random weights, or those of a checkpoint or of another run."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoints import read_checkpoint
from ..config import MotionModelConfig
from ..cost import check_cost
from ..errors import TrainingError
from ..model import MotionModel
from .config import TrainingConfig
from .state import RunFolder, RunState
from .step import TrainingNetworks

log = logging.getLogger("fomm.training")

KERNEL = ".kernel"
"""Fixed filters: they follow from the configuration and are never carried over."""

GROWN_SHARE = 0.05
"""What dense motion gives each keypoint that was added, against the background. At a few thousandths gradients are so
small that they stay unused for good.
"""


@dataclass(frozen=True, eq=False)
class Start:
    """Weights to begin with, of a model that was built under `config`; `name` is for messages."""

    name: str
    config: MotionModelConfig
    model: Mapping[str, Tensor]
    discriminator: Mapping[str, Tensor] | None = None

    @staticmethod
    def read(path: str | os.PathLike[str], *, config: MotionModelConfig | None = None) -> Start:
        """From a published or converted checkpoint, a state of a run, or a run's folder (its newest state).

        Of a run that averages its weights, the averaged ones are taken. `config` is for checkpoints that do not tell.
        Raises CheckpointError where there is nothing of the kind.
        """
        path = Path(path)
        state = RunFolder(path).latest() if path.is_dir() else RunState.read(path) if path.suffix == ".pt" else None
        if state is not None:
            return Start(path.name, state.model_config, state.learned(), state.discriminator)
        if path.is_dir():
            raise TrainingError(f"expected the folder of a training run at '{path}'; it holds no states.")
        checkpoint = read_checkpoint(path, config=config)
        parts: dict[bool, dict[str, Tensor]] = {True: {}, False: {}}
        for key, tensor in checkpoint.state.items():
            parts[key.startswith("discriminator.")][key.removeprefix("discriminator.")] = tensor
        return Start(path.name, checkpoint.config, parts[False], parts[True] or None)

    def digest(self) -> bytes:
        """Of the model's weights: another one where any of them is."""
        digest = hashlib.blake2b(digest_size=16)
        for key, tensor in sorted(self.model.items()):
            digest.update(key.encode() + tensor.detach().cpu().contiguous().view(-1).numpy().tobytes())
        return digest.digest()

    @staticmethod
    def of(model: MotionModel) -> Start:
        """From a model in memory; its weights are copied."""
        state = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
        return Start(model.name, model.config, state)


def build_networks(
    model_config: MotionModelConfig,
    config: TrainingConfig,
    start: Start | None,
    seed: int,
    backbone_weights: Path | None,
) -> TrainingNetworks:
    """Networks with the weights of `start`, random ones (that follow from `seed`) where it has none.

    Raises:
        CheckpointError: a model that takes more than is sensible.
        TrainingError: weights of another shape than `model_config` says, or a backbone without its weights.
    """
    model_config.check_size(*model_config.frame_size)
    check_cost(model_config)
    backbone = None
    if config.perceptual:
        from .perceptual import build_backbone

        backbone = build_backbone(config.backbone, backbone_weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = TrainingNetworks.build(MotionModel(model_config, name="trained"), config, backbone=backbone)
    model, discriminator = networks.model, networks.discriminator
    if start is not None:
        start = _with_the_models_avd(grown(start, model), model)
        wrong = _differences(model, start.model)
        if wrong:
            raise TrainingError(
                f"expected weights of the architecture that is to be trained; '{start.name}' differs in {len(wrong)} "
                f"places: {', '.join(wrong[:4])}. Choose the preset that it was trained with."
            )
        _load(model, start.model)
        if discriminator is not None and start.discriminator is not None:
            if _differences(discriminator, start.discriminator):
                log.info("'%s' has a discriminator of another kind: a new one is trained", start.name)
            else:
                _load(discriminator, start.discriminator)
    return networks


def grown(start: Start, model: MotionModel) -> Start:
    """The weights of `start` for a model of more keypoints; `start` itself for one of as many or fewer.

    Its keypoints stay the first. The new ones begin as `model` has them; dense motion does not look at them yet, and
    lets each move the image a little wherever the background would (GROWN_SHARE).
    """
    old, new = start.config.num_keypoints, model.config.num_keypoints
    if new <= old:
        return start
    state = dict(start.model)
    for name, fresh in model.state_dict().items():
        if name in state and state[name].shape != fresh.shape and not name.endswith(KERNEL):
            state[name] = _widened(state[name], fresh)
    for name, less in (("dense_motion.mask_head.weight", 0.0), ("dense_motion.mask_head.bias", math.log(GROWN_SHARE))):
        if name in state:
            state[name][old + 1 :] = state[name][0] + less
    return replace(start, model=state)


def _with_the_models_avd(start: Start, model: MotionModel) -> Start:
    """The network of the mode "avd", which is learned in a phase of its own: left out where the model has none, and as
    the model has it where the start has none.
    """
    own = {key: value for key, value in model.state_dict().items() if key.startswith("avd.")}
    state = {key: value for key, value in start.model.items() if own or not key.startswith("avd.")}
    if own and not any(key.startswith("avd.") for key in state):
        state |= own
    return replace(start, model=state)


def _widened(values: Tensor, fresh: Tensor) -> Tensor:
    """`values` with more rows as `fresh` has them, and with what they read more (the second dimension) at 0."""
    if values.ndim != fresh.ndim or any(a > b for a, b in zip(values.shape, fresh.shape, strict=True)):
        return values
    wide = fresh.detach().cpu().clone()
    rows = slice(len(values))
    wide[rows] = 0
    shared = (rows, *(slice(length) for length in values.shape[1:]))
    wide[shared] = values
    return wide


def _differences(module: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Names that are missing, extra, or of another shape."""
    expected = {key: tensor.shape for key, tensor in module.state_dict().items() if not key.endswith(KERNEL)}
    got = {key: tensor.shape for key, tensor in state.items() if not key.endswith(KERNEL)}
    return sorted(key for key in {*expected, *got} if expected.get(key) != got.get(key))


def _load(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    kernels = {key: tensor for key, tensor in module.state_dict().items() if key.endswith(KERNEL)}
    module.load_state_dict({**state, **kernels})
