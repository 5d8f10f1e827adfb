"""The phase in which a finished model learns the mode "avd"."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from family_models import small_family_config, small_family_model
from fomm_nodes.fomm_core.checkpoints import convert, load_model, save_model
from fomm_nodes.fomm_core.errors import TrainingError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.training.avd import PoseSource, stretched
from fomm_nodes.fomm_core.training.data import PairSource, find_clips
from fomm_nodes.fomm_core.training.family_presets import with_avd
from fomm_nodes.fomm_core.training.hardware import Hardware
from fomm_nodes.fomm_core.training.loop import RunOptions, Trainer
from fomm_nodes.fomm_core.training.plan import Overrides
from fomm_nodes.fomm_core.training.start import Start
from fomm_nodes.fomm_core.training.state import RunFolder
from nearness import near
from scripts import load_script

small_run = load_script(Path(__file__).with_name("small_run.py"))
MODEL, MadeUpPairs = small_run.MODEL, small_run.MadeUpPairs


def source_of(folder: Path, size: tuple[int, int], batch: int = 4) -> PairSource:
    return PairSource(find_clips(folder), size, None, 0, batch_size=batch)


def trainer(clips: Path, model: MotionModel, run: Path | None, *, steps: int = 6) -> Trainer:
    config, training = Overrides(phase="avd", steps=steps, batch_size=4).plan(5, Start.of(model))
    kept = None if run is None else RunFolder(run)
    options = RunOptions(strip_steps=1, hardware=Hardware(accelerator="cpu"))
    return Trainer(
        config, training, source_of(clips, config.frame_size), folder=kept, start=Start.of(model), options=options
    )


def small_model(family: str) -> MotionModel:
    if family != "fomm":
        return small_family_model(family, avd=False)
    torch.manual_seed(0)
    return MotionModel(replace(MODEL, discriminator=None)).eval()


@pytest.mark.parametrize("family", ["fomm", "mraa", "tps"])
def test_any_model_that_animates_learns_it_and_nothing_else(family: str, folder: Path, tmp_path: Path) -> None:
    model = small_model(family)
    run = trainer(folder, model, tmp_path / "run")
    heard: list = []
    assert run.run(heard.append)
    losses = {name for event in heard for name in getattr(event, "losses", ())}
    assert losses == {"avd_position"} | (set() if family == "tps" else {"avd_jacobian"})
    trained = load_model(tmp_path / "run" / "model.safetensors")
    before = model.state_dict()
    for key, value in trained.state_dict().items():
        if not key.startswith("avd."):
            assert torch.equal(value, before[key]), key
    assert trained.config == replace(model.config, avd=trained.config.avd)
    assert trained.disentangle is not None


def test_a_run_goes_on_as_if_it_had_not_stopped(folder: Path, tmp_path: Path) -> None:
    model = small_model("fomm")
    whole = trainer(folder, model, None)
    whole.run()
    begun = trainer(folder, model, tmp_path / "run")

    def stop(event: object) -> None:
        if begun.step == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        begun.run(stop)
    resumed = trainer(folder, model, tmp_path / "run")
    assert resumed.step == 3
    resumed.run()
    for key, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[key], value), key


def test_it_learns(folder: Path) -> None:
    run = trainer(folder, small_model("mraa"), None, steps=40)
    seen: list[float] = []
    run.run(lambda event: seen.append(event.losses["avd_position"]))
    assert sum(seen[-5:]) < 0.5 * sum(seen[:5])


def test_pairs_are_of_one_clip_and_follow_from_their_place(folder: Path) -> None:
    model = small_model("fomm")
    pairs = PoseSource(source_of(folder, (32, 32), batch=64), model, scale=0.25, device=torch.device("cpu"))
    first, again = pairs.batch(3, range(64)), pairs.batch(3, [5, 6])
    assert torch.equal(first.source.position[5:7], again.source.position)
    assert torch.equal(first.scales[5:7], again.scales)
    assert first.scales.shape == (64, 2)
    assert (first.scales - 1).abs().max() <= 0.25
    assert first.source.confidence is None
    ends = [0, *pairs._ends]
    rows = pairs._keypoints.position
    for source, driving in zip(first.source.position, first.driving.position, strict=True):
        at, other = ((rows == one).all(-1).all(-1).nonzero()[:, 0].tolist() for one in (source, driving))
        clips = [{sum(row >= end for end in ends) for row in found} for found in (at, other)]
        assert clips[0] & clips[1]


def test_stretched_as_the_picture_is() -> None:
    scales = torch.tensor([[0.5, 2.0]])
    jacobian = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    found = stretched(Keypoints(torch.tensor([[[0.4, 0.3]]]), jacobian, covariance=jacobian @ jacobian.mT), scales)
    near(found.position, torch.tensor([[[0.2, 0.6]]]))
    assert found.jacobian is not None
    near(found.jacobian, torch.tensor([[[[0.5, 1.0], [6.0, 8.0]]]]))
    near(found.covariance, found.jacobian @ found.jacobian.mT)


def test_what_is_missing_is_said(folder: Path) -> None:
    with pytest.raises(TrainingError, match=r"expected a finished model for the phase 'avd'.*from=MODEL"):
        Overrides(phase="avd").plan(5)
    start = Start.of(small_model("fomm"))
    with pytest.raises(TrainingError, match="expected neither a preset nor a size"):
        Overrides(phase="avd", preset="demo").plan(5, start)
    with pytest.raises(TrainingError, match="got one of part swap"):
        Overrides(phase="avd").plan(5, Start.of(small_family_model("partswap")))
    config, training = Overrides(phase="avd").plan(5, start)
    with pytest.raises(TrainingError, match="expected clips"):
        Trainer(config, training, MadeUpPairs((32, 32)), start=start)


def test_training_the_motion_again_leaves_it_out() -> None:
    model = small_family_model("mraa")
    start = Start.of(model)
    wishes = Overrides(preset="mraa-vox-256", backbone="none")
    assert wishes.plan(5, start)[0].avd is None
    assert replace(wishes, freeze_detector=True).plan(5, start)[0].avd == small_family_config("mraa").avd


def test_a_first_order_model_s_network_begins_with_the_driver(tmp_path: Path) -> None:
    """Its perceptrons correct a linear map of both; untrained, it is absolute motion. Files keep it."""
    config = with_avd(replace(MODEL, discriminator=None))
    assert config.avd is not None
    assert config.avd.straight
    assert not with_avd(small_family_config("mraa")).avd.straight  # published ones are as published
    torch.manual_seed(0)
    model = MotionModel(config).eval()
    driving = model.detect(torch.rand(3, 3, *config.frame_size))
    source = model.detect(torch.rand(1, 3, *config.frame_size))
    made = model.disentangle(source, driving)
    near(made.position, driving.position)
    near(made.jacobian, driving.jacobian)
    for parameter in model.avd.parameters():
        parameter.data += 0.01
    made = model.disentangle(source, driving)
    save_model(model, tmp_path / "model.safetensors")
    convert(tmp_path / "model.safetensors", tmp_path / "model.pth.tar")
    for name in ("model.safetensors", "model.pth.tar"):
        again = load_model(tmp_path / name, config=config if name.endswith("tar") else None)
        assert again.config.avd == config.avd
        assert torch.equal(again.disentangle(source, driving).position, made.position)
