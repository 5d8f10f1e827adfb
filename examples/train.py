"""Train a model on a folder of clips: python train.py CLIPS runs/mine STEPS. Needs `pip install "fomm-nodes[train]"`.

Run it again to resume the run. `fomm train` does the same with progress, previews and the other settings.
"""

import sys

from fomm_nodes.fomm_core.training.data import PairSource, find_clips
from fomm_nodes.fomm_core.training.loop import RunOptions, StepDone, Trainer
from fomm_nodes.fomm_core.training.plan import Overrides
from fomm_nodes.fomm_core.training.state import RunFolder

clips_folder, run_folder, steps = sys.argv[1:]

clips = find_clips(clips_folder, split="train")
model, training = Overrides(preset="demo", size=(64, 64), steps=int(steps), batch_size=2, backbone="none").plan(
    len(clips)
)
pairs = PairSource(clips, model.frame_size, training.augmentation, seed=0, batch_size=training.batch_size)
trainer = Trainer(model, training, pairs, folder=RunFolder(run_folder), options=RunOptions(seed=0))


def show(event: object) -> None:
    """Print the losses of each step."""
    if isinstance(event, StepDone):
        print(event.step, {name: round(value, 3) for name, value in event.losses.items()})


trainer.run(show)
print(f"{trainer.folder.model_path}: use it with `fomm animate ... --model` or `load_model`")
