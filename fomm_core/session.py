"""One model, one device, one precision: the source is encoded once, clips are detected in batches, frames stream out.

session = AnimationSession(load_model("vox-cpk.pth.tar"), device="cuda", dtype=torch.float16)
source = session.prepare(image)
driving = session.detect(frames)
for rendered in session.render(source, transfer(source.keypoints, driving, driving[0])): ...
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from .config import MotionModelConfig
from .errors import ImageError, KeypointError
from .fitting import as_rgb, resize
from .geometry import Keypoints, Motion
from .lowering import cast, compiled, lower
from .model import MotionModel
from .motion import Disentangle, hold
from .precision import fast_dtype
from .prepared import PreparedSource, Rendered
from .standing import with_standing, without_standing
from .team import Team

log = logging.getLogger("fomm.session")

JOINED = 64
"""Keypoints are joined after so many chunks: thousands of small tensors, made in turn with large frames, would keep the
heap in pieces, and memory would grow by up to 70 kB a frame."""

Result = TypeVar("Result")
Span = tuple[Callable[[slice], Result], slice]
"""What to do, and with which frames."""

CPU_CHUNK, ACCELERATOR_CHUNK = 1, 16
"""Frames at once: in one thread of a CPU more than one gains nothing in float32 and costs memory."""


class AnimationSession:
    """Runs a MotionModel over clips. Holds nothing between calls but the networks and their threads.

    device: 'cpu', 'cuda', 'mps' or a torch.device. dtype: of the layers that bear it (float32, bfloat16, float16; see
    `lowering.cast`), but float32 where the processor has no instructions for it (see `precision`); keypoints,
    jacobians, flows and pictures are float32 always. chunk: frames at once, on a CPU for each member of the `Team`;
    halved whenever memory runs out. exact: use the plain networks instead of the fast ones (see lowering). compile:
    compile them as well; it pays for long clips only (see `lowering.compiled`).
    """

    def __init__(
        self,
        model: MotionModel,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        chunk: int | None = None,
        exact: bool = False,
        compile: bool = False,
    ) -> None:
        if dtype not in (torch.float32, torch.bfloat16, torch.float16):
            raise ValueError(f"expected float32, bfloat16 or float16; got {dtype}")
        if chunk is not None and chunk < 1:
            raise ValueError(f"expected a chunk of at least one frame; got {chunk}")
        self.device = torch.device(device)
        self.dtype = fast_dtype(dtype, self.device)
        self.exact = exact
        self.compile = compile
        self.chunk = chunk or (CPU_CHUNK if self.device.type == "cpu" else ACCELERATOR_CHUNK)
        self.model = model
        self._networks: dict[MotionModelConfig, MotionModel] = {}
        self._making = threading.Lock()
        self._last_team = Team(1)

    @property
    def config(self) -> MotionModelConfig:
        """The model's configuration, at its trained size."""
        return self.model.config

    def network(self, height: int, width: int) -> MotionModel:
        """The networks for one picture size, lowered and on the device; made at first use."""
        config = self.config.for_size(height, width)
        config.check_size(height, width)
        with self._making:
            if config not in self._networks:
                self._networks[config] = self._make(self.model.with_config(config))
            return self._networks[config]

    def _make(self, model: MotionModel) -> MotionModel:
        if self.exact:
            network = cast(copy.deepcopy(model).eval().requires_grad_(False), self.dtype).to(self.device)
        else:
            network = lower(model, dtype=self.dtype, device=self.device)
        return compiled(network) if self.compile else network

    @torch.inference_mode()
    def prepare(self, image: Tensor, *, keypoints: Keypoints | None = None) -> PreparedSource:
        """Encode a source [1, C, H, W] in 0..1, once for any number of clips.

        keypoints: of the source, where they are known already; detected otherwise. Raises ImageError for NaN or more
        than one picture, SizeError where the size does not fit the strides.
        """
        image = as_rgb(image, self.config.num_channels)
        if len(image) != 1:
            raise ImageError(f"expected one source picture; got {len(image)}. Choose one, or animate each in its turn.")
        self.model.check_animates()
        network = self.network(*image.shape[-2:])
        image = self._to_device(image)
        if keypoints is None:
            keypoints = network.detector(image, confidence=True).to("cpu")
        elif len(keypoints) != 1:
            raise KeypointError(f"expected the source's keypoints of one frame; got {len(keypoints)} frames.")
        self.model.check_keypoints(keypoints)
        return PreparedSource(
            image=image,
            keypoints=keypoints,
            features=network.generator.encode(image),
            small=None if network.dense_motion is None else network.dense_motion.reduce(image),
            network=network,
        )

    def detect(self, frames: Tensor | Iterable[Tensor], *, on_frames: Callable[[int], None] | None = None) -> Keypoints:
        """Keypoints with confidence (float32, on the CPU) of a clip: [T, C, H, W], or an iterable of such batches.

        All frames are of one size. `on_frames(n)` is called after each chunk with the number of frames done; what it
        raises ends the detection. Only a chunk of frames is held. Raises ImageError for a clip without frames.
        """
        batches = [frames] if isinstance(frames, Tensor) else frames
        parts = ((len(batch), partial(self._detect_part, batch)) for batch in batches)
        found: list[Keypoints] = []
        done = 0
        for keypoints in self._in_chunks(parts):
            found.append(keypoints)
            if len(found) == JOINED:
                found = [Keypoints.cat(found)]
            done += len(keypoints)
            if on_frames is not None:
                on_frames(done)
        if not found:
            raise ImageError("expected at least one driving frame; got none. Check the video and its first frame.")
        return Keypoints.cat(found)

    def _detect_part(self, batch: Tensor, span: slice) -> Keypoints:
        return self._detect(batch[span])

    @torch.inference_mode()
    def _detect(self, frames: Tensor) -> Keypoints:
        frames = as_rgb(frames, self.config.num_channels)
        return self.network(*frames.shape[-2:]).detector(self._to_device(frames), confidence=True).to("cpu")

    @property
    def avd(self) -> Disentangle | None:
        """What `transfer` takes for the mode "avd"; None for models without the network."""
        return self.model.disentangle

    def motion(self, source: PreparedSource, keypoints: Keypoints) -> Iterator[Motion]:
        """Dense motion for each frame of `keypoints`, in chunks, on the device.

        Raises KeypointError where the model has no dense motion, or another number of keypoints.
        """
        self.model.check_keypoints(keypoints)
        if source.network.dense_motion is None:
            raise KeypointError(f"expected a model with dense motion; '{self.model.name}' has none.")
        yield from self._in_chunks([(len(keypoints), lambda span: self._motion(source, keypoints[span]))])

    @torch.inference_mode()
    def _motion(self, source: PreparedSource, keypoints: Keypoints) -> Motion:
        dense_motion = source.network.dense_motion
        assert dense_motion is not None
        assert source.small is not None
        at_source = source.keypoints.to(self.device).expand(len(keypoints))
        motion: Motion = dense_motion(source.small, at_source, keypoints.to(self.device))
        return motion if source.still is None else hold(motion, source.still)

    def generate(self, source: PreparedSource, motion: Motion) -> Iterator[Rendered]:
        """Paint the frames of a motion, in chunks."""
        yield from self._in_chunks([(len(motion), lambda span: self._generate(source, motion[span].to(self.device)))])

    @torch.inference_mode()
    def _generate(self, source: PreparedSource, motion: Motion) -> Rendered:
        images = source.network.generator.paint(source.features, source.image, motion)
        return self._checked(Rendered(resize(images, *source.size), motion, source))

    def render(self, source: PreparedSource, keypoints: Keypoints) -> Iterator[Rendered]:
        """Frames for each frame of `keypoints`, in order, in chunks; memory does not grow with their number.

        Where nothing moves from one frame to the next, the frame is computed once, and given again.
        """
        self.model.check_keypoints(keypoints)
        moving, lengths = without_standing(keypoints)
        chunks = self._in_chunks([(len(moving), lambda span: self._render(source, moving[span]))])
        yield from with_standing(chunks, lengths, self.chunk)

    def render_each(self, sources: Iterable[Callable[[], PreparedSource]], keypoints: Keypoints) -> Iterator[Rendered]:
        """Frames whose source is another each time: a clip that is moved by a clip. One frame at a time, in order.

        sources: makes of each frame's source, as many as `keypoints` has frames; called where the frame is rendered,
        and forgotten after it, so that memory does not grow with their number.
        """
        self.model.check_keypoints(keypoints)
        frames = zip(sources, range(len(keypoints)), strict=True)
        parts = ((1, partial(self._render_made, make, keypoints[number : number + 1])) for make, number in frames)
        yield from self._in_chunks(parts)

    def _render_made(self, make: Callable[[], PreparedSource], keypoints: Keypoints, span: slice) -> Rendered:
        return self._render(make(), keypoints)

    @torch.inference_mode()
    def _render(self, source: PreparedSource, keypoints: Keypoints) -> Rendered:
        if source.network.dense_motion is None:
            still = source.network.generator.decode(source.features[-1])
            still = resize(still, *source.size)
            return self._checked(Rendered(still.expand(len(keypoints), -1, -1, -1), None, source))
        return self._generate(source, self._motion(source, keypoints))

    def _checked(self, rendered: Rendered) -> Rendered:
        """The same; raises ImageError where it holds NaN or Inf, as half precision may give."""
        if not torch.isfinite(rendered.images).all():
            raise ImageError(
                f"expected finite pixels; the model gave NaN or Inf at {self.dtype}. Set precision to float32 instead."
            )
        return rendered

    def _in_chunks(self, parts: Iterable[tuple[int, Callable[[slice], Result]]]) -> Iterator[Result]:
        """For (number of frames, work) of each part, in order: `work` on slices of at most `self.chunk`.

        The chunk halves when memory runs out.
        """
        for results in self._team().map(self._attempt, self._spans(parts)):
            yield from results

    def _spans(self, parts: Iterable[tuple[int, Callable[[slice], Result]]]) -> Iterator[Span[Result]]:
        for count, work in parts:
            start = 0
            while start < count:
                stop = min(start + self.chunk, count)
                yield work, slice(start, stop)
                start = stop

    def _attempt(self, span: Span[Result]) -> list[Result]:
        work, frames = span
        results = []
        start = frames.start
        while start < frames.stop:
            part = slice(start, min(start + self.chunk, frames.stop))
            try:
                results.append(work(part))
            except RuntimeError as problem:
                count = part.stop - part.start
                if not is_out_of_memory(problem) or count == 1:
                    raise
                self.chunk = max(1, count // 2)
                log.warning("out of memory with %d frames at once; going on with %d", count, self.chunk)
                free_memory(self.device)
                continue
            start = part.stop
        return results

    def _team(self) -> Team:
        """Of all threads that torch may use now; of one where the device, or the compiler, has its own ways."""
        alone = self.device.type != "cpu" or self.compile
        threads = 1 if alone else torch.get_num_threads()
        if threads != self._last_team.threads:
            self._last_team = Team(threads)
        return self._last_team

    def _to_device(self, images: Tensor) -> Tensor:
        return images.to(self.device).contiguous(memory_format=torch.channels_last)


def is_out_of_memory(problem: RuntimeError) -> bool:
    """Whether an error means that a device (CUDA, MPS or the CPU's allocator) had no memory left."""
    text = str(problem).lower()
    return (
        isinstance(problem, torch.cuda.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text
    )


def free_memory(device: torch.device) -> None:
    """Give cached blocks back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


__all__ = ["AnimationSession", "PreparedSource", "Rendered", "free_memory", "is_out_of_memory"]
