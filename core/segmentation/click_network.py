"""The wiring of mini-click: a small U-Net from a window of a photo and its prompt to one logit per pixel.

At strides 4, 8 and 16 it is told, too, what a network pretrained on ImageNet makes of the photo (photo_features.py).

The wiring is told once, in terms of a ``block``: training hands in convolutions with batch normalisation, prediction
hands in the shipped weights, into which that normalisation was folded. Torch is imported by the functions only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from core.features.extract import LAYERS

if TYPE_CHECKING:
    from torch import Tensor

INPUT_CHANNELS = 11
"""Red, green, blue; positive clicks, negative clicks, box, region so far; how unlike the pixel and its neighbourhood
are to what was clicked as inside, and as outside."""
STRIDE = 16
"""Sides of a window are multiples of this."""
WIDTHS = (16, 32, 64, 96)
"""Channels at strides 2, 4, 8 and 16."""
CLICK_RADIUS = 3.0
"""Radius of a click on its map, in window pixels."""

LIFTED = (LAYERS[0] + 2, LAYERS[1] + 2, LAYERS[2] + 2)
"""Channels of the pretrained network's maps at strides 4, 8 and 16, and likeness to the clicks of either sign."""
HALF_DISTANCE = 0.12
"""Distance of colours, in units of the full range, at which they count as half unlike."""
_FAR = 100.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ConvLayer:
    """A convolution; ``plain`` ones have no normalisation and no rectifier after them."""

    inputs: int
    outputs: int
    stride: int = 1
    dilation: int = 1
    plain: bool = False
    kernel: int = 3

    @property
    def padding(self) -> int:
        """Pixels added at each side, so that the size stays what the stride makes of it."""
        return self.dilation * (self.kernel // 2)


class ConvBlock(Protocol):
    """Layer ``name`` applied to x (N, C, h, w), plus ``add`` before the rectifier."""

    def __call__(self, name: str, x: Tensor, add: Tensor | None = None) -> Tensor: ...


def layers(widths: Sequence[int] = WIDTHS) -> dict[str, ConvLayer]:
    """Every convolution by name."""
    a, b, c, d = widths
    return {
        "down0": ConvLayer(INPUT_CHANNELS, a, 2), "keep0": ConvLayer(a, a),
        "down1": ConvLayer(a, b, 2), "res1a": ConvLayer(b, b), "res1b": ConvLayer(b, b),
        "down2": ConvLayer(b, c, 2), "res2a": ConvLayer(c, c), "res2b": ConvLayer(c, c),
        "res2c": ConvLayer(c, c), "res2d": ConvLayer(c, c),
        "down3": ConvLayer(c, d, 2), "res3a": ConvLayer(d, d), "res3b": ConvLayer(d, d),
        "res3c": ConvLayer(d, d, 1, 2), "res3d": ConvLayer(d, d, 1, 2),
        "up2a": ConvLayer(d + c, c), "up2b": ConvLayer(c, c),
        "up1a": ConvLayer(c + b, b), "up1b": ConvLayer(b, b),
        "up0a": ConvLayer(b + a, a), "up0b": ConvLayer(a, a),
        "head": ConvLayer(a, 4, plain=True),
        "lift4": ConvLayer(LIFTED[0], b, plain=True, kernel=1), "lift8": ConvLayer(LIFTED[1], c, plain=True, kernel=1),
        "lift16": ConvLayer(LIFTED[2], d, plain=True, kernel=1),
    }  # fmt: skip


def forward(x: Tensor, maps: Sequence[Tensor], block: ConvBlock) -> Tensor:
    """Logits (N, 1, h, w) of inputs (N, 11, h, w) and of maps (N, LIFTED[k], h / s, w / s); sides multiples of 16."""
    import torch
    from torch.nn import functional

    def up(deep: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([functional.interpolate(deep, scale_factor=2.0, mode="nearest"), skip], 1)

    def residual(x: Tensor, first: str, second: str) -> Tensor:
        return block(second, block(first, x), add=x)

    at2 = block("keep0", block("down0", x))
    at4 = residual(block("down1", at2, block("lift4", maps[0])), "res1a", "res1b")
    at8 = residual(residual(block("down2", at4, block("lift8", maps[1])), "res2a", "res2b"), "res2c", "res2d")
    deep = residual(residual(block("down3", at8, block("lift16", maps[2])), "res3a", "res3b"), "res3c", "res3d")
    y = block("up2b", block("up2a", up(deep, at8)))
    y = block("up1b", block("up1a", up(y, at4)))
    y = block("up0b", block("up0a", up(y, at2)))
    return functional.pixel_shuffle(block("head", y), 2)


class FoldedConvBlock:
    """Blocks of shipped weights: ``NAME.weight`` (out, in, 3, 3) and ``NAME.bias`` (out,)."""

    def __init__(self, weights: Mapping[str, Tensor], plan: Mapping[str, ConvLayer]) -> None:
        import torch

        self._plan = plan
        self._weights = {k: v.float().contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v.float()
                         for k, v in weights.items()}  # fmt: skip

    def __call__(self, name: str, x: Tensor, add: Tensor | None = None) -> Tensor:
        from torch.nn import functional

        layer = self._plan[name]
        y = functional.conv2d(
            x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], layer.stride, layer.padding,
            layer.dilation,
        )  # fmt: skip
        if layer.plain:
            return y
        return (y if add is None else y.add_(add)).relu_()


def encode_inputs(
    rgb: npt.NDArray[np.uint8],
    positive: npt.NDArray[np.float64],
    negative: npt.NDArray[np.float64],
    box: tuple[float, float, float, float] | None = None,
    region: npt.NDArray[np.bool_] | None = None,
) -> Floats:
    """float32 (11, h, w): a window uint8 (h, w, 3) and its prompt in window pixels.

    Clicks are (n, 2) columns and rows and may lie off the window, like the box; ``region``, bool (h, w), is the one
    so far.
    """
    h, w = rgb.shape[:2]
    out = np.zeros((INPUT_CHANNELS, h, w), np.float32)
    out[:3] = rgb.transpose(2, 0, 1) / np.float32(127.5) - 1
    for plane, points in ((3, positive), (4, negative)):
        disc: npt.NDArray[np.uint8] = np.zeros((h, w), np.uint8)
        for x, y in points:
            # Circles in fixed point, 3 fractional bits.
            cv2.circle(disc, (round(x * 8), round(y * 8)), round(CLICK_RADIUS * 8), 1, -1, cv2.LINE_8, 3)
        out[plane] = disc
    if box is not None:
        x0, y0, x1, y1 = (max(round(v), 0) for v in box)
        out[5, y0:y1, x0:x1] = 1
    if region is not None:
        out[6] = region
    sharp: Floats = rgb.astype(np.float32) / np.float32(255)
    smooth: Floats = np.asarray(cv2.blur(sharp, (5, 5)), np.float32)
    for plane, points in ((7, positive), (9, negative)):
        out[plane], out[plane + 1] = (_distance_to_clicks(field, points) for field in (sharp, smooth))
    return out


def _distance_to_clicks(field: Floats, points: npt.NDArray[np.float64]) -> Floats:
    """float32 (h, w) 0..1: how far each colour is from that of the most similar click; near 1 without clicks."""
    h, w = field.shape[:2]
    nearest = np.full((h, w), _FAR, np.float32)
    for x, y in points:
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        if 0 <= column < w and 0 <= row < h:
            patch = field[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            offset = np.column_stack((np.eye(3), -patch.mean((0, 1))))
            red, green, blue = cv2.split(cv2.transform(field, offset))
            # numpy's norm sums in this order, but an axis of three numbers costs it ten times as much.
            nearest = np.minimum(nearest, np.sqrt(red * red + green * green + blue * blue))
    return nearest / (nearest + np.float32(HALF_DISTANCE))
