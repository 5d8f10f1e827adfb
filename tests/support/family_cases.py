"""The numbers of TPS, MRAA and part swap (`shared/parity-family`), and checkpoints that fit them."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from fomm_nodes.fomm_core.checkpoints import model_from_checkpoint, read_checkpoint
from fomm_nodes.fomm_core.config import MotionModelConfig
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.motion import TransferOptions, transfer
from fomm_nodes.fomm_core.official import config_from_official
from nearness import near
from torch import Tensor

TPS = ["tps-small", "tps-nobg"]
MRAA = ["mraa-small", "mraa-bg", "mraa-jacobian"]
PART_SWAP = "partswap-small"
EXACT = 1e-6
"""In float64, of the greatest value of each array, or of 1: the arrays are rounded to float32, and two libraries' sums
of float64 agree to 6e-8 of it."""
OF_NOISE = 4
"""In float32: how many times what four runs of the published code differ, on one processor with AVX-512: there 2.94
times were seen (spline weights in relative mode), with AVX2's other sums 3.57 (one feature of 16384, moved by them)."""


MODES = {
    "standard": TransferOptions(mode="absolute"),
    "relative": TransferOptions(),
    "avd": TransferOptions(mode="avd"),
}


class Case:
    """A checkpoint in its published layout, its configuration, and what the published code computed with it.

    Arrays and the model are float64 unless `single`.
    """

    def __init__(self, folder: Path, name: str, made: Path, *, single: bool = False) -> None:
        self.name, self.single, self._folder, self._made = name, single, folder, made
        self.values = json.loads((folder / f"{name}.json").read_text())
        with np.load(folder / f"{name}.npz") as stored:
            arrays = {key: torch.from_numpy(np.atleast_1d(stored[key])) for key in stored.files}
        self._found: dict[str, Keypoints] = {}
        self.arrays = {key: value if single else value.double() for key, value in arrays.items()}

    @cached_property
    def config(self) -> MotionModelConfig:
        return config_from_official(self.values["config"])

    @cached_property
    def checkpoint(self) -> Path:
        """The file; TPS's is made of its recipe."""
        if not self.name.startswith("tps"):
            return self._folder / self.values["weights"]["file"]
        path = self._made / f"{self.name}.pth.tar"
        if not path.exists():
            torch.save(_by_recipe(self._folder / self.name, self.values["weights"]), path)
        return path

    @cached_property
    def model(self) -> MotionModel:
        model = model_from_checkpoint(read_checkpoint(self.checkpoint, config=self.config))
        return model if self.single else model.double()

    @property
    def modes(self) -> list[str]:
        return [mode for mode in MODES if f"{mode}/prediction" in self.arrays]

    @torch.no_grad()
    def found(self, who: str) -> Keypoints:
        """Keypoints of the "source" or the "driving" video; those of the arrays are rounded to float32."""
        if who not in self._found:
            self._found[who] = self.model.detect(self.arrays[who])
        return self._found[who]

    @torch.no_grad()
    def moved(self, mode: str) -> Keypoints:
        source, driving = self.found("source"), self.found("driving")
        return transfer(source, driving, driving[0], MODES[mode], avd=self.model.avd)

    def is_near(self, got: Tensor, name: str) -> None:
        expected = self.arrays[name]
        if self.single:
            noise = max(OF_NOISE * self.values["float32_noise"][name], 1e-6)  # a few roundings of 1
            near(got, expected, noise, of=1, about=name)
        else:
            near(got, expected, EXACT, of=max(1.0, self.values["max_abs"][name]), about=name)


def _by_recipe(stem: Path, recipe: dict) -> dict:
    """Large tensors are (seed, scale, shape) of numpy's old generator, which is the same everywhere."""
    networks: dict = {}
    with np.load(f"{stem}.weights.npz") as parts:
        for full in recipe["order"]:
            network, _, key = full.partition("/")
            networks.setdefault(network, {})
            if not key:
                continue
            if full in recipe["big"]:
                seed, scale, shape = recipe["big"][full]
                numbers = np.random.RandomState(seed).random_sample(int(np.prod(shape)))
                networks[network][key] = torch.from_numpy(((numbers - 0.5) * scale).astype(np.float32).reshape(shape))
            else:
                networks[network][key] = torch.from_numpy(np.array(parts[full]))
    return {**networks, **recipe["scalars"]}
