"""The recipe of the demo model's clips: splits, resuming, packages, emoji, tracks. No network, no weights."""

from __future__ import annotations

import hashlib
import io
import itertools
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_clips import clips, crops, emoji, faces, sources, splits, tracks, workers
from fomm_nodes.fomm_core.errors import DataError
from fomm_nodes.fomm_core.video import VideoReader
from nearness import HALF_STEP, steps_near
from PIL import Image

CODEC = 40
"""Steps of 8 bits that a pixel may come out apart from one encoding to the next."""

# Splits


def test_about_the_share_of_identities_is_held_out() -> None:
    names = [f"person-{number}" for number in range(2000)]
    held_out = {name for name in names if splits.split_of(name, 3, 0.1) == "test"}
    assert 150 < len(held_out) < 250
    assert held_out != {name for name in names if splits.split_of(name, 4, 0.1) == "test"}
    assert held_out < {name for name in names if splits.split_of(name, 3, 0.3) == "test"}
    assert all(splits.split_of(name, 3, 0.0) == "train" for name in names)


def emoji_folder(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for name in names:
        (folder / f"{name}.webp").touch()
    return folder


def test_a_split_depends_on_the_identity_alone(tmp_path: Path) -> None:
    names = [
        f"{base:x}{tone}{sex}"
        for base in range(0x1F466, 0x1F46A)
        for tone in ("", "-1f3fb", "-1f3ff")
        for sex in ("", "-200d-2640-fe0f")
    ]
    names += [f"{point:x}" for point in range(0x1F600, 0x1F640)]
    whole = list(emoji.plan([emoji_folder(tmp_path / "a", names)], seed=0, test_share=0.3, size=16))
    some = list(emoji.plan([emoji_folder(tmp_path / "b", names[::-3])], seed=0, test_share=0.3, size=16))
    assert len(whole) == len(names)
    assert {planned.split for planned in whole} == {"train", "test"}
    assert {planned.file for planned in some} < {planned.file for planned in whole}
    sides: dict[str, set[str]] = {}
    for planned in whole:
        sides.setdefault(planned.identity, set()).add(planned.split)
    assert len(sides) == 4 + 64
    assert all(len(both) == 1 for both in sides.values())


def test_only_faces_people_and_heads_of_animals_are_taken(tmp_path: Path) -> None:
    folder = emoji_folder(tmp_path / "a", ["1f600", "1f98a", "1f469-200d-1f680", "1f34e", "1f3e0", "2764-fe0f"])
    origins = {planned.origin for planned in emoji.plan([folder], seed=0, test_share=0.1, size=16)}
    assert origins == {"1f600.webp", "1f98a.webp", "1f469-200d-1f680.webp"}


# Clips in a folder


class Fake:
    """A source of clips that counts how often it is asked."""

    def __init__(self, fail_at: str | None = None) -> None:
        self.asked: list[str] = []
        self.fail_at = fail_at

    def planned(self, count: int) -> list[Any]:
        return [
            clips.Planned("fluent", "test" if n % 3 == 0 else "train", f"p{n}", 0, "a.webp", self.frames(f"p{n}"))
            for n in range(count)
        ]

    def frames(self, identity: str) -> Callable[[], clips.Take]:
        def render() -> clips.Take:
            self.asked.append(identity)
            if identity == self.fail_at:
                raise KeyboardInterrupt
            grey = np.full((16, 16, 3), 20 * int(identity[1:]), np.uint8)
            return clips.Take([] if identity == "p1" else [grey, grey])

        return render


def make(folder: Path, fake: Fake, count: int, limit: int | None = None, **settings: Any) -> int:
    return clips.make_all(clips.Folder(folder, {"seed": 0, **settings}), fake.planned(count), limit)


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    broken, going_on, again = Fake(fail_at="p3"), Fake(), Fake()
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, broken, 6)
    assert broken.asked == ["p0", "p1", "p2", "p3"]
    kept = (tmp_path / "test/fluent/p0#0.mp4").read_bytes()
    assert make(tmp_path, going_on, 6) == 5
    assert going_on.asked == ["p3", "p4", "p5"]  # p1 was of no use, and is not tried again
    assert make(tmp_path, again, 6) == 5
    assert again.asked == []
    assert (tmp_path / "test/fluent/p0#0.mp4").read_bytes() == kept
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert files == {
        *(f"{'test' if n % 3 == 0 else 'train'}/fluent/p{n}#0.mp4" for n in (0, 2, 3, 4, 5)),
        "index.json",
        "LICENSES.md",
    }
    with VideoReader(tmp_path / "train/fluent/p4#0.mp4") as reader:
        frames = list(reader)
    assert len(frames) == 2
    assert np.abs(frames[0].astype(int) - 80).max() <= 2


def test_a_clip_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    make(tmp_path, Fake(), 3)
    (tmp_path / "train/fluent/p2#0.mp4").unlink()
    fake = Fake()
    make(tmp_path, fake, 3)
    assert fake.asked == ["p2"]


