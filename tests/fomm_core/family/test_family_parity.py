"""TPS and MRAA against the published code's numbers, stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from einops import rearrange
from family_cases import MODES, MRAA, TPS, Case
from fomm_nodes.fomm_core.geometry import Motion, principal_axes, resize_flow, spline_through, upright
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.motion import transfer
from fomm_nodes.fomm_core.networks.thin_plate_motion import softmax_of_kept
from fomm_nodes.fomm_core.session import AnimationSession
from torch import Tensor


@pytest.fixture(params=[f"{name}{single}" for name in (*TPS, *MRAA) for single in ("", ":float32")])
def case(request: pytest.FixtureRequest, family_case: Callable[..., Case]) -> Case:
    name, _, kind = request.param.partition(":")
    return family_case(name, single=bool(kind))


@torch.no_grad()
def test_detected(case: Case) -> None:
    model = case.model
    for who in ("source", "driving"):
        found = case.found(who)
        if case.name in TPS:
            case.is_near(found.position, f"kp_{who}/fg_kp")
            assert found.jacobian is None
            continue
        assert found.covariance is not None
        for got, name in ((found.position, "shift"), (found.jacobian, "affine"), (found.covariance, "covar")):
            case.is_near(got, f"region_{who}/{name}")
        heatmap, _ = model.detector.heads(model.detector.features(case.arrays[who]))
        case.is_near(heatmap, f"region_{who}/heatmap")
        if f"region_{who}/u" in case.arrays:
            axes, variances = principal_axes(found.covariance)
            case.is_near(axes, f"region_{who}/u")
            case.is_near(torch.diag_embed(variances.sqrt()), f"region_{who}/d")


@torch.no_grad()
def test_transferred(case: Case) -> None:
    source = case.found("source")
    for mode in case.modes:
        moved = case.moved(mode)
        if case.name in TPS:
            case.is_near(moved.position, f"{mode}/kp_norm")
            continue
        for got, name in ((moved.position, "shift"), (moved.jacobian, "affine"), (moved.covariance, "covar")):
            case.is_near(got, f"{mode}/new_{name}")
        assert moved.jacobian is not None
        sign = torch.linalg.solve(moved.jacobian.mT, source.jacobian.mT).mT[..., 0, 0].sign()
        assert torch.equal(sign, case.arrays[f"{mode}/axis_sign"].to(sign))


@torch.no_grad()
def test_dense_motion(case: Case) -> None:
    model = case.model
    assert model.dense_motion is not None
    small = model.dense_motion.reduce(case.arrays["source"])
    for mode in case.modes:
        driving = case.moved(mode)
        source = case.found("source").expand(len(driving))
        sparse = model.dense_motion.candidates(small, source, driving)
        motion = model.dense_motion.weigh(sparse)
        assert motion.occlusion is not None
        if case.name in TPS:
            case.is_near(sparse.heatmaps, f"{mode}/heatmap_representation")
            case.is_near(sparse.flows, f"{mode}/transformations")
            case.is_near(motion.flow, f"{mode}/deformation")
            case.is_near(motion.mask, f"{mode}/contribution_maps")
            for level, got in enumerate((*motion.levels, motion.occlusion)):
                case.is_near(got, f"{mode}/occlusion_map_{level}")
            _check_splines(case, mode)
        else:
            case.is_near(sparse.heatmaps.unsqueeze(2), f"{mode}/heatmap_representation")
            case.is_near(sparse.flows, f"{mode}/sparse_motion")
            case.is_near(motion.flow, f"{mode}/optical_flow")
            case.is_near(motion.mask, f"{mode}/mask")
            case.is_near(motion.occlusion, f"{mode}/occlusion_map")
        case.is_near(sparse.warped, f"{mode}/deformed_source")


def _check_splines(case: Case, mode: str) -> None:
    at_driving, at_source = (
        rearrange(keypoints.position, "t (k i) xy -> t k i xy", i=5)
        for keypoints in (case.moved(mode), case.found("source"))
    )
    theta, weights = spline_through(at_driving, at_source.expand_as(at_driving))
    case.is_near(at_driving, f"{mode}/tps_control_points")
    case.is_near(theta, f"{mode}/tps_theta")
    case.is_near(weights, f"{mode}/tps_control_params")


@torch.no_grad()
def test_frames(case: Case) -> None:
    model = case.model
    for mode in case.modes:
        frames = model(case.arrays["source"], case.found("source"), case.moved(mode))
        case.is_near(frames.images, f"{mode}/prediction")
        assert frames.warped is not None
        case.is_near(frames.warped, f"{mode}/deformed")
        assert frames.motion is not None
        _check_layers(case, model, mode, frames.motion)


def _check_layers(case: Case, model: MotionModel, mode: str, motion: Motion) -> None:
    """What the generator's layers read, where it was kept: of the last frame alone, unless of all."""
    seen: list[Tensor] = []
    layers = [*model.generator.up, model.generator.final]
    hooks = [layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])) for layer in layers]
    features = model.generator.encode(case.arrays["source"])
    model.generator.paint(features, case.arrays["source"], motion)
    for hook in hooks:
        hook.remove()
    if case.name in TPS:
        case.is_near(seen[-1][-1:], f"{mode}/before_final")
        for level, (maps, occlusion) in enumerate(
            zip(reversed(features), (*motion.levels, motion.occlusion), strict=True)
        ):
            name = f"{mode}/warped_encoder_map_{level}"
            case.is_near(model.generator.dimmed(maps, motion, occlusion)[-len(case.arrays[name]) :], name)
        return
    case.is_near(model.generator.move(features[-1], motion)[-1:], f"{mode}/blend_0")
    bottleneck = model.generator.bottleneck(model.generator.move(features[-1], motion))
    case.is_near(bottleneck[-1:], f"{mode}/bottleneck")
    if model.generator.skips:
        for number, got in enumerate(seen, 1):
            case.is_near(got[-1:], f"{mode}/blend_{number}")


