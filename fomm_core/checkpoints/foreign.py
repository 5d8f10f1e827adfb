"""What a file is that holds no weights of ours: named by its content, with what helps. Nothing in it is executed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ..library import AS_DOWNLOADED, WEIGHTS
from ..wording import setting

HEAD = 1024
MOST_NAMES = 5_000
"""Entries of an archive that are looked through."""

UNFINISHED = (".part", ".crdownload", ".download", ".partial", ".opdownload", ".aria2", ".tmp")
AGAIN = "Download it again, and compare its size with what the page states: a published model has hundreds of MB."

PACKED: tuple[tuple[bytes, str, Callable[[Path], Any] | None], ...] = (
    (b"\x1f\x8b", "gzip", gzip.open),
    (b"BZh", "bzip2", bz2.open),
    (b"\xfd7zXZ\0", "xz", lzma.open),
    (b"\x28\xb5\x2f\xfd", "zstd", None),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", None),
    (b"Rar!", "RAR", None),
)
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89HDF\r\n", "an HDF5 file, as Keras and TensorFlow save weights"),
    (0, b"GGUF", "a GGUF file, a language model's or diffusion model's weights"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "an image (PNG)"),
    (0, b"\xff\xd8\xff", "an image (JPEG)"),
    (0, b"GIF8", "an animated image (GIF)"),
    (8, b"WEBP", "an image (WebP)"),
    (4, b"ftyp", "a video or image (MP4, MOV or HEIF)"),
    (0, b"\x1aE\xdf\xa3", "a video (MKV or WebM)"),
    (8, b"AVI ", "a video (AVI)"),
)
MODELS: tuple[tuple[str, str], ...] = (
    (r"model\.diffusion_model\.|first_stage_model\.|cond_stage_model\.", "a Stable Diffusion checkpoint"),
    (r"lora_(unet|te|down|up|A|B)|\.lora_", "a LoRA for a diffusion model"),
    (r"(double|single)_blocks\.\d|transformer_blocks\.\d|down_blocks\.\d+\.(attentions|resnets)|unet\.", "a diffusion "
     "model (Flux, diffusers)"),
    (r"(encoder|decoder)\.(conv_in|mid|down\.0|up\.0)\b", "a diffusion model's VAE"),
    (r"latent_tensor|latent_format_version", "a latent that ComfyUI saved"),
    (r"region_predictor|avd_network", "a part of a model of Articulated Animation (MRAA)"),
    (r"inpainting_network", "a part of a Thin-Plate Spline Motion Model (TPS)"),
    (r"he_estimator|appearance_feature_extractor|warping_module|spade_generator", "a model like LivePortrait or "
     "face-vid2vid, another architecture"),
    (r"classifier\.\d|features\.\d|fc\.weight", "a network that classifies images"),
    (r"(predictor|kp|jacobian)\.", "the keypoint detector alone, without the generator that belongs to it"),
    (r"(first|down_blocks\.\d+|bottleneck|final|up_blocks\.\d+)\.", "the generator alone, without the keypoint "
     "detector (`kp_detector`) that belongs to it"),
)  # fmt: skip
"""What the keys of a file begin with or contain -> whose they are; the first row that fits counts."""

_PAGE = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script)\b", re.IGNORECASE | re.DOTALL)


def foreign_file(path: Path) -> str | None:
    """What a file is, if that is plain from its bytes and it is neither torch's nor safetensors, in two sentences:
    what it is, and what to do. None leaves it to the readers.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if path.name.endswith(UNFINISHED):
        return "It is a download that has not finished. Wait for it, or start it again."
    return _text(head, path) or _packed(head, path) or _zip(head, path) or _tar(head, path) or _binary(head, path)


def _text(head: bytes, path: Path) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"version https://git-lfs"):
        size = re.search(rb"^size (\d+)", start, re.MULTILINE)
        real = f" of {int(size[1]) / 1e6:.0f} MB" if size else ""
        return (
            f"It is a Git LFS pointer: a note of {path.stat().st_size} bytes in place of the file{real}. Run `git lfs "
            "pull` in that checkout, or download the file itself from the repository's page."
        )
    if b"annex/objects/" in start[:200]:
        return "It is a git-annex pointer in place of the file. Run `git annex get` in that checkout."
    if _PAGE.match(start):
        host = next((name for word, name in HOSTS if word in start.lower()), "the host")
        return (
            f"It is a web page (HTML) that was saved in its place: {host} wanted a log-in or a confirmation, or "
            "has no such file. Open the address in a browser and download from there. " + AGAIN
        )
    if start.startswith((b"<?xml", b"<Error")):
        return "It is a server's answer in XML, probably that access is denied. " + AGAIN
    if start.startswith((b"{", b"[")) and b"\0" not in start:
        return "It is JSON: settings, or a server's message. " + AGAIN
    if b"\0" not in head and start.startswith((b"#", b"model_params", b"dataset_params")):
        return (
            "It is text, such as a configuration. Weights are in a .pth.tar file; a configuration is given as "
            f"{setting('config')}."
        )
    return None


