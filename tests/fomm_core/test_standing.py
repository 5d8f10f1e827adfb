"""What stands still is computed once, and shown as often as it was."""

from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.session import AnimationSession
from fomm_nodes.fomm_core.standing import without_standing
from nearness import near

ORDER = [0, 0, 0, 1, 2, 2, 0, 3, 3, 3, 3]


def standing(keypoints: Keypoints, order: list[int]) -> Keypoints:
    return Keypoints.cat([keypoints[number] for number in order])


def test_runs_of_equal_frames_become_one_each() -> None:
    position = torch.rand(4, 3, 2, generator=torch.Generator().manual_seed(0))
    kept, lengths = without_standing(standing(Keypoints(position), ORDER))
    assert torch.equal(kept.position, position[[0, 1, 2, 0, 3]])
    assert lengths == [3, 1, 2, 1, 4]


def test_a_jacobian_alone_moves_too() -> None:
    position, jacobian = torch.zeros(3, 2, 2), torch.eye(2).expand(3, 2, 2, 2).clone()
    jacobian[1, 1, 0, 1] = 1e-6
    assert without_standing(Keypoints(position, jacobian))[1] == [1, 1, 1]
    assert without_standing(Keypoints(position))[1] == [3]


@pytest.mark.parametrize("chunk", [1, 2, 3, 16])
def test_a_clip_that_stands_is_rendered_once_where_it_stands(make, chunk, monkeypatch) -> None:
    session = AnimationSession(make(), chunk=chunk)
    source = session.prepare(torch.rand(1, 3, 64, 64))
    keypoints = session.detect(torch.rand(4, 3, 64, 64))
    expected = torch.cat([part.images for part in session.render(source, keypoints)])[ORDER]
    computed: list[int] = []
    render = session._render
    monkeypatch.setattr(session, "_render", lambda of, some: (computed.append(len(some)), render(of, some))[1])
    parts = list(session.render(source, standing(keypoints, ORDER)))
    near(torch.cat([part.images for part in parts]), expected)
    occlusion = [part.occlusion for part in parts]
    assert [len(part) for part in occlusion if part is not None] == [len(part) for part in parts]
    assert sum(computed) == 5
    assert all(len(part) <= chunk for part in parts)
