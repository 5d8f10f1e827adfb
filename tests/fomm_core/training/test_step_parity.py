"""One step of training against the published code's: losses, gradients, parameters and statistics afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import load_discriminator, load_model, read_checkpoint
from fomm_nodes.fomm_core.checkpoints.keys import ours_from_published
from fomm_nodes.fomm_core.official import config_from_official
from fomm_nodes.fomm_core.training.config import TrainingConfig
from fomm_nodes.fomm_core.training.official import training_from_official
from fomm_nodes.fomm_core.training.optimise import build_optimizers
from fomm_nodes.fomm_core.training.step import GeneratorPass, TrainingNetworks, discriminator_losses, generator_losses
from fomm_nodes.fomm_core.training.transform import RandomTransform
from nearness import NETWORK, near
from torch import Tensor

HERE = Path(__file__).parent.parent.parent / "data" / "parity"
LARGE = ["vox-256", "vox-adv-256", "taichi-256", "taichi-adv-256", "fashion-256", "mgif-256", "bair-256", "nemo-256"]
SMALL = ["first-order", "single-jacobian", "zero-order"]
RELATIVE = NETWORK
# In mgif's case a rectifier stands so near its kink that the published code, run again, misses its own stored gradients
# by 2.6e-2, their norms by 2e-3 and the weights after the step by 5e-3. `test_at_a_kink` takes its float64 for measure.
AT_A_KINK = {"mgif-256": {"norms": 3e-3, "gradients": 3e-2, "after": 1e-2}}


@dataclass
class Step:
    """What one step of ours left behind, and what the published code's did."""

    name: str
    values: dict
    arrays: dict[str, Tensor]
    networks: TrainingNetworks
    result: GeneratorPass
    losses: dict[str, Tensor]
    gradients: dict[str, Tensor]

    def tolerance(self, what: str) -> float:
        exact = self.result.frames.images.dtype == torch.float64
        return RELATIVE if exact else AT_A_KINK.get(self.name.removesuffix("-small-64"), {}).get(what, RELATIVE)


def large_case(folder: Path, name: str, dtype: torch.dtype = torch.float32) -> Step:
    values = json.loads((folder / f"{name}.json").read_text())
    arrays = {key: value.to(dtype) for key, value in training_arrays(folder / f"{name}.npz").items()}
    align_corners = bool(values["args"]["align_corners"])
    return run_step(name, values, arrays, folder / f"{name}-train0.pth.tar", align_corners=align_corners)


def small_case(name: str) -> Step:
    """Frames and weights are those of the case without "train-"; in float64, since random networks magnify rounding."""
    values = json.loads((HERE / f"train-{name}.json").read_text())
    values["config"] = {**json.loads((HERE / f"{name}.json").read_text())["config"], **values}
    with np.load(HERE / f"{name}.npz") as stored:
        frames = torch.from_numpy(stored["driving"])
    arrays = {**training_arrays(HERE / f"train-{name}.npz"), "source": frames[[0, 1]], "driving": frames[[1, 2]]}
    arrays = {key: value.double() for key, value in arrays.items()}
    return run_step(name, values, arrays, HERE / f"{name}.pth.tar", align_corners=True)


def training_arrays(path: Path) -> dict[str, Tensor]:
    with np.load(path) as stored:
        return {key[6:]: torch.from_numpy(stored[key]) for key in stored.files if key.startswith("train/")}