def test_a_limit_counts_the_clips_that_are_of_use(tmp_path: Path) -> None:
    fake = Fake()
    assert make(tmp_path, fake, 9, limit=3) == 3
    assert fake.asked == ["p0", "p1", "p2", "p3"]


def test_a_folder_is_not_mixed_from_two_settings(tmp_path: Path) -> None:
    make(tmp_path, Fake(), 3)
    with pytest.raises(DataError, match="begun with"):
        make(tmp_path, Fake(), 3, size=64)


def test_the_page_of_licences_names_every_package_and_origin(tmp_path: Path) -> None:
    make(tmp_path, Fake(), 3)
    page = (tmp_path / "LICENSES.md").read_text(encoding="utf-8")
    assert all(f"`{package.name}` | {package.version} | {package.licence}" in page for package in sources.PACKAGES)
    assert "- fluent: `a.webp`" in page


def test_processes_side_by_side_make_the_same_clips(tmp_path: Path) -> None:
    for name in ("1f600", "1f601", "1f602"):
        animation(tmp_path / f"{name}.webp", moves=name != "1f601")
    planned = list(emoji.plan([tmp_path], seed=0, test_share=0.3, size=16))
    assert clips.make_all(clips.Folder(tmp_path / "alone", {}), planned) == 2
    assert workers.make_side_by_side(clips.Folder(tmp_path / "both", {}), planned, 2) == 2

    def made(folder: Path) -> list[Path]:
        return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())

    assert made(tmp_path / "alone") == made(tmp_path / "both")
    assert len(made(tmp_path / "alone")) == 4
    for file in made(tmp_path / "alone"):
        one, other = tmp_path / "alone" / file, tmp_path / "both" / file
        if file.suffix == ".mp4":  # the encoder's bytes are not the same each time
            with VideoReader(one) as ours, VideoReader(other) as theirs:
                steps_near(np.stack(list(ours)).astype(float), np.stack(list(theirs)).astype(float), CODEC)
        else:
            assert one.read_bytes() == other.read_bytes()


# Packages


def wheel(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def tarball(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


MEMBERS = {"package/assets/1f600.webp": b"face", "package/assets/1f34e.webp": b"apple", "package/README.md": b"text"}


@pytest.mark.parametrize(("archive", "name"), [(wheel, "a.whl"), (tarball, "a.tgz")])
def test_only_the_wanted_members_are_unpacked(
    tmp_path: Path, archive: Callable[[Path, dict[str, bytes]], Path], name: str
) -> None:
    package = sources.PACKAGES[0]
    (tmp_path / "out").mkdir()
    sources.unpack(archive(tmp_path / name, MEMBERS), package, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"1f600.webp": b"face"}
    with pytest.raises(DataError, match="holds no such file"):
        sources.unpack(archive(tmp_path / name, {"other": b""}), package, tmp_path / "out")


def test_a_package_is_fetched_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads, same = [], tarball(tmp_path / "same.tgz", MEMBERS)
    cache = tmp_path / "cache"

    def download(package: Any, folder: Path) -> Path:
        downloads.append(package.name)
        return shutil.copy(same, folder / "a.tgz")

    monkeypatch.setattr(sources, "_download", download)
    with pytest.raises(DataError, match="SHA-256"):
        sources.fetch(sources.PACKAGES[0], cache)
    assert list(cache.iterdir()) == []
    package = replace(sources.PACKAGES[0], sha256=hashlib.sha256(same.read_bytes()).hexdigest())
    folder = sources.fetch(package, cache)
    assert sources.fetch(package, cache) == folder
    assert len(downloads) == 2
    assert [path.name for path in cache.rglob("*.*") if path.is_file()] == ["1f600.webp"]


def test_a_package_that_was_fetched_for_less_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tarball(tmp_path / "same.tgz", {"a/old.bin": b"old", "a/new.bin": b"new"})
    monkeypatch.setattr(sources, "_download", lambda package, folder: shutil.copy(archive, folder / "a.tgz"))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    package = replace(sources.PACKAGES[0], sha256=sha256, wanted=("a/old.bin",), keep=lambda stem: True)
    folder = sources.fetch(package, tmp_path / "cache")
    again = sources.fetch(replace(package, wanted=("a/old.bin", "a/new.bin")), tmp_path / "cache")
    assert again == folder
    assert {path.name for path in folder.iterdir()} == {"old.bin", "new.bin"}


def test_without_npm_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.shutil, "which", lambda name: None)
    with pytest.raises(DataError, match=r"Node\.js"):
        sources.fetch(sources.PACKAGES[0], tmp_path)


# Compositing


def test_alpha_lays_a_picture_over_its_background(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (4, 6, 4)).astype(np.uint8)
    picture[0, :, 3], picture[1, :, 3], picture[2, :, 3] = 0, 255, 51
    behind = rng.uniform(0, 255, (4, 6, 3)).astype(np.float32)
    laid = emoji.over(picture, behind)
    assert (laid[0] == np.rint(behind[0])).all()
    assert (laid[1] == picture[1, :, :3]).all()
    steps_near(laid[2], 0.2 * picture[2, :, :3] + 0.8 * behind[2], HALF_STEP)


def test_windows_lie_in_the_track_and_apart() -> None:
    for length in (16, 47, 48, 95, 96, 500):
        found = crops.windows(length)
        assert 1 <= len(found) <= 2
        assert all(0 <= start < stop <= length and stop - start <= 48 for start, stop in found)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(found))


