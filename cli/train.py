"""`fomm train`: a folder of videos in, a model out; it can be stopped and gone on with at any moment."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..fomm_core.wording import counted
from .animate import positive
from .arguments import add_precision_argument
from .picturing import picture_size
from .terminal import say
from .training_display import training_display

if TYPE_CHECKING:
    from ..fomm_core.training.loop import RunOptions, Trainer
    from ..fomm_core.training.plan import Overrides

EPILOG = """\
examples:
  fomm train clips -o runs/mine --preset demo
      a small model at 128x128, on the available device

  fomm train clips -o runs/mine --preset demo --resume
      resume, even after a crash; if nothing has been saved yet, start

  fomm train clips -o runs/vox --preset vox-256 --backbone-weights vgg19-dcbb9e9d.pth
  fomm train clips -o runs/adv --preset vox-adv-256 --from runs/vox --backbone-weights vgg19-dcbb9e9d.pth
      as published: first without, then with adversarial losses

  fomm train clips -o runs/own --preset vox-256 --from vox-cpk.pth.tar --steps 20000 --lr 5e-5
      adapt published weights to your own clips

  fomm train clips -o runs/avd --phase avd --from runs/mine
      then, in minutes: --mode avd, the driver's motion in the source's shape

  torchrun --nproc-per-node 4 -m fomm_nodes.cli train clips -o runs/vox --preset vox-256 --devices 4
      four GPUs; --devices 4 without torchrun does the same

CLIPS contains videos, GIF or WebP animations, or folders of images; sub-folders train and test are kept apart.
RUN receives model.safetensors (use it like any other model), states to resume from, log.jsonl and strips/.
"""
MARKS = ("demo", "vox-256", "vox-adv-256", "taichi-256", "taichi-adv-256", "fashion-256", "mgif-256", "bair-256")


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "train",
        parents=[common],
        help="train a model on a folder of videos",
        description="Train a model on videos, without labels.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clips", metavar="CLIPS", type=Path, help="a folder of videos or of folders of images")
    parser.add_argument("-o", "--output", metavar="RUN", type=Path, required=True, help="the run's folder")
    parser.add_argument("--resume", action="store_true", help="resume the run in RUN if there is one")
    _add_data_arguments(parser.add_argument_group("clips"))
    _add_model_arguments(parser.add_argument_group("model"))
    _add_schedule_arguments(parser.add_argument_group("training"))
    _add_computing_arguments(parser.add_argument_group("computing"))
    _add_keeping_arguments(parser.add_argument_group("checkpoints"))
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_data_arguments(group: Any) -> None:
    group.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="cache decoded frames here, so that later epochs and runs are fast",
    )
    group.add_argument(
        "--by-identity",
        action="store_true",
        help="show one clip of each identity per epoch; the identity is the part of a clip's name before #",
    )
    group.add_argument(
        "--repeat",
        action="append",
        default=[],
        type=repeated_group,
        metavar="GROUP=N",
        help="draw the clips of a sub-folder N times as often; 0 excludes them",
    )


def _add_model_arguments(group: Any) -> None:
    group.add_argument(
        "--preset",
        metavar="NAME",
        help=f"model and training: {', '.join(MARKS)}, nemo-256, or a tps- or mraa- one (needed for a new run)",
    )
    group.add_argument("--size", type=training_size, metavar="N|WxH", help="size of the frames (default: the preset's)")
    group.add_argument(
        "--from", dest="start", metavar="WEIGHTS|RUN", help="start from the weights of a checkpoint or of another run"
    )
    group.add_argument(
        "--freeze-detector", action="store_true", default=None, help="do not train the keypoint detector"
    )
    group.add_argument(
        "--phase",
        choices=("motion", "avd"),
        help="avd: train only the avd network of the model given by --from; needs no preset (default: motion)",
    )


def _add_schedule_arguments(group: Any) -> None:
    group.add_argument("--steps", type=positive, metavar="N", help="number of steps (default: the preset's)")
    group.add_argument("--batch", type=positive, metavar="N", help="pairs in a step, over all devices")
    group.add_argument("--accumulate", type=positive, metavar="N", help="split a step into N passes, to save memory")
    group.add_argument("--lr", type=float, metavar="RATE", help="learning rate of all networks")
    group.add_argument("--ema", type=float, metavar="DECAY", help="average the weights with this decay, such as 0.999")
    group.add_argument(
        "--backbone",
        metavar="NAME",
        help="network for the perceptual loss: vgg19, mobilenet_v2, efficientnet_lite0 or none",
    )
    group.add_argument("--backbone-weights", metavar="FILE", type=Path, help="its weights, if it needs a file")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        type=changed_setting,
        dest="changes",
        metavar="NAME=VALUE",
        help="any other setting, such as losses.l1=10, clip_norm=5, augmentation.zoom=0.1 or model.num_keypoints=15",
    )
    group.add_argument("--seed", type=int, metavar="N", help="seed of all random numbers (default: 0)")


def _add_computing_arguments(group: Any) -> None:
    group.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="(default: auto)")
    group.add_argument("--devices", type=positive, default=1, metavar="N", help="number of devices (default: 1)")
    group.add_argument(
        "--nodes", type=positive, default=1, metavar="N", help="number of machines; start the same command on each"
    )
    add_precision_argument(
        group,
        "precision of convolutions; geometry is always float32 (default: auto: bfloat16 if the device is fast at it, "
        "otherwise float32)",
        earlier=False,
    )


def _add_keeping_arguments(group: Any) -> None:
    group.add_argument(
        "--save-steps", type=positive, default=1000, metavar="N", help="steps between states (default: 1000)"
    )
    group.add_argument("--save-minutes", type=float, default=5, metavar="M", help="minutes between states (default: 5)")
    group.add_argument("--keep", type=positive, default=3, metavar="N", help="number of states to keep (default: 3)")
    group.add_argument("--strips", type=int, default=500, metavar="N", help="steps between image strips, 0 for none")


def training_size(text: str) -> tuple[int, int]:
    """A length such as 128, or WIDTHxHEIGHT, as (height, width)."""
    size = picture_size(text)
    if isinstance(size, str):
        raise argparse.ArgumentTypeError(f"expected a length such as 128, or 256x128; got {text!r}")
    return (size, size) if isinstance(size, int) else size


def repeated_group(text: str) -> tuple[str, int]:
    """GROUP=N."""
    name, _, times = text.rpartition("=")
    if not name or not times.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a sub-folder and a number such as faces=3; got {text!r}")
    return name, int(times)


def changed_setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as in JSON, or a word."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected a name and a value such as losses.l1=10; got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code: 0 where the last step was reached."""
    from ..fomm_core.training.run_log import RunLog

    trainer = _trainer(arguments)
    master, quiet = trainer.fabric.is_global_zero, arguments.quiet
    if not quiet and master and trainer.step:
        say(f"resuming after step {trainer.step}")
    if not master:
        return 0 if trainer.run() else 1
    assert trainer.folder is not None
    with (
        RunLog(trainer.folder, step=trainer.step) as run_log,
        training_display(trainer.step, trainer.config.steps, quiet=quiet) as display,
    ):

        def hear(event: Any) -> None:
            run_log(event)
            display(event)

        finished = trainer.run(hear)
    if not finished:
        say(f"stopped after step {trainer.step}; the same command with --resume continues from there.")
        return 1
    if not quiet:
        print(f"{trainer.folder.model_path.resolve()}: trained for {counted(trainer.step, 'step')}")
    return 0


