"""The loop: resuming, stopping, failing, and many processes; on a very small model."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from einops import einsum
from fomm_nodes.fomm_core.checkpoints import load_model
from fomm_nodes.fomm_core.errors import CheckpointError, TrainingError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.training.hardware import Hardware
from fomm_nodes.fomm_core.training.loop import Event, PicturesDrawn, Saved, StepDone
from fomm_nodes.fomm_core.training.run_log import RunLog, read_losses
from fomm_nodes.fomm_core.training.seeds import generator_at
from fomm_nodes.fomm_core.training.state import RunFolder, RunState
from fomm_nodes.fomm_core.training.transform import RandomTransform
from nearness import near

pytest.importorskip("lightning_fabric")
SCRIPT = Path(__file__).with_name("small_run.py")


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


small_trainer = _load(SCRIPT).small_trainer
killed_runs = _load(SCRIPT.with_name("killed_runs.py"))
kill_and_finish, started, wait_for_line = killed_runs.kill_and_finish, killed_runs.started, killed_runs.wait_for_line


def losses_of(**changes: Any) -> list[dict[str, float]]:
    heard: list[dict[str, float]] = []
    assert small_trainer(**changes).run(lambda event: keep_losses(event, heard))
    return heard


def keep_losses(event: Event, heard: list[dict[str, float]]) -> None:
    if isinstance(event, StepDone):
        heard.append(event.losses)


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, whatever they are made of."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Runs are held to each other bit by bit, whatever FOMM_TEST_THREADS says."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of 12 steps with its log, kept for comparison."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    trainer = small_trainer(folder, save_steps=5, keep=2)
    with RunLog(RunFolder(folder), tensorboard=False) as log:
        assert trainer.run(log)
    return RunFolder(folder)


def assert_same_state(folder: RunFolder, expected: RunFolder) -> None:
    ours, theirs = folder.latest(), expected.latest()
    assert ours is not None
    assert theirs is not None
    assert ours.step == theirs.step
    for part in ("model", "discriminator", "average", "optimisers"):
        assert same(getattr(ours, part), getattr(theirs, part)), part


def assert_same_run(folder: RunFolder, expected: RunFolder) -> None:
    assert_same_state(folder, expected)
    assert [line["losses"] for line in read_losses(folder)] == [line["losses"] for line in read_losses(expected)]


def test_a_run_learns_and_leaves_a_model(uninterrupted: RunFolder) -> None:
    lines = read_losses(uninterrupted)
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert lines[-1]["losses"]["l1"] < 0.95 * lines[0]["losses"]["l1"]
    near([line["learning_rate"] for line in lines[6:10]], [1e-3, 1e-3, 1e-4, 1e-4])
    assert [path.name for path in uninterrupted.states()] == ["step-00000010.pt", "step-00000012.pt"]
    state = uninterrupted.latest()
    assert state is not None
    exported = load_model(uninterrupted.model_path)
    assert same(dict(exported.state_dict()), state.learned())
    assert not same(state.learned(), dict(state.model))


def test_resumed_after_any_stop_is_bit_equal(tmp_path: Path, uninterrupted: RunFolder) -> None:
    class Cancelled(Exception):
        pass

    def cancel_at(step: int, log: RunLog) -> Any:
        def hear(event: Event) -> None:
            log(event)
            if isinstance(event, StepDone) and event.step == step:
                raise Cancelled

        return hear

    folder = RunFolder(tmp_path)
    for step in (1, 4, 9):
        trainer = small_trainer(tmp_path)
        with RunLog(folder, step=trainer.step, tensorboard=False) as log, pytest.raises(Cancelled):
            trainer.run(cancel_at(step, log))
        state = folder.latest()
        assert state is not None
        assert state.step == step
    trainer = small_trainer(tmp_path)
    with RunLog(folder, step=trainer.step, tensorboard=False) as log:
        assert trainer.run(log)
    assert_same_run(folder, uninterrupted)


def test_a_state_with_its_numbers_in_another_order_is_the_same_state(tmp_path: Path, uninterrupted: RunFolder) -> None:
    """As of a run that began on a GPU."""

    def channels_last(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: channels_last(value) for key, value in part.items()}
        four = isinstance(part, torch.Tensor) and part.dim() == 4
        return part.contiguous(memory_format=torch.channels_last) if four else part

    state = RunState.read(uninterrupted.states()[0])
    folder = RunFolder(tmp_path)
    folder.prepare()
    folder.save(replace(state, model=channels_last(state.model), optimisers=channels_last(state.optimisers)))
    assert small_trainer(tmp_path).run()
    assert_same_state(folder, uninterrupted)


def test_killed_between_the_last_state_and_the_model(tmp_path: Path) -> None:
    assert small_trainer(tmp_path, steps=2).run()
    folder = RunFolder(tmp_path)
    before = load_model(folder.model_path).state_dict()
    folder.model_path.unlink()
    assert small_trainer(tmp_path, steps=2).run()
    assert same(dict(load_model(folder.model_path).state_dict()), dict(before))


def test_killed_at_random_moments(tmp_path: Path, uninterrupted: RunFolder) -> None:
    """Two times; the one of 20 is `python tests/fomm_core/training/killed_runs.py`."""

    def whatever_is_there_can_be_read() -> None:
        RunFolder(tmp_path).latest()

    changes, rng = json.dumps({"save_steps": 2}), random.Random(5)
    kill_and_finish(tmp_path, changes, kills=2, lines=4, rng=rng, look=whatever_is_there_can_be_read)
    assert_same_run(RunFolder(tmp_path), uninterrupted)
    assert not list(tmp_path.rglob("*.part*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, json.dumps({"steps": 2000})) as process:
        wait_for_line(tmp_path, 3)
        process.send_signal(number)
        assert process.wait(300) == 1
    state = RunFolder(tmp_path).latest()
    assert state is not None
    assert state.step == len(read_losses(RunFolder(tmp_path))) >= 3


def test_two_processes_are_as_one_with_the_same_batch(tmp_path: Path) -> None:
    """In float64, where rounding does not grow to what a mistake would look like."""
    losses = []
    for devices in (2, 1):
        folder = tmp_path / str(devices)
        with started(folder, json.dumps({"steps": 20, "double": True, "devices": devices})) as process:
            assert process.wait(400) == 0, process.communicate()[1]
        losses.append([line["losses"] for line in read_losses(RunFolder(folder))])
    ours, expected = losses
    assert len(ours) == len(expected) == 20
    assert [line.keys() for line in ours] == [line.keys() for line in expected]
    for got, one in zip(ours, expected, strict=True):
        near(list(got.values()), list(one.values()), 1e-6)  # 20 steps let the rounding of float64 grow


def test_accumulated_passes_see_the_same_pairs() -> None:
    one, two = losses_of(steps=1), losses_of(steps=1, accumulate=2)
    assert one[0].keys() == two[0].keys()
    near(two[0]["l1"], one[0]["l1"], 0.05)  # statistics of half the batch each
    with pytest.raises(TrainingError, match="multiple of 3"):
        small_trainer(accumulate=3)


def test_a_loss_that_is_no_number_stops_and_is_named(tmp_path: Path) -> None:
    trainer = small_trainer(tmp_path, broken_at=5, save_steps=2)
    with pytest.raises(TrainingError, match=r"step 6; l1 is nan") as caught:
        trainer.run()
    assert str(tmp_path) in str(caught.value)
    state = RunFolder(tmp_path).latest()
    assert state is not None
    assert state.step == 4
    assert all(torch.isfinite(tensor).all() for tensor in state.model.values())


def test_a_gradient_that_is_no_number_stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trainer = small_trainer(tmp_path, save_steps=1)

    def spoil(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 2:
            final = trainer.networks.model.generator.final
            final.weight.register_hook(lambda gradient: gradient * torch.inf)

    with pytest.raises(TrainingError, match="gradient in step 3; that of the generator"):
        trainer.run(spoil)
    state = RunFolder(tmp_path).latest()
    assert state is not None
    assert state.step == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_is_said_and_the_last_state_stays(tmp_path: Path) -> None:
    small_trainer(tmp_path, steps=3).run()
    before = RunFolder(tmp_path).states()
    script = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
        f"sys.argv = ['x', {str(tmp_path)!r}, '{{\"steps\": 6}}']; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert ran.returncode != 0
    assert "TrainingError: expected to write" in ran.stderr
    assert "File too large" in ran.stderr
    assert RunFolder(tmp_path).states() == before
    state = RunFolder(tmp_path).latest()
    assert state is not None
    assert state.step == 3
    assert not list(tmp_path.rglob("*.part*"))


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "The disk is full: make room"), (errno.EACCES, "You may not write there")]
)
def test_what_went_wrong_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    trainer = small_trainer(tmp_path, steps=2)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TrainingError, match=advice):
        trainer.run()
    assert not list(tmp_path.rglob("*.p*t*"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(TrainingError, match="may not write there"):
        small_trainer(tmp_path / "run")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="expected to write"):
        small_trainer(tmp_path / "file" / "run")


def test_damaged_states_are_passed_over(tmp_path: Path, uninterrupted: RunFolder) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "states").mkdir()
    for path in uninterrupted.states():
        (tmp_path / "states" / path.name).write_bytes(path.read_bytes())
    newest = folder.states()[-1]
    newest.write_bytes(newest.read_bytes()[:5000])
    state = folder.latest()
    assert state is not None
    assert state.step == 10
    for path in folder.states():
        path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="it can't be read"):
        folder.latest()
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="something else"):
        RunState.read(tmp_path / "other.pt")


def test_resumed_with_other_configurations_is_refused(tmp_path: Path, uninterrupted: RunFolder) -> None:
    for path in uninterrupted.states():
        target = tmp_path / "states" / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    with pytest.raises(TrainingError, match=r"training\.batch_size was 4, is 8"):
        small_trainer(tmp_path, batch_size=8)
    with pytest.raises(TrainingError, match="seed was 0, is 1"):
        small_trainer(tmp_path, seed=1)
    assert small_trainer(tmp_path, steps=14).step == 12


def test_events(tmp_path: Path) -> None:
    events: list[Event] = []
    small_trainer(tmp_path, steps=4, strip_steps=2, save_steps=3).run(events.append)
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2, 3, 4]
    assert [event.step for event in events if isinstance(event, PicturesDrawn)] == [2, 4]
    assert [event.step for event in events if isinstance(event, Saved)] == [3, 4]
    strip = next(event for event in events if isinstance(event, PicturesDrawn)).strip(2)
    assert strip.ndim == 3
    assert 0 <= float(strip.min()) <= float(strip.max()) <= 1


def test_in_another_thread_and_under_inference_mode(tmp_path: Path) -> None:
    """As ComfyUI runs blocks."""
    finished: list[bool] = []

    def work() -> None:
        with torch.inference_mode(), torch.inference_mode(False):
            finished.append(small_trainer(tmp_path, steps=2).run())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert finished == [True]


def test_a_frozen_detector_stays(tmp_path: Path) -> None:
    trainer = small_trainer(steps=3, freeze_detector=True)
    before = {key: value.clone() for key, value in trainer.networks.model.detector.state_dict().items()}
    generator = trainer.networks.model.generator.final.weight.clone()
    trainer.run()
    assert same(before, dict(trainer.networks.model.detector.state_dict()))
    assert not torch.equal(generator, trainer.networks.model.generator.final.weight)


def test_other_kinds_of_runs() -> None:
    plain = losses_of(steps=2, ema_decay=None, clip_norm=None, joint_detector=True)
    assert "disc_gan" in plain[0]
    trainer = small_trainer(steps=1)
    quiet = replace(trainer.config.losses, generator_gan=0.0)
    assert "disc_gan" not in losses_of(steps=1, losses=quiet)[0]


@pytest.mark.usefixtures("any_precision")
def test_half_precision_leaves_geometry_alone() -> None:
    trainer = small_trainer(steps=1, hardware=Hardware(accelerator="cpu", precision="bfloat16"))
    images = torch.rand(2, 3, 32, 32)
    model = trainer.networks.model.eval()
    transform = RandomTransform.sample(trainer.config.transform, [generator_at(0, place) for place in range(2)])
    with trainer.fabric.autocast():
        source, driving = model.detect(images), model.detect(images.flip(-1))
        assert source.jacobian is not None
        shifted = Keypoints(source.position + 1e-3, source.jacobian)
        flows = model.dense_motion.flows(source, shifted, 16, 16)
        moved = transform.points(source.position)
        frames = model(images, source, driving)
    expected = model.dense_motion.flows(source, shifted, 16, 16)
    assert torch.equal(flows, expected)
    assert torch.equal(moved, transform.points(source.position))
    assert frames.motion is not None
    kinds = {source.position.dtype, source.jacobian.dtype, frames.motion.flow.dtype, frames.motion.occlusion.dtype}
    assert kinds == {torch.float32}
    assert torch.equal(
        einsum(
            model.dense_motion.candidates(model.dense_motion.reduce(images), source, driving).flows,
            frames.motion.mask,
            "b k h w c, b k h w -> b h w c",
        ),
        frames.motion.flow,
    )
    assert trainer.run()
