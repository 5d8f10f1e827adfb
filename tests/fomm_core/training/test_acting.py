"""What mouth and eyes do: correlation, slope, blinks, and the whole metric on a real portrait."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, load_model, shipped
from fomm_nodes.fomm_core.fitting import from_uint8
from fomm_nodes.fomm_core.training.data import find_clips
from fomm_nodes.fomm_core.training.evaluate import EvaluationOptions, evaluate
from fomm_nodes.fomm_core.training.metrics import Acting
from fomm_nodes.fomm_core.training.metrics.acting import Acted, blinks, followed
from fomm_nodes.fomm_core.video import read_image
from nearness import DOUBLE, ROUNDING, near


@pytest.mark.parametrize(("gain", "noise"), [(1.0, 0.0), (0.3, 0.0), (0.8, 0.05), (-0.5, 0.0)])
def test_correlation_and_slope_are_numpys(gain: float, noise: float) -> None:
    rng = np.random.default_rng(4)
    truth = 0.2 + 0.2 * np.sin(np.linspace(0, 20, 60))
    result = 0.1 + gain * truth + noise * rng.normal(size=60)
    correlation, slope = followed(torch.tensor(result), torch.tensor(truth))
    near(correlation, np.corrcoef(result, truth)[0, 1], DOUBLE)
    near(slope, np.polyfit(truth, result, 1)[0], DOUBLE)
    with_gaps = torch.cat((torch.tensor(result), torch.tensor([torch.nan, 0.5])))
    longer = torch.cat((torch.tensor(truth), torch.tensor([0.5, torch.nan])))
    assert followed(with_gaps, longer) == (correlation, slope)


def test_curves_that_say_nothing() -> None:
    moving, still = 0.2 + 0.2 * torch.linspace(0, 20, 60).sin(), torch.full((60,), 0.2)
    assert followed(still, moving) == (0.0, 0.0)
    assert all(map(math.isnan, followed(moving, still)))
    assert all(map(math.isnan, followed(moving[:7], moving[:7])))


def curve(*shut: tuple[int, int], length: int = 40, level: float = 0.3) -> torch.Tensor:
    eyes = torch.full((length,), level)
    for first, last in shut:
        eyes[first : last + 1] = 0.3 * level
    return eyes


def test_blinks_are_stretches_of_shut_eyes() -> None:
    assert blinks(curve()) == []
    assert blinks(curve((5, 7), (20, 20), (36, 39))) == [(5, 7), (20, 20), (36, 39)]
    assert blinks(curve((5, 7), level=0.05)) == []  # shut all the time
    assert blinks(torch.full((9,), torch.nan)) == []
    flickering = curve((5, 9))
    flickering[7] = 0.7 * 0.3  # not yet open again
    assert blinks(flickering) == [(5, 9)]
    gap = curve((5, 9))
    gap[7] = torch.nan
    assert blinks(gap) == [(5, 9)]


def test_a_blink_counts_where_it_belongs() -> None:
    def over(result: torch.Tensor, truth: torch.Tensor) -> dict[str, float]:
        looks = [
            Acted(torch.zeros(len(eyes), 468, 2), torch.linspace(0, 0.5, len(eyes)), eyes) for eyes in (result, truth)
        ]
        values = Acting().over(looks[:1], looks[1:])
        return {name: float(value.mean()) for name, value in values.items()}

    same = over(curve((5, 7), (20, 22)), curve((5, 7), (20, 22)))
    assert (same["blinks"], same["false_blinks"]) == (1, 0)
    near([same["mouth_r"], same["mouth_slope"]], [1, 1])
    late = over(curve((9, 10), (30, 31)), curve((5, 7), (20, 22)))
    assert (late["blinks"], late["false_blinks"]) == (0.5, 0.5)
    none = over(curve(), curve((5, 7)))
    assert none["blinks"] == 0
    assert math.isnan(none["false_blinks"])  # no blink that could be false
    assert math.isnan(over(curve((5, 7)), curve())["blinks"])


def test_the_metric_on_a_portrait() -> None:
    picture = read_image(shipped.ASSETS / "source.png")
    large, small = (cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for side in (192, 96))
    metric = Acting()
    portrait, reduced = metric.look(from_uint8(large)), metric.look(from_uint8(small))
    none = metric.look(torch.zeros(1, 3, 96, 96))
    assert 0.1 < float(portrait.mouth) < 0.4  # she smiles
    assert 0.2 < float(portrait.eyes) < 0.6
    itself = metric.compare(portrait, portrait)
    assert all(float(value) == 0 for value in itself.values())
    near(reduced.mesh, portrait.mesh, 0.01)  # half as many pixels, and the same unit
    shifted = metric.compare(metric.look(from_uint8(np.roll(large, 6, 1))), portrait)
    assert 2 < float(shifted["akd_mesh"]) < 6  # 8 pixels of 256 to the side, none down
    assert all(math.isnan(float(value)) for value in metric.compare(none, portrait).values())
    assert all(math.isnan(float(value)) for value in metric.compare(portrait, none).values())


def test_a_clip_is_looked_at_in_batches() -> None:
    parts = [Acted(torch.full((n, 468, 2), float(n)), torch.arange(n) * 0.1, torch.ones(n)) for n in (4, 3, 8)]
    joined = Acted.joined(parts)
    assert joined.mesh.shape == (15, 468, 2)
    near(joined.mouth[4:7], torch.tensor([0.0, 0.1, 0.2]), ROUNDING)


def test_an_evaluation_has_figures_of_frames_and_of_clips() -> None:
    clips = find_clips(shipped.ASSETS / "driving.mp4")
    options = EvaluationOptions(frames=11, metrics=("acting",), samples=1)
    evaluation = evaluate(AnimationSession(load_model("demo-128")), clips, options)
    (score,) = evaluation.clips
    assert set(score.model) == set(score.baseline) == {column.name for column in Acting.columns}
    assert score.model["mouth"].number == score.model["akd_mesh"].number == 10
    assert score.model["mouth_r"].number <= 1  # of the clip, where its mouth moves
    assert score.model["akd_mesh"].value < score.baseline["akd_mesh"].value
