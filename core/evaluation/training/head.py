"""The trainable part of a detector on frozen features."""

from __future__ import annotations

from torch import Tensor, nn


class SegmentationHead(nn.Module):
    """Features float (B, C, h, w) to logits (B, 2, h * stride, w * stride): good, anomalous."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            # Features have length 1 over all channels: brought to a deviation of about 1 before anything is learned.
            nn.BatchNorm2d(channels, affine=False),
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2, 1),
            nn.Upsample(scale_factor=stride, mode="bilinear", align_corners=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 2, h * stride, w * stride)."""
        logits: Tensor = self.body(x)
        return logits
