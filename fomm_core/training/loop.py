"""The training loop: from pairs of frames to a trained model, step by step, stoppable and resumable at each of them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..background import read_ahead
from ..checkpoints import save_model
from ..config import MotionModelConfig
from ..errors import TrainingError
from ..model import MotionModel
from .avd import PosePairs
from .average import averaged
from .config import TrainingConfig
from .family import limit_each
from .hardware import Hardware, average_gradients, share_batch_norm, share_of_batch, to_device
from .optimise import build_optimizers, lay_out_as_parameters
from .phases import Pairs, Pass, Source, source_of, take_pass
from .start import Start, build_networks
from .state import RunFolder, RunState, writing
from .step import GeneratorPass, discriminator_losses
from .stopping import stop_requests
from .strips import strip

log = logging.getLogger("fomm.training")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is kept and looked at; nothing here changes what is learned but `seed`.

    save_steps, save_minutes: a full state is written whenever so many have passed since the last one. keep: how many
    states stay. strip_steps: how often images are drawn (the last step's always), 0 for
    never. backbone_weights: a file, where the backbone
    of the perceptual loss does not bring its own.
    """

    seed: int = 0
    save_steps: int = 1000
    save_minutes: float = 5.0
    keep: int = 3
    strip_steps: int = 500
    backbone_weights: Path | None = None
    hardware: Hardware = field(default_factory=Hardware)


@dataclass(frozen=True)
class StepDone:
    """Step `step` of `steps` is done. losses: weighted, over the whole batch, by name. seconds: that it took."""

    step: int
    steps: int
    losses: dict[str, float]
    learning_rate: float
    seconds: float


@dataclass(frozen=True, eq=False)
class PicturesDrawn:
    """What the model made of the first pairs of a step: the networks' own inputs and results."""

    step: int
    pairs: Pairs
    passed: GeneratorPass

    def strip(self, rows: int = 4) -> Tensor:
        """A row of source | driving | keypoints | warped | occlusion | result for each first pair, [3, H, W]."""
        passed = self.passed
        return strip(
            self.pairs.source,
            self.pairs.driving,
            passed.source_keypoints,
            passed.driving_keypoints,
            passed.frames,
            rows,
        )


@dataclass(frozen=True)
class Saved:
    """A full state was written to `path`."""

    step: int
    path: Path


Event = StepDone | PicturesDrawn | Saved


