"""Our numbers against those of the published code: the small cases here, and the larger ones beside the checkout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import load_discriminator, load_model, read_checkpoint
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.motion import TransferOptions, transfer
from fomm_nodes.fomm_core.official import config_from_official
from fomm_nodes.fomm_core.session import AnimationSession
from nearness import HALF_SIDE, NETWORK, ROUNDING, near
from torch import Tensor

HERE = Path(__file__).parent.parent / "data" / "parity"
SMALL = ["first-order", "single-jacobian", "zero-order", "no-motion", "full-resolution"]
LARGE = [
    *("vox-256", "vox-adv-256", "taichi-256", "taichi-adv-256", "fashion-256", "mgif-256", "bair-256", "nemo-256"),
    *("vox-256-aligncorners0", "vox-256-nojacobian"),
]
# Of the greatest value of each: float32 through other kernels than those of the machine on which they were made.
KEYPOINTS, JACOBIANS, FLOW, PREDICTION, VERDICT = ROUNDING, NETWORK, NETWORK, NETWORK, ROUNDING

MODES = {
    "abs": TransferOptions(mode="absolute"),
    "rel": TransferOptions(),
    "rel_noscale": TransferOptions(adapt_scale=False),
    "rel_nojac": TransferOptions(relative_jacobian=False),
}


class Case:
    """A checkpoint in the published layout and what the published code computed with it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.checkpoint = folder / f"{name}.pth.tar"
        self.values = json.loads((folder / f"{name}.json").read_text())
        with np.load(folder / f"{name}.npz") as arrays:
            self.arrays = {key: torch.from_numpy(np.atleast_1d(arrays[key])) for key in arrays.files}
        align_corners = bool(self.values.get("align_corners", self.values.get("args", {}).get("align_corners")))
        self.config = config_from_official(self.values["config"], align_corners=align_corners)

    def model(self) -> MotionModel:
        return load_model(self.checkpoint, config=self.config)

    def keypoints(self, prefix: str, value: str = "value", jacobian: str = "jacobian") -> Keypoints:
        return Keypoints(self.arrays[f"{prefix}/{value}"], self.arrays.get(f"{prefix}/{jacobian}"))

    def is_near(self, got: Tensor, name: str, part: float, *, of: float | None = None) -> None:
        near(got, self.arrays[name], part, of=of, about=name)


def large_name(name: str) -> str:
    base, _, variant = name.partition("-256")
    return f"{base}-256-small-64{variant}"


@pytest.fixture(params=[*SMALL, *(f"shared:{name}" for name in LARGE)])
def case(request: pytest.FixtureRequest) -> Case:
    name: str = request.param
    if name.startswith("shared:"):
        shared: Path = request.getfixturevalue("shared")
        return Case(shared / "parity", large_name(name.removeprefix("shared:")))
    return Case(HERE, name)


@torch.no_grad()
def test_detected_keypoints(case: Case) -> None:
    model = case.model()
    for who in ("source", "driving"):
        keypoints = model.detect(case.arrays[who])
        case.is_near(keypoints.position, f"kp_{who}/value", KEYPOINTS, of=HALF_SIDE)
        if case.config.estimate_jacobian:
            assert keypoints.jacobian is not None
            case.is_near(keypoints.jacobian, f"kp_{who}/jacobian", JACOBIANS)
        else:
            assert keypoints.jacobian is None
        heatmaps, _ = model.detector.heads(model.detector.features(case.arrays[who]))
        if f"kp_{who}/heatmap" in case.arrays:
            case.is_near(heatmaps, f"kp_{who}/heatmap", KEYPOINTS, of=1)  # heat sums to 1


