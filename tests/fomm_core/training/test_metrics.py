"""Metrics against other implementations, by hand, and as orders that have to hold."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import DataError
from fomm_nodes.fomm_core.training.metrics import (
    Acting,
    Faces,
    MetricMissing,
    PerceptualDistance,
    PixelDistance,
    build_metrics,
    perceptual,
)
from fomm_nodes.fomm_core.training.metrics import faces as faces_module
from fomm_nodes.fomm_core.training.metrics.faces import Face
from nearness import NETWORK, near


def compared(metric, result, truth):
    return metric.compare(metric.look(result), metric.look(truth))


@pytest.fixture
def perceptual_distance():
    try:
        return PerceptualDistance()
    except MetricMissing as problem:
        pytest.skip(str(problem))


def test_pixels_by_hand():
    truth = torch.zeros(2, 3, 16, 16)
    result = torch.stack((torch.full((3, 16, 16), 0.1), torch.zeros(3, 16, 16)))
    values = compared(PixelDistance(), result, truth)
    near(values["l1"], torch.tensor([0.1, 0.0]))
    near(values["psnr"], torch.tensor([20.0, 100.0]))
    near(values["ssim"][1], torch.tensor(1.0), NETWORK)  # variances are differences of squares


def test_pixels_as_scikit_image_has_them():
    metrics = pytest.importorskip("skimage.metrics")
    truth, noise = torch.rand(3, 3, 24, 31), torch.rand(3, 3, 24, 31)
    result = (truth + torch.tensor([0.05, 0.3, 0.9])[:, None, None, None] * (noise - 0.5)).clamp(0, 1)
    values = compared(PixelDistance(), result, truth)
    for index in range(3):
        a, b = (pictures[index].double().permute(1, 2, 0).numpy() for pictures in (result, truth))
        similarity = metrics.structural_similarity(
            a, b, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
        )
        near(float(values["ssim"][index]), similarity, NETWORK, of=1)
        near(float(values["psnr"][index]), metrics.peak_signal_noise_ratio(b, a, data_range=1.0))


def test_pictures_too_small_for_ssim():
    values = compared(PixelDistance(), torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8))
    assert values["ssim"].isnan().all()
    assert values["l1"].isfinite().all()


def test_one_picture_stands_for_all():
    truth, still = torch.rand(3, 3, 16, 16), torch.rand(1, 3, 16, 16)
    for name, value in compared(PixelDistance(), still, truth).items():
        assert torch.equal(value, compared(PixelDistance(), still.expand_as(truth), truth)[name])


def test_lpips_is_the_packages(perceptual_distance, monkeypatch):
    """Its own code, with stand-ins for what it imports and does not need."""
    for name in ("IPython", "torchsummary", "torchvision"):
        stand_in = types.ModuleType(name)
        stand_in.embed = stand_in.summary = stand_in.models = None
        monkeypatch.setitem(sys.modules, name, stand_in)
    theirs = pytest.importorskip("stlpips_pytorch.stlpips")
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *args, **options: load(*args, **{**options, "weights_only": True}))
    network = theirs.LPIPS(net="alex", variant="shift_tolerant", verbose=False)
    result, truth = torch.rand(2, 3, 64, 48), torch.rand(2, 3, 64, 48)
    with torch.no_grad():
        expected = network(result, truth, normalize=True).flatten()
    near(compared(perceptual_distance, result, truth)["lpips"], expected, NETWORK)


def test_lpips_orders_pictures(perceptual_distance):
    y, x = torch.meshgrid(torch.linspace(0, 6, 64), torch.linspace(0, 6, 64), indexing="ij")
    truth = (0.5 + 0.4 * torch.stack((x.sin(), (x + y).cos(), (x * y / 3).sin())))[None]
    noise = torch.rand_like(truth) - 0.5
    values = [
        float(compared(perceptual_distance, truth + strength * noise, truth)["lpips"]) for strength in (0, 0.1, 0.4)
    ]
    near(values[0], 0, of=values[2])
    assert values[0] < values[1] < values[2]
    assert torch.equal(
        compared(perceptual_distance, noise + 0.5, truth.repeat(2, 1, 1, 1))["lpips"][:1],
        compared(perceptual_distance, noise + 0.5, truth)["lpips"],
    )


def face(shift=0.0, identity=0.0):
    return Face(np.full((68, 2), 100.0 + shift, np.float32), np.full(128, identity, np.float32))


def test_faces_by_hand():
    truth = [face(), face(), None, face()]
    values = Faces.compare(Faces.__new__(Faces), [face(3.0), None, face(), face(-1.0, 0.5)], truth)
    assert values["akd"].nan_to_num(-1).tolist() == [3, -1, -1, 1]
    assert values["mkr"].nan_to_num(-1).tolist() == [0, 1, -1, 0]
    near(values["aed"].nan_to_num(-1), [0, -1, -1, 0.5 * 128**0.5])
    one_for_all = Faces.compare(Faces.__new__(Faces), [face()], truth)
    assert one_for_all["mkr"].nan_to_num(-1).tolist() == [0, 0, -1, 0]


def test_faces_of_a_portrait():
    data = pytest.importorskip("skimage.data")
    try:
        faces = Faces()
    except MetricMissing as problem:
        pytest.skip(str(problem))
    portrait = torch.from_numpy(data.astronaut()[:256, 96:352].copy()).permute(2, 0, 1)[None].float() / 255
    moved = portrait.roll(8, -1)
    pictures = torch.cat((portrait, moved, torch.rand_like(portrait)))
    looked = faces.look(pictures)
    assert looked[2] is None
    values = faces.compare(looked, faces.look(portrait.expand(3, -1, -1, -1)))
    assert values["akd"][0] == values["aed"][0] == 0
    assert 3 < values["akd"][1] < 5  # 8 pixels in x, none in y
    assert values["aed"][1] < 0.3
    assert values["mkr"].tolist() == [0, 0, 1]
    small = torch.nn.functional.interpolate(portrait, (64, 64), mode="area")
    assert faces.look(small)[0] is not None  # looked at as large as the others


def test_metrics_whose_packages_are_missing(monkeypatch):
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None)
    monkeypatch.setattr(faces_module, "find_spec", lambda name: None)
    built, left_out = build_metrics()
    assert [type(metric) for metric in built] == [PixelDistance, Acting]
    assert len(left_out) == 2
    assert all("pip install" in reason for reason in left_out)
    with pytest.raises(MetricMissing, match="stlpips-pytorch"):
        build_metrics(["lpips"])
    with pytest.raises(MetricMissing, match="dlib"):
        build_metrics(["faces"])


def test_unknown_metrics():
    with pytest.raises(DataError, match="pixels, lpips, faces, acting; got fid"):
        build_metrics(["fid"])
