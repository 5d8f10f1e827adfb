"""Files in place of weights: each is named as what it is, with what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import read_checkpoint
from fomm_nodes.fomm_core.checkpoints.foreign import HEAD
from fomm_nodes.fomm_core.errors import CheckpointError
from safetensors.torch import save_file

GOOD = Path(__file__).parent.parent.parent / "data" / "parity" / "first-order.pth.tar"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 728766123\n"
PAGE = b"\xef\xbb\xbf\n<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>" + b" " * 4000


def said(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    text = str(caught.value)
    assert path.name in text
    assert "weights_only" not in text
    assert len(text.splitlines()) == 1
    return text


def tarred(*members: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def zipped(*members: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return made.getvalue()


def onnx() -> bytes:
    """The start of an ONNX file: its version, and the name of the program that wrote it."""
    return b"\x08\x07\x12\x07pytorch\x1a\x052.1.0" + bytes(100)


@pytest.mark.parametrize("name", ["a.pth.tar", "a.pth", "a.safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (PAGE, ["web page (HTML)", "Google Drive", "browser"]),
        (b"<html><body>Sign in</body></html>", ["web page (HTML)", "the host"]),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', ["XML", "access is denied"]),
        (b'{"error": "Repository not found"}', ["JSON"]),
        (POINTER, ["Git LFS pointer", "of 729 MB", "git lfs pull"]),
        (b"../../.git/annex/objects/xy/MD5E-s7--0.tar", ["git-annex"]),
        (b"dataset_params:\n  frame_shape: [256, 256, 3]\n", ["`config`"]),
        (tarred(("weights/vox-cpk.pth.tar", b"x"), ("readme", b"")), ["tar archive", "weights/vox-cpk.pth.tar"]),
        (tarred(("readme", b"hello")), ["tar archive without weights"]),
        (tarred(("archive/data.pkl", b""), ("archive/data/0", b"")), ["unpacked checkpoint"]),
        (tarred(("sys_info", b""), ("pickle", b""), ("storages", b"")), ["before 0.2", "torch.save"]),
        (zipped(("vox-adv-cpk.pth.tar", b"x")), ["zip archive", "vox-adv-cpk.pth.tar"]),
        (zipped(("photo.png", b"x")), ["zip archive without weights"]),
        (gzip.compress(tarred(("vox.pth", b"x"))), ["tar archive, compressed with gzip"]),
        (bz2.compress(tarred(("vox.pth", b"x"))), ["tar archive, compressed with bzip2"]),
        (lzma.compress(tarred(("vox.pth", b"x"))), ["tar archive, compressed with xz"]),
        (gzip.compress(b"anything"), ["compressed with gzip", "Unpack it"]),
        (gzip.compress(b"anything" * 1000)[:20], ["damaged, or cut short"]),
        (b"\x28\xb5\x2f\xfd\x00\x00", ["zstd"]),
        (b"Rar!\x1a\x07\x00", ["RAR"]),
        (onnx(), ["ONNX", ".pth.tar"]),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), ["HDF5"]),
        (b"GGUF" + bytes(100), ["GGUF"]),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), ["image (PNG)"]),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(100), ["video"]),
        (bytes(5000), ["zeros", "Download it again"]),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value[0].replace(" ", "-"),
)
def test_what_it_is(tmp_path: Path, name: str, content: bytes, words: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    text = said(path)
    for word in words:
        assert word in text


@pytest.mark.parametrize("packed", [gzip.open, bz2.open, lzma.open])
def test_compressed_weights(tmp_path: Path, packed: Callable[..., io.BufferedIOBase]) -> None:
    suffix = {gzip.open: ".gz", bz2.open: ".bz2", lzma.open: ".xz"}[packed]
    path = tmp_path / f"vox.pth{suffix}"
    with packed(path, "wb") as file:
        file.write(GOOD.read_bytes())
    assert f"`{ {'.gz': 'gunzip', '.bz2': 'bunzip2', '.xz': 'unxz'}[suffix] } -k`" in said(path)


def test_a_packed_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = gzip.GzipFile.read

    def read(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        asked.append(size)
        return real(self, size)

    (tmp_path / "a.pth").write_bytes(gzip.compress(bytes(50_000_000)))
    monkeypatch.setattr(gzip.GzipFile, "read", read)
    assert "compressed with gzip" in said(tmp_path / "a.pth")
    assert asked == [HEAD]


@pytest.mark.parametrize("suffix", [".part", ".crdownload", ".partial", ".download"])
def test_unfinished_downloads(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"vox-cpk.pth.tar{suffix}"
    path.write_bytes(GOOD.read_bytes()[:5000])
    assert "has not finished" in said(path)


def test_a_script_archive(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(tmp_path / "a.pt"))
    text = said(tmp_path / "a.pt")
    assert "TorchScript" in text
    assert "state_dict" in text


@pytest.mark.parametrize("inner", ["", "archive"])
def test_unpacked_checkpoints(tmp_path: Path, inner: str) -> None:
    with zipfile.ZipFile(GOOD) as archive:
        archive.extractall(tmp_path / "raw")
    (root,) = (tmp_path / "raw").iterdir()
    folder = tmp_path / "vox-cpk.pth"
    root.rename(folder) if not inner else (folder.mkdir(), root.rename(folder / inner))
    text = said(folder)
    assert "was unpacked" in text
    assert "used as downloaded" in text
    assert "was unpacked" in said(folder / inner / "data.pkl")


def test_folders(tmp_path: Path) -> None:
    assert "without weights" in said(tmp_path)
    (tmp_path / "vox.pth.tar").touch()
    assert str(tmp_path / "vox.pth.tar") in said(tmp_path)
    (tmp_path / "model_index.json").touch()
    assert "diffusers" in said(tmp_path)


def test_missing_files_and_names_alike(tmp_path: Path) -> None:
    (tmp_path / "vox-cpk.pth.tar").touch()
    assert f"Did you mean '{tmp_path / 'vox-cpk.pth.tar'}'?" in said(tmp_path / "vox_cpk.pth.tar")
    assert "Check the name" in said(tmp_path / "quite-another")
    assert "no folder" in said(tmp_path / "nowhere" / "vox.pth")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.x"], "Stable Diffusion"),
        (["lora_unet_down_blocks_0.lora_down.weight"], "LoRA"),
        (["double_blocks.0.img_attn.qkv.weight"], "diffusion model"),
        (["decoder.conv_in.weight"], "VAE"),
        (["latent_tensor", "latent_format_version_0"], "latent that ComfyUI saved"),
        (["avd_network.id_encoder.0.weight", "region_predictor.x"], "MRAA"),
        (["inpainting_network.first.conv.weight"], "Thin-Plate Spline"),
        (["features.0.0.weight", "classifier.1.weight"], "classifies"),
        (["first.conv.weight", "down_blocks.0.conv.weight"], "generator alone"),
        (["predictor.encoder.down_blocks.0.conv.weight", "kp.weight"], "keypoint detector alone"),
        (["something"], "another model's"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_of_other_models(tmp_path: Path, keys: list[str], words: str, wrapped: bool) -> None:
    state = dict.fromkeys(keys, torch.zeros(1))
    torch.save({"state_dict": state, "epoch": 1} if wrapped else state, tmp_path / "a.ckpt")
    assert words in said(tmp_path / "a.ckpt")
    if not wrapped:
        save_file({key: torch.zeros(1) for key in keys}, tmp_path / "a.safetensors")
        assert words in said(tmp_path / "a.safetensors")


def test_other_architectures_under_their_networks(tmp_path: Path) -> None:
    network = {"weight": torch.zeros(1)}
    torch.save({"kp_detector": network, "inpainting_network": network, "bg_predictor": network}, tmp_path / "tps.pth")
    assert "Thin-Plate Spline" in said(tmp_path / "tps.pth")
    torch.save({"generator": network, "region_predictor": network, "avd_network": network}, tmp_path / "mraa.pth")
    assert "MRAA" in said(tmp_path / "mraa.pth")


class Settings:
    """Some program's own class."""


def test_a_foreign_object_is_named(tmp_path: Path) -> None:
    content = torch.load(GOOD, weights_only=True)
    torch.save({**content, "options": Settings()}, tmp_path / "a.pth")
    text = said(tmp_path / "a.pth")
    assert "Settings'" in text
    assert "nothing was executed" in text
    assert "asks to run code" not in text
    torch.save({**content, "options": Namespace(lr=2e-4)}, tmp_path / "b.pth")  # harmless, and of no use
    assert read_checkpoint(tmp_path / "b.pth").left_out[-1] == "options"