@torch.no_grad()
@pytest.mark.parametrize("mode", MODES)
def test_prediction(case: Case, mode: str) -> None:
    driving = case.keypoints(mode, "kp_norm_value", "kp_norm_jacobian")
    out = case.model()(case.arrays["source"], case.keypoints("kp_source"), driving)
    case.is_near(out.images, f"{mode}/prediction", PREDICTION)
    if out.motion is None:
        assert case.config.dense_motion is None
        return
    assert out.warped is not None
    for got, name, tolerance in (
        (out.motion.flow, "deformation", FLOW),
        (out.motion.mask, "mask", FLOW),
        (out.motion.occlusion, "occlusion_map", FLOW),
        (out.warped, "deformed", PREDICTION),
    ):
        if f"{mode}/{name}" in case.arrays:
            assert got is not None
            case.is_near(got, f"{mode}/{name}", tolerance)


@torch.no_grad()
def test_candidate_motions(case: Case) -> None:
    dense_motion = case.model().dense_motion
    if dense_motion is None or "abs/sparse_deformed" not in case.arrays:
        pytest.skip("this case has no candidate motions")
    driving = case.keypoints("abs", "kp_norm_value", "kp_norm_jacobian")
    source = case.keypoints("kp_source").expand(len(driving))
    sparse = dense_motion.candidates(dense_motion.reduce(case.arrays["source"]), source, driving)
    case.is_near(sparse.warped, "abs/sparse_deformed", FLOW)
    if "abs/sparse_motion" in case.arrays:
        case.is_near(sparse.flows, "abs/sparse_motion", FLOW)
        case.is_near(sparse.heatmaps.unsqueeze(2), "abs/heatmap_representation", FLOW)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "lowered"])
def test_the_whole_path(case: Case, mode: str, exact: bool) -> None:
    """Pictures in, images out, as a user runs it: detect, transfer, render, with the plain and the fast networks."""
    session = AnimationSession(case.model(), exact=exact, chunk=2)
    source = session.prepare(case.arrays["source"])
    driving = session.detect(case.arrays["driving"])
    keypoints = transfer(source.keypoints, driving, driving[0], MODES[mode])
    images = torch.cat([rendered.images for rendered in session.render(source, keypoints)])
    case.is_near(images, f"{mode}/prediction", PREDICTION)


def test_another_anchor_frame(case: Case) -> None:
    if "best_frame/prediction_rel" not in case.arrays:
        pytest.skip("this case has no numbers for another anchor")
    anchor = case.values["args"]["best_frame"]
    session = AnimationSession(case.model())
    source = session.prepare(case.arrays["source"])
    driving = session.detect(case.arrays["driving"])
    keypoints = transfer(source.keypoints, driving, driving[anchor])
    images = torch.cat([rendered.images for rendered in session.render(source, keypoints)])
    case.is_near(images, "best_frame/prediction_rel", PREDICTION)


@torch.no_grad()
@pytest.mark.parametrize("name", SMALL)
def test_discriminator(name: str) -> None:
    case = Case(HERE, name)
    discriminator = load_discriminator(read_checkpoint(case.checkpoint, config=case.config))
    assert discriminator is not None
    assert case.config.discriminator is not None
    scales = case.values["config"]["model_params"]["discriminator_params"]["scales"]
    assert case.config.discriminator.scales == tuple(scales)
    pyramid = [case.arrays[f"discriminator/{scale}/input"] for scale in scales]
    verdicts = discriminator.eval()(pyramid, case.keypoints("kp_driving"))
    for scale, verdict in zip(scales, verdicts, strict=True):
        case.is_near(verdict.scores, f"discriminator/{scale}/scores", VERDICT)
        case.is_near(verdict.features[0], f"discriminator/{scale}/features0", VERDICT)


def test_many_sources_equal_one_each(make: Callable[..., MotionModel]) -> None:
    """Training renders a batch of different sources; each must come out as it does alone."""
    model = make().eval()
    images = torch.rand(3, 3, 64, 64)
    driving = model.detect(torch.rand(3, 3, 64, 64))
    together = model(images, model.detect(images), driving).images
    for i in range(3):
        alone = model(images[i : i + 1], model.detect(images[i : i + 1]), driving[i]).images
        near(together[i : i + 1], alone)
