"""Where nothing moves for a while, one frame is computed and shown again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch

from .geometry import Keypoints
from .prepared import Rendered


def without_standing(keypoints: Keypoints) -> tuple[Keypoints, list[int]]:
    """T >= 1 frames without those that equal, to the last bit, the one before; and how many frames each stands for."""
    moves = (keypoints.position[1:] != keypoints.position[:-1]).flatten(1).any(1)
    if keypoints.jacobian is not None:
        moves = moves | (keypoints.jacobian[1:] != keypoints.jacobian[:-1]).flatten(1).any(1)
    if bool(moves.all()):
        return keypoints, [1] * len(keypoints)
    begins = torch.cat((torch.zeros(1, dtype=torch.long), moves.nonzero()[:, 0].cpu() + 1))
    ends = torch.cat((begins[1:], torch.tensor([len(keypoints)])))
    chosen = begins.to(keypoints.position.device)
    jacobian = None if keypoints.jacobian is None else keypoints.jacobian[chosen]
    return Keypoints(keypoints.position[chosen], jacobian), (ends - begins).tolist()


def with_standing(chunks: Iterable[Rendered], lengths: Iterable[int], most: int) -> Iterator[Rendered]:
    """Chunks of frames with each of them as often as it is shown, at most `most` at once. A frame that comes alone is
    given as the same object every time.
    """
    left = iter(lengths)
    for rendered in chunks:
        times = list(islice(left, len(rendered)))
        if len(rendered) == 1:
            yield from (rendered for _ in range(times[0]))
            continue
        order = [number for number, count in enumerate(times) for _ in range(count)]
        if len(order) == len(rendered):
            yield rendered
            continue
        yield from (rendered[order[start : start + most]] for start in range(0, len(order), most))
