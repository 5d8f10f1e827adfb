"""How the camera moved between two pictures: for training and reconstruction, where the background is no part's."""

import torch
from einops import reduce
from torch import Tensor, nn

from ..config import BackgroundConfig
from .blocks import at_least_float32
from .hourglass import Contraction
from .resnet import ResNet18

PLACES = {"shift": (2, 5), "affine": (0, 1, 2, 3, 4, 5), "perspective": (0, 1, 2, 3, 4, 5, 6, 7)}
"""Which numbers of the matrix, row by row, each kind estimates; the others are the identity's."""


class BackgroundPredictor(nn.Module):
    """Source and driving images [B, C, H, W] -> [B, 3, 3], from driving positions to source positions."""

    def __init__(self, config: BackgroundConfig, *, num_channels: int) -> None:
        super().__init__()
        self.places = PLACES[config.kind]
        if config.encoder is None:
            self.encoder: Contraction | ResNet18 = ResNet18(2 * num_channels, len(self.places))
            self._start_as_identity(self.encoder.fc)
        else:
            self.encoder = Contraction(config.encoder, 2 * num_channels)
            self.fc = nn.Linear(config.encoder.features(config.encoder.num_blocks), len(self.places))
            self._start_as_identity(self.fc)

    def _start_as_identity(self, layer: nn.Linear) -> None:
        nn.init.zeros_(layer.weight)
        with torch.no_grad():
            layer.bias.copy_(torch.eye(3, device="cpu").flatten()[list(self.places)])

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        numbers = self.encoder(torch.cat([source.expand(len(driving), -1, -1, -1), driving], dim=1))
        if isinstance(self.encoder, Contraction):
            numbers = self.fc(reduce(numbers, "b c h w -> b c", "mean"))
        matrix = torch.eye(3).to(at_least_float32(numbers)).flatten().repeat(len(numbers), 1)
        return matrix.index_copy(
            1, torch.tensor(self.places, device=matrix.device), at_least_float32(numbers)
        ).unflatten(1, (3, 3))