def run_step(name: str, values: dict, arrays: dict[str, Tensor], checkpoint: Path, *, align_corners: bool) -> Step:
    model_config = config_from_official(values["config"], align_corners=align_corners)
    config: TrainingConfig = replace(training_from_official(values["config"]), freeze_detector=False)
    model = load_model(checkpoint, config=model_config)
    networks = TrainingNetworks.build(model, config)
    if networks.discriminator is not None:
        trained = load_discriminator(read_checkpoint(checkpoint, config=model_config))
        assert trained is not None
        networks.discriminator.load_state_dict(trained.state_dict())
    networks.to(arrays["source"].dtype)
    optimizers = build_optimizers(networks, config)
    transform = RandomTransform(
        arrays["theta"], arrays["control_points"].reshape(-1, 2), arrays["control_params"].squeeze(1)
    )
    result = generator_losses(networks, arrays["source"], arrays["driving"], transform, config)
    torch.stack(list(result.losses.values())).sum().backward()
    optimizers.generator.step()
    measured = dict(result.losses)
    if optimizers.discriminator is not None:
        measured.update(discriminator_losses(networks, result, config))
        measured["disc_gan"].backward()
        optimizers.discriminator.step()
    gradients = {key: p.grad for key, p in networks.named_parameters() if p.grad is not None}
    return Step(name, values, arrays, networks, result, measured, gradients)


@pytest.fixture(scope="module", params=[*SMALL, *(f"shared:{name}" for name in LARGE)])
def step(request: pytest.FixtureRequest) -> Step:
    name: str = request.param
    if name.startswith("shared:"):
        shared: Path = request.getfixturevalue("shared")
        return large_case(shared / "parity", f"{name.removeprefix('shared:')}-small-64")
    return small_case(name)


def relative_error(got: Tensor, expected: Tensor) -> float:
    return ((got - expected).norm() / expected.norm().clamp(min=1e-12)).item()


def test_losses(step: Step) -> None:
    expected = step.values["losses"]
    assert set(step.losses) == set(expected)
    for name, value in expected.items():
        near(step.losses[name].item(), value, RELATIVE, about=name)


def test_gradient_norms(step: Step) -> None:
    parts = {
        "generator": ("model.generator.", "model.dense_motion."),
        "dense_motion": ("model.dense_motion.",),
        "kp_detector": ("model.detector.",),
        "discriminator": ("discriminator.",),
    }
    for name, expected in step.values["grad_norm"].items():
        norms = [grad.norm() for key, grad in step.gradients.items() if key.startswith(parts[name])]
        if not norms:
            assert name == "discriminator"
            continue
        near(torch.stack(norms).norm().item(), expected, step.tolerance("norms"), about=name)


def ours(step: Step, prefix: str) -> dict[str, Tensor]:
    state, unknown = ours_from_published(
        {key.removeprefix(prefix): value for key, value in step.arrays.items() if key.startswith(prefix)}
    )
    assert not unknown
    assert state
    return {key if key.startswith("discriminator") else f"model.{key}": value for key, value in state.items()}


def test_gradients(step: Step) -> None:
    for key, expected in ours(step, "grad/").items():
        assert relative_error(step.gradients[key], expected) < step.tolerance("gradients"), key


def test_at_a_kink(shared: Path) -> None:
    expected = json.loads((HERE / "train-mgif-256-float64.json").read_text())
    step = replace(large_case(shared / "parity", "mgif-256-small-64", torch.float64), values=expected)
    test_losses(step)
    test_gradient_norms(step)
    arrays = {f"norm/{key}": torch.tensor(norm) for key, norm in expected["gradient_norm_of"].items()}
    for key, norm in ours(replace(step, arrays=arrays), "norm/").items():
        near(
            step.gradients[key].norm().item(), norm.item(), of=max(norm.item(), 1e-4), about=key
        )  # of 1e-4 where it is nothing


def test_parameters_and_statistics_after_the_step(step: Step) -> None:
    after = step.networks.state_dict()
    for key, expected in ours(step, "after/").items():
        assert relative_error(after[key], expected) < step.tolerance("after"), key


def test_pictures(step: Step) -> None:
    near(step.result.frames.images, step.arrays["prediction"], NETWORK)
    if "deformed" in step.arrays:
        assert step.result.frames.warped is not None
        near(step.result.frames.warped, step.arrays["deformed"], NETWORK)
