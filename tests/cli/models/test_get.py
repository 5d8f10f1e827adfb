"""`fomm models` and `fomm models get`, run in this process against a server on loopback."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from fomm_nodes.fomm_core import load_builtin, load_model
from fomm_nodes.fomm_core.checkpoints import builtin_models, convert, read_checkpoint
from fomm_nodes.fomm_core.config import PRESETS
from fomm_nodes.fomm_core.fetching import installing
from fomm_nodes.fomm_core.library import AUTHORS_PAGE, PUBLISHED, read_record

NAMES = ["vox", "vox-adv", "taichi", "taichi-adv", "fashion", "mgif", "bair", "nemo"]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class Terminal(io.StringIO):
    """Standard input of somebody who types."""

    def isatty(self) -> bool:
        return True


def test_help_shows_examples(fomm) -> None:
    for command in (("models",), ("models", "get")):
        code, out, err = fomm(*command, "--help")
        assert (code, err) == (0, "")
        assert "examples:\n  " in out
        assert out.count("fomm " + " ".join(command)) >= 2


def test_the_table_holds_the_eight() -> None:
    assert list(PUBLISHED) == NAMES
    assert {model.preset for model in PUBLISHED.values()} <= set(PRESETS)
    files = [model.file_name for model in PUBLISHED.values()]
    assert files == [f"{name}{'' if name == 'fashion' else '-cpk'}.pth.tar" for name in NAMES]
    assert all(model.url.startswith("https://github.com/") for model in PUBLISHED.values())


def test_the_list_before_and_after(fomm, small, folder: Path) -> None:
    code, out, err = fomm("models")
    assert (code, err) == (0, "")
    assert "demo-128" in out
    assert str(folder) in out
    assert all(f"\n  {name}" in out for name in [*NAMES, "small"])
    assert fomm("models", "get", "small", "--yes")[0] == 0
    found = json.loads(fomm("models", "--json")[1])
    model = next(model for model in found["models"] if model["name"] == "small")
    assert model["file"] == str(folder / "small-cpk.pth.tar")
    assert model["bytes"] == (folder / "small-cpk.pth.tar").stat().st_size
    assert model["kind"] == "demo-128"
    assert [entry["name"] for entry in found["published"] if entry["there"]] == ["small"]


def test_get_then_use(fomm, small, server, weights: bytes, folder: Path) -> None:
    code, out, err = fomm("models", "get", "small", "--yes")
    assert code == 0
    target = folder / "small-cpk.pth.tar"
    digest = hashlib.sha256(weights).hexdigest()
    assert out == f"{target}: demo-128, 6.2 MB, SHA-256 {digest}\n"
    assert target.read_bytes() == weights
    assert files(folder) == ["small-cpk.pth.tar", "small-cpk.pth.tar.json"]
    record = read_record(target)
    assert record is not None
    assert (record.sha256, record.size, record.source) == (digest, len(weights), small.url)
    for text in ("6.2 MB", small.url, str(folder), AUTHORS_PAGE, "--model small"):
        assert text in err
    state = load_builtin().state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in load_model("small").state_dict().items())
    assert fomm("inspect", "small")[0] == 0
    asked = len(server.asked)
    code, _, err = fomm("models", "get", "small", "--yes")
    assert code == 0
    assert "is installed" in err
    assert len(server.asked) == asked


def test_what_was_asked_for_quietly(fomm, small) -> None:
    code, out, err = fomm("models", "get", "small", "--yes", "--quiet")
    assert (code, out) == (0, "")


def test_as_safetensors(fomm, small, server, weights: bytes, folder: Path) -> None:
    assert fomm("models", "get", "small", "--yes", "--convert")[0] == 0
    assert files(folder) == ["small-cpk.safetensors", "small-cpk.safetensors.json"]
    checkpoint = read_checkpoint("small")
    assert checkpoint.path == folder / "small-cpk.safetensors"
    assert checkpoint.metadata["source_sha256"] == hashlib.sha256(weights).hexdigest()
    assert checkpoint.metadata["source"] == small.url
    assert fomm("models", "--verify")[0] == 0


def test_converted_afterwards(fomm, small, server, folder: Path) -> None:
    fomm("models", "get", "small", "--yes")
    asked = len(server.asked)
    assert fomm("models", "get", "small", "--yes", "--convert")[0] == 0
    assert files(folder) == ["small-cpk.safetensors", "small-cpk.safetensors.json"]
    assert len(server.asked) == asked


def test_verify_sees_a_changed_file(fomm, small, folder: Path) -> None:
    fomm("models", "get", "small", "--yes")
    code, out, _ = fomm("models", "--verify")
    assert code == 0
    assert "as recorded" in out
    target = folder / "small-cpk.pth.tar"
    content = torch.load(target, weights_only=True)
    content["epoch"] = 7
    torch.save(content, target)
    code, out, _ = fomm("models", "--verify")
    assert code == 1
    assert "its SHA-256 differs" in out
    assert fomm("models")[0] == 0  # reads no weights


def test_verify_reads_a_file_without_a_record(fomm, folder: Path) -> None:
    folder.mkdir()
    convert(builtin_models()["demo-128"], folder / "mine.pth")
    (folder / "broken.pth").write_bytes(b"nothing")
    listed = {model["name"]: model for model in json.loads(fomm("models", "--json")[1])["models"]}
    assert (listed["mine"]["kind"], listed["broken"]["kind"]) == ("unchecked", "unchecked")
    code, out, _ = fomm("models", "--json", "--verify")
    listed = {model["name"]: model for model in json.loads(out)["models"]}
    assert code == 1
    assert (listed["mine"]["kind"], listed["mine"]["sha256_matches"]) == ("demo-128", None)
    assert "broken.pth" in listed["broken"]["problem"]


@pytest.mark.parametrize(
    ("typed", "agreed"), [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_it_asks(fomm, small, server, folder: Path, monkeypatch: pytest.MonkeyPatch, typed: str, agreed: bool) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    code, _, err = fomm("models", "get", "small")
    assert "download it?" in err
    assert (code == 0) == agreed
    assert ("small-cpk.pth.tar" in files(folder)) == agreed
    assert len(server.asked) == (2 if agreed else 1)


def test_without_a_terminal_it_asks_for_yes(fomm, small, server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, out, err = fomm("models", "get", "small")
    assert (code, out) == (1, "")
    assert "--yes" in err
    assert server.asked == []
    assert not folder.exists()


def test_broken_off_within_and_across_calls(fomm, small, server, weights: bytes, folder: Path) -> None:
    server.cuts = [10, 2_000_000, 1_000_000, *[0] * 60]
    code, _, err = fomm("models", "get", "small", "--yes")
    assert code == 1
    assert "kept" in err
    assert AUTHORS_PAGE in err
    assert files(folder) == [".small-cpk.part.pth.tar", ".small-cpk.part.pth.tar.json"]
    assert "small" not in [model["name"] for model in json.loads(fomm("models", "--json")[1])["models"]]
    server.cuts, server.asked[:] = [], []
    code, _, err = fomm("models", "get", "small", "--yes")
    assert code == 0
    assert "MB of it already downloaded" in err
    assert server.starts[0] == 0
    assert server.starts[1] >= 2_000_000
    assert (folder / "small-cpk.pth.tar").read_bytes() == weights
    assert files(folder) == ["small-cpk.pth.tar", "small-cpk.pth.tar.json"]


def _saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return stream.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 6200000\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><html><body>Sign in</body></html>",
        LFS,
        bytes(range(256)) * 400,
        _zip(),
        _saved({"weight": torch.zeros(3)}),
        _saved([1, 2]),
    ],
    ids=["empty", "html", "lfs", "noise", "zip", "tensors", "list"],
)
def test_something_else_leaves_nothing(fomm, small, server, folder: Path, content: bytes) -> None:
    server.content = content
    code, out, err = fomm("models", "get", "small", "--yes")
    assert (code, out) == (1, "")
    assert "error: what came is no model" in err
    assert small.url in err
    assert ".part" not in err
    assert AUTHORS_PAGE in err
    assert files(folder) == []


def test_a_truncated_file_leaves_nothing(fomm, small, server, weights: bytes, folder: Path) -> None:
    server.content = weights[:-500_000]
    assert fomm("models", "get", "small", "--yes")[0] == 1
    assert files(folder) == []


def test_a_web_page_by_its_kind(fomm, small, server, folder: Path) -> None:
    server.content, server.kind = b"<html>", "text/html"
    code, _, err = fomm("models", "get", "small", "--yes")
    assert code == 1
    assert "web page" in err
    assert AUTHORS_PAGE in err
    assert files(folder) == []


def test_another_model_is_not_taken(fomm, small, server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in model's weights under the name of vox."""
    vox = PUBLISHED["vox"]
    monkeypatch.setitem(PUBLISHED, "vox", type(vox)("vox", vox.preset, vox.moves, server.url("vox-cpk.pth.tar")))
    code, _, err = fomm("models", "get", "vox", "--yes")
    assert code == 1
    assert "expected weights of vox-256" in err
    assert "they are those of demo-128" in err
    assert files(folder) == []


