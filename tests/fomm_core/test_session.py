from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from fomm_nodes.fomm_core.animation import AnimationOptions, anchor_index, drive, output_size, prepare_source
from fomm_nodes.fomm_core.checkpoints import ASSETS, load_builtin
from fomm_nodes.fomm_core.chunks import is_out_of_memory
from fomm_nodes.fomm_core.errors import ImageError, KeypointError, SizeError
from fomm_nodes.fomm_core.fitting import fit, from_uint8
from fomm_nodes.fomm_core.geometry import Keypoints, Motion
from fomm_nodes.fomm_core.motion import TransferOptions
from fomm_nodes.fomm_core.session import AnimationSession
from fomm_nodes.fomm_core.video import read_image
from kornia.metrics import psnr
from nearness import PICTURE, near
from torch import Tensor


def images_of(stream: Iterator) -> Tensor:
    return torch.cat([rendered.images for rendered in stream])


@pytest.fixture
def session(make) -> AnimationSession:
    return AnimationSession(make(), chunk=2)


@pytest.fixture(params=[1, 2], ids=["one thread", "side by side"])
def threads(request) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_frames_side_by_side_are_the_same_frames(make, threads) -> None:
    source, driving = torch.rand(1, 3, 64, 64), torch.rand(7, 3, 64, 64)
    results = []
    for count in (1, threads, threads):
        torch.set_num_threads(count)
        session = AnimationSession(make())
        results.append(images_of(session.render(session.prepare(source), session.detect(driving))))
    near(results[1], results[0])
    assert torch.equal(results[1], results[2])


def test_chunks_change_nothing(make) -> None:
    source, driving = torch.rand(1, 3, 64, 64), torch.rand(5, 3, 64, 64)
    results = []
    for chunk in (1, 2, 5, 64):
        session = AnimationSession(make(), chunk=chunk)
        results.append(images_of(session.render(session.prepare(source), session.detect(driving))))
    for other in results[1:]:
        near(other, results[0])


def test_a_stream_of_batches_equals_one_tensor(session) -> None:
    frames = torch.rand(7, 3, 64, 64)
    told: list[int] = []
    streamed = session.detect(iter(frames.split(3)), on_frames=told.append)
    near(streamed.position, session.detect(frames).position)
    assert told == [2, 3, 5, 6, 7]


def test_stages_apart_equal_rendering(session) -> None:
    source = session.prepare(torch.rand(1, 3, 64, 64))
    driving = session.detect(torch.rand(3, 3, 64, 64))
    motion = Motion.cat(list(session.motion(source, driving)))
    near(images_of(session.generate(source, motion)), images_of(session.render(source, driving)))


