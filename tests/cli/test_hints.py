"""What `fomm` says to those who give it something else than it takes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from fomm_nodes.cli.hints import files_like, picture_and_clip
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core.checkpoints import ASSETS, read_checkpoint
from fomm_nodes.fomm_core.errors import FommError
from fomm_nodes.fomm_core.wording import counted, did_you_mean, nearest, odd_name, why_missing

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fomm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`fomm(...)` runs the command in a folder with an image and a clip; returns (exit code, output, messages)."""
    shutil.copy(ASSETS / "source.png", tmp_path / "face.png")
    shutil.copy(ASSETS / "driving.mp4", tmp_path / "talk.mp4")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        output = capfd.readouterr()
        return code, output.out, output.err

    return run


def sound_only(path: str) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["talk.mp4", "face.png"], ["Swap the two", "fomm animate face.png talk.mp4"]),
        (["talk.mp4", "talk.mp4"], ["is a video", "-frames:v 1"]),
        (["https://host.org/face.png", "talk.mp4"], ["https://host.org/face.png", "address", "download it"]),
        (["face.png", "https://host.org/talk.mp4"], ["https://host.org/talk.mp4", "address"]),
        (["file:///home/face.png", "talk.mp4"], ["without file://"]),
        (["*.jpg", "talk.mp4"], ["*.jpg", "No file fits that pattern"]),
        (["face.png", "*.mkv"], ["*.mkv", "No file fits that pattern"]),
        (["fcae.png", "talk.mp4"], ["Did you mean 'face.png'?"]),
        (["face.png", "tlak.mp4"], ["Did you mean 'talk.mp4'?"]),
        (["nowhere/face.png", "talk.mp4"], ["no folder 'nowhere'"]),
        (["'face.png'", "talk.mp4"], ["quotes"]),
        (["face.png", "only.m4a"], ["expected a video", "audio only"]),
        (["model.pth.tar", "talk.mp4"], ["--model FILE"]),
        (["face.png", "moves.safetensors"], ["--keypoints FILE"]),
        (["graph.json", "talk.mp4"], ["fomm render"]),
        (["face.png", "talk.mp4", "-o", "out.mp5"], ["Did you mean '.mp4'?"]),
        (["face.png", "talk.mp4", "-o", "there/no/out.doc"], [".webm"]),
        (["face.png", "talk.mp4", "--smooth", "gaussian", "--smooth-sigma", "-1"], ["at least 0"]),
        (["face.png", "talk.mp4", "--frames", "0"], ["at least one frame"]),
        (["face.png", "talk.mp4", "--preset", "voks-256"], ["Did you mean 'vox-256'?"]),
    ],
    ids=" ".join,
)
def test_animate(fomm: Run, arguments: list[str], words: list[str]) -> None:
    for name in ("f2.png", "t2.mp4", "model.pth.tar", "moves.safetensors", "graph.json"):
        Path(name).write_bytes(b"x")
    sound_only("only.m4a")
    before = sorted(Path().iterdir())
    code, out, err = fomm("animate", *arguments)
    assert (code, out) == (1, "")
    for word in words:
        assert word in err
    assert err.count("fomm: error: ") == 1
    assert "detecting keypoints" not in err
    assert sorted(Path().iterdir()) == before


@pytest.mark.skipif("os.name == 'nt'")
@pytest.mark.parametrize(
    "path", ["C:\\Users\\me\\face.png", "D:/me/face.png", "pictures\\face.png", "\\\\host\\face.png"]
)
def test_paths_of_windows(fomm: Run, path: str) -> None:
    code, _, err = fomm("animate", path, "talk.mp4")
    assert code == 1
    assert "path of Windows" in err


