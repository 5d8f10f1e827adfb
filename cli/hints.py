"""What to say to those who gave a command something else than it takes."""

from __future__ import annotations

import argparse
import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..fomm_core.wording import did_you_mean, odd_name, why_missing

if TYPE_CHECKING:
    from ..fomm_core.errors import FommError

TOO_MANY = {
    "crop": "one image or clip at a time",
    "convert": "one file at a time",
    "graph": "one graph at a time",
    "check": "one graph at a time",
}
"""For each command: what to say where it is given more names than it has places."""

WEIGHTS = (".pth", ".pth.tar", ".pt", ".ckpt", ".safetensors", ".onnx")


class Parser(argparse.ArgumentParser):
    """An argument parser that names the option or choice that was probably meant, and shows the usage of the command
    that was called.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._given: tuple[str, ...] = ()
        self._commands: Any = None

    def add_subparsers(self, **options: Any) -> Any:
        """As the base class does it; what is made here explains its own options."""
        self._commands = super().add_subparsers(**options)
        return self._commands

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As the base class does it."""
        self._given = tuple(args or ())
        return super().parse_known_args(args, namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As the base class does it; what is left over is told by the command that it was given to."""
        arguments, left = self.parse_known_args(args, namespace)
        if left:
            called = getattr(arguments, "command", None)
            parser = self._commands.choices.get(called, self) if self._commands is not None else self
            many = TOO_MANY.get(str(called), "")
            names = [text for text in left if not text.startswith("-")]
            hint = f" ({many})" if many and len(names) == len(left) else ""
            parser.error(f"unrecognized arguments: {' '.join(left)}{hint}")
        return arguments

    def error(self, message: str) -> NoReturn:
        """Usage and message on standard error, and the end; with the name that was probably meant."""
        meant = self._meant(message)
        super().error(f"{message}.{meant}" if meant else message)

    def _meant(self, message: str) -> str:
        if choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)$", message, re.DOTALL):
            return did_you_mean(choice[1], re.findall(r"[\w.-]+", choice[2]))
        known = set(re.findall(r"(?<![\w-])--[\w-]+", self.format_help()))
        for given in self._given:
            name = given.partition("=")[0]
            if given.startswith("--") and len(given) > 2 and not any(option.startswith(name) for option in known):
                return did_you_mean(name, known)
        return ""


def picture_and_clip(source: str, driving: str | None) -> tuple[Path, Path | None]:
    """The files that `fomm animate` was given.

    Raises:
        FommError: something else was given, such as weights, several files, or the two the other way round.
    """
    from ..fomm_core.errors import ImageError

    picture = _one_of(source, "picture", stills=False)
    clip = None if driving is None else _one_of(driving, "clip", stills=True)
    for path, place in ((picture, "an image"), (clip, "a clip")):
        if path is not None and path.is_file() and (other := _of_another_kind(path)):
            raise ImageError(f"expected {place}; '{path}' is {other}.")
    if (wrong := why_no_picture(picture, clip)) is not None:
        raise wrong
    return picture, clip


def why_no_picture(picture: Path, clip: Path | None) -> FommError | None:
    """What is wrong where a video stands in the place of an image; None where none does."""
    from ..fomm_core.errors import ImageError

    if not (picture.is_file() and _is_clip(picture)):
        return None
    if clip is not None and clip.is_file() and is_still(clip):
        return ImageError(
            f"expected an image, then a clip; '{picture}' is a video and '{clip}' an image. Swap the two: "
            f"fomm animate {clip} {picture}"
        )
    return ImageError(
        f"expected an image as SOURCE; '{picture}' is a video. Extract a still from it: ffmpeg -i "
        f"{picture} -frames:v 1 still.png"
    )


def checked(path: Path, place: str) -> Path:
    """One file of several, which is there and neither weights nor a graph. place: what it should be, in words."""
    from ..fomm_core.errors import ImageError
    from ..fomm_core.video.source import still_paths

    if path.is_file() and (other := _of_another_kind(path)):
        raise ImageError(f"expected {place}; '{path}' is {other}.")
    if not path.exists() and still_paths(path) is None:
        raise ImageError(f"expected {place}; '{path}' does not exist. {why_missing(path)}")
    return path


def none_fits(name: str) -> FommError:
    """What to say of a pattern that no file fits."""
    from ..fomm_core.errors import ImageError

    return ImageError(f"expected files; got {name}. {odd_name(name) or 'Check the name.'}")


def given_file(name: str) -> Path:
    """The image or clip that `fomm crop` was given; raises ImageError for something else."""
    from ..fomm_core.errors import ImageError

    path = _one_of(name, "image or clip", stills=True)
    if path.is_file() and (other := _of_another_kind(path)):
        raise ImageError(f"expected an image or a clip; '{path}' is {other}.")
    return path


def _one_of(name: str, what: str, *, stills: bool) -> Path:
    """The file of that name, or the only one that fits a pattern; patterns of stills may stay where they are a clip."""
    from ..fomm_core.errors import ImageError
    from ..fomm_core.video.source import STILL_SUFFIXES

    path = Path(name)
    if path.exists() or (odd := odd_name(name)) is None:
        return path
    if not glob.has_magic(name):
        raise ImageError(f"expected a file, the {what}; got {name}. {odd}")
    found = sorted(Path(match) for match in glob.glob(name))
    if stills and found and all(match.suffix.lower() in STILL_SUFFIXES for match in found):
        return path
    if len(found) > 1:
        raise ImageError(
            f"expected one {what}; '{name}' matches {len(found)} files, '{found[0]}' first. Name one of them; for "
            "all of them, see `fomm render --help`."
        )
    return found[0] if found else path


def _of_another_kind(path: Path) -> str | None:
    name = path.name.lower()
    if name.endswith(".safetensors"):
        return "weights or saved motion, which belong to --model FILE or --keypoints FILE"
    if name.endswith(WEIGHTS):
        return "weights, which belong to --model FILE"
    return "a graph: `fomm render` runs it" if name.endswith(".json") else None


def _is_clip(path: Path) -> bool:
    """A video; animations that are images too are left to the reader, which takes their first frame."""
    from ..fomm_core.video.source import MediaSource, kind_of

    if path.stat().st_size == 0:
        return False
    media = MediaSource(path)
    head = media.head(12)
    videos = head[4:8] == b"ftyp" or head.startswith((b"\x1aE\xdf\xa3", b"FLV")) or head[8:12] == b"AVI "
    return videos and kind_of(media) == "container"


def is_still(path: Path) -> bool:
    """Whether a file is one image, by what is in it."""
    from ..fomm_core.video.source import MediaSource, kind_of

    return path.stat().st_size > 0 and kind_of(MediaSource(path)) == "still"


def files_like(names: Sequence[str]) -> list[str]:
    """Names with the patterns among them replaced by what fits, as a shell that knows patterns would do it."""
    found: list[str] = []
    for name in names:
        matches = sorted(glob.glob(name)) if glob.has_magic(name) and not Path(name).exists() else []
        found += matches or [name]
    return found