def test_the_source_is_encoded_once(session, monkeypatch) -> None:
    source = session.prepare(torch.rand(1, 3, 64, 64))
    generator = source.network.generator

    def never(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(generator, "encode", never)
    assert len(images_of(session.render(source, session.detect(torch.rand(4, 3, 64, 64))))) == 4


def test_rendering_is_lazy(session, threads, monkeypatch) -> None:
    """Only the chunks that were asked for are computed, and one for each thread: memory stays flat, cancel quick."""
    source = session.prepare(torch.rand(1, 3, 64, 64))
    calls = []
    decode = source.network.generator.decode
    monkeypatch.setattr(source.network.generator, "decode", lambda x: calls.append(len(x)) or decode(x))
    moving = session.detect(torch.rand(1, 3, 64, 64)).expand(20_000)
    moving = replace(moving, position=moving.position + torch.linspace(0, 0.1, 20_000)[:, None, None])
    stream = session.render(source, moving)
    next(stream), next(stream)
    assert 2 <= len(calls) <= 2 * threads
    assert set(calls) == {2}


def test_detection_holds_few_batches_at_a_time(session, threads) -> None:
    alive = []

    def batches() -> Iterator[Tensor]:
        import weakref

        for _ in range(12):
            batch = torch.rand(2, 3, 64, 64)
            alive.append(weakref.ref(batch))
            yield batch
            del batch
            assert sum(ref() is not None for ref in alive) <= 2 * threads

    assert len(session.detect(batches())) == 24


@pytest.mark.parametrize("size", [(64, 64), (32, 96), (128, 128), (192, 64)])
def test_any_size_that_the_strides_divide(session, size) -> None:
    source = session.prepare(torch.rand(1, 3, *size))
    (rendered,) = session.render(source, session.detect(torch.rand(1, 3, *size)))
    assert rendered.images.shape == rendered.warped.shape == (1, 3, *size)
    assert rendered.occlusion.shape == (1, 1, *size)
    assert 0 <= rendered.images.min() <= rendered.images.max() <= 1


def test_a_larger_picture_recomputes_the_kernels(session) -> None:
    large = session.network(128, 128)
    assert large.config.detector.scale_factor == session.config.detector.scale_factor / 2
    assert large.detector.downsample.kernel.shape[-1] > session.model.detector.downsample.kernel.shape[-1]
    assert session.network(128, 128) is large
    assert session.network(64, 64) is not large


def test_a_bad_size_names_the_good_ones(session) -> None:
    with pytest.raises(SizeError, match=r"64 or 72"):
        session.prepare(torch.rand(1, 3, 65, 64))


@pytest.mark.parametrize(
    ("frames", "message"), [(torch.rand(0, 3, 64, 64), "got none"), ([], "got none"), (iter(()), "got none")]
)
def test_no_driving_frames(session, frames, message) -> None:
    with pytest.raises(ImageError, match=message):
        session.detect(frames)


def test_bad_sources(session) -> None:
    with pytest.raises(ImageError, match="one source image; got 2"):
        session.prepare(torch.rand(2, 3, 64, 64))
    with pytest.raises(ImageError, match="NaN or Inf"):
        session.prepare(torch.full((1, 3, 64, 64), torch.nan))
    with pytest.raises(KeypointError, match="expected 5 keypoints"):
        session.prepare(torch.rand(1, 3, 64, 64), keypoints=Keypoints(torch.zeros(1, 4, 2)))


def test_keypoints_of_another_model(session) -> None:
    source = session.prepare(torch.rand(1, 3, 64, 64))
    for run in (session.render, session.motion):
        with pytest.raises(KeypointError, match=r"expected 5 keypoints a frame.*got 10"):
            next(run(source, Keypoints(torch.zeros(3, 10, 2))))


def test_a_model_without_motion_says_so(make) -> None:
    session = AnimationSession(make(dense_motion=None))
    source = session.prepare(torch.rand(1, 3, 64, 64))
    (rendered,) = session.render(source, source.keypoints)
    assert rendered.motion is rendered.occlusion is rendered.warped is None
    with pytest.raises(KeypointError, match="dense motion"):
        next(session.motion(source, source.keypoints))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.usefixtures("any_precision")
def test_half_precision_stays_close(dtype, exact) -> None:
    """On trained weights and real pictures: random weights magnify any rounding."""
    model = load_builtin()
    source = fit(from_uint8(read_image(ASSETS / "source.png")), 64, 64)
    driving = torch.cat([source.roll((3, -2), (2, 3)), source.flip(3)])
    full, half = AnimationSession(model), AnimationSession(model, dtype=dtype, exact=exact)
    keypoints = full.detect(driving)
    near(half.detect(driving).position, keypoints.position)
    want = images_of(full.render(full.prepare(source), keypoints))
    got = images_of(half.render(half.prepare(source), keypoints))
    assert got.dtype == torch.float32
    assert psnr(got, want, PICTURE) > 40  # dB below black to white: bfloat16 keeps 8 bits, and layers add up


def test_compiled_networks_are_the_same_function(make, monkeypatch) -> None:
    """With the eager backend: what is traced is what runs; the C++ that torch writes from it is torch's to test."""
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: real(function, backend="eager", **options))
    source, driving = torch.rand(1, 3, 64, 64), torch.rand(2, 3, 64, 64)
    results = []
    for compile in (False, True):
        session = AnimationSession(make(), compile=compile)
        results.append(images_of(session.render(session.prepare(source), session.detect(driving))))
    near(results[1], results[0])


def test_bad_arguments(make) -> None:
    with pytest.raises(ValueError, match="bfloat16"):
        AnimationSession(make(), dtype=torch.int8)
    with pytest.raises(ValueError, match="at least one frame"):
        AnimationSession(make(), chunk=0)


class OutOfMemoryAbove:
    """Stands for a device that holds no more than `limit` frames."""

    def __init__(self, limit: int, real) -> None:
        self.limit, self.real, self.tried = limit, real, []

    def __call__(self, frames: Tensor) -> Tensor:
        self.tried.append(len(frames))
        if len(frames) > self.limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is.")
        return self.real(frames)