def test_weights_that_ask_to_run_code_are_refused(fomm, small, server, folder: Path) -> None:
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(folder / "harm"),)

    server.content = _saved({"generator": Harm(), "kp_detector": {}})
    assert fomm("models", "get", "small", "--yes")[0] == 1
    assert files(folder) == []


def test_a_name_that_is_not_known(fomm, folder: Path) -> None:
    code, _, err = fomm("models", "get", "vxo", "--yes")
    assert code == 1
    assert "Did you mean 'vox'?" in err
    assert all(name in err for name in NAMES)
    assert "built in" in fomm("models", "get", "demo-128", "--yes")[2]
    assert fomm("models", "get", "../x", "--url", "http://127.0.0.1/x.pth", "--yes")[0] == 1
    assert fomm("models", "get", "a", "b", "--url", "http://127.0.0.1/x.pth")[0] == 2
    assert fomm("models", "get", "a", "--url", "x", "--file", "y")[0] == 2
    assert files(folder) == []


def test_another_address(fomm, server, small, folder: Path) -> None:
    assert fomm("models", "get", "mine", "--url", server.url("deep/a.pth?x=1"), "--yes")[0] == 0
    assert files(folder) == ["mine.pth", "mine.pth.json"]
    assert load_model("mine").config == PRESETS["demo-128"]


