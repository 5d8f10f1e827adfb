"""From a preset and a few wishes to the two configurations of a run, the same in every program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..config import MotionModelConfig
from ..errors import TrainingError
from ..wording import did_you_mean, setting
from .config import NO_BACKBONE, TrainingConfig
from .family_presets import avd_training, with_avd
from .official import training_from_yaml
from .perceptual import BACKBONES
from .presets import training_preset
from .start import Start
from .state import RunState

SCHEDULED = ("milestones", "background_from", "dropout")
"""What stands at certain steps of a run, and stays there when it goes on."""
MODEL = "model."
"""Before the name of a setting that is the model's, not the training's."""


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What a user may ask for; None leaves it to the preset, or to the run that is resumed.

    preset: its name, or a configuration file (.yaml) of the published code. size: (height, width) of the frames. lr:
    of all networks. phase: see `config.PHASES`; "avd" takes no preset, but needs a model to start from. changes: any
    value of `TrainingConfig` by its path, such as "losses.l1", or of `MotionModelConfig`, such as
    "model.num_keypoints". The others are as in `TrainingConfig`. Published schedules follow the number of clips.
    """

    preset: str | None = None
    size: tuple[int, int] | None = None
    steps: int | None = None
    batch_size: int | None = None
    accumulate: int | None = None
    lr: float | None = None
    ema_decay: float | None = None
    backbone: str | None = None
    freeze_detector: bool | None = None
    phase: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    def plan(self, clips: int, start: Start | None = None) -> tuple[MotionModelConfig, TrainingConfig]:
        """Configurations for a new run on a data set of so many clips.

        The model is built as `start` is, where there is one; the preset then gives the discriminator and the training.
        """
        if self.phase == "avd":
            return self._plan_avd(start)
        model, training = self._from_preset(clips)
        if start is not None:
            avd = start.config.avd if self.freeze_detector else None  # it says nothing to keypoints that change
            model = replace(start.config, discriminator=model.discriminator, avd=avd)
        if self.size is not None:
            model = replace(model.for_size(*self.size), frame_size=self.size)
        return self._change_model(model), self._change_training(training)

    def _plan_avd(self, start: Start | None) -> tuple[MotionModelConfig, TrainingConfig]:
        if start is None:
            raise TrainingError(
                "expected a finished model for the phase 'avd', which learns on top of it; got none. Name the one "
                f"to start from ({setting('from', 'MODEL')})."
            )
        if self.preset is not None or self.size is not None:
            raise TrainingError(
                "expected neither a preset nor a size for the phase 'avd': the model that it starts from has both. "
                "Leave them out."
            )
        model = with_avd(replace(start.config, discriminator=None))
        return self._change_model(model), self._change_training(avd_training())

    def plan_resumed(self, state: RunState, clips: int) -> tuple[MotionModelConfig, TrainingConfig]:
        """Configurations for going on with a run: its own; steps may be set anew.

        Raises:
            TrainingError: what is wished for is not what the run was started with.
        """
        model, training = state.model_config, state.training_config
        length = {name: getattr(training, name) for name in ("steps", *SCHEDULED)}
        if self.preset is not None:
            preset, training = self._from_preset(clips)
            model, training = replace(model, discriminator=preset.discriminator), replace(training, **length)
        if self.size is not None:
            model = replace(model, frame_size=self.size)
        training = replace(self, steps=None)._change_training(training)
        if self.steps is not None:
            training = replace(training, steps=self.steps)
        state.check_same(self._change_model(model), training, state.seed)
        return state.model_config, replace(state.training_config, steps=training.steps)

    def _from_preset(self, clips: int) -> tuple[MotionModelConfig, TrainingConfig]:
        if self.preset is None:
            raise TrainingError("expected a preset for a new run, such as demo or vox-256; got none.")
        if self.preset.endswith((".yaml", ".yml")):
            return training_from_yaml(self.preset, clips=clips)
        return training_preset(self.preset, clips=clips)

    def _change_model(self, model: MotionModelConfig) -> MotionModelConfig:
        changes = {name.removeprefix(MODEL): value for name, value in self.changes.items() if name.startswith(MODEL)}
        return MotionModelConfig.from_dict(_changed(model.to_dict(), changes, MODEL))

    def _change_training(self, training: TrainingConfig) -> TrainingConfig:
        given = {
            name: getattr(self, name)
            for name in (own.name for own in fields(self))
            if name not in ("preset", "size", "lr", "changes") and getattr(self, name) is not None
        }
        if self.steps is not None:  # milestones stay where they were in the run
            scale = self.steps / training.steps
            given["milestones"] = tuple(max(1, round(milestone * scale)) for milestone in training.milestones)
            given["background_from"] = round(training.background_from * scale)
            given["dropout"] = None if training.dropout is None else training.dropout.scaled(scale)
        if self.lr is not None:
            given |= {"lr_generator": self.lr, "lr_discriminator": self.lr, "lr_detector": self.lr}
        if self.backbone is not None and self.backbone not in (NO_BACKBONE, *BACKBONES):
            names = (*BACKBONES, NO_BACKBONE)
            raise TrainingError(
                f"expected a backbone ({', '.join(names)}); got '{self.backbone}'.{did_you_mean(self.backbone, names)}"
            )
        if self.backbone == NO_BACKBONE:
            given["losses"] = replace(training.losses, perceptual=(), l1=training.losses.l1 or 10.0)
        changes = {name: value for name, value in self.changes.items() if not name.startswith(MODEL)}
        return TrainingConfig.from_dict(_changed(replace(training, **given).to_dict(), changes))


def _changed(values: dict[str, Any], changes: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`values` with some replaced by their paths; raises TrainingError for a path that is none."""
    for path, value in changes.items():
        *parents, name = path.split(".")
        part: Any = values
        for parent in parents:
            part = part.get(parent) if isinstance(part, dict) else None
        if not isinstance(part, dict) or name not in part or isinstance(part[name], dict):
            names = ", ".join(f"{prefix}{known}" for known in values)
            raise TrainingError(f"expected the name of a setting ({names}, or a part of one); got '{prefix}{path}'.")
        part[name] = tuple(value) if isinstance(value, list) else value
    return values
