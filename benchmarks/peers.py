"""Frames per CPU second: the session against the published code of Thin-Plate-Spline Motion Model and LivePortrait.

Each peer's networks are built by its own code, from the folder that the user gives, in a process of its own: their
modules have names in common, and they are strangers' code. Their weights are random, with the statistics that the
example gives them, and so are ours. All take turns, a frame each, on one thread; the figures are medians of process
CPU time.

Thin-Plate-Spline runs `make_animation` of its `demo.py`, relative mode, each turn of its loop timed. LivePortrait runs
what its `execute` does for each frame of a driving clip, through its `LivePortraitWrapper`: motion extraction, relative
motion, stitching, warping and decoding, 8 bits at the end; its source is encoded once, as there. Left out, in its
favour: face detection, landmarks and pasting back. It computes in float32, since float16, its default, is slower on a
processor. From a picture of 256x256 it makes frames of 512x512, ours and Thin-Plate-Spline have 256x256.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import torch
from fomm_nodes.fomm_core.errors import FommError
from fomm_nodes.fomm_core.fitting import to_uint8
from fomm_nodes.fomm_core.precision import AUTO, choose_precision

from .speed import example, session_loop

SIZE = 256

COMMON = """
import contextlib, sys, time
from unittest.mock import MagicMock
import numpy as np, torch
folder, pictures, rounds = sys.argv[1:]
sys.path.insert(0, folder)
sys.dont_write_bytecode = True
torch.manual_seed(0)
torch.set_num_threads(1)
answers = sys.stdout
sys.stdout = sys.stderr  # theirs
pictures = np.load(pictures)
source, clip = pictures[0], pictures[1:]
waited = [clip[(2 * number + 1) % len(clip)] for number in range(int(rounds) + 1)]

def turns(numbers):
    for number in numbers:
        sys.stdin.readline()
        began = time.process_time()
        yield number
        print(time.process_time() - began, file=answers, flush=True)

@contextlib.contextmanager
def fitting(networks):
    # Statistics of these pictures, as a trained network would have those of its own.
    for network in networks:
        network.train()
        for layer in network.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                layer.momentum = None
    yield
    for network in networks:
        network.eval()
"""

TPS = """
for unused in ("matplotlib", "imageio", "skimage", "skimage.transform"):
    sys.modules[unused] = MagicMock()
import yaml
import demo
with open(folder + "/config/vox-256.yaml") as file:
    settings = yaml.safe_load(file)["model_params"]
shared = settings["common_params"]
detector = demo.KPDetector(**shared)
dense = demo.DenseMotionNetwork(**shared, **settings["dense_motion_params"])
painter = demo.InpaintingNetwork(**settings["generator_params"], **shared)

def animate(frames):
    frames = [frame / 255 for frame in frames]
    demo.make_animation(source / 255, frames, painter, detector, dense, None, torch.device("cpu"), "relative")

demo.tqdm = iter
with fitting([detector, dense, painter]):
    animate(clip[:2])
demo.tqdm = turns
animate(waited)
"""

LIVEPORTRAIT = """
import src.live_portrait_wrapper as wrapping
from src.utils import helper

def built(path, settings, device, kind):
    settings = settings["model_params"][kind + "_params"]
    if kind == "stitching_retargeting_module":
        return {name: helper.StitchingRetargetingNetwork(**settings[name]).eval() for name in settings}
    kinds = {
        "appearance_feature_extractor": helper.AppearanceFeatureExtractor,
        "motion_extractor": helper.MotionExtractor,
        "warping_module": helper.WarpingNetwork,
        "spade_generator": helper.SPADEDecoder,
    }
    return kinds[kind](**settings).eval()

wrapping.load_model = built
settings = wrapping.InferenceConfig(flag_force_cpu=True, flag_use_half_precision=False)
settings.checkpoint_S = settings.models_config  # only asked whether it is there
live = wrapping.LivePortraitWrapper(settings)
x = live.prepare_source(source)
with fitting([live.appearance_feature_extractor, live.motion_extractor, live.warping_module, live.spade_generator]):
    volume = live.extract_feature_3d(x)
    at = live.transform_keypoint(live.get_kp_info(x))
    live.warp_decode(volume, at, at)