@torch.no_grad()
def test_reconstruction(case: Case) -> None:
    """The background's motion takes part where a clip is rebuilt."""
    model = case.model
    if "reconstruction/prediction" not in case.arrays:
        pytest.skip("this case has no numbers of reconstruction")
    background = None
    if model.background is not None:
        background = model.background(case.arrays["source"], case.arrays["driving"])
        name = "reconstruction/bg_param" if case.name in TPS else "reconstruction/bg_params"
        case.is_near(background, name)
    source, driving = case.found("source"), case.found("driving")
    frames = model(case.arrays["source"], source, driving, background=background)
    assert frames.motion is not None
    for got, names in (
        (frames.images, ("prediction",)),
        (frames.motion.flow, ("deformation", "optical_flow")),
        (frames.motion.mask, ("contribution_maps", "mask")),
        (frames.warped, ("deformed",)),
    ):
        for name in names:
            if f"reconstruction/{name}" in case.arrays:
                assert got is not None
                case.is_near(got, f"reconstruction/{name}")


@torch.no_grad()
def test_other_conventions(family_case: Callable[..., Case]) -> None:
    """Without the rule for axes, and with the other convention of sampling."""
    case = family_case("mraa-small")
    model = case.model
    assert case.config.dense_motion is not None
    as_is = replace(case.config, dense_motion=replace(case.config.dense_motion, revert_axes=False))
    for name, config in (
        ("standard_without_revert", as_is),
        ("standard_align_corners_true", replace(case.config, align_corners=True)),
    ):
        frames = model.with_config(config)(case.arrays["source"], case.found("source"), case.found("driving"))
        assert frames.motion is not None
        assert frames.warped is not None
        case.is_near(frames.images, f"{name}/prediction")
        case.is_near(frames.warped, f"{name}/deformed")
        case.is_near(frames.motion.flow, f"{name}/optical_flow")


@pytest.mark.parametrize("name", TPS)
def test_dropped_candidates(name: str, family_case: Callable[..., Case]) -> None:
    case = family_case(name)
    kept = (case.arrays["dropout/rand"] < 1 - case.arrays["dropout/p"]).double()
    kept[:, 0] = 1
    case.is_near(softmax_of_kept(case.arrays["dropout/logits"], kept), "dropout/contribution_maps")


@pytest.mark.parametrize("name", [*TPS, *MRAA])
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "lowered"])
def test_the_whole_path(name: str, exact: bool, family_case: Callable[..., Case]) -> None:
    """Pictures in, images out, as a user runs it, with the plain and the fast networks, in float32."""
    case = family_case(name, single=True)
    session = AnimationSession(case.model, exact=exact, chunk=2)
    source = session.prepare(case.arrays["source"])
    driving = session.detect(case.arrays["driving"])
    for mode in case.modes:
        keypoints = transfer(source.keypoints, driving, driving[0], MODES[mode], avd=session.avd)
        rendered = list(session.render(source, keypoints))
        case.is_near(torch.cat([part.images for part in rendered]), f"{mode}/prediction")


def test_flows_are_resized_by_the_model_s_convention(family_case: Callable[..., Case]) -> None:
    """An affine flow stays what it is in TPS; MRAA's generator stretches it, as it was trained."""
    flow = torch.rand(1, 16, 16, 2)
    for name, aligned in (("tps-nobg", True), ("mraa-small", False)):
        generator = family_case(name, single=True).model.generator
        picture = torch.rand(1, 3, 64, 64)
        expected = torch.nn.functional.grid_sample(
            picture, resize_flow(flow, 64, 64, align_corners=aligned), align_corners=aligned
        )
        assert torch.equal(generator.warp_image(picture, Motion(flow)), expected)


def test_upright_maps_have_no_half_turn() -> None:
    maps = torch.randn(100, 2, 2)
    maps[0, 0, 0] = 0
    turned = upright(maps)
    assert (turned[:, 0, 0] >= 0).all()
    assert torch.equal(turned[0], maps[0])
    assert torch.equal(upright(-maps[1:]), turned[1:])
