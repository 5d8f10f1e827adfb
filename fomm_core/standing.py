"""Where nothing moves for a while, one frame is computed and shown again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch

from .geometry import Keypoints
from .prepared import Rendered


def without_standing(keypoints: Keypoints) -> tuple[Keypoints, list[int]]:
    """T >= 1 frames without those that equal, to the last bit, the one before; and how many frames each stands for."""
    parts = [part for part in (keypoints.position, keypoints.jacobian, keypoints.covariance) if part is not None]
    moves = torch.stack([(part[1:] != part[:-1]).flatten(1).any(1) for part in parts]).any(0)
    if bool(moves.all()):
        return keypoints, [1] * len(keypoints)
    begins = torch.cat((torch.zeros(1, dtype=torch.long), moves.nonzero()[:, 0].cpu() + 1))
    ends = torch.cat((begins[1:], torch.tensor([len(keypoints)])))
    return keypoints.at(begins.to(keypoints.position.device)), (ends - begins).tolist()


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
