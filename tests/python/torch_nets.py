"""Classes of modules that only the tests know."""

from __future__ import annotations

import torch
from torch import nn

from small_models import CLASSES, FEATURES


class VectorNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(FEATURES, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1)
        )
        self.head = nn.Linear(32, CLASSES)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(inputs))


class PictureNet(nn.Module):
    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
        )
        self.head = nn.Linear(72, CLASSES)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(inputs))


class DictionaryNet(VectorNet):
    """Gives its logits among other things."""

    def forward(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.body(inputs)
        return {"features": features, "logits": self.head(features)}


class DecidingNet(VectorNet):
    """Decides on a value, which torch.export refuses; the decision is the same for every batch."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = self.body(inputs)
        if bool((features * features).sum() >= 0):
            return self.head(features)
        return self.head(-features)


class FixedBatchNet(VectorNet):
    """Cannot be used with another batch size than it was made with."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits = super().forward(inputs)
        weights = torch.tensor([float(i + 1) for i in range(int(inputs.shape[0]))])
        if float(weights.sum()) > 0:
            return logits * weights[:, None]
        return logits
