"""The blocks that edit, group, check and pose performances, run as a host runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.motion import ping_pong, transfer
from fomm_nodes.nodes.declarations import BY_ID
from nearness import near
from performances import performance, same
from torch import Tensor

Run = Callable[..., dict[str, Any]]


def test_edit_performance_as_it_comes_changes_nothing(run: Run) -> None:
    given = performance(20, 10)
    got = run("EditPerformance", keypoints=given, fps=12.0)
    assert got["edited"] is given
    assert (got["rate"], got["count"]) == (12.0, 20)


def test_edit_performance(run: Run) -> None:
    given = performance(20, 10)
    got = run("EditPerformance", keypoints=given, ending="ping-pong", frame_rate=50.0, following=given, crossfade=4)
    assert got["rate"] == 50
    assert got["count"] == 2 * (40 + 20 - 4) - 2 == len(got["edited"])
    turned = run("EditPerformance", keypoints=given, mirror=True, partners="0-1, 4-7")["edited"]
    assert torch.equal(turned.position[:, 4, 0], -given.position[:, 7, 0])
    assert torch.equal(turned.position[:, 9, 1], given.position[:, 9, 1])
    there = run("EditPerformance", keypoints=given, ending="ping-pong")["edited"]
    assert same(there, ping_pong(given))
    with pytest.raises(KeypointError, match="0 to 9"):
        run("EditPerformance", keypoints=given, mirror=True, partners="0-10")


def test_fill_gaps(run: Run) -> None:
    given = performance(20, 10)
    sure = torch.full((20, 10), 0.9)
    sure[6:9] = 0.3
    got = run("FillGaps", keypoints=replace(given, confidence=sure))
    assert got["lost"] == 3
    assert got["report"] == "3 of 20 frames were lost: 6-8"
    assert same(got["filled"][:6], given[:6])


def test_curves(run: Run) -> None:
    given = performance(20, 10)
    plot = run("Curves", keypoints=given, before=performance(20, 10, seed=1), anchor_frame=3)["plot"]
    assert plot.shape == (1, 720, 960, 3)
    one = run("Curves", keypoints=given, quantity="x", groups="mouth: 2", only_keypoints="mouth", width=400, height=200)
    assert one["plot"].shape == (1, 200, 400, 3)
    assert plot.std() > 0.05
    assert run("Curves", keypoints=given[:1].without_jacobian())["plot"].std() > 0.01


def test_smoothing_and_blending_by_groups(run: Run) -> None:
    first, second = performance(20, 10), performance(31, 10, seed=1)
    groups = "mouth: 7-8; head: 0-3"
    smoothed = run("SmoothKeypoints", keypoints=first, method="gaussian", groups=groups, only_keypoints="head")
    assert torch.equal(smoothed["smoothed"].position[:, 4:], first.position[:, 4:])
    assert not torch.equal(smoothed["smoothed"].position[:, :4], first.position[:, :4])
    mixed = run(
        "BlendKeypoints",
        first=first,
        second=second,
        weight=1.0,
        groups=groups,
        only_keypoints="mouth",
        lengths="stretched",
    )["keypoints"]
    assert len(mixed) == 20
    assert torch.equal(mixed.position[[0, -1]][:, 7:9], second.position[[0, -1]][:, 7:9])
    assert torch.equal(mixed.position[:, :7], first.position[:, :7])
    with pytest.raises(KeypointError, match="connect Group Keypoints"):
        run("BlendKeypoints", first=first, second=first, only_keypoints="mouth")


def test_blending_by_a_curve(run: Run) -> None:
    first, second = performance(20, 10), performance(20, 10, seed=1)
    given = {"first": first, "second": second, "weight": 0.3, "over_time": "4: 0, 8: 1, 12: 0.5"}
    mixed = run("BlendKeypoints", **given)["keypoints"]
    assert torch.equal(mixed.position[:5], first.position[:5])
    assert torch.equal(mixed.position[8], second.position[8])
    for frame, weight in ((6, 0.5), (10, 0.75), (19, 0.5)):
        alone = run("BlendKeypoints", **{**given, "weight": weight, "over_time": ""})["keypoints"]
        near(mixed.position[frame], alone.position[frame])
    some = run("BlendKeypoints", **given, only_keypoints="3 0.5")["keypoints"]
    assert torch.equal(some.position[:, :3], first.position[:, :3])
    near(some.position[8, 3], (first.position[8, 3] + second.position[8, 3]) / 2)
    for wrong, words in (("0: 0, 1s: 1", "seconds"), ("0: 0, 5: 2", "0 to 1"), ("a", "curve")):
        with pytest.raises(KeypointError, match=words):
            run("BlendKeypoints", **{**given, "over_time": wrong})


def test_groups_and_json_travel_in_files(run: Run, host: Any) -> None:
    given = performance(4, 10)
    for kind in ("safetensors", "json"):
        saved = run("SaveKeypoints", keypoints=given, filename_prefix=kind, groups="mouth: 7-8", format=kind)
        assert saved["file"].endswith(kind)
        got = run("LoadKeypoints", file=saved["file"])
        assert same(got["keypoints"], given)
        assert got["groups"] == "mouth: 7-8"


def test_another_picture_as_anchor(run: Run) -> None:
    source, driver, rest = (performance(1, 10, seed=seed) for seed in range(3))
    got = run("TransferMotion", source=source, driving=driver, anchor_keypoints=rest)["keypoints"]
    assert same(got, transfer(source, driver, rest))
    assert (got.position - source.position).norm() > 0.01
    alone = run("TransferMotion", source=source, driving=driver)["keypoints"]
    near(alone.position, source.position)  # one image without another is its own anchor: nothing moves


def test_edit_keypoints(run: Run) -> None:
    still = performance(1, 10)
    poses = {"version": 1, "poses": [{"frame": 0}, {"frame": 10, "points": {"8": {"move": [0.25, -0.5]}}}]}
    got = run("EditKeypoints", keypoints=still, poses=json.dumps(poses), length=20)
    assert got["count"] == 20
    near(got["posed"].position[10:, 8], (still.position[0, 8] + torch.tensor([0.25, -0.5])).expand(10, 2))
    assert torch.equal(got["posed"].position[:, :8], still.position[:, :8].expand(20, -1, -1))
    moving = performance(7, 10)
    assert same(run("EditKeypoints", keypoints=moving)["posed"], moving)


def test_what_the_canvas_shows(portrait: Tensor) -> None:
    spec = BY_ID["FOMM_EditKeypoints"]
    assert spec.drawn is not None
    still = performance(1, 10)
    shown = spec.drawn({"keypoints": still, "groups": "mouth: 7-8", "picture": portrait})
    assert json.loads(json.dumps(shown.data)) == shown.data
    assert torch.equal(torch.tensor(shown.data["points"]), still.position)
    assert shown.data["groups"] == {"mouth": [7, 8]}
    assert shown.picture is not None
    assert shown.picture.shape == (3, 80, 72)
    assert len(spec.drawn({"keypoints": performance(3000, 10), "groups": ""}).data["points"]) == 2000


def test_group_keypoints(run: Run, held: Any, portrait: Tensor) -> None:
    got = run("GroupKeypoints", model=held, source=portrait, names="numbers")
    assert got["groups"].startswith("part 0: ")
    assert got["image"].shape[0] == 1
    assert len(got["keypoints"]) == 1


def test_will_it_work(run: Run, held: Any, portrait: Tensor, clip: Tensor) -> None:
    got = run("WillItWork", model=held, source=portrait, driving=clip, anchor="best")
    assert got["verdict"] in ("good", "doubtful", "bad")
    assert 0 <= got["score"] <= 1
    assert got["report"].startswith(got["verdict"])
    assert got["image"].shape[0] == 1
    assert "no face is found in the source" in got["report"]
    blind = run("WillItWork", model=held, source=portrait, driving=clip, anchor="best", faces="ignore")
    assert blind["score"] > got["score"]
    keypoints = run("DetectKeypoints", model=held, images=clip)["keypoints"]
    again = run("WillItWork", model=held, source=portrait, driving=keypoints, anchor="best", faces="ignore")
    near(again["score"], blind["score"], 1e-3)  # the frames went through the same networks in other batches
