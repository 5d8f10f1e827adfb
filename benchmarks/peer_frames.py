"""One program of `peers`: makes a frame for each line that it reads, and writes the CPU seconds that this took.

Run as a script: python peer_frames.py KIND INPUTS.npy FOLDER, where KIND is `tps`, `live-portrait`, or ours as
`float32:256`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Frame = Callable[[Tensor], object]


def ours(kind: str, images: Tensor) -> Frame:
    """A session with vox-256's networks. kind: precision and side."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from benchmarks.__main__ import bind_checkout

    bind_checkout()
    from fomm_nodes.fomm_core.fitting import resize

    from benchmarks.speed import lively_model, session_loop

    precision, side = kind.split(":")
    size = (int(side), int(side))
    model = lively_model(images[:2])
    source = resize(images[:1], *size)
    anchor = model.detect(resize(images[1:2], *size))
    frame = session_loop(model, source, anchor, getattr(torch, precision))
    return lambda driving: frame(resize(driving, *size))


def thin_plate(folder: str, images: Tensor) -> Frame:
    """The networks of its demo, by its own configuration for VoxCeleb, in relative mode."""
    import yaml

    sys.path.insert(0, folder)
    from modules.dense_motion import DenseMotionNetwork
    from modules.inpainting_network import InpaintingNetwork
    from modules.keypoint_detector import KPDetector
    from scipy.spatial import ConvexHull

    settings = yaml.safe_load((Path(folder) / "config" / "vox-256.yaml").read_text())["model_params"]
    shared = settings["common_params"]
    detector = KPDetector(**shared)
    dense = DenseMotionNetwork(**shared, **settings["dense_motion_params"])
    painter = InpaintingNetwork(**settings["generator_params"], **shared)
    source = images[:1]

    def area(points: Tensor) -> float:
        return float(ConvexHull(points[0].numpy()).volume) ** 0.5

    def render(driving: Tensor) -> Any:
        scale = area(at_source["fg_kp"]) / area(first["fg_kp"])
        moved = {"fg_kp": (detector(driving)["fg_kp"] - first["fg_kp"]) * scale + at_source["fg_kp"]}
        flow = dense(source_image=source, kp_driving=moved, kp_source=at_source, bg_param=None, dropout_flag=False)
        return painter(source, flow)["prediction"]

    for network in (detector, dense, painter):
        network.eval()
    at_source = first = detector(source)
    with _statistics_taken(detector, dense, painter):
        first = detector(images[1:2])
        at_source = detector(source)
        render(images[2:3])
    at_source, first = detector(source), detector(images[1:2])
    return render


def live_portrait(folder: str, images: Tensor) -> Frame:
    """Its five networks, as its pipeline calls them for a still image, stitching included."""
    import yaml

    sys.path.insert(0, folder)
    from src.modules.appearance_feature_extractor import AppearanceFeatureExtractor
    from src.modules.motion_extractor import MotionExtractor
    from src.modules.spade_generator import SPADEDecoder
    from src.modules.stitching_retargeting_network import StitchingRetargetingNetwork
    from src.modules.warping_network import WarpingNetwork

    settings = yaml.safe_load((Path(folder) / "src" / "config" / "models.yaml").read_text())["model_params"]
    extractor = AppearanceFeatureExtractor(**settings["appearance_feature_extractor_params"])
    motion = MotionExtractor(**settings["motion_extractor_params"])
    warping = WarpingNetwork(**settings["warping_module_params"])
    decoder = SPADEDecoder(**settings["spade_generator_params"])
    stitcher = StitchingRetargetingNetwork(**settings["stitching_retargeting_module_params"]["stitching"])
    for network in (extractor, motion, warping, decoder, stitcher):
        network.eval()
    spread = torch.linspace(-0.4, 0.4, 63).reshape(1, 21, 3)

    def points(image: Tensor) -> Tensor:
        found = motion(image)
        return spread + 0.01 * torch.tanh(found["kp"].reshape(1, 21, 3) + found["exp"].reshape(1, 21, 3))

    def render(driving: Tensor) -> Any:
        moved = at_source + points(driving) - first
        change = 0.01 * torch.tanh(stitcher(torch.cat([at_source.flatten(1), moved.flatten(1)], 1)))
        moved = moved + change[:, :63].reshape(1, 21, 3)
        moved = torch.cat([moved[..., :2] + change[:, None, 63:], moved[..., 2:]], -1)
        return decoder(feature=warping(volume, kp_source=at_source, kp_driving=moved)["out"])

    volume, at_source, first = extractor(images[:1]), points(images[:1]), points(images[1:2])
    with _statistics_taken(extractor, motion, warping, decoder):
        volume = extractor(images[:1])
        render(images[2:3])
    volume = extractor(images[:1])
    return render


class _statistics_taken:
    """Batch normalisation takes the statistics of what passes; random weights otherwise give numbers of any size."""

    def __init__(self, *networks: nn.Module) -> None:
        kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
        self.layers = [layer for network in networks for layer in network.modules() if isinstance(layer, kinds)]

    def __enter__(self) -> None:
        for layer in self.layers:
            layer.momentum = None
            layer.train()

    def __exit__(self, *problem: object) -> None:
        for layer in self.layers:
            layer.eval()


def main(kind: str, inputs: str, folder: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images = torch.from_numpy(np.load(inputs)).permute(0, 3, 1, 2).float() / 255
    made = {"tps": thin_plate, "live-portrait": live_portrait}
    with torch.no_grad():
        frame = made[kind](folder, images) if kind in made else ours(kind, images)
        frame(images[2:3])
        print("ready", flush=True)
        for _, driving in zip(sys.stdin, cycle(images[1:].split(1)), strict=False):
            began = time.process_time()
            frame(driving)
            print(time.process_time() - began, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