def test_a_redirect(fomm, small, server, mirror, weights: bytes, folder: Path) -> None:
    server.moved, mirror.content = mirror.url("signed?sig=1"), weights
    assert fomm("models", "get", "small", "--yes")[0] == 0
    assert (folder / "small-cpk.pth.tar").read_bytes() == weights


def test_a_file_of_this_machine(fomm, small, server, weights: bytes, tmp_path: Path, folder: Path) -> None:
    got = tmp_path / "Downloads" / "small-cpk(1).pth.tar"
    got.parent.mkdir()
    got.write_bytes(weights)
    code, out, _ = fomm("models", "get", "small", "--file", got)
    assert code == 0
    assert files(folder) == ["small-cpk.pth.tar", "small-cpk.pth.tar.json"]
    assert got.exists()
    assert server.asked == []
    got.write_bytes(b"<html>")
    code, _, err = fomm("models", "get", "other", "--file", got)
    assert code == 1
    assert str(got) in err
    assert files(folder) == ["small-cpk.pth.tar", "small-cpk.pth.tar.json"]
    assert "nowhere.pth" in fomm("models", "get", "other", "--file", "nowhere.pth")[2]


def test_another_folder(fomm, small, tmp_path: Path, folder: Path) -> None:
    assert fomm("models", "get", "small", "--yes", "--to", tmp_path / "there")[0] == 0
    assert files(tmp_path / "there") == ["small-cpk.pth.tar", "small-cpk.pth.tar.json"]
    assert not folder.exists()


def test_no_room(fomm, small, server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    code, _, err = fomm("models", "get", "small", "--yes")
    assert code == 1
    assert err.rstrip().endswith("name another folder (--to).")
    assert len(server.asked) == 1
    assert files(folder) == []


def test_a_disk_that_fills_keeps_the_part(fomm, small, weights: bytes, folder: Path, monkeypatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        (folder / ".small-cpk.part.pth.tar").write_bytes(weights[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(installing, "download", full)
        code, _, err = fomm("models", "get", "small", "--yes")
    assert code == 1
    assert "The disk is full" in err
    assert files(folder) == [".small-cpk.part.pth.tar"]
    assert fomm("models", "get", "small", "--yes")[0] == 0
    assert (folder / "small-cpk.pth.tar").read_bytes() == weights


def test_a_second_call_leaves_the_first_alone(fomm, small, folder: Path) -> None:
    folder.mkdir()
    with FileLock(folder / ".small-cpk.pth.tar.lock"):
        code, _, err = fomm("models", "get", "small", "--yes")
    assert code == 1
    assert "another call" in err
    assert fomm("models", "get", "small", "--yes")[0] == 0


PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from fomm_nodes.fomm_core.library import PublishedModel, published
from fomm_nodes.cli.main import program
url = sys.argv.pop()
published.PUBLISHED["small"] = PublishedModel("small", "demo-128", "heads", url)
sys.exit(program())
"""


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_the_server_is_silent(
    fomm, small, server, weights: bytes, root: Path, folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """At once, long before the server is given up; the next call goes on."""
    package = tmp_path / "path"
    package.mkdir()
    (package / "fomm_nodes").symlink_to(root)
    server.silent = [0, 3_000_000]  # the look at the headers first
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "models", "get", "small", "--yes", small.url],
        env={**os.environ, "PYTHONPATH": str(package)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    part = folder / ".small-cpk.part.pth.tar"
    while (not part.exists() or part.stat().st_size < 2_000_000) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1, err
    assert "same command resumes" in err
    assert out == ""
    assert files(folder) == [".small-cpk.part.pth.tar", ".small-cpk.part.pth.tar.json"]
    kept = part.stat().st_size
    server.asked.clear()
    server.stop.set()
    assert fomm("models", "get", "small", "--yes")[0] == 0
    assert server.starts == [0, kept]
    assert (folder / "small-cpk.pth.tar").read_bytes() == weights


def test_doctor_shows_them(fomm, small) -> None:
    code, out, _ = fomm("doctor")
    assert code == 0
    assert "not installed: vox, vox-adv, taichi" in out
    assert fomm("models", "get", "small", "--yes")[0] == 0
    found = json.loads(fomm("doctor", "--json")[1])
    assert found["published"]["small"].endswith("small-cpk.pth.tar")
    assert found["published"]["vox"] is None
    assert "  small  " in fomm("doctor")[1]


def test_every_message_says_how_to_get_them(fomm) -> None:
    """The model that is not there, and the notice of the built-in one."""
    code, _, err = fomm("animate", "a.png", "b.mp4", "--model", "vox")
    assert code == 1
    assert "`fomm models get vox`" in err
    assert "`fomm models get nemo`" in fomm("animate", "a.png", "b.mp4", "--model", "weights/nemo-cpk.pth.tar")[2]
    assert "`fomm models get taichi`" in fomm("inspect", "taichi-256")[2]
