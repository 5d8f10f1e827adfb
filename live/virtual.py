"""The result as a camera that other programs can choose, where pyvirtualcam and a driver for it are installed."""

from __future__ import annotations

import logging
from typing import Any

import cv2
import numpy as np

from ..fomm_core.errors import FommError
from ..fomm_core.video.pixels import Pixels

log = logging.getLogger("fomm.live")

SIDE, RATE = 512, 30


class VirtualCamera:
    """Shows frames on a virtual camera of 512x512. Raises FommError where there is none to be had."""

    def __init__(self) -> None:
        try:
            import pyvirtualcam
        except ImportError:
            raise FommError("pyvirtualcam is not installed: pip install pyvirtualcam") from None
        try:
            self._camera: Any = pyvirtualcam.Camera(width=SIDE, height=SIDE, fps=RATE)
        except RuntimeError as problem:
            raise FommError(
                f"expected a virtual camera's driver; there is none ({str(problem).splitlines()[0][:200]}). Install "
                "v4l2loopback (Linux) or OBS (Windows, macOS)."
            ) from problem
        self.name = str(self._camera.device)

    def show(self, frame: Pixels) -> None:
        """A frame uint8 [H, W, 3]."""
        self._camera.send(np.ascontiguousarray(cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)))

    def close(self) -> None:
        """Give the device back."""
        self._camera.close()
