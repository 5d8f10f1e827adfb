"""Rebuilding clips: what is measured, against what, and what is left out."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import DataError, SizeError
from fomm_nodes.fomm_core.fitting import from_uint8
from fomm_nodes.fomm_core.session import AnimationSession
from fomm_nodes.fomm_core.training.data import ClipSet, find_clips
from fomm_nodes.fomm_core.training.evaluate import EvaluationOptions, Mean, evaluate
from fomm_nodes.fomm_core.training.metrics import MetricMissing, perceptual
from fomm_nodes.fomm_core.training.report import page, table
from nearness import NETWORK, near

PIXELS = EvaluationOptions(metrics=("pixels",))


@pytest.fixture
def session(make):
    return AnimationSession(make(), exact=True)


def drifting(*lengths, size=64):
    """Clips of soft waves, of these lengths."""
    y, x = torch.meshgrid(torch.linspace(0, 6, size), torch.linspace(0, 6, size), indexing="ij")

    def frame(clip, time):
        return 0.5 + 0.4 * torch.stack(((x + 0.2 * time).sin(), (y + clip).cos(), (x * y / 5 + 0.1 * time).sin()))

    return ClipSet.from_tensors(
        [torch.stack([frame(clip, time) for time in range(length)]) for clip, length in enumerate(lengths)]
    )


def test_figures_are_those_of_the_model_and_of_the_first_frame(session):
    """L1 by hand: the plain model, frame by frame, absolute motion; the source frame does not count."""
    clips = drifting(5, 12)
    evaluation = evaluate(session, clips, PIXELS)
    assert evaluation.size == (64, 64)
    assert [column.name for column in evaluation.columns] == ["l1", "psnr", "ssim"]
    model = session.model
    totals = np.zeros(2)
    for clip, score in zip(clips, evaluation.clips, strict=True):
        frames = from_uint8(np.stack(list(clip.frames((64, 64)))))
        with torch.no_grad():
            keypoints = model.detect(frames)
            rebuilt = model(frames[:1].expand(len(frames), -1, -1, -1), keypoints[0], keypoints).images
        sums = [float((made - frames)[1:].abs().mean((1, 2, 3)).sum()) for made in (rebuilt, frames[:1])]
        count = len(frames) - 1
        assert score.frames == score.model["l1"].number == count
        near(score.model["l1"].value, sums[0] / count, NETWORK)
        near(score.baseline["l1"].value, sums[1] / count)
        totals += sums
    total = evaluation.total
    assert (total.clips, total.frames) == (2, 15)
    near(total.model["l1"].value, totals[0] / 15, NETWORK)
    near(total.ratio("l1"), totals[0] / totals[1], NETWORK)


def test_clips_shorter_than_asked_count_as_far_as_they_go(session):
    evaluation = evaluate(session, drifting(3, 12), EvaluationOptions(frames=6, metrics=("pixels",)))
    assert [score.frames for score in evaluation.clips] == [2, 5]
    with pytest.raises(DataError, match="at least 2 frames"):
        EvaluationOptions(frames=1)


def test_groups(folder, session):
    evaluation = evaluate(session, find_clips(folder), PIXELS)
    assert [(score.name, score.clips, score.frames) for score in evaluation.groups] == [
        ("", 2, 5 + 6),
        ("people", 3, 4 + 3 + 2),
    ]
    assert evaluation.total.frames == 20


def test_progress_and_cancel(session):
    heard = []
    evaluate(session, drifting(3, 12), PIXELS, on_progress=lambda done, total: heard.append((done, total)))
    assert heard == [(2, 13), (10, 13), (13, 13)]

    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(session, drifting(3), PIXELS, on_progress=cancel)


def test_strips_of_samples_and_of_the_worst(session):
    options = EvaluationOptions(metrics=("pixels",), samples=2, worst=2)
    evaluation = evaluate(session, drifting(3, 4, 3, 5, 3, 2), options)
    assert [shown.why for shown in evaluation.strips] == ["sample", "sample", "worst", "worst"]
    names = [shown.score.name for shown in evaluation.strips]
    assert len(set(names)) == 4
    assert names[:2] == ["clip 1", "clip 4"]
    left = sorted((s for s in evaluation.clips if s.name not in names[:2]), key=lambda s: -s.ratio("l1"))
    assert names[2:] == [score.name for score in left[:2]]
    rows = {"clip 1": 3, "clip 4": 2}  # of two rebuilt frames, two
    for shown in evaluation.strips[:2]:
        assert shown.picture.shape == (3, 64 * rows[shown.score.name], 64 * 6)
        assert shown.picture.min() >= 0
        assert shown.picture.max() <= 1


def test_a_clip_that_breaks_is_left_out(folder, session):
    clips = find_clips(folder)
    (folder / "a.mp4").write_bytes(b"no video any more")
    evaluation = evaluate(session, clips, PIXELS)
    assert [score.name for score in evaluation.clips] == [clip.name for clip in clips][1:]
    assert [problem.name for problem in evaluation.problems] == ["a.mp4"]
    for path in folder.rglob("*.*"):
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="got none of 5"):
        evaluate(session, clips, PIXELS)


def test_a_clip_that_ends_before_its_time(session, tmp_path, write_clip):
    clips = find_clips(write_clip(tmp_path / "stills", 8))
    for index in range(2, 8):
        (tmp_path / "stills" / f"{index}.png").write_bytes(b"damaged")
    evaluation = evaluate(session, clips, PIXELS)
    assert evaluation.total.frames == 1
    assert evaluation.strips[0].picture.shape == (3, 64, 64 * 6)
    (tmp_path / "stills" / "1.png").unlink()
    with pytest.raises(DataError, match="at least two whole frames"):
        evaluate(session, clips, PIXELS)


def test_sizes(session):
    clips = drifting(3, size=40)
    assert evaluate(session, clips, EvaluationOptions(metrics=("pixels",), size=(96, 64))).size == (96, 64)
    with pytest.raises(SizeError):
        evaluate(session, clips, EvaluationOptions(metrics=("pixels",), size=(65, 64)))


def test_missing_metrics(session, monkeypatch):
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None)
    with pytest.raises(MetricMissing, match="stlpips-pytorch"):
        evaluate(session, drifting(3), EvaluationOptions(metrics=("pixels", "lpips")))
    evaluation = evaluate(session, drifting(3))
    assert any("stlpips-pytorch" in reason for reason in evaluation.left_out)


def test_a_still_clip_has_no_ratio(session):
    still = ClipSet.from_tensors([torch.rand(1, 3, 64, 64).expand(4, -1, -1, -1)])
    evaluation = evaluate(session, still, PIXELS)
    assert math.isnan(evaluation.total.ratio("l1"))
    assert evaluation.total.baseline["psnr"].value == 100
    assert json.loads(json.dumps(evaluation.to_dict()))["total"]["l1"]["baseline"] == 0


def test_means_leave_out_what_was_not_measured():
    mean = (
        Mean.of(torch.tensor([1.0, math.nan, 3.0])) + Mean.of(torch.tensor([math.nan])) + Mean.of(torch.tensor([8.0]))
    )
    assert (mean.value, mean.number) == (4, 3)
    assert math.isnan(Mean().value)


class Tags(HTMLParser):
    """Collects what a page is made of, and fails where it is not closed properly."""

    VOID = ("meta", "img", "link")

    def __init__(self):
        super().__init__()
        self.open, self.images, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes)["src"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_table_and_page(session):
    clips = ClipSet.from_tensors([clip.pictures for clip in drifting(3, 4, 2)], names=["a", "<b>", "c & d"])
    evaluation = evaluate(session, clips, EvaluationOptions(metrics=("pixels",), samples=1, worst=1))
    lines = table(evaluation).splitlines()
    assert lines[0].split() == ["3", "clips,", "6", "frames", "model", "first", "frame", "ratio"]
    l1 = evaluation.total
    assert lines[1].split() == [
        "L1",
        f"{l1.model['l1'].value:.4f}",
        f"{l1.baseline['l1'].value:.4f}",
        f"{l1.ratio('l1'):.3f}",
    ]
    assert len({len(line) for line in lines}) == 1  # columns stand below each other
    tags = Tags()
    html = page(evaluation)
    tags.feed(html)
    assert tags.open == []
    assert len(tags.images) == 2
    assert all(image.startswith("data:image/jpeg;base64,") for image in tags.images)
    assert "http" not in html  # no other file is needed
    assert "<b>" in tags.text
    assert "c & d" in tags.text
    assert lines[1].split()[1] in tags.text


def test_the_table_has_a_block_for_each_group(folder, session):
    blocks = table(evaluate(session, find_clips(folder), PIXELS)).split("\n\n")
    assert [block.split(":")[0].split(",")[0] for block in blocks] == ["2 clips", "people", "all"]