def _wishes(arguments: argparse.Namespace) -> Overrides:
    from ..fomm_core.training.plan import Overrides

    return Overrides(
        preset=arguments.preset,
        size=arguments.size,
        steps=arguments.steps,
        batch_size=arguments.batch,
        accumulate=arguments.accumulate,
        lr=arguments.lr,
        ema_decay=arguments.ema,
        backbone=arguments.backbone,
        freeze_detector=arguments.freeze_detector,
        phase=arguments.phase,
        changes=dict(arguments.changes),
    )


def _options(arguments: argparse.Namespace) -> RunOptions:
    from ..fomm_core.training.hardware import Hardware
    from ..fomm_core.training.loop import RunOptions

    return RunOptions(
        seed=arguments.seed or 0,
        save_steps=arguments.save_steps,
        save_minutes=arguments.save_minutes,
        keep=arguments.keep,
        strip_steps=arguments.strips,
        backbone_weights=arguments.backbone_weights,
        hardware=Hardware(
            accelerator=arguments.device,
            devices=arguments.devices,
            nodes=arguments.nodes,
            precision=arguments.precision,
        ),
    )


def _trainer(arguments: argparse.Namespace) -> Trainer:
    from ..fomm_core.errors import TrainingError
    from ..fomm_core.training.data import PairSource, find_clips, prepare
    from ..fomm_core.training.loop import Trainer
    from ..fomm_core.training.start import Start
    from ..fomm_core.training.state import RunFolder

    folder, wishes, options = RunFolder(arguments.output, keep=arguments.keep), _wishes(arguments), _options(arguments)
    state = folder.latest()
    if state is not None and not arguments.resume:
        raise TrainingError(
            f"expected a new folder for a new run; '{folder.path}' holds one that has done "
            f"{counted(state.step, 'step')}. Go on with it (--resume), or choose another folder."
        )
    clips = find_clips(arguments.clips, split="train").repeated(dict(arguments.repeat))
    length = len({clip.identity for clip in clips} if arguments.by_identity else clips)
    start = None
    if state is not None:
        model_config, config = wishes.plan_resumed(state, length)
        options = replace(options, seed=state.seed if arguments.seed is None else arguments.seed)
    else:
        if arguments.preset is None and arguments.phase != "avd":
            arguments.usage_error("--preset is missing: which model to train (try --preset demo)")
        start = None if arguments.start is None else Start.read(arguments.start)
        model_config, config = wishes.plan(length, start)
    if arguments.cache is not None:
        clips = prepare(clips, model_config.frame_size, arguments.cache)
    pairs = PairSource(
        clips,
        model_config.frame_size,
        config.augmentation,
        options.seed,
        batch_size=config.batch_size,
        by_identity=arguments.by_identity,
    )
    return Trainer(model_config, config, pairs, folder=folder, start=start, options=options)
