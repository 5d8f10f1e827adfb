"""Data sets as folders: videos, animations and folders of images, found and divided into training and test."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ...errors import DataError, ImageError
from ...video.source import STILL_SUFFIXES, MediaSource, counting_order, kind_of
from ...wording import why_missing
from ..seeds import seed_at
from .clips import FEWEST_FRAMES, Clip, ClipSet, Label, LeftOut, StillsClip, VideoClip, gathered

Split = Literal["train", "test", "all"]
Found: TypeAlias = tuple[Path, tuple[Path, ...]]
"""Something that looks like a clip: its path, and its images where that is a folder of them."""

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".apng", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".flv", ".wmv", ".asf", ".ogv", ".3gp", ".nut", ".mxf", ".y4m", ".ivf"),
)
THREADS = 4


def find_clips(
    folder: str | os.PathLike[str],
    *,
    split: Split = "all",
    test_share: float = 0.2,
    seed: int = 0,
    fewest_frames: int = FEWEST_FRAMES,
    on_progress: Callable[[int, int], None] | None = None,
) -> ClipSet:
    """The clips in a folder and all below it, in the order of their names; or the clip in a file.

    A clip is a video, a GIF, animated PNG (.apng) or animated WebP, or a folder that holds images and no video. What
    stands before a `#` in its name (`id10280#NXjT3732Ekg.mp4`) is its identity, else the whole name is one. Its group
    is the first folder on the way to it.

    split: 'train' and 'test' are the folders of these names where both are there. Otherwise `test_share` of the
    identities are held out for 'test': which ones follows from their names and `seed`, so that clips that are added
    later move hardly any. fewest_frames: clips of fewer are left out, as damaged files are; see `ClipSet.problems`.
    on_progress: hears (clips looked at, clips in all).

    Raises DataError where the folder is missing or holds no usable clip, or where there is nothing to hold out.
    """
    root = Path(folder)
    if not root.exists():
        raise DataError(f"expected a folder of clips; {root} does not exist. {why_missing(root)}")
    if split not in get_args(Split):
        raise DataError(f"expected a split out of {', '.join(get_args(Split))}; got '{split}'.")
    halves = {name: root / name for name in ("train", "test") if (root / name).is_dir()}
    top = halves.get(split, root) if len(halves) == 2 else root
    found: list[Found] = [(root, ())] if root.is_file() else _walk(top)
    if len(halves) < 2 and not root.is_file():
        found = list(_divided(found, root, split, test_share, seed))
    opened = _opened(found, top, on_progress)
    return gathered(opened, place=str(top), fewest=max(FEWEST_FRAMES, fewest_frames))


def _walk(top: Path) -> list[Found]:
    """Everything below a folder that looks like a clip, in order."""
    found: list[Found] = []
    for folder, names, files in os.walk(top):
        names[:] = [name for name in names if not name.startswith(".")]
        here = [Path(folder, name) for name in files if not name.startswith(".")]
        videos = [path for path in here if path.suffix.lower() in VIDEO_SUFFIXES or _is_animated_webp(path)]
        stills = [path for path in here if path.suffix.lower() in STILL_SUFFIXES]
        if videos:
            found += [(path, ()) for path in videos]
        elif stills:
            found.append((Path(folder), tuple(sorted(stills, key=lambda path: counting_order(path.name)))))
    return sorted(found, key=lambda clip: counting_order(clip[0].as_posix()))


def _is_animated_webp(path: Path) -> bool:
    try:
        return path.suffix.lower() == ".webp" and kind_of(MediaSource(path)) == "animated-webp"
    except (ImageError, OSError):
        return False


def _divided(found: list[Found], root: Path, split: Split, test_share: float, seed: int) -> Iterator[Found]:
    """The clips of one side."""
    if split == "all":
        yield from found
        return
    if not 0 < test_share < 1:
        raise DataError(f"expected a share of clips for the test above 0 and below 1; got {test_share}.")
    identities = sorted({_label(path, root).identity for path, _ in found}, key=lambda name: seed_at(seed, name))
    if split == "test" and len(identities) == 1:
        raise DataError(
            f"expected clips of at least two identities in {root}, to hold some out; all are of '{identities[0]}'. "
            "Put clips into train/ and test/ yourself."
        )
    held_out = set(identities[: math.ceil(test_share * len(identities))] if len(identities) > 1 else ())
    for path, stills in found:
        if (_label(path, root).identity in held_out) == (split == "test"):
            yield path, stills


def _label(path: Path, top: Path) -> Label:
    relative = path.relative_to(top)
    name = path.name if path == top else relative.as_posix()
    identity = path.name.split("#")[0] if "#" in path.name else name
    return Label(name, identity, relative.parts[0] if len(relative.parts) > 1 else "")


def _opened(found: list[Found], top: Path, on_progress: Callable[[int, int], None] | None) -> Iterator[Clip | LeftOut]:
    """Each clip looked at once, several in turn by threads, which FFmpeg does not hold up."""

    def look_at(clip: Found) -> Clip | LeftOut:
        path, stills = clip
        label = _label(path, top)
        if stills:
            return StillsClip(label, stills)
        try:
            video = VideoClip.open(path, label)
            len(video)  # passes over the file
        except (ImageError, OSError) as problem:
            return LeftOut(label.name, str(problem))
        return video

    with ThreadPoolExecutor(THREADS, "fomm-data") as pool:
        try:
            for done, clip in enumerate(pool.map(look_at, found), 1):
                yield clip
                if on_progress is not None:
                    on_progress(done, len(found))
        finally:
            pool.shutdown(cancel_futures=True)
