"""Cross-Scale Difference Aggregation (ComGEN, section III-D): its network and its loss.

Name here ↔ symbol in the paper: photo ↔ F_{i,j}, differences ↔ D_{i,j} (eq. 5), estimates ↔ m_{i,j}, progressive ↔
m'_{i,j} (eq. 11), total_loss ↔ L_total (eq. 12), OMEGA ↔ ω. The first of three scales is j = 1, the finest.

The paper draws the network and does not write it down. Here C_{i,j}, the photo's features and the differences, becomes
some channels (1x1), goes down by depth-wise separable convolutions and up by bilinear interpolation and a 1x1
convolution, is added at every scale to what is there, masked by m'_{i,j}, and decoded from the coarsest to the finest.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.evaluation.training.draem import focal_loss
from core.methods.comgen.residual import SHARE

OMEGA = 5.0
"""Weight of the focal loss."""

STRIDE = 4
"""Pixels of the photo per cell of the finest scale."""

Scales = tuple[Tensor, Tensor, Tensor]


class CsdaNetwork(nn.Module):
    """Features of a photo and of its neighbour, packed float (B, 2C, h, w), to logits (B, 2, 4h, 4w): good, anomalous.

    ``depths`` are the channels of the three scales; ``moments`` (mean, deviation) of each channel over good photos, to
    which features are scaled before they are compared, as otherwise loud channels drown the others.
    """

    def __init__(
        self, depths: Sequence[int], width: int, moments: Sequence[tuple[Tensor, Tensor]] | None = None
    ) -> None:
        super().__init__()
        self.depths = tuple(depths)
        for j, depth in enumerate(depths):
            mean, deviation = moments[j] if moments else (torch.zeros(depth), torch.ones(depth))
            self.register_buffer(f"mean{j}", mean.reshape(1, depth, 1, 1).float())
            self.register_buffer(f"deviation{j}", deviation.reshape(1, depth, 1, 1).float())
        wide = [width, 2 * width, 2 * width]
        self.enter = nn.ModuleList([_conv(2 * d, w, 1) for d, w in zip(depths, wide, strict=True)])
        self.down = nn.ModuleList([_separable(a, b) for a, b in zip(wide, wide[1:], strict=False)])
        self.up = nn.ModuleList([_conv(b, a, 1) for a, b in zip(wide, wide[1:], strict=False)])
        self.lift = nn.ModuleList([_conv(b, a, 1) for a, b in zip(wide, wide[1:], strict=False)])
        self.decode = nn.ModuleList(
            [_conv(2 * wide[0], wide[0], 3), _conv(2 * wide[1], wide[1], 3), _conv(wide[2], wide[2], 3)]
        )
        self.head = nn.Conv2d(width, 2, 1)
        # Anomalous pixels are few: begun at 1 in 50, the first steps are not spent on learning that (Lin et al., 4.1).
        self.head.bias = nn.Parameter(torch.tensor((0.0, -3.9)))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 2, 4h, 4w)."""
        photo, other = (self.scaled(unpacked_scales(half, self.depths)) for half in x.chunk(2, 1))
        apart = differences(photo, other)
        masks = progressive_masks(mean_differences(apart))
        x1, x2, x3 = (
            enter(torch.cat(pair, 1)) for enter, pair in zip(self.enter, zip(photo, apart, strict=True), strict=True)
        )
        x2 = x2 + self.down[0](x1)
        x3 = x3 + self.down[1](x2)
        x2 = x2 + self.up[1](doubled(x3))
        x1 = x1 + self.up[0](doubled(x2))
        y1, y2, y3 = (features * mask for features, mask in zip((x1, x2, x3), masks, strict=True))
        z = self.decode[2](y3)
        z = self.decode[1](torch.cat((self.lift[1](doubled(z)), y2), 1))
        z = self.decode[0](torch.cat((self.lift[0](doubled(z)), y1), 1))
        logits: Tensor = self.head(z)
        return F.interpolate(logits, scale_factor=STRIDE, mode="bilinear", align_corners=False)

    def scaled(self, scales: Scales) -> Scales:
        """Each channel with mean 0 and deviation 1 over good photos."""
        one, two, three = (
            (s - self.get_buffer(f"mean{j}")) / self.get_buffer(f"deviation{j}") for j, s in enumerate(scales)
        )
        return one, two, three


def unpacked_scales(packed: Tensor, depths: Sequence[int]) -> Scales:
    """The three scales of (B, C, h, w): (B, c_1, h, w), (B, c_2, h/2, w/2), (B, c_3, h/4, w/4)."""
    first, second, third = torch.split(packed, [depth // 4**j for j, depth in enumerate(depths)], 1)
    return first, F.pixel_unshuffle(second, 2), F.pixel_unshuffle(third, 4)


def differences(photo: Scales, other: Scales) -> Scales:
    """D_j: the element-wise Euclidean distance of both (eq. 5), which is |F_j - M_j|."""
    one, two, three = ((a - b).abs() for a, b in zip(photo, other, strict=True))
    return one, two, three


def mean_differences(apart: Scales) -> Scales:
    """m_j: the mean over channels of D_j, (B, 1, h_j, w_j); already a blurred estimate of where the anomaly is."""
    one, two, three = (d.mean(1, keepdim=True) for d in apart)
    return one, two, three


def progressive_masks(masks: Scales) -> Scales:
    """m'_3 = m_3, m'_2 = m_2 * m_3 up-sampled, m'_1 = m_1 * m_2 up-sampled (eq. 11)."""
    m1, m2, m3 = masks
    return m1 * doubled(m2), m2 * doubled(m3), m3


def doubled(x: Tensor) -> Tensor:
    """Twice the sides, bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def total_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """L_total = Smooth-L1(y_pred, y_mask) + ω Focal(y_pred, y_mask) + Dice(y_pred, y_mask), ω = OMEGA (eq. 12).

    ``logits`` (B, 2, H, W), ``masks`` bool (B, H, W), or float in 0..1 where y_mask is soft; y_pred is the softmax
    probability of anomalous. The focal loss needs classes: of a soft mask, those that its mask is cut by.
    """
    predicted, wanted = torch.softmax(logits.float(), 1)[:, 1], masks.float()
    classes = masks if masks.dtype == torch.bool else masks >= SHARE
    return F.smooth_l1_loss(predicted, wanted) + OMEGA * focal_loss(logits, classes) + dice_loss(predicted, wanted)


def dice_loss(predicted: Tensor, wanted: Tensor, smooth: float = 1.0) -> Tensor:
    """1 - 2 Σ p g / (Σ p² + Σ g²) over the whole batch (Milletari et al. 2016), smoothed where it has no anomaly."""
    both = (predicted * wanted).sum()
    return 1 - (2 * both + smooth) / (predicted.square().sum() + wanted.square().sum() + smooth)


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    """Half the sides: a depth-wise convolution of stride 2, then one over channels."""
    deep = nn.Conv2d(inputs, inputs, 3, stride=2, padding=1, groups=inputs, bias=False)
    return nn.Sequential(deep, nn.BatchNorm2d(inputs), *_conv(inputs, outputs, 1))
