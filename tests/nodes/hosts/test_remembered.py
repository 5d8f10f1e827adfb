"""What hosts keep of clips from run to run."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, load_builtin
from fomm_nodes.fomm_core.region import region_at
from fomm_nodes.nodes.declarations import BY_ID
from fomm_nodes.nodes.hosts.headless.files import Folders
from fomm_nodes.nodes.hosts.headless.host import HeadlessHost, JobSetting
from fomm_nodes.nodes.hosts.headless.limits import Limits
from fomm_nodes.nodes.hosts.warm import Recent, Remembered
from torch import Tensor


class Value:
    pass


def test_what_was_used_least_recently_is_forgotten() -> None:
    kept: Recent[object] = Recent(2)
    one, two, three = (torch.full((1, 3, 2, 2), float(value)) for value in range(3))
    made = kept.of(one, lambda pictures: object())
    kept.of(two, lambda pictures: object())
    assert kept.of(one, lambda pictures: object()) is made  # so that `two` is the oldest
    third = kept.of(three, lambda pictures: object())
    assert kept.values() == [made, third]
    assert kept.of(one.reshape(1, 2, 3, 2), lambda pictures: object()) is not made  # the same bytes, another image


def test_the_same_objects_give_what_was_made_before() -> None:
    known, one, other = Remembered(), Value(), Value()
    made = known.of([one, other], "key", object)
    assert known.of([one, other], "key", object) is made
    for values, key in (([other, one], "key"), ([one], "key"), ([one, other], "another")):
        assert known.of(values, key, object) is not made
    known.clear()
    assert known.of([one, other], "key", object) is not made


def test_values_that_are_gone_or_changed_are_made_anew() -> None:
    known = Remembered()
    pictures = torch.zeros(2)
    made = known.of([pictures], "key", object)
    assert known.of([pictures], "key", object) is made
    pictures += 1
    assert known.of([pictures], "key", object) is not made
    for _ in range(50):  # a new object often lies where an old one lay
        made = known.of([Value()], "key", Value)
        gc.collect()
        assert known.of([Value()], "key", Value) is not made
    assert known.of([3], "key", object) is not known.of([3], "key", object)


def test_pictures_of_inference_mode_are_known_again_and_missed_where_they_changed() -> None:
    """ComfyUI runs its nodes in that mode, whose tensors count no changes."""
    known = Remembered()
    with torch.inference_mode():
        pictures = torch.rand(3, 8, 8, 3)
        made = known.of([pictures], "key", object)
        assert known.of([pictures], "key", object) is made
        pictures[1] += 0.5
        assert known.of([pictures], "key", object) is not made


def test_only_the_last_ones_are_kept() -> None:
    known, values = Remembered(2), [Value() for _ in range(3)]
    made = [known.of([value], "", object) for value in values]
    assert known.of([values[2]], "", object) is made[2]
    assert known.of([values[1]], "", object) is made[1]
    assert known.of([values[0]], "", object) is not made[0]


@pytest.fixture
def host(tmp_path: Path) -> HeadlessHost:
    setting = JobSetting(
        folders=Folders(()),
        limits=Limits(),
        device=torch.device("cpu"),
        made=tmp_path,
        temporary=tmp_path,
        keep=lambda path, **about: None,
        report=lambda done, total: None,
    )
    return HeadlessHost(setting, "Animate")


def test_another_strength_or_mode_detects_nothing_again(
    host: HeadlessHost, portrait: Tensor, clip: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    detected: list[int] = []
    detect = AnimationSession._detect

    def counted(self: AnimationSession, frames: Tensor) -> Any:
        detected.append(len(frames))
        return detect(self, frames)

    monkeypatch.setattr(AnimationSession, "_detect", counted)
    held, spec = host.hold(load_builtin()), BY_ID["FOMM_Animate"]
    left, right = (region_at(x, 40, side, height=80, width=72) for x, side in ((32, 60), (40, 50)))

    def frames(**values: Any) -> Tensor:
        given = {"model": held, "source": portrait, "driving": clip, "size": "model", **values}
        return spec.run(host, **spec.check(host, given))[0]

    first = frames()
    assert sum(detected) == 5
    for change in ({"strength": 0.5}, {"mode": "absolute"}, {"anchor": "best"}, {"smoothing": "gaussian"}):
        frames(**change)
    assert torch.equal(frames(), first)
    assert sum(detected) == 5
    frames(driving_region=left)
    frames(driving_region=right)
    frames(driving_region=left, strength=0.5)
    assert sum(detected) == 15
