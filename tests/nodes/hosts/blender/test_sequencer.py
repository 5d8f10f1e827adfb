"""The Video Sequencer in a real Blender without a window: `FOMM_BPY_PYTHON` is a Python that has `bpy`."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import pytest
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image
from inside_blender import checks_of, run_inside
from PIL import ExifTags, Image

INSIDE = Path(__file__).with_name("inside") / "sequencer.py"
CHECKS = checks_of(INSIDE)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """What the strips show: the example, a movie with sound, images, frames that are told apart by their grey."""
    folder = tmp_path_factory.mktemp("strips")
    assets = root / "fomm_core" / "assets"
    for name in ("driving.mp4", "source.png"):
        shutil.copy(assets / name, folder)
    driving = list(VideoReader(assets / "driving.mp4"))
    shutil.copy(root / "tests" / "data" / "blender" / "own-rate.blend", folder)
    (folder / "pictures").mkdir()
    for number, frame in enumerate(driving[10:18]):
        Image.fromarray(frame).save(folder / "pictures" / f"walk-{number:02d}.png")
    with VideoWriter(folder / "counted.mp4", fps=25, quality=100) as writer:
        for number in range(12):
            writer.write(np.full((16, 32, 3), 20 + 15 * number, np.uint8))
    with VideoWriter(folder / "uneven.mp4", fps=25, uneven=True) as writer:  # 0.48 s at 25, then 0.8 s at 10
        ends = [Fraction(number, 25) for number in range(1, 13)] + [
            Fraction(58 + 10 * number, 100) for number in range(8)
        ]
        for frame, end in zip(driving, ends, strict=False):
            writer.write(frame, [end])
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.fromarray(driving[0][:64]).save(folder / "turned.jpg", exif=turned)
    tones = np.arange(128, dtype=np.uint8)[None, :, None] * np.array([2, 1, 1], np.uint8) + np.array(
        [0, 64, 128], np.uint8
    )
    Image.fromarray(np.repeat(tones, 128, axis=0)).save(folder / "tones.png")
    _write_tone(folder / "tone.wav", seconds=2.0)
    with VideoWriter(folder / "loud.mp4", fps=25, audio_from=folder / "tone.wav") as writer:
        for frame in driving:
            writer.write(frame)
    return folder


def _write_tone(path: Path, seconds: float) -> None:
    import wave

    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes((np.sin(np.arange(int(16000 * seconds)) / 5) * 8000).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def inside(files: Path) -> dict[str, dict[str, Any]]:
    """What each check inside Blender told."""
    return run_inside(INSIDE, files)


@pytest.mark.parametrize("name", CHECKS)
def test_inside_blender(name: str, inside: dict[str, dict[str, Any]]) -> None:
    assert not inside[name]["error"], inside[name]["error"]


def told(inside: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if inside[name]["error"]:
        pytest.skip("this check failed inside Blender")
    return dict(inside[name]["told"])


def frames(path: str | Path) -> np.ndarray:
    return np.stack(list(VideoReader(path)))


def assert_same_as_command(made: np.ndarray, files: Path, driving: Path, *options: str) -> None:
    """Each frame is that of `fomm animate` with these options, but for what H.264 loses (which varies a little from
    run to run), and not shifted.
    """
    with TemporaryDirectory(dir=files) as folder:
        arguments = [str(files / "source.png"), str(driving), "-o", f"{folder}/frames", "--size", "model", "-q"]
        assert main(["animate", *arguments, *options]) == 0
        theirs = frames(f"{folder}/frames")
    assert made.shape == theirs.shape
    apart = np.abs(made[:, None].astype(int) - theirs[None]).mean(axis=(2, 3, 4))  # [made, theirs]
    assert apart.diagonal().max() < 4.0
    for shift in (-1, 1):
        assert apart.diagonal().mean() < apart.diagonal(shift).mean() - 0.2


def test_frames_are_those_of_the_command(files: Path, inside: dict[str, dict[str, Any]]) -> None:
    made = frames(told(inside, "check_plain")["file"])
    assert_same_as_command(made, files, files / "driving.mp4", "--start", "5", "--frames", "6")


def test_blender_shows_the_pixels_of_the_file(inside: dict[str, dict[str, Any]]) -> None:
    about = told(inside, "check_plain")
    shown = read_image(about["shown"]).astype(int)
    third = frames(about["file"])[2].astype(int)
    # Blender turns 4:2:0 into RGB by a scaler of its own.
    assert np.abs(shown - third).mean() < 2.0
    assert abs(shown.mean() - third.mean()) < 1.5


def test_speed_is_that_of_the_command(files: Path, inside: dict[str, dict[str, Any]]) -> None:
    made = frames(told(inside, "check_speed")["file"])
    assert len(made) == 12
    assert_same_as_command(made, files, files / "driving.mp4", "--start", "5", "--frames", "24", "--fps", "12.5")


def test_another_frame_rate_is_that_of_the_command(files: Path, inside: dict[str, dict[str, Any]]) -> None:
    made = frames(told(inside, "check_own_rate")["file"])[:10]
    # Six of the scene's frames are cut off: 6 * 25 / 24 of the movie's.
    assert_same_as_command(made, files, files / "driving.mp4", "--start", "6", "--frames", "10", "--fps", "24")


def test_uneven_frames_fill_the_strip(files: Path, inside: dict[str, dict[str, Any]]) -> None:
    about = told(inside, "check_uneven")
    made = frames(about["file"])
    assert 0 <= about["frames"] - len(made) <= 1  # Blender rounds its count; it holds the last frame
    start, rate = f"{3 / about['fps']:.6f}s", f"{about['fps']:.6f}"
    assert_same_as_command(made, files, files / "uneven.mp4", "--start", start, "--fps", rate)


def test_pictures_drive_as_they_do_in_the_command(files: Path, inside: dict[str, dict[str, Any]]) -> None:
    made = frames(told(inside, "check_image_sequence")["file"])
    assert_same_as_command(made, files, files / "pictures" / "walk-%02d.png", "--start", "2")


def test_masks_are_those_of_the_command(files: Path, inside: dict[str, dict[str, Any]]) -> None:
    first = Path(told(inside, "check_compositor")["occlusion"])
    made = frames(first.with_name(first.name.replace("00001", "%05d")))
    with TemporaryDirectory(dir=files) as folder:
        arguments = ["animate", str(files / "source.png"), str(files / "driving.mp4"), "-o", f"{folder}/frames", "-q"]
        arguments += ["--size", "model", "--start", "5", "--frames", "6", "--occlusion", f"{folder}/masks"]
        assert main(arguments) == 0
        theirs = frames(f"{folder}/masks")
    assert made.shape == theirs.shape
    assert np.abs(made.astype(int) - theirs).max() <= 1  # ComfyUI's images are rounded down
    assert theirs.max() > 0, "nothing is hidden"


def test_flow_leads_into_the_source(inside: dict[str, dict[str, Any]]) -> None:
    first = Path(told(inside, "check_compositor")["flow"])
    with av.open(str(first)) as file:
        u, v, shown = next(file.decode(video=0)).to_ndarray(format="gbrpf32le").transpose(2, 0, 1)
    # The first frame is the anchor: it hardly moves.
    across, down = (np.arange(128) + 0.5) / 128, 1 - (np.arange(128) + 0.5) / 128
    assert np.abs(u - across).mean() < 0.1
    assert np.abs(v - down[:, None]).mean() < 0.1
    assert 0 <= shown.min() <= shown.max() <= 1
    assert len(list(first.parent.glob(first.name.replace("00001", "*")))) == 6


def test_a_saved_file_gives_the_same_again(inside: dict[str, dict[str, Any]]) -> None:
    about = told(inside, "check_reopened")
    first, again = frames(about["first"]).astype(int), frames(about["again"])
    assert first.shape == again.shape
    assert np.abs(first - again).mean() < 3.0


def test_the_frame_at_the_playhead_is_the_source(inside: dict[str, dict[str, Any]]) -> None:
    picture = read_image(told(inside, "check_movie_frame_as_source")["file"])
    assert picture.shape == (16, 32, 3)
    assert round((picture.mean() - 20) / 15) == 7


def test_running_again_changes_the_pixels_alone(inside: dict[str, dict[str, Any]]) -> None:
    about = told(inside, "check_run_again_with_effect_trim_crop_and_move")
    first, again = frames(about["first"]).astype(int), frames(about["again"])
    assert first.shape == again.shape
    apart = np.abs(first - again).mean(axis=(1, 2, 3))
    assert apart.max() > 3.0 * max(1.0, apart[0]), "a quarter of the strength"


def test_only_standard_shows_the_files_pixels(files: Path, inside: dict[str, dict[str, Any]]) -> None:
    about = told(inside, "check_what_counts_as_the_files_pixels")
    wanted = read_image(files / "tones.png").astype(int)
    apart = {name: int(np.abs(read_image(path)[..., :3] - wanted).max()) for name, (_, path) in about.items()}
    neutral = {name for name, (said, _) in about.items() if said}
    assert neutral == {"Standard"}
    assert apart["Standard"] <= 1
    assert all(apart[name] > 10 for name in ("exposure", "gamma", "AgX")), apart


def test_a_phones_picture_stands_as_blender_shows_it(inside: dict[str, dict[str, Any]]) -> None:
    about = told(inside, "check_a_phones_picture_stands_as_blender_shows_it")
    height, width = read_image(about["file"]).shape[:2]
    assert [width, height] == about["shown"]


def test_the_camera_is_the_source(inside: dict[str, dict[str, Any]]) -> None:
    picture = read_image(told(inside, "check_scene_camera_as_source")["file"])
    assert picture.shape == (16, 16, 3)
    assert picture[..., 0].mean() > 240
    assert picture[..., 1:].mean() < 5


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("one strip", "Select two strips"),
        ("two stills", "has to move"),
        ("backwards", "Reverse Frames off"),
        ("mirrored", "Mirror off"),
        ("strobe", "Strobe to 1"),
        ("retimed", "retiming keys"),
        ("meta", "Ungroup it"),
        ("gone", "gone.mp4 is not there"),
        ("wandering speed", "Multiply"),
    ],
)
def test_what_is_not_handled_is_refused_with_what_to_do(
    case: str, words: str, inside: dict[str, dict[str, Any]]
) -> None:
    assert words in told(inside, "check_refusals")[case]


def test_sound_stays_in_sync(inside: dict[str, dict[str, Any]]) -> None:
    if not told(inside, "check_sound")["sound"]:
        pytest.skip("this Blender was built without sound, as bpy 4.2 from PyPI is")


def test_a_dead_worker_is_told_in_words(inside: dict[str, dict[str, Any]]) -> None:
    assert "next run starts it again" in told(inside, "check_dead_worker_leaves_no_strip")["said"]


def test_a_cancelled_worker_stays(inside: dict[str, dict[str, Any]]) -> None:
    assert told(inside, "check_cancel_leaves_no_strip")["alive"]