def test_the_chunk_halves_when_memory_runs_out(make, monkeypatch, caplog) -> None:
    session = AnimationSession(make(), chunk=16)
    source = session.prepare(torch.rand(1, 3, 64, 64))
    keypoints = session.detect(torch.rand(10, 3, 64, 64))
    want = images_of(session.render(source, keypoints))
    device = OutOfMemoryAbove(3, source.network.generator.decode)
    monkeypatch.setattr(source.network.generator, "decode", device)
    got = images_of(session.render(source, keypoints))
    assert device.tried == [10, 5, 2, 2, 2, 2, 2]
    assert session.chunk == 2
    assert "going on with" in caplog.text
    near(got, want)


def test_one_frame_that_does_not_fit_is_an_error(session, monkeypatch) -> None:
    source = session.prepare(torch.rand(1, 3, 64, 64))
    monkeypatch.setattr(source.network.generator, "decode", OutOfMemoryAbove(0, None))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        next(session.render(source, source.keypoints))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MPS backend out of memory (allocated: 1 GB)", True),
        ("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried", True),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_telling_memory_from_other_errors(text: str, expected: bool) -> None:
    assert is_out_of_memory(RuntimeError(text)) is expected


def test_other_errors_are_not_retried(session, monkeypatch) -> None:
    source = session.prepare(torch.rand(1, 3, 64, 64))
    keypoints = session.detect(torch.rand(2, 3, 64, 64))

    def broken(_: Tensor) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(source.network.generator, "decode", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        next(session.render(source, keypoints))


@pytest.mark.usefixtures("any_precision")
def test_the_model_is_left_alone(make) -> None:
    model = make()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    session = AnimationSession(model, dtype=torch.bfloat16)
    list(session.render(session.prepare(torch.rand(1, 3, 128, 128)), session.detect(torch.rand(1, 3, 128, 128))))
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"cpu"}


def test_driving_with_every_option(session) -> None:
    source = session.prepare(torch.rand(1, 3, 64, 64)).keypoints
    driving = session.detect(torch.rand(6, 3, 64, 64))
    at_rest = drive(source, driving[0].expand(6), AnimationOptions())
    near(at_rest.position, source.position.expand(6, -1, -1))
    for smoothing in ("none", "one-euro", "gaussian"):
        assert len(drive(source, driving, AnimationOptions(smoothing=smoothing))) == 6
    absolute = AnimationOptions(transfer=TransferOptions(mode="absolute"))
    assert torch.equal(drive(source, driving, absolute).position, driving.position)


def test_every_frame_has_the_same_anchor(session) -> None:
    """Around a best frame in the middle, the clip comes out whole, in order, each frame once."""
    source = session.prepare(torch.rand(1, 3, 64, 64)).keypoints
    driving = session.detect(torch.rand(5, 3, 64, 64))
    moved = drive(source, driving, AnimationOptions(anchor=3))
    assert len(moved) == len(driving)
    near(moved[3].position, source.position)


def test_anchors(session) -> None:
    source = session.prepare(torch.rand(1, 3, 64, 64)).keypoints
    driving = session.detect(torch.rand(3, 3, 64, 64))
    assert anchor_index(source, Keypoints.cat([driving, source]), "best") == 3
    assert anchor_index(source, driving, "first") == 0
    with pytest.raises(KeypointError, match="0 to 2; got 3"):
        anchor_index(source, driving, 3)
    for bad in (-1, "middle"):
        with pytest.raises(KeypointError, match="anchor"):
            AnimationOptions(anchor=bad)
    with pytest.raises(KeypointError, match="smoothing"):
        AnimationOptions(smoothing="median")


def test_output_sizes(session) -> None:
    picture = torch.rand(1, 3, 100, 150)
    assert output_size(session, picture, "auto") == (256, 256)
    assert output_size(session, picture, "model") == (64, 64)
    assert output_size(session, picture, "source") == (100, 150)
    assert output_size(session, picture, 128) == (128, 128)
    assert output_size(session, picture, (64, 96)) == (64, 96)
    assert output_size(session, picture, 100) == (100, 100)
    for size in (0, -1, (0, 5), (5, 0)):
        with pytest.raises(SizeError, match="at least 1x1"):
            output_size(session, picture, size)
    assert prepare_source(session, picture, size=(64, 96)).size == (64, 96)
