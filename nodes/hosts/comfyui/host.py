"""What the blocks ask of ComfyUI: device, memory, progress, cancel, files, videos."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import comfy.model_management as memory
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from PIL import Image
from torch import Tensor

from ....fomm_core import precision as precisions
from ....fomm_core.fitting import to_uint8
from ....fomm_core.model import MotionModel
from ....fomm_core.session import AnimationSession
from ...spec import FrameStream
from ..sound import sound_of_video, write_sound
from ..warm import Made, Remembered, WarmSession
from . import files
from . import video as videos

SECONDS_BETWEEN_PREVIEWS = 0.1
BYTES_PER_PIXEL = 3000
"""Activations of one frame per pixel of the image, at the published models' width; the session copes with less."""


class HeldModel(ModelPatcher):
    """A FOMM_MODEL value: the model with the sessions that run it and what these remember. Both count as the model's
    memory, and go whenever ComfyUI wants some of it back.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.sessions: dict[torch.dtype, WarmSession] = {}
        self.known = Remembered()

    def weights_size(self) -> int:
        """Bytes of the model alone."""
        return int(super().model_size())

    def model_size(self) -> int:
        """Bytes, with what the sessions keep on the device."""
        return self.weights_size() + self._kept()

    def loaded_size(self) -> int:
        """Bytes of it that are on the device."""
        return int(super().loaded_size()) + self._kept()

    def detach(self, unpatch_all: bool = True) -> Any:
        """Leave the device; the sessions end. Without `unpatch_all` the model stays: it is only listed anew."""
        if unpatch_all:
            self._forget()
        return super().detach(unpatch_all)

    def partially_unload(self, device_to: Any, memory_to_free: float = 0, *args: Any, **options: Any) -> Any:
        """The sessions end first, then weights are moved as far as that was not enough. Returns the bytes freed."""
        freed = self._kept()
        self._forget()
        if freed >= memory_to_free:
            return freed
        return freed + super().partially_unload(device_to, memory_to_free - freed, *args, **options)

    def _forget(self) -> None:
        self.sessions.clear()
        self.known.clear()

    def _kept(self) -> int:
        return sum(session.size for session in self.sessions.values())


class ComfyUIHost:
    """The `Host` of one run of one block."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._previewed = 0.0

    def progress(self, done: int, total: int, preview: Tensor | None = None) -> None:
        """Move the node's bar and show `preview` [3, H, W]; raises ComfyUI's own exception where Cancel was pressed."""
        memory.throw_exception_if_processing_interrupted()
        if self._bar is None:
            self._bar = comfy.utils.ProgressBar(total)
        shown = None
        now = time.monotonic()
        if preview is not None and (done >= total or now - self._previewed >= SECONDS_BETWEEN_PREVIEWS):
            shown = ("JPEG", Image.fromarray(to_uint8(preview[None])[0]), max(preview.shape[-2:]))
            self._previewed = now
        self._bar.update_absolute(done, total, shown)

    def options(self, name: str) -> tuple[str, ...]:
        """The choices of a dynamic list, from ComfyUI's folders."""
        return files.options(name)

    def find(self, name: str, choice: str) -> Path:
        """The file behind a choice."""
        return files.find(name, choice)

    def new_file(self, name: str, prefix: str, suffix: str) -> tuple[Path, str]:
        """A free numbered path below ComfyUI's output folder, and the choice that it will be."""
        return files.new_file(name, prefix, suffix)

    def temporary_file(self, suffix: str) -> Path:
        """A free path in ComfyUI's temporary folder."""
        return files.temporary_file(suffix)

    def run_folder(self, name: str) -> Path:
        """Below output/fomm_training."""
        return files.run_folder(name)

    def training_device(self) -> torch.device:
        """ComfyUI's device, all models moved off it."""
        memory.unload_all_models()
        memory.soft_empty_cache()
        return memory.get_torch_device()

    def hold(self, model: MotionModel) -> HeldModel:
        """ComfyUI loads the model to its device when a block needs it, and moves it away when others need the room."""
        return HeldModel(model, load_device=memory.get_torch_device(), offload_device=memory.unet_offload_device())

    def session(self, held: HeldModel, *, precision: str, size: tuple[int, int]) -> AnimationSession:
        """The model's session on ComfyUI's device, after it has made room for the model, the session's copy and a
        chunk. It stays as long as ComfyUI leaves the model where it is.
        """
        dtype = dtype_of(precision, held.load_device)
        session = held.sessions.get(dtype) or WarmSession(held.model, device=held.load_device, dtype=dtype)
        copy = 0 if dtype in held.sessions else held.weights_size()
        room = copy + session.chunk * size[0] * size[1] * BYTES_PER_PIXEL
        memory.load_models_gpu([held], memory_required=room, force_full_load=True)
        held.sessions[dtype] = session
        return session

    def remember(self, held: HeldModel, values: Sequence[Any], key: Hashable, make: Callable[[], Made]) -> Made:
        """As long as ComfyUI leaves the model where it is."""
        return held.known.of(values, key, make)

    def open_video(self, video: Any) -> AbstractContextManager[FrameStream]:
        """Read a VIDEO value frame by frame."""
        return videos.open_video(video, self.temporary_file)

    def write_sound(self, audio: Any) -> Path | None:
        """A temporary file that holds an AUDIO value."""
        return write_sound(audio, self.temporary_file)

    def read_sound(self, file: Any) -> Any:
        """The AUDIO value of a file's sound; None, and a warning, where it cannot be read."""
        return sound_of_video(file)

    def make_video(self, path: Path) -> Any:
        """The VIDEO value for a file."""
        from comfy_api.latest import InputImpl

        return InputImpl.VideoFromFile(str(path))

    def deliver(self, value: Any) -> Any:
        """An output as the next node expects it: images and masks on ComfyUI's intermediate device, float32."""
        if isinstance(value, Tensor):
            return value.to(memory.intermediate_device(), torch.float32)
        if isinstance(value, dict) and isinstance(value.get("samples"), Tensor):
            return {**value, "samples": value["samples"].to(memory.intermediate_device())}
        return value


def dtype_of(precision: str, device: torch.device) -> torch.dtype:
    """The number format for a choice of precision; ComfyUI's --force-fp32 decides where "auto" is chosen."""
    return precisions.dtype_of("float32" if precision == precisions.AUTO and memory.FORCE_FP32 else precision, device)