# Emoji


def animation(path: Path, *, moves: bool) -> Path:
    frames = []
    for n in range(10):
        picture = np.zeros((40, 40, 4), np.uint8)
        left = 2 * n if moves else 5
        picture[10:30, left : left + 20] = (250, 200, 0, 255)
        frames.append(Image.fromarray(picture))
    frames[0].save(path, save_all=True, append_images=frames[1:], quality=100, duration=40)
    return path


def test_an_emoji_is_laid_over_its_own_background(tmp_path: Path) -> None:
    frames = emoji.EmojiFrames(animation(tmp_path / "1f600.webp", moves=True), 5, 20)().frames
    assert len(frames) == 10
    assert all(frame.shape == (20, 20, 3) for frame in frames)
    assert all((frame[:4] == frames[0][:4]).all() for frame in frames)  # the background rests
    assert np.abs(frames[4][8, 8].astype(int) - [250, 200, 0]).max() <= 6
    assert not (frames[0] == frames[9]).all()
    other = emoji.EmojiFrames(tmp_path / "1f600.webp", 6, 20)().frames
    assert not (frames[0][0] == other[0][0]).all()


def test_an_emoji_that_stands_still_is_left_out(tmp_path: Path) -> None:
    assert emoji.EmojiFrames(animation(tmp_path / "1f600.webp", moves=False), 5, 20)().frames == []


# Tracks


class FakeFinder:
    """Finds a face at the place that a picture's first pixel tells; none where it is black."""

    def face(self, picture: np.ndarray, region: Any = None) -> Any:
        points = np.random.default_rng(0).uniform(-20, 20, (468, 3))
        points[:, :2] += (picture[0, 0, 1], 50)
        points[263, :2] = points[33, :2] + (16, 0)
        return faces.Face(points.astype(np.float32), 0.9) if picture[0, 0, 0] else None


def pictures(*stretches: tuple[int, int, int]) -> list[np.ndarray]:
    """(frames, face there, place) of each stretch."""
    places = [(there, place) for count, there, place in stretches for _ in range(count)]
    frames = [np.full((64, 96, 3), (255 * there, place, 0), np.uint8) for there, place in places]
    for number, frame in enumerate(frames):
        frame[-1, number % 96] = 255  # no two are the same, which WebP would store as one
    return frames


@pytest.mark.parametrize(
    ("frames", "wanted"),
    [
        (pictures((40, 1, 30)), [(0, 40)]),
        (pictures((10, 1, 30)), []),  # too short
        (pictures((20, 1, 30), (3, 0, 30), (17, 1, 30)), [(0, 20), (23, 17)]),  # the face is away
        (pictures((20, 1, 30), (18, 1, 70)), [(0, 20), (20, 18)]),  # it jumps
        (pictures((20, 1, 30), (18, 1, 32)), [(0, 38)]),  # it moves
        (pictures((18, 1, 0), (20, 1, 250)), [(0, 18), (18, 20)]),  # another scene
        (pictures((5, 0, 0)), []),
    ],
)
def test_a_track_ends_where_the_face_does(frames: list[np.ndarray], wanted: list[tuple[int, int]]) -> None:
    found = tracks.follow(FakeFinder(), Path("a.webp"), frames)
    assert [(track.start, len(track)) for track in found] == wanted
    assert all(track.size == (64, 96) for track in found)


def test_tracks_are_found_once(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    shown = [Image.fromarray(frame) for frame in pictures((20, 1, 30), (20, 1, 70))]
    shown[0].save(path, save_all=True, append_images=shown[1:], lossless=True, duration=40, minimize_size=False)
    looking, remembering = (tracks.Tracker([], tmp_path / "cache") for _ in range(2))
    looking._finder = FakeFinder()
    first = looking.tracks(path)
    again = remembering.tracks(path)  # without a finder
    assert [(track.start, track.size, len(track)) for track in again] == [
        (track.start, track.size, len(track)) for track in first
    ]
    assert [(track.start, len(track)) for track in first] == [(0, 20), (20, 20)]
    np.testing.assert_array_equal(again[1].landmarks, first[1].landmarks)
    (tmp_path / "b.webp").write_bytes(b"no picture")
    assert looking.tracks(tmp_path / "b.webp") == []
    assert remembering.tracks(tmp_path / "b.webp") == []
