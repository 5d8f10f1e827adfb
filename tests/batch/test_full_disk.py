"""A disk that fills up at any write of a batch: a clear word, nothing lost, and the next call completes it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fomm_nodes.cli.main import main
from PIL import Image

STEP = 4096
ROOM = 1 << 20
"""Bytes of the small disk."""


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of one MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounts a small disk, which takes the rights of root")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def command(pictures, tmp_path, monkeypatch) -> list[str]:
    """Four jobs, of which each writes an image that no coder makes small."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abcd":
        Image.frombytes("RGB", (64, 64), os.urandom(64 * 64 * 3)).save(folder / f"{name}.png")
    pictures["2"]["inputs"] |= {"width": 64, "height": 64}
    (tmp_path / "graph.json").write_text(json.dumps(pictures))
    monkeypatch.setattr("fomm_nodes.batch.strips.COUNT", 1)
    given = ["render", str(tmp_path / "graph.json"), "-i", str(folder), "--set", "1.image=*.png"]
    return [*given, "--device", "cpu", "--retries", "0", "--workers", "0"]


def fill(disk: Path, left: int) -> Path:
    """All of the disk but so many bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        stat = os.statvfs(disk)
        file.write(bytes(max(0, stat.f_bavail * stat.f_frsize - left)))
    return ballast


def results(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.glob("*.png")}


@pytest.mark.parametrize("left", [0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48])
def test_a_full_disk_costs_nothing_but_the_time(left, disk, command, capsys) -> None:
    """left: pages of 4 KiB that are free; each number is another write that fails."""
    (disk / "out").mkdir()
    old = disk / "out" / "older.png"
    Image.new("RGB", (4, 4), "red").save(old)
    before = old.read_bytes()
    ballast = fill(disk, left * STEP)
    code = main([*command, "-o", str(disk / "out")])
    said = capsys.readouterr().err
    made = results(disk / "out")
    assert made.pop("older.png") == before
    for name in made:
        with Image.open(disk / "out" / name) as picture:
            picture.load()
    if code:
        assert "isk" in said, said  # "Is the disk full", "The disk is full", "disk I/O error"
        assert "defect" not in said
        assert "Traceback" not in said
    ballast.unlink()
    assert main([*command, "-o", str(disk / "out")]) == 0, capsys.readouterr().err
    assert set(results(disk / "out")) == {"older.png", "a.png", "b.png", "c.png", "d.png"}
    names = {path.name for path in (disk / "out").iterdir()}
    assert not [name for name in names - {".fomm"} if name.startswith(".")]
    assert made.items() <= results(disk / "out").items(), "what was done is not done again"


WRITES = ("os.replace", "tempfile.mkdtemp", "fomm_nodes.batch.report.atomic_path")


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("number", range(3))
def test_a_write_that_fails_is_said_and_done_later(call, number, command, tmp_path, monkeypatch, capsys) -> None:
    """Without the rights of root: the calls fail, one after the other."""
    module, _, name = call.rpartition(".")
    target = sys.modules[module]
    real, calls = getattr(target, name), []

    def full(*arguments, **more):
        calls.append(arguments)
        if len(calls) == number + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(target, name, full)
        code = main([*command, "-o", str(tmp_path / "out")])
    said = capsys.readouterr().err
    if code:
        assert "isk" in said, said
        assert "defect" not in said
    assert main([*command, "-o", str(tmp_path / "out")]) == 0, capsys.readouterr().err
    assert len(results(tmp_path / "out")) == 4


# ----- what comes from servers


@pytest.mark.parametrize("left", [0, 1, 2, 4, 8, 16])
def test_a_full_disk_on_the_way_from_a_server(left, disk, command, capsys, monkeypatch) -> None:
    pytest.importorskip("httpx")
    pytest.importorskip("websockets")
    farm = Path(__file__).with_name("farm")
    monkeypatch.syspath_prepend(str(farm))
    from fake_comfy import FakeComfy

    server = FakeComfy()
    server.known |= {"ImageScale", "ImageInvert"}
    server.max_upload = 1 << 30
    given = [*command, "--server", server.url, "-o", str(disk / "out")]
    (disk / "out").mkdir()
    ballast = fill(disk, left * STEP)
    with contextlib.ExitStack() as ending:
        ending.callback(server.die)
        code = main(given)
        said = capsys.readouterr().err
        if code:
            assert "isk" in said or "space" in said, said
            assert "defect" not in said
        ballast.unlink()
        assert main(given) == 0, capsys.readouterr().err
    assert len(results(disk / "out")) == 4
    assert not [p.name for p in (disk / "out").iterdir() if p.name.startswith(".") and p.name != ".fomm"]
