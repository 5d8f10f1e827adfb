"""`fomm convert`, `fomm inspect` and `fomm doctor`, run in this process."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from family_models import small_family_model
from fomm_nodes.cli import doctor
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core.checkpoints import ASSETS, read_checkpoint, save_model
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import save_keypoints

DEMO = ASSETS / "demo-128.safetensors"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fomm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`fomm(...)` runs the command in an empty folder and returns (exit code, output, messages)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMFYUI_DIR", raising=False)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        output = capfd.readouterr()
        return code, output.out, output.err

    return run


def test_convert_there_and_back_is_exact(fomm: Run) -> None:
    code, out, _ = fomm("convert", DEMO, "demo.pth.tar")
    assert code == 0
    parameters = sum(read_checkpoint(DEMO).num_parameters.values())
    assert out == f"{Path('demo.pth.tar').resolve()}: demo-128, {parameters:,} parameters\n"
    assert fomm("convert", "demo.pth.tar")[0] == 0  # beside it, as .safetensors
    ours, back = read_checkpoint(DEMO), read_checkpoint("demo.safetensors")
    assert back.config == ours.config
    assert back.epoch == ours.epoch
    assert set(back.state) == set(ours.state)
    assert all(torch.equal(back.state[key], tensor) for key, tensor in ours.state.items())


def test_convert_keeps_the_warp_convention_that_is_asked_for(fomm: Run) -> None:
    fomm("convert", DEMO, "demo.pth")
    assert fomm("convert", "demo.pth", "old.safetensors")[0] == 0
    assert fomm("convert", "demo.pth", "new.safetensors", "--align-corners", "false", "-q") == (0, "", "")
    assert fomm("convert", "demo.pth", "set.safetensors", "--preset", "demo-128", "--align-corners", "no")[0] == 0
    corners = [read_checkpoint(f"{name}.safetensors").config.align_corners for name in ("old", "new", "set")]
    assert corners == [True, False, False]


def test_convert_says_what_it_leaves_out(fomm: Run) -> None:
    fomm("convert", DEMO, "demo.pth")
    content = torch.load("demo.pth", weights_only=True)
    torch.save({**content, "optimizer_generator": {"state": {}}}, "trained.pth.tar")
    code, _, err = fomm("convert", "trained.pth.tar", "out.safetensors")
    assert code == 0
    assert "left out" in err
    assert "optimizer_generator" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.pth.tar"], "nowhere.pth.tar"),
        ([str(DEMO), "demo.zip"], ".pth.tar"),
        ([str(DEMO), str(DEMO), "-y"], "for both"),
        (["there.safetensors"], "for both"),
        ([str(DEMO), "there.pth"], "exists already"),
        ([str(DEMO), "new.pth", "--preset", "vox-256"], "nearest preset is 'demo-128'"),
    ],
)
def test_convert_refuses(fomm: Run, arguments: list[str], message: str) -> None:
    for name in ("there.pth", "there.safetensors"):
        Path(name).write_text("precious")
    code, out, err = fomm("convert", *arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert sorted((path.name, path.read_text()) for path in Path().iterdir()) == [
        ("there.pth", "precious"),
        ("there.safetensors", "precious"),
    ]


def test_inspect_describes_weights(fomm: Run) -> None:
    code, out, _ = fomm("inspect", "demo-128")
    assert code == 0
    for text in (
        "demo-128.safetensors",
        "128x128",
        "10, with jacobians",
        "align_corners=True",
        "detector 629,848",
        "mouths",
    ):
        assert text.lower() in out.lower()
    code, out, _ = fomm("inspect", "--json", DEMO)
    (entry,) = json.loads(out)
    checkpoint = read_checkpoint(DEMO)
    assert entry["presets"] == ["demo-128"]
    assert entry["frame_size"] == {"width": 128, "height": 128}
    assert entry["parameters"] == checkpoint.num_parameters
    assert entry["epoch"] == checkpoint.epoch
    assert entry["discriminator"] is checkpoint.has_discriminator
    assert entry["config"]["detector"]["num_blocks"] == 4
    assert entry["metadata"]["licence"] == "MIT"


@pytest.mark.parametrize(
    ("family", "texts"),
    [
        ("fomm", ["First Order Motion Model", "relative, absolute; no avd network"]),
        ("tps", ["Thin-Plate Spline Motion Model (TPS)", "relative, absolute, avd", "10, without jacobians"]),
        ("mraa", ["Articulated Animation (MRAA)", "relative, absolute, avd", "no predictor"]),
        ("partswap", ["part swap", "for Detect Parts and Swap Parts"]),
    ],
)
def test_inspect_names_the_family(fomm: Run, family: str, texts: list[str]) -> None:
    if family == "fomm":
        file = str(DEMO)
    else:
        file = "small.safetensors"
        save_model(small_family_model(family), Path(file))
    code, out, _ = fomm("inspect", file)
    assert code == 0
    for text in texts:
        assert text in out
    (entry,) = json.loads(fomm("inspect", "--json", file)[1])
    assert (entry["family"], entry["avd"]) == (family, family in ("tps", "mraa"))


def test_inspect_describes_keypoints(fomm: Run) -> None:
    keypoints = Keypoints(torch.zeros(50, 7, 2))
    save_keypoints("moves.safetensors", keypoints, fps=25, metadata={"driving": "talk.mp4"})
    code, out, _ = fomm("inspect", "moves.safetensors")
    assert code == 0
    for text in ("(keypoints,", "50", "25 frames per second, 2.0 s", "7, without jacobians", "talk.mp4"):
        assert text in out
    (entry,) = json.loads(fomm("inspect", "--json", "moves.safetensors")[1])
    assert (entry["kind"], entry["frames"], entry["fps"], entry["seconds"]) == ("keypoints", 50, "25", 2.0)


def test_inspect_goes_on_after_a_bad_file(fomm: Run) -> None:
    Path("short.safetensors").write_bytes(b"abc")
    Path("odd.safetensors").write_bytes((9).to_bytes(8, "little") + b'{"a": [[]')
    code, out, err = fomm("inspect", "short.safetensors", "odd.safetensors", "demo-128")
    assert code == 1
    assert err.count("fomm: error: ") == 2
    assert "demo-128" in out
    code, out, err = fomm("inspect", "--json", "nowhere.pth", "demo-128")
    assert (code, err) == (1, "")
    bad, good = json.loads(out)
    assert "nowhere.pth" in bad["error"]
    assert good["keypoints"] == 10


def test_doctor_finds_a_sound_installation(fomm: Run) -> None:
    code, out, err = fomm("doctor", "--json")
    found = json.loads(out)
    assert (code, found["problems"]) == (0, [])
    assert found["libraries"]["torch"]["version"] == torch.__version__
    assert found["devices"][0]["device"] == "cpu"
    assert found["models"]["demo-128"]["parameters"] == sum(read_checkpoint(DEMO).num_parameters.values())
    assert all(found["video"]["codecs"].values())
    code, out, err = fomm("doctor")
    assert (code, err) == (0, "")
    for text in ("torch", "cpu", "write H.264", "demo-128", "ComfyUI", "no problems found"):
        assert text in out


def test_doctor_knows_what_the_package_asks_for(root: Path) -> None:
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    listed = text.split("\ndependencies = [\n")[1].split("]")[0]
    assert [line.strip(' ",') for line in listed.splitlines() if line.strip()] == list(doctor.LIBRARIES)


def test_doctor_says_what_to_do_about_broken_libraries(fomm: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def broken(name: str, *arguments: str) -> object:
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")
        if name == "kornia":
            raise ModuleNotFoundError("No module named 'kornia'")
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", broken)
    code, out, _ = fomm("doctor")
    assert code == 1
    assert "opencv-python-headless" in out
    assert 'pip install "kornia>=0.8.3,<0.10"' in out


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("0.9.0", "kornia>=0.8,<0.10", True),
        ("0.10.1", "kornia>=0.8,<0.10", False),
        ("0.7.4", "kornia>=0.8,<0.10", False),
        ("2.13.0+cpu", "torch>=2.4", True),
        ("2.3.1", "torch>=2.4", False),
        ("2.4", "torch>=2.4", True),
        ("unknown", "torch>=2.4", True),
    ],
)
def test_versions_are_compared_as_numbers(version: str, wanted: str, expected: bool) -> None:
    assert doctor.satisfies(version, wanted) is expected


def fake_comfyui(folder: Path, version: str, *packs: str) -> Path:
    for name in ("comfy", *(f"custom_nodes/{pack}/fomm_core" for pack in packs), "custom_nodes/other"):
        (folder / name).mkdir(parents=True)
    (folder / "main.py").touch()
    (folder / "comfyui_version.py").write_text(f'__version__ = "{version}"\n')
    for pack in packs:
        (folder / "custom_nodes" / pack / "fomm_core" / "config.py").touch()
    return folder


def test_doctor_finds_comfyui(fomm: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comfyui = fake_comfyui(tmp_path / "ComfyUI", "0.3.64", "fomm-nodes")
    entry = {"folder": str(comfyui.resolve()), "version": "0.3.64", "pack": [str(comfyui / "custom_nodes/fomm-nodes")]}
    assert entry in json.loads(fomm("doctor", "--json")[1])["comfyui"]  # in the folder below the current one
    monkeypatch.chdir(comfyui / "custom_nodes" / "other")
    assert entry in json.loads(fomm("doctor", "--json")[1])["comfyui"]  # above it
    monkeypatch.chdir("/")
    monkeypatch.setenv("COMFYUI_DIR", str(comfyui))
    code, out, _ = fomm("doctor")
    assert code == 0
    assert "this pack is fomm-nodes in its custom_nodes" in out


def test_doctor_warns_of_comfyui(fomm: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYUI_DIR", str(tmp_path / "nowhere"))
    fake_comfyui(tmp_path / "ComfyUI", "0.3.12", "fomm-nodes", "fomm-nodes-copy", "fomm-nodes.disabled")
    code, out, _ = fomm("doctor", "--quiet")
    assert code == 1
    for text in ("is not a ComfyUI", "0.3.60 or newer", "2 times (fomm-nodes, fomm-nodes-copy)"):
        assert text in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["animate", "bad.jpg", "bad.mp4", "-o", "new/a/out.mp4"],
        ["animate", "bad.jpg", "bad.mp4", "-o", "new/a/frames/", "--occlusion", "new/b/mask.mp4"],
        ["train", "empty", "-o", "new/run", "--preset", "demo", "--cache", "new/cache"],
        ["evaluate", "demo-128", "empty", "-o", "new/page.html"],
        ["convert", "bad.jpg", "new/model.safetensors"],
        ["graph", "bad.jpg", "-o", "new/api.json"],
        ["render", "bad.jpg", "-o", "new/out"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_bad_input_leaves_no_folder(
    fomm: Run, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes out gets its folder when it is known that something comes out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("bad.jpg", "bad.mp4"):
        (tmp_path / name).write_text("neither")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = fomm(*arguments)
    assert code == 1
    assert "expected" in err
    assert sorted(tmp_path.rglob("*")) == before
