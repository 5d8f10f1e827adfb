"""Where a person is in a picture: the box around the largest part that the mask marks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import CheckpointError
from ..faces.views import Frame, as_frame, frame_size
from ..shipped import PERSON_WEIGHTS
from ..video import StoredFrame
from .network import MASK_SIZE, PersonMask

MARKED = 0.5
SURE = 0.7
"""Least mean of the mask within its largest part. Of 28 images of people 27 had 0.89 and more; so have, where nobody
is, other things that stand out."""
SMALLEST = 0.004
"""Least share of the image."""


@dataclass(frozen=True)
class Person:
    """One person, or several that touch: the box in pixels of the whole image, and the mask's mean inside its
    outline.
    """

    left: float
    top: float
    right: float
    bottom: float
    certainty: float

    @property
    def square(self) -> tuple[float, float, float]:
        """Centre x, y and side of the upright square around the box."""
        side = max(self.right - self.left, self.bottom - self.top)
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2, side


class PersonFinder:
    """Finds the largest person with a network that is loaded once, on one device, in float32.

    Raises CheckpointError where the weights are missing or damaged: the package was not installed whole.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        network = PersonMask()
        try:
            network.load_state_dict(load_file(PERSON_WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(
                f"expected the weights of the network for people at {PERSON_WEIGHTS}; they cannot be read ({error}). "
                "Install fomm-nodes again."
            ) from error
        self.network = network.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def find(self, image: Frame) -> Person | None:
        """The largest person in one image, uint8 [H, W, 3] or floats [3, H, W] in 0..1; None where nobody is.

        The whole image is looked at, squeezed into 256x256 pixels; cutting out what was found and looking again made
        boxes worse.
        """
        frame = as_frame(image)
        height, width = frame_size(frame)
        mask = self.network(_small(frame).to(self.device))[0, 0].float().cpu().numpy()
        found = _largest(mask)
        if found is None:
            return None
        across, down = width / MASK_SIZE, height / MASK_SIZE
        left, top, right, bottom, certainty = found
        return Person(left * across, top * down, right * across, bottom * down, certainty)


def _small(frame: Frame) -> Tensor:
    """[1, 3, 256, 256] in 0..1: all of an image, squeezed into a square as the network learned it."""
    if isinstance(frame, Tensor):
        pixels = (frame.permute(1, 2, 0) * 255).round().clamp(0, 255).to("cpu", torch.uint8).numpy()
    else:
        pixels = frame.whole() if isinstance(frame, StoredFrame) else frame
    small = cv2.resize(np.ascontiguousarray(pixels), (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255


def _largest(mask: np.ndarray) -> tuple[float, float, float, float, float] | None:
    """Left, top, right, bottom and mean of the largest connected part of a mask, in its pixels; None where it is small
    or unsure.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask >= MARKED).astype(np.uint8))
    if count < 2:
        return None
    part = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    left, top, width, height, area = (int(value) for value in stats[part])
    certainty = float(mask[labels == part].mean())
    if area < SMALLEST * mask.size or certainty < SURE:
        return None
    return left, top, left + width, top + height, certainty
