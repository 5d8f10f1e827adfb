"""Random performances for tests: movement as smooth as a head's, jacobians near the identity."""

from __future__ import annotations

import torch
from fomm_nodes.fomm_core.geometry import Keypoints


def performance(
    frames: int, count: int = 5, *, seed: int = 0, jacobian: bool = True, times: bool = False, confidence: bool = True
) -> Keypoints:
    """A sum of three slow waves for each number, with random phases."""
    generator = torch.Generator().manual_seed(seed)

    def waves(*shape: int) -> torch.Tensor:
        when = torch.arange(frames, dtype=torch.float64).reshape(-1, *[1] * len(shape))
        total = torch.zeros(frames, *shape, dtype=torch.float64)
        for period in (19.0, 31.0, 83.0):
            phase = torch.rand(shape, generator=generator, dtype=torch.float64) * 6.283
            total += torch.sin(when * 6.283 / period + phase) / 3
        return total

    start = torch.rand(count, 2, generator=generator) - 0.5
    position = (start + 0.2 * waves(count, 2)).float()
    maps = (torch.eye(2) + 0.2 * waves(count, 2, 2)).float() if jacobian else None
    row = torch.cat([torch.zeros(1), torch.rand(frames, generator=generator) + 0.5]).cumsum(0).double() / 25
    sure = torch.rand(frames, count, generator=generator) if confidence else None
    return Keypoints(position, maps, row if times else None, sure)


def same(got: Keypoints, expected: Keypoints) -> bool:
    """Whether two performances are equal to the bit, times aside."""
    pairs = [(got.position, expected.position), (got.jacobian, expected.jacobian)]
    return all((a is None) == (b is None) and (a is None or b is None or torch.equal(a, b)) for a, b in pairs)