def test_a_pattern_that_fits_one_file_is_taken(fomm: Run) -> None:
    fomm("--version")
    assert picture_and_clip("*.png", "t*.mp4") == (Path("face.png"), Path("talk.mp4"))
    shutil.copy("face.png", "face2.png")
    assert picture_and_clip("face.png", "f*.png") == (Path("face.png"), Path("f*.png"))  # stills, which are a clip
    shutil.copy("face.png", "odd[1].png")
    assert picture_and_clip("odd[1].png", None) == (Path("odd[1].png"), None)  # a name, though it looks like a pattern
    with pytest.raises(FommError):
        picture_and_clip("*.p?g", None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["animate", "face.png", "talk.mp4", "--frames", "-2"], ["expected a number of frames", "'-2'"]),
        (["animate", "face.png", "talk.mp4", "--modle", "x"], ["fomm animate: error:", "--modle", "mean '--model'?"]),
        (["animate", "face.png", "talk.mp4", "--ouput=x.mp4"], ["mean '--output'?"]),
        (["crop", "face.png", "a.png", "b.png", "-o", "out"], ["a.png b.png (one image or clip at a time"]),
        (["animate", "face.png", "talk.mp4", "--smooth", "oneeuro"], ["mean 'one-euro'?"]),
        (["train", "clips", "--ouput", "x"], ["required: -o/--output", "mean '--output'?"]),
        (["doctor", "--jsn"], ["fomm doctor: error:", "mean '--json'?"]),
        (["animat"], ["fomm: error:", "mean 'animate'?"]),
        (["convert", "demo-128", "a.safetensors", "-o", "b.safetensors"], ["expected one DST"]),
        (["doctor", "--zzz"], ["--zzz\n"]),
    ],
    ids=" ".join,
)
def test_misspelt_options_and_commands(fomm: Run, arguments: list[str], words: list[str]) -> None:
    code, out, err = fomm(*arguments)
    assert (code, out) == (2, "")
    for word in words:
        assert word in err


@pytest.mark.parametrize("command", ["animate", "convert", "inspect"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vox-256", "fomm models get vox"),
        ("vox", "fomm models get vox"),
        ("taichi-adv", "fomm models get taichi-adv"),
        ("demo128", "Did you mean 'demo-128'?"),
        ("https://host.org/vox-cpk.pth.tar", "address"),
        ("weihgts.pth", "Did you mean 'weights.pth'?"),
    ],
)
def test_models_that_are_not_there(fomm: Run, command: str, name: str, words: str) -> None:
    Path("weights.pth").touch()
    arguments = {"animate": ["face.png", "talk.mp4", "--model", name]}
    code, out, err = fomm(command, *arguments.get(command, [name]))
    assert code == 1
    assert words in err
    assert "Traceback" not in err


def test_convert_takes_an_output(fomm: Run) -> None:
    assert fomm("convert", "demo-128", "-o", "made/by/name.safetensors")[0] == 0
    assert read_checkpoint("made/by/name.safetensors").presets == ("demo-128",)
    code, _, err = fomm("convert", "demo-128", "-o", "name.safetensor")
    assert code == 1
    assert "Did you mean '.safetensors'?" in err


def test_inspect_takes_patterns(fomm: Run) -> None:
    fomm("convert", "demo-128", "-o", "a.pth")
    fomm("convert", "demo-128", "-o", "b.pth")
    code, out, _ = fomm("inspect", "*.pth")
    assert code == 0
    assert "a.pth" in out
    assert "b.pth" in out
    assert files_like(["*.zip", "a.pth"]) == ["*.zip", "a.pth"]


def test_one_is_singular(fomm: Run) -> None:
    Path("one.json").write_text(
        '{"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}', encoding="utf-8"
    )
    code, out, _ = fomm("check", "one.json")
    assert code == 1
    assert "1 node, 1 error, 0 warnings" in out
    code, out, _ = fomm("animate", "face.png", "talk.mp4", "--frames", "1", "--size", "model", "-o", "out.mp4")
    assert code == 0
    assert "1 frame of 128x128" in out
    assert [counted(number, "key") for number in (0, 1, 2, 1234)] == ["0 keys", "1 key", "2 keys", "1,234 keys"]
    assert counted(2, "entry", "entries") == "2 entries"


def test_a_port_that_is_misspelt(fomm: Run) -> None:
    Path("g.json").write_text(
        '{"1": {"class_type": "LoadImage", "inputs": {"image": "face.png"}}, "2": {"class_type": "SaveImage", '
        '"inputs": {"images": ["1", 0], "filename_prefix": "x"}}}',
        encoding="utf-8",
    )
    code, _, err = fomm("render", "g.json", "--set", "LoadImage.imgae=face.png", "--dry-run")
    assert code == 1
    assert "Did you mean 'image'?" in err


def test_names_alike(tmp_path: Path) -> None:
    assert nearest("VOX_ADV", ["vox", "vox-adv", "taichi"]) == "vox-adv"
    assert nearest("modle", ["mode", "model"]) == "model"
    assert did_you_mean("zzz", ["vox"]) == did_you_mean("vox", ["vox"]) == ""
    (tmp_path / ".hidden.mp4").touch()
    assert why_missing(tmp_path / "hidden.mp4") == "Check the name and the folder."
    for ordinary in ("face.png", "a b.mp4", "~/face.png", "it's.png", "folder/face.png", "C"):
        assert odd_name(ordinary) is None
