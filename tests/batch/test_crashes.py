"""What brings a process down costs one job; what an input is to blame for is not tried again."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from fomm_nodes.batch.contents import ContentError, check
from fomm_nodes.batch.driver import Callbacks, RetryPolicy
from fomm_nodes.batch.engine import JobError, JobProgress
from fomm_nodes.batch.inspector import Inspector
from fomm_nodes.batch.local.engine import failure
from fomm_nodes.batch.local.options import LocalOptions
from fomm_nodes.batch.render import local_engine, run_batch
from fomm_nodes.fomm_core.errors import FommError
from fomm_nodes.graph.model import Node
from fomm_nodes.nodes.hosts.headless.files import Folders
from PIL import Image, UnidentifiedImageError, features

posix = pytest.mark.skipif(sys.platform == "win32", reason="ends processes as POSIX does")


@posix
def test_a_decoder_that_dies_takes_its_job_alone_by_default(batch, pictures, inputs) -> None:
    made = batch(pictures, settings={"1.image": ["*.png"]})
    engines = []

    def make(folder: Path):
        engines.append(local_engine(LocalOptions(Folders((inputs,)), "cpu"))(folder))
        return engines[0]

    def crash(progress: JobProgress) -> None:
        if progress.job == "00002" and progress.node and engines[0].processes:
            os.kill(next(iter(engines[0].processes.values())), signal.SIGSEGV)

    # the worker is stopped at that node until the signal has come
    for name in "b":
        Image.new("RGB", (3000, 3000)).save(inputs / f"{name}.png")
    summary = run_batch(made, make, retry=RetryPolicy(retries=1), callbacks=Callbacks(progress=crash))
    assert (summary.done, summary.failed) == (2, 1)
    assert "broke down over the job" in summary.failures[0].error
    assert summary.failures[0].attempts == 2


def test_a_device_that_is_none_is_said_before_any_job(tmp_path) -> None:
    with pytest.raises(FommError, match="no-such-device"):
        local_engine(LocalOptions(Folders(()), "no-such-device"))(tmp_path)
    assert not list(tmp_path.iterdir())


@posix
def test_an_inspector_survives_what_kills_its_process(tmp_path) -> None:
    os.mkfifo(tmp_path / "stuck.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "sound.png")
    inspector = Inspector()
    try:
        assert inspector.check(tmp_path / "sound.png") == 1
        killer = threading.Timer(0.3, lambda: inspector._process.kill())
        killer.start()
        with pytest.raises(ContentError, match="broke down"):
            inspector.check(tmp_path / "stuck.png")
        killer.join()
        assert inspector.check(tmp_path / "sound.png") == 1
        threading.Timer(0.3, lambda: inspector._process.kill()).start()
        assert inspector.strip([tmp_path / "stuck.png"]) == b""
        assert inspector.strip([tmp_path / "sound.png"]).startswith(b"\xff\xd8")
    finally:
        inspector.close()


@posix
def test_an_inspector_is_left_where_decoding_has_no_end(tmp_path, monkeypatch) -> None:
    os.mkfifo(tmp_path / "stuck.png")
    monkeypatch.setattr("fomm_nodes.batch.inspector.CHECK_SECONDS", 0.5)
    inspector = Inspector()
    began = time.monotonic()
    with pytest.raises(ContentError, match="does not come to an end"):
        inspector.check(tmp_path / "stuck.png")
    assert inspector._process is None
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("problem", "again"),
    [
        (FommError("expected a clip that can be read"), False),
        (UnidentifiedImageError("cannot identify image file"), False),
        (OSError("image file is truncated"), False),
        (SyntaxError("broken PNG file"), False),
        (KeyError("x"), False),
        (OSError(errno.EIO, "Input/output error"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error"), True),
    ],
)
def test_only_what_the_machine_is_to_blame_for_is_tried_again(problem, again) -> None:
    assert failure(Node("1", "LoadImage", {}), problem).retryable is again


def clip(path: Path, frames: int = 25) -> Path:
    import numpy as np
    from fomm_nodes.fomm_core.video import VideoWriter

    with VideoWriter(path, fps=25) as writer:
        for number in range(frames):
            writer.write(np.full((1, 32, 32, 3), 10 * number % 256, np.uint8))
    return path


def test_contents_are_what_their_names_say(tmp_path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert check(tmp_path / "a.png") == 1
    Image.new("RGB", (4, 4)).save(
        tmp_path / "a.webp", save_all=True, append_images=[Image.new("RGB", (4, 4), "red")], lossless=True
    )
    assert check(tmp_path / "a.webp") == 2
    assert check(clip(tmp_path / "a.mp4")) == 25
    (tmp_path / "a.txt").write_text("<html>")
    assert check(tmp_path / "a.txt") == 0
    (tmp_path / "a.unknown").write_bytes(b"anything")
    assert check(tmp_path / "a.unknown") == 0


@pytest.mark.parametrize("share", [0, 0.3, 0.6, 0.95])
def test_a_cut_clip_is_none(share, tmp_path) -> None:
    whole = clip(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ContentError):
        check(tmp_path / "cut.mp4")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".mp4", ".webm", ".flac", ".safetensors", ".json", ".glb", ".exr"])
def test_a_text_by_another_name_is_none(suffix, tmp_path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    with pytest.raises(ContentError):
        check(path)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
@pytest.mark.parametrize("part", [b"pitm", b"iloc", b"iinf", b"ispe", b"av1C"])
def test_a_damaged_avif_is_tried_once_and_said_to_be_none(part, engine, job, pictures, inputs) -> None:
    """Its reader raises what those of other kinds do not."""
    Image.new("RGB", (16, 16), "red").save(inputs / "a.avif")
    pictures["1"]["inputs"]["image"] = "a.avif"
    engine.run(job(pictures), lambda progress: None)
    (inputs / "a.avif").write_bytes((inputs / "a.avif").read_bytes().replace(part, b"free"))
    with pytest.raises(JobError, match=r"expected an image that can be read; 'a.avif' is none") as caught:
        engine.run(job(pictures, "again"), lambda progress: None)
    assert not caught.value.retryable