class Trainer:
    """A run: its networks, optimisers and where it stands.

    Args:
        model_config: of the model; frames come at its `frame_size`.
        config: losses, batch, schedule.
        pairs: where frames come from.
        folder: where states go; None keeps none. A run that is there already is gone on with: it has to be of the same
            configurations and seed (see `RunState.check_same`).
        start: weights to begin with; None for random ones.

    Raises:
        TrainingError: configurations, devices and states that do not go together.
    """

    def __init__(
        self,
        model_config: MotionModelConfig,
        config: TrainingConfig,
        pairs: Source,
        *,
        folder: RunFolder | None = None,
        start: Start | None = None,
        options: RunOptions | None = None,
    ) -> None:
        self.model_config, self.config, self.folder = model_config, config, folder
        self.options = options = options or RunOptions()
        self.fabric = fabric = options.hardware.fabric()
        state = None
        if folder is not None:
            if fabric.is_global_zero:
                folder.prepare()
            fabric.barrier()
            state = folder.latest()
        if state is not None:
            state.check_same(model_config, config, options.seed)
        self.passes = share_of_batch(config.batch_size, config.accumulate, fabric.global_rank, fabric.world_size)
        self.networks = build_networks(model_config, config, start, options.seed, options.backbone_weights)
        to_device(self.networks, fabric.device)
        self.pairs = source_of(pairs, self.networks, config, fabric.device)
        self.average = None if config.ema_decay is None else averaged(self.networks.model, config.ema_decay)
        if fabric.world_size > 1:
            share_batch_norm(self.networks, fabric.device)
        fused = fabric.device.type in ("cpu", "cuda") and options.hardware.precision != "float16"
        self._built = build_optimizers(self.networks, config, fused=fused)
        self.optimisers = self._make_optimisers()
        self.step = 0
        self.seconds = 0.0
        self._saved: tuple[int, float] = (-1, time.monotonic())
        if state is not None:
            self._load(state)

    @property
    def model(self) -> MotionModel:
        """What has been learned so far, averaged where the run averages: a copy, ready for inference."""
        trained = self.networks.model if self.average is None else self.average.module
        state = {key: tensor.detach().clone() for key, tensor in trained.state_dict().items()}
        config = replace(self.model_config, discriminator=None)
        model = MotionModel.from_state(config, state, name="trained")
        return model.eval().requires_grad_(False)

    def run(self, on_event: Callable[[Event], None] = lambda event: None) -> bool:
        """Train up to the last step; returns whether it was reached.

        Ctrl-C and SIGTERM end the run after the step in hand, its state saved. Whatever `on_event` raises does so too,
        and is passed on.

        Raises:
            TrainingError: a loss or gradient that is no number, a state that can't be written. The last state stays.
        """
        if self.step >= self.config.steps:
            self._export()  # the process that took the last step may have ended before it came to that
        with stop_requests() as stop, read_ahead(self._batches()) as batches:
            for pairs in batches:
                began = time.monotonic()
                losses, stopped, passed = self._take_step(pairs, stop())
                self.step += 1
                seconds = time.monotonic() - began
                self.seconds += seconds
                rate = self.optimisers["generator"].param_groups[0]["lr"]
                self._tell(on_event, StepDone(self.step, self.config.steps, losses, rate, seconds))
                first = pairs[0]
                if isinstance(passed, GeneratorPass) and not isinstance(first, PosePairs) and self._are_pictures_due():
                    self._tell(on_event, PicturesDrawn(self.step, first, passed))
                if self._is_save_due() or stopped or self.step == self.config.steps:
                    path = self.save()
                    if path is not None:
                        self._tell(on_event, Saved(self.step, path))
                if stopped:
                    return False
        return True

    def save(self) -> Path | None:
        """Write the full state and the model as they are; None where this process or run keeps none, or has already."""
        if self.folder is None or not self.fabric.is_global_zero or self._saved[0] == self.step:
            return None
        path = self.folder.save(self._state())
        self._export()
        self._saved = self.step, time.monotonic()
        return path

    def _export(self) -> None:
        if self.folder is not None and self.fabric.is_global_zero:
            with writing(self.folder.model_path):
                save_model(self.model, self.folder.model_path, metadata={"trained_steps": str(self.step)})

    def _tell(self, on_event: Callable[[Event], None], event: Event) -> None:
        try:
            on_event(event)
        except BaseException:
            self.save()
            raise

    def _are_pictures_due(self) -> bool:
        every = self.options.strip_steps
        return every > 0 and (self.step % every == 0 or self.step == self.config.steps)

    def _is_save_due(self) -> bool:
        step, moment = self._saved
        minutes = (time.monotonic() - moment) / 60
        return self.step - max(step, 0) >= self.options.save_steps or minutes >= self.options.save_minutes

    def _batches(self) -> Iterator[list[Pairs | PosePairs]]:
        """The pairs of each step, pass by pass; read ahead in a thread."""
        for step in range(self.step, self.config.steps):
            yield [self.pairs.batch(step, places) for places in self.passes]

    def _take_step(self, batches: list[Pairs | PosePairs], stop: bool) -> tuple[dict[str, float], bool, Pass]:
        """One update of everything; returns the losses, whether any process was asked to stop, and the first pass."""
        self._built.set_learning_rates(self.config, self.step)
        networks, config = self.networks, self.config
        sums: dict[str, Tensor] = {}
        passes: list[Pass] = []
        for places, batch in zip(self.passes, batches, strict=True):
            place = self.options.seed, self.step, places
            with self.fabric.autocast():
                passed = take_pass(networks, batch, config, place, self.fabric.device)
            passes.append(passed)
            self._backward(passed.losses, sums)
        losses, stopped = self._reduced(sums, stop)
        self._update("generator")
        if "discriminator" in self.optimisers:
            sums = {}
            for passed in passes:
                assert isinstance(passed, GeneratorPass)
                with self.fabric.autocast():
                    judged = discriminator_losses(networks, passed, config)
                self._backward(judged, sums)
            losses |= self._reduced(sums, False)[0]
            self._update("discriminator")
        if self.average is not None:
            self.average.update_parameters(networks.model)
        return losses, stopped, passes[0]

    def _backward(self, losses: Mapping[str, Tensor], sums: dict[str, Tensor]) -> None:
        share = 1 / self.config.accumulate
        self.fabric.backward(torch.stack(list(losses.values())).sum() * share)
        for name, loss in losses.items():
            sums[name] = sums.get(name, torch.zeros((), device=loss.device)) + loss.detach() * share

    def _reduced(self, sums: Mapping[str, Tensor], stop: bool) -> tuple[dict[str, float], bool]:
        """Losses over all processes; raises TrainingError where one is no number."""
        own = torch.stack([*sums.values(), torch.tensor(float(stop), device=self.fabric.device)])
        *values, stopped = self.fabric.all_reduce(own, reduce_op="mean").tolist()
        losses = dict(zip(sums, values, strict=True))
        broken = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            raise self._diverged(f"finite losses in step {self.step + 1}", ", ".join(broken))
        return losses, stopped > 0

    def _diverged(self, expected: str, got: str) -> TrainingError:
        kept = "" if self.folder is None else f" The last good state is kept in '{self.folder.path}'."
        return TrainingError(
            f"expected {expected}; {got}.{kept} Resume with float32 where it was float16, or begin anew with smaller "
            "learning rates or a limit on the gradient's norm."
        )

    def _update(self, name: str) -> None:
        """Average the gradients over processes, limit their norm, and move the weights."""
        optimiser, config = self.optimisers[name], self.config
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        average_gradients(self.fabric, parameters)
        limit = math.inf if config.clip_norm is None else config.clip_norm
        whole = nn.Module()  # asked for on behalf of strategies that shard models
        norm = self.fabric.clip_gradients(whole, optimiser, max_norm=limit, error_if_nonfinite=False)
        assert norm is not None
        if self.options.hardware.precision != "float16" and not math.isfinite(norm):  # there, such steps are left out
            raise self._diverged(f"a finite gradient in step {self.step + 1}", f"that of the {name} is {float(norm)}")
        limit_each(self.networks.model, config.clip_each)
        optimiser.step()
        optimiser.zero_grad()

    def _make_optimisers(self) -> dict[str, Any]:
        made = {"generator": self._built.generator, "discriminator": self._built.discriminator}
        return {name: self.fabric.setup_optimizers(one) for name, one in made.items() if one is not None}

    def _state(self) -> RunState:
        discriminator = self.networks.discriminator
        return RunState(
            step=self.step,
            seed=self.options.seed,
            seconds=self.seconds,
            model_config=self.model_config,
            training_config=self.config,
            model=self.networks.model.state_dict(),
            discriminator=None if discriminator is None else discriminator.state_dict(),
            average=None if self.average is None else self.average.state_dict(),
            optimisers={name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            scaler=self.fabric.strategy.precision.state_dict() or None,
        )

    def _load(self, state: RunState) -> None:
        self.networks.model.load_state_dict(state.model)
        if self.networks.discriminator is not None and state.discriminator is not None:
            self.networks.discriminator.load_state_dict(state.discriminator)
        if self.average is not None and state.average is not None:
            self.average.load_state_dict(state.average)
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(dict(state.optimisers[name]))
            lay_out_as_parameters(optimiser)
        if state.scaler is not None:
            self.fabric.strategy.precision.load_state_dict(dict(state.scaler))
        self.step, self.seconds = state.step, state.seconds
        self._saved = self.step, time.monotonic()