info = live.get_kp_info(x)
neutral, volume, at = info["kp"], live.extract_feature_3d(x), live.transform_keypoint(info)
turned = wrapping.get_rotation_matrix(info["pitch"], info["yaw"], info["roll"])
first = None
for frame in turns(live.prepare_videos([*waited])):
    now = live.get_kp_info(frame)
    live.transform_keypoint(now)  # kept in its templates
    now["R"] = wrapping.get_rotation_matrix(now["pitch"], now["yaw"], now["roll"])
    first = first or now
    rotation = (now["R"] @ first["R"].permute(0, 2, 1)) @ turned
    expression = info["exp"] + (now["exp"] - first["exp"])
    scale = info["scale"] * (now["scale"] / first["scale"])
    place = info["t"] + (now["t"] - first["t"])
    place[..., 2].fill_(0)
    driven = live.stitching(at, scale * (neutral @ rotation + expression) + place)
    live.parse_output(live.warp_decode(volume, at, driven)["out"])
"""


class Peer:
    """A peer in its own process, which computes a frame when it is told to."""

    def __init__(self, folder: Path, work: str, pictures: Path, rounds: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMON + work, str(folder.resolve()), str(pictures), str(rounds)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def frame(self) -> float:
        """CPU seconds of the next frame."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            print(file=self.process.stdin, flush=True)
        said = self.process.stdout.readline()
        if not said:
            raise FommError("expected a frame from the published code; it ended with the error above.")
        return float(said)


@torch.inference_mode()
def measure(*, tps: Path | None, liveportrait: Path | None, rounds: int) -> None:
    """Print the table."""
    folders = {
        "Thin-Plate-Spline": (tps, "demo.py", TPS),
        "LivePortrait": (liveportrait, "src/live_portrait_wrapper.py", LIVEPORTRAIT),
    }
    for folder, file, _ in folders.values():
        if folder is not None and not (folder / file).is_file():
            raise FommError(f"expected a folder of the published code, with its '{file}'; got '{folder}'.")
    if tps is None and liveportrait is None:
        raise FommError("expected the folder of a peer's published code: --tps FOLDER, --liveportrait FOLDER, or both.")
    torch.set_num_threads(1)
    model, source, clip = example(SIZE, trained=False)
    anchor = model.detect(clip[0])
    formats = dict.fromkeys(("float32", choose_precision(AUTO, torch.device("cpu"))))  # once where they are the same
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as running:
        pictures = Path(temporary) / "pictures.npy"
        np.save(pictures, np.concatenate([to_uint8(picture) for picture in (source, *clip)]))
        ways: dict[str, Callable[[int], float]] = {
            f"ours, {name}": _timed(session_loop(model, source, anchor, getattr(torch, name)), clip) for name in formats
        }
        for name, (folder, _, work) in folders.items():
            if folder is not None:
                peer = running.enter_context(Peer(folder, work, pictures, rounds))
                ways[name] = lambda _, peer=peer: peer.frame()  # type: ignore[misc]
        for index in range(rounds + 1):
            for name, run in ways.items():
                taken = run(index)
                if index:
                    seconds.setdefault(name, []).append(taken)
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    print(f"{model.name}, {SIZE}x{SIZE}, one thread, torch {torch.__version__}, {rounds} frames each")
    ours = [name for name in median if name.startswith("ours")]
    print(f"{'way':<20}{'CPU s/frame':>12}" + "".join(f"{'times ' + name:>24}" for name in ours))
    for name, taken in median.items():
        print(f"{name:<20}{taken:>12.3f}" + "".join(f"{taken / median[way]:>23.2f}x" for way in ours))


def _timed(loop: Callable[[torch.Tensor], torch.Tensor], clip: list[torch.Tensor]) -> Callable[[int], float]:
    def run(index: int) -> float:
        began = time.process_time()
        loop(clip[(2 * index + 1) % len(clip)])
        return time.process_time() - began

    return run
