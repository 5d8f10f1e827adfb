"""One model, one device, one precision: the source is encoded once, clips are detected in batches, frames stream out.

session = AnimationSession(load_model("vox-cpk.pth.tar"), device="cuda", dtype=torch.float16)
source = session.prepare(image)
driving = session.detect(frames)
for rendered in session.render(source, transfer(source.keypoints, driving, driving[0])): ...
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor

from .chunks import Chunks
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

JOINED = 64
"""Keypoints are joined after so many chunks: thousands of small tensors, made in turn with large frames, would keep the
heap in pieces, and memory would grow by up to 70 kB a frame."""


class AnimationSession:
    """Runs a model over clips on one device. Between calls it holds only the networks and their threads.

    Args:
        model: The model; see `load_model`.
        device: "cpu", "cuda", "mps" or a torch.device.
        dtype: float32, bfloat16 or float16, for the layers that tolerate it (see `lowering.cast`); float32 is used if
            the processor has no instructions for it. Keypoints, Jacobians, flows and images are always float32.
        chunk: Frames computed at once, on a CPU per thread; halved whenever memory runs out.
        exact: Use the plain networks instead of the fast ones (see `lowering`).
        compile: Compile the networks as well, which pays off for long clips only (see `lowering.compiled`).

    Raises:
        ValueError: The dtype or the chunk is not supported.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, drive, load_builtin
        >>> session = AnimationSession(load_builtin())
        >>> source = session.prepare(torch.rand(1, 3, 128, 128))
        >>> driving = session.detect(torch.rand(3, 3, 128, 128))
        >>> for rendered in session.render(source, drive(source.keypoints, driving, AnimationOptions())):
        ...     print(tuple(rendered.images.shape))
        (1, 3, 128, 128)
        (1, 3, 128, 128)
        (1, 3, 128, 128)
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
        self.model = model
        self._networks: dict[MotionModelConfig, MotionModel] = {}
        self._making = threading.Lock()
        self._chunks = Chunks(self.device, chunk, alone=compile)

    @property
    def chunk(self) -> int:
        """Frames computed at once; fewer than at the beginning if memory ran out."""
        return self._chunks.size

    @property
    def config(self) -> MotionModelConfig:
        """The model's configuration, at its trained size."""
        return self.model.config

    def network(self, height: int, width: int) -> MotionModel:
        """The networks for one image size, lowered and on the device; built when first used.

        Args:
            height: Pixels, a multiple of `MotionModelConfig.size_multiple()`.
            width: Likewise.

        Returns:
            The networks, shared by all calls with this size.

        Raises:
            SizeError: The size does not fit the strides of the networks.
        """
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
        """Encode a source once for any number of clips. `prepare_source` does the same for images of any size.

        Args:
            image: The source [1, C, H, W] in 0..1; RGB, grey, or RGB with opacity, which is laid over white.
            keypoints: The source's keypoints if they are known; detected otherwise.

        Returns:
            The prepared source.

        Raises:
            ImageError: The image holds NaN or Inf, or there is more than one.
            SizeError: Its size does not fit the strides of the networks.
            KeypointError: The keypoints do not fit the model, or the model does not animate.
        """
        image = as_rgb(image, self.config.num_channels)
        if len(image) != 1:
            raise ImageError(f"expected one source image; got {len(image)}. Choose one, or animate each in its turn.")
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
        """Detect the keypoints of a clip. Only a chunk of frames is held at a time.

        Args:
            frames: [T, C, H, W] in 0..1, or an iterable of such batches, all of one size.
            on_frames: Called with the number of frames done after each chunk; an exception raised there ends the
                detection.

        Returns:
            Keypoints of T frames with their confidence, float32, on the CPU.

        Raises:
            ImageError: The clip has no frames, or holds NaN or Inf.
            SizeError: Their size does not fit the strides of the networks.
        """
        batches = [frames] if isinstance(frames, Tensor) else frames
        parts = ((len(batch), partial(self._detect_part, batch)) for batch in batches)
        found: list[Keypoints] = []
        done = 0
        for keypoints in self._chunks.map(parts):
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
        """The network that `transfer` needs for the mode "avd"; None if the model has none."""
        return self.model.disentangle

    def motion(self, source: PreparedSource, keypoints: Keypoints) -> Iterator[Motion]:
        """Compute the dense motion of each frame, in chunks.

        Args:
            source: The prepared source.
            keypoints: The keypoints to render, T frames.

        Returns:
            An iterator of `Motion`, T frames in all, on the session's device.

        Raises:
            KeypointError: The model has no dense motion, or another number of keypoints.
        """
        self.model.check_keypoints(keypoints)
        if source.network.dense_motion is None:
            raise KeypointError(f"expected a model with dense motion; '{self.model.name}' has none.")
        yield from self._chunks.map([(len(keypoints), lambda span: self._motion(source, keypoints[span]))])

    @torch.inference_mode()
    def _motion(self, source: PreparedSource, keypoints: Keypoints) -> Motion:
        dense_motion = source.network.dense_motion
        assert dense_motion is not None
        assert source.small is not None
        at_source = source.keypoints.to(self.device).expand(len(keypoints))
        motion: Motion = dense_motion(source.small, at_source, keypoints.to(self.device))
        return motion if source.still is None else hold(motion, source.still)

    def generate(self, source: PreparedSource, motion: Motion) -> Iterator[Rendered]:
        """Generate the frames of a motion, in chunks.

        Args:
            source: The prepared source.
            motion: T frames, edited or not.

        Returns:
            An iterator of `Rendered`, T frames in all.

        Raises:
            ImageError: The model produced NaN or Inf, as half precision may.
        """
        yield from self._chunks.map([(len(motion), lambda span: self._generate(source, motion[span].to(self.device)))])

    @torch.inference_mode()
    def _generate(self, source: PreparedSource, motion: Motion) -> Rendered:
        images = source.network.generator.paint(source.features, source.image, motion)
        return self._checked(Rendered(resize(images, *source.size), motion, source))

    def render(self, source: PreparedSource, keypoints: Keypoints) -> Iterator[Rendered]:
        """Render a frame for each frame of keypoints, in order and in chunks. Memory does not grow with their number.

        Args:
            source: The prepared source.
            keypoints: The keypoints to render, T frames; see `drive`.

        Returns:
            An iterator of `Rendered`, T frames in all. A frame that equals the one before is computed once.

        Raises:
            KeypointError: The model has another number of keypoints.
            ImageError: The model produced NaN or Inf, as half precision may.
        """
        self.model.check_keypoints(keypoints)
        moving, lengths = without_standing(keypoints)
        chunks = self._chunks.map([(len(moving), lambda span: self._render(source, moving[span]))])
        yield from with_standing(chunks, lengths, self.chunk)

    def render_each(self, sources: Iterable[Callable[[], PreparedSource]], keypoints: Keypoints) -> Iterator[Rendered]:
        """Render frames that have a source each, one at a time: one clip animated by another.

        Args:
            sources: Functions that prepare each frame's source, as many as `keypoints` has frames. Each is called when
                its frame is rendered, and its source is released afterwards.
            keypoints: The keypoints to render, T frames.

        Returns:
            An iterator of `Rendered`, T frames in all.

        Raises:
            KeypointError: The model has another number of keypoints.
        """
        self.model.check_keypoints(keypoints)
        frames = zip(sources, range(len(keypoints)), strict=True)
        parts = ((1, partial(self._render_made, make, keypoints[number : number + 1])) for make, number in frames)
        yield from self._chunks.map(parts)

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

    def _to_device(self, images: Tensor) -> Tensor:
        return images.to(self.device).contiguous(memory_format=torch.channels_last)


__all__ = ["AnimationSession", "PreparedSource", "Rendered"]
