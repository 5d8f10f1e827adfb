"""Blocks that make a model of one's own: a new one, and its training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from ...fomm_core.config import PRESETS, MotionModelConfig, PointDetectorConfig
from ...fomm_core.cost import check_cost
from ...fomm_core.fitting import from_uint8
from ...fomm_core.model import MotionModel
from ...fomm_core.precision import AUTO, choose_precision
from ...fomm_core.training.data import PairSource
from ...fomm_core.training.perceptual import BACKBONES, usual_path
from ...fomm_core.training.plan import Overrides
from ...fomm_core.training.presets import TRAINING_PRESETS
from ...fomm_core.training.start import Start
from ...fomm_core.wording import counted
from ..spec import (
    IMAGE,
    MODEL,
    STRING,
    Host,
    NodeSpec,
    choice,
    decimal,
    integer,
    socket,
    switch,
    text,
)
from .border import PRECISION_IN, images_to_graph
from .datasets import DATASET_IN, MENU, DataSet

if TYPE_CHECKING:
    from ...fomm_core.training.loop import Trainer


def _new_model(
    host: Host, preset: str, frame_size: int, keypoints: int, channels: float, random_seed: int
) -> tuple[Any, ...]:
    config = _widened(PRESETS[preset], channels)
    points = 1 if config.dense_motion is None else config.dense_motion.points_per_motion
    config = replace(config, num_keypoints=points * keypoints, avd=None)  # which is learned on its own, at the end
    if frame_size:
        config = replace(config.for_size(frame_size, frame_size), frame_size=(frame_size, frame_size))
    config.check_size(*config.frame_size)
    check_cost(config)
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed)
        return (host.hold(MotionModel(config, name="new").eval().requires_grad_(False)),)


def _widened(config: MotionModelConfig, factor: float) -> MotionModelConfig:
    """`factor` times as many channels in every layer, in multiples of 4; those of a ResNet-18 are what they are."""

    def wider(part: Any) -> Any:
        if part is None or isinstance(part, PointDetectorConfig):
            return part
        names = ("block_expansion", "max_features")
        return replace(part, **{name: max(4, round(getattr(part, name) * factor / 4) * 4) for name in names})

    parts = ("detector", "generator", "dense_motion", "discriminator")
    background = config.background
    if background is not None and background.encoder is not None:
        background = replace(background, encoder=wider(background.encoder))
    return replace(config, background=background, **{name: wider(getattr(config, name)) for name in parts})


@dataclass(frozen=True)
class TrainSettings:
    """The values of the training block's widgets."""

    steps: int
    batch_size: int
    learning_rate: float
    recipe: str
    backbone: str
    run_name: str
    preview_every: int
    save_every: int
    freeze_detector: bool
    precision: str
    random_seed: int

    def wishes(self) -> Overrides:
        """As the core takes them; the backbone is the first whose weights are there where it is to be chosen."""
        backbone = self.backbone
        if backbone == AUTO:
            there = (name for name, source in BACKBONES.items() if (path := usual_path(source)) and path.is_file())
            backbone = next(there, "none")
        return Overrides(
            preset=self.recipe,
            steps=self.steps,
            batch_size=self.batch_size,
            lr=self.learning_rate,
            backbone=backbone,
            freeze_detector=self.freeze_detector or None,
        )


def _train(host: Host, model: Any, dataset: DataSet, **values: Any) -> tuple[Any, ...]:
    from ...fomm_core.training.curve import loss_curve
    from ...fomm_core.training.run_log import latest_strip, read_losses

    settings = TrainSettings(**values)
    with torch.inference_mode(False), torch.enable_grad():  # ComfyUI runs blocks without gradients
        trainer = _trainer(host, Start.of(model.model), dataset, settings)
        assert trainer.folder is not None
        _run(host, trainer)
        lines = read_losses(trainer.folder)
        curve = loss_curve([line["losses"] for line in lines])
        trained = trainer.model
    trained.name = settings.run_name
    last = ", ".join(f"{name} {value:.4g}" for name, value in lines[-1]["losses"].items())
    report = (
        f"{counted(trainer.step, 'step')} in {trainer.seconds / 60:.1f} minutes; losses of the last one: {last}.\n"
        f"Its states and images are in {trainer.folder.path}"
    )
    strip = from_uint8(latest_strip(trainer.folder))
    return host.hold(trained), images_to_graph(curve[None]), images_to_graph(strip), report


def _trainer(host: Host, start: Start, dataset: DataSet, settings: TrainSettings) -> Trainer:
    """The run that these inputs belong to, where it has come to.

    Its folder is named by all that decides what is learned, so that the same inputs go on and others begin anew.
    """
    from ...fomm_core.training.hardware import Hardware
    from ...fomm_core.training.loop import RunOptions, Trainer
    from ...fomm_core.training.state import RunFolder

    clips = dataset.train
    config, training = settings.wishes().plan(len(clips), start)
    decisive = {"model": asdict(config), "training": {**asdict(training), "steps": 0, "milestones": 0}}
    digest = hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=5)
    digest.update(
        str(settings.random_seed).encode() + start.digest() + "".join(clip.content_key() for clip in clips).encode()
    )
    folder = RunFolder(host.run_folder(f"{settings.run_name}-{digest.hexdigest()}"))
    device = host.training_device()
    return Trainer(
        config,
        training,
        PairSource(
            clips,
            config.frame_size,
            training.augmentation,
            settings.random_seed,
            batch_size=training.batch_size,
        ),
        folder=folder,
        start=start,
        options=RunOptions(
            seed=settings.random_seed,
            save_steps=settings.save_every,
            strip_steps=settings.preview_every,
            hardware=Hardware.on(device, precision=choose_precision(settings.precision, device, "training")),
        ),
    )