HOSTS = ((b"google", "Google Drive"), (b"yandex", "Yandex Disk"), (b"mega", "MEGA"), (b"dropbox", "Dropbox"))


def _packed(head: bytes, path: Path) -> str | None:
    for signature, name, opened in PACKED:
        if not head.startswith(signature):
            continue
        inside = b""
        if opened is not None:
            try:
                with opened(path) as file:
                    inside = file.read(HEAD)
            except (OSError, EOFError, ValueError, lzma.LZMAError):
                return f"It is compressed ({name}) and damaged, or cut short. " + AGAIN
        if inside[257:262] == b"ustar":
            return f"It is a tar archive, compressed with {name}. Unpack it, and take the weights in it." + _hint(path)
        suffix = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst"}.get(name)
        tool = {"gzip": "gunzip", "bzip2": "bunzip2", "xz": "unxz", "zstd": "unzstd"}.get(name)
        how = f"`{tool} -k` makes the file of it" if tool and path.suffix == suffix else "Unpack it"
        return f"It is compressed with {name}. {how}; give what comes out."
    return None


def _hint(path: Path) -> str:
    return f" {AS_DOWNLOADED}." if path.name.endswith(".pth.tar") else ""


def _zip(head: bytes, path: Path) -> str | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist()[:MOST_NAMES]]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None  # torch says what is wrong with it
    inner = {name.partition("/")[2] or name for name in names}
    if "constants.pkl" in inner:
        return (
            "It is a TorchScript archive: a program with its weights, which is not read. Save the weights alone, with "
            "torch.save(model.state_dict(), ...)."
        )
    if inner & {"archive_format", "models/model.json", "serialized_exported_program.json"}:
        return "It is an exported program (torch.export). Save the weights alone, with torch.save."
    if "data.pkl" in inner:
        return None
    return _archive("zip", names, path)


def _tar(head: bytes, path: Path) -> str | None:
    if head[257:262] != b"ustar":
        return None
    names = []
    try:
        with tarfile.open(path, "r:") as archive:
            for entry in archive:
                names.append(entry.name)
                if len(names) >= MOST_NAMES:
                    break
    except (tarfile.TarError, OSError, ValueError):
        if not names:
            return "It is a tar archive that is damaged or cut short. " + AGAIN
    if {"sys_info", "pickle", "storages"} <= set(names):
        return (
            "It is in the format that torch had before 0.2, which its safe reader does not take. Load it in an old "
            "torch and save it again with torch.save."
        )
    return _archive("tar", names, path) + _hint(path)


def _archive(kind: str, names: list[str], path: Path) -> str:
    weights = [name for name in names if name.endswith(WEIGHTS) and not Path(name).name.startswith("._")]
    if weights:
        more = f" and {len(weights) - 1} more" if len(weights) > 1 else ""
        return f"It is a {kind} archive that holds '{weights[0]}'{more}. Unpack it and give that file."
    if any(Path(name).name == "data.pkl" for name in names):
        return (
            f"It is a {kind} archive of an unpacked checkpoint. Its folder has to be zipped as torch does it; simpler, "
            "download the file again and do not unpack it."
        )
    holds = f", with '{names[0]}' first" if names else " with nothing in it"
    return f"It is a {kind} archive without weights{holds}. Check that it is the right file."


def _binary(head: bytes, path: Path) -> str | None:
    if path.suffix == ".onnx" or (head[:1] == b"\x08" and re.search(rb"pytorch|onnx", head[:64])):
        return (
            "It is an ONNX model: a network as a fixed program. It cannot be turned back: get the .pth.tar or "
            ".safetensors that it was made from."
        )
    for at, signature, name in SIGNATURES:
        if head[at : at + len(signature)] == signature:
            return f"It is {name}, no weights for torch. Check the name."
    if not any(head):
        return "It holds nothing but zeros, as a download that broke off. " + AGAIN
    return None


def part_of_unpacked(path: Path) -> bool:
    """Whether a file is the `data.pkl` of a checkpoint that was unpacked."""
    return path.name == "data.pkl" and (path.parent / "data").is_dir()


def foreign_keys(keys: Collection[str], metadata: Mapping[str, str] | None = None) -> str:
    """Whose weights these are, by their names."""
    if (metadata or {}).get("format") == "fomm-keypoints":
        return f"a performance (saved keypoints), which is given as {setting('keypoints')}"
    for pattern, name in MODELS:
        if any(re.match(rf"(?:.*\.)?(?:{pattern})", key) for key in list(keys)[:MOST_NAMES]):
            return name
    return "another model's"
