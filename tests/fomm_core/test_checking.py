"""Whether a driver suits a source, and confidence, on the built-in model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, load_builtin, prepare_source
from fomm_nodes.fomm_core.animation import AnimationOptions
from fomm_nodes.fomm_core.checking import DriveCheck, check_drive
from fomm_nodes.fomm_core.drive_check import check_drive_files
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.fitting import fit, from_uint8
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import TransferOptions, load_keypoints, save_keypoints
from fomm_nodes.fomm_core.networks.keypoint_detector import heatmap_confidence
from fomm_nodes.fomm_core.pipeline import FileOptions
from fomm_nodes.fomm_core.plots import check_sheet
from fomm_nodes.fomm_core.prepared import PreparedSource
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, read_image
from nearness import near
from torch import Tensor


@pytest.fixture(scope="module")
def session() -> AnimationSession:
    return AnimationSession(load_builtin())


@pytest.fixture(scope="module")
def source(session: AnimationSession) -> PreparedSource:
    return prepare_source(session, from_uint8(read_image(ASSETS / "source.png")), size=128)


@pytest.fixture(scope="module")
def frames() -> Tensor:
    with VideoReader(ASSETS / "driving.mp4") as reader:
        return fit(torch.cat([from_uint8(frame) for frame in list(reader)[:24:2]]), 128, 128)


@pytest.fixture(scope="module")
def driving(session: AnimationSession, frames: Tensor) -> Keypoints:
    return session.detect(frames)


def kinds(done: DriveCheck) -> set[str]:
    return {finding.kind for finding in done.findings}


def test_a_pair_that_works(session: AnimationSession, source: PreparedSource, driving: Keypoints) -> None:
    done = check_drive(session, source, driving)
    assert done.verdict == "good", done.report
    assert done.measures["confidence"] > 0.85
    sheet = check_sheet(source.image, source.keypoints, driving, done)
    assert sheet.shape[2] == 128
    assert sheet.shape[3] == 3 * 128 + 256


def test_nonsense_does_not_work(session: AnimationSession, source: PreparedSource) -> None:
    noise = torch.rand(8, 3, 128, 128, generator=torch.Generator().manual_seed(3))
    done = check_drive(session, source, session.detect(noise))
    assert done.verdict == "bad", done.report
    assert "confidence" in kinds(done)


def test_each_fault_is_named(session: AnimationSession, source: PreparedSource, driving: Keypoints) -> None:
    smaller = replace(driving, position=0.3 * driving.position)
    assert "scale" in kinds(check_drive(session, source, smaller))
    aside = driving.position.clone()
    aside[6:] += 0.7
    cut = check_drive(session, source, replace(driving, position=aside))
    assert {"cuts", "lost"} <= kinds(cut)
    assert "frame 6" in cut.report
    assert cut.verdict == "bad"
    assert "cuts" in kinds(check_drive(session, source, driving, shots=(0, 5)))
    mirrored = replace(driving, position=driving.position * torch.tensor([1.0, -1.0]))
    assert "pose" in kinds(check_drive(session, source, mirrored))
    absolute = AnimationOptions(TransferOptions("absolute"))
    assert "pose" in kinds(check_drive(session, source, mirrored, options=absolute))
    unsure = replace(driving, confidence=torch.full(driving.position.shape[:2], 0.6))
    assert "confidence" in kinds(check_drive(session, source, unsure))
    nobody = check_drive(session, source, driving, faces=[None, None, None])
    assert nobody.verdict == "bad"
    assert "100 % of the frames" in nobody.report


def test_a_better_anchor_is_told(session: AnimationSession, source: PreparedSource, driving: Keypoints) -> None:
    position = driving.position.clone()
    position[0] = position[0].flip(0)
    position[3] = source.keypoints.position[0]
    done = check_drive(session, source, replace(driving, position=position))
    assert (done.anchor, done.better_anchor) == (0, 3)
    assert "Frame 3 is a better anchor" in done.report
    again = check_drive(session, source, replace(driving, position=position), options=AnimationOptions(anchor="best"))
    assert (again.anchor, again.better_anchor) == (3, None)
    assert again.score > done.score


def test_keypoints_of_another_model_are_refused(session: AnimationSession, source: PreparedSource) -> None:
    with pytest.raises(KeypointError, match="expected 10 keypoints"):
        check_drive(session, source, Keypoints(torch.zeros(3, 4, 2)))


def test_from_files(session: AnimationSession, tmp_path: Path) -> None:
    options = FileOptions(frames=8)
    done, sheet = check_drive_files(session, ASSETS / "source.png", ASSETS / "driving.mp4", options)
    assert done.verdict in ("good", "doubtful")
    assert sheet.shape[1] == 3
    with VideoReader(ASSETS / "driving.mp4", length=8) as reader:
        kept = session.detect([fit(from_uint8(frame), 256, 256) for frame in reader])
    saved = load_keypoints(save_keypoints(tmp_path / "a.safetensors", kept))
    again, _ = check_drive_files(session, ASSETS / "source.png", saved, options)
    near(again.measures["movement"], done.measures["movement"], 0.2)  # cropped around the face, or not


def test_confidence_is_the_heat_around_the_position() -> None:
    heat = torch.zeros(1, 4, 41, 41)
    heat[0, 0, 20, 20] = 1  # one sharp peak
    heat[0, 1] = 1 / 41**2  # everywhere
    heat[0, 2, 20, 5] = heat[0, 2, 20, 35] = 0.5  # two peaks: the mean lies between
    heat[0, 3, 20, 20], heat[0, 3, 0, 0] = 0.9, 0.1
    position = torch.tensor([[[0.0, 0], [0, 0], [0, 0], [-0.1, -0.1]]])
    got = heatmap_confidence(heat, position)
    inside = (torch.cartesian_prod(*[torch.linspace(-1, 1, 41)] * 2).norm(dim=1) <= 0.2 + 1e-6).float().mean()
    near(got[0, [0, 2, 3]], [1.0, 0.0, 0.9])
    near(got[0, 1], inside, 0.05)  # cells on the circle fall on either side of it


def test_detection_brings_confidence(driving: Keypoints) -> None:
    assert driving.confidence is not None
    assert driving.confidence.shape == driving.position.shape[:2]
    assert ((driving.confidence >= 0) & (driving.confidence <= 1)).all()