def _run(host: Host, trainer: Trainer) -> None:
    """Train to the end; Cancel leaves the state of the step that it came after."""
    from ...fomm_core.training.loop import Event, PicturesDrawn, StepDone
    from ...fomm_core.training.run_log import RunLog

    assert trainer.folder is not None
    steps = trainer.config.steps

    def hear(event: Event) -> None:
        run_log(event)
        if isinstance(event, StepDone):
            host.progress(event.step, steps)
        elif isinstance(event, PicturesDrawn):
            host.progress(event.step, steps, event.strip())

    with RunLog(trainer.folder, step=trainer.step) as run_log:
        trainer.run(hear)


NEW_MODEL = NodeSpec(
    id="FOMM_NewModel",
    title="New Motion Model",
    category=MENU,
    description="A motion model with random weights, to be trained. It cannot animate anything yet.",
    aliases=("fomm", "create model", "untrained", "random weights", "from scratch"),
    inputs=(
        choice(
            "preset",
            "preset",
            "Architecture: small (demo-64, demo-128) or that of a published model; tps- and mraa- are TPS and MRAA.",
            tuple(name for name, config in PRESETS.items() if config.family != "partswap"),
            default="demo-64",
        ),
        integer(
            "frame_size",
            "frame size",
            "Height and width of the frames to train on, in pixels; 0 uses the preset's.",
            default=0,
            minimum=0,
            maximum=1024,
            step=16,
        ),
        integer(
            "keypoints",
            "keypoints",
            "Number of keypoints: of regions for MRAA, of motions of five points each for TPS.",
            default=10,
            minimum=1,
            maximum=100,
        ),
        decimal(
            "channels",
            "channels",
            "Channels of every layer, relative to the preset: fewer are faster and weaker.",
            default=1.0,
            minimum=0.125,
            maximum=4.0,
            step=0.125,
            advanced=True,
        ),
        integer(
            "random_seed",
            "random seed",
            "Seed of the random weights.",
            default=0,
            minimum=0,
            maximum=2**31 - 1,
            advanced=True,
        ),
    ),
    outputs=(socket("model", MODEL, "model", "The new model, for Train Motion Model."),),
    run=_new_model,
)

TRAIN = NodeSpec(
    id="FOMM_Train",
    title="Train Motion Model",
    category=MENU,
    description="Trains a model on clips. Cancel at any time: the next run resumes.",
    aliases=("fomm", "training", "fine-tune", "learn", "first order motion model train"),
    inputs=(
        socket("model", MODEL, "model", "Where to start: New Motion Model, or Load Motion Model to refine one."),
        DATASET_IN,
        integer(
            "steps",
            "steps",
            (
                "Number of steps in all. Hundreds show that it works, tens of thousands make a good model. If you "
                "raise it later, training continues."
            ),
            default=1000,
            minimum=1,
            maximum=10_000_000,
        ),
        integer("batch_size", "batch size", "Pairs of frames in a step.", default=8, minimum=1, maximum=1024),
        decimal(
            "learning_rate",
            "learning rate",
            "Size of a step. 0.0002 as published; less to refine a good model.",
            default=0.0002,
            minimum=0.000001,
            maximum=0.01,
            step=0.000001,
        ),
        choice(
            "recipe",
            "recipe",
            (
                "Losses, augmentation and schedule: demo, for small models, or those of a published one. The -adv "
                "ones have a discriminator, as a second stage for a trained model."
            ),
            TRAINING_PRESETS,
            default="demo",
        ),
        choice(
            "backbone",
            "backbone",
            "The network whose features are compared. auto: one whose weights are installed, otherwise plain pixels.",
            (AUTO, *BACKBONES, "none"),
        ),
        text("run_name", "run name", "States are saved in output/fomm_training, under this name.", default="my-model"),
        integer("preview_every", "preview every", "Steps between images.", default=50, minimum=1, maximum=1_000_000),
        integer(
            "save_every",
            "save every",
            "Steps between states; one is saved at least every five minutes.",
            default=500,
            minimum=1,
            maximum=1_000_000,
            advanced=True,
        ),
        switch(
            "freeze_detector", "freeze detector", "Do not train the keypoint detector.", default=False, advanced=True
        ),
        PRECISION_IN,
        integer(
            "random_seed",
            "random seed",
            "Seed of all random numbers.",
            default=0,
            minimum=0,
            maximum=2**31 - 1,
            advanced=True,
        ),
    ),
    outputs=(
        socket("trained", MODEL, "model", "The trained model, for all other blocks and for Save Motion Model."),
        socket("losses", IMAGE, "losses", "Each loss over the steps."),
        socket("strip", IMAGE, "strip", "The last images: source, driving, keypoints, warped, occlusion, result."),
        socket("report", STRING, "report", "Steps, time, losses, and the run's folder."),
    ),
    run=_train,
)

SPECS = (NEW_MODEL, TRAIN)
