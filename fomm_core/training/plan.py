"""From a preset and a few wishes to the two configurations of a run, the same in every program."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ..config import MotionModelConfig
from ..errors import TrainingError
from .config import TrainingConfig
from .presets import training_preset
from .start import Start
from .state import RunState


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a user may ask for; None leaves it to the preset, or to the run that is resumed.

    size: (height, width) of the frames. lr: of generator and detector, and of the discriminator. The others are as in
    `TrainingConfig`. Published schedules follow the number of clips.
    """

    preset: str | None = None
    size: tuple[int, int] | None = None
    steps: int | None = None
    batch_size: int | None = None
    accumulate: int | None = None
    lr: float | None = None
    clip_norm: float | None = None
    ema_decay: float | None = None
    backbone: str | None = None
    freeze_detector: bool | None = None

    def plan(self, clips: int, start: Start | None = None) -> tuple[MotionModelConfig, TrainingConfig]:
        """Configurations for a new run on a data set of so many clips.

        The model is built as `start` is, where there is one; the preset then gives the discriminator and the training.
        """
        if self.preset is None:
            raise TrainingError("expected a preset for a new run, such as demo or vox-256; got none.")
        model, training = training_preset(self.preset, clips=clips)
        if start is not None:
            model = replace(start.config, discriminator=model.discriminator)
        if self.size is not None:
            model = replace(model.for_size(*self.size), frame_size=self.size)
        return model, self._apply(training)

    def plan_resumed(self, state: RunState, clips: int) -> tuple[MotionModelConfig, TrainingConfig]:
        """Configurations for going on with a run: its own; steps may be set anew.

        Raises:
            TrainingError: what is wished for is not what the run was started with.
        """
        model, training = state.model_config, state.training_config
        if self.preset is not None:
            model, training = training_preset(self.preset, clips=clips)
            model = replace(state.model_config, discriminator=model.discriminator)
            training = replace(training, steps=state.training_config.steps)
        wished = self._apply(replace(training, milestones=state.training_config.milestones))
        if self.size is not None:
            model = replace(model, frame_size=self.size)
        kept = replace(wished, milestones=state.training_config.milestones)
        state.check_same(model, kept, state.seed)
        return state.model_config, replace(state.training_config, steps=kept.steps)

    def _apply(self, training: TrainingConfig) -> TrainingConfig:
        given = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in ("preset", "size", "lr") and getattr(self, field.name) is not None
        }
        if self.steps is not None:  # milestones stay where they were in the run
            scale = self.steps / training.steps
            given["milestones"] = tuple(max(1, round(milestone * scale)) for milestone in training.milestones)
        if self.lr is not None:
            given |= {"lr_generator": self.lr, "lr_discriminator": self.lr, "lr_detector": self.lr}
        if self.backbone == "none":
            given["losses"] = replace(training.losses, perceptual=(), l1=training.losses.l1 or 10.0)
        return replace(training, **given)
