"""Starts the encoder at the principal components of 8x8 cells, so that training refines a code that already works.

From random weights the four channels fill with light and dark, and hue is found thousands of steps later if at all.
The network can be linear exactly: its residual branches start at nothing, and each component passes the last
non-linearity as a pair, since silu(x) - silu(-x) = x.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

NEARLY_EXACT = -5.0
"""Log variance of the latents at the start, beside their own of 0."""
HUE = 1.5
"""Hue counts this much more than light: a little of it tells parts apart."""
CONSTANT = 12.0
"""A pair of constant channels, so large that the last normalisation divides every picture by about the same."""


@torch.no_grad()
def start(model: Any, crops: Tensor) -> None:
    """Set ``model``'s encoder (AutoencoderKL as tools.mini_model.sizes makes it) by ``crops`` (N, 3, h, w), -1..1.

    Its last level must be wider than the one before: the pairs are made in the kernel between the two.
    """
    encoder = model.encoder
    opponent = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-0.5, 1.0, -0.5]])
    opponent = opponent / opponent.norm(dim=1, keepdim=True) * torch.tensor([[1.0], [HUE], [HUE]])
    _point(encoder.conv_in, opponent)
    x = F.conv2d(crops, opponent[:, :, None, None])
    for block in list(encoder.down_blocks)[:3]:
        _pass_on(block.resnets[0], x.shape[1])
        conv = block.downsamplers[0].conv
        cells = _cells(x)
        basis = _principal(cells, min(conv.out_channels, cells.shape[1]))
        conv.weight.zero_()
        conv.bias.zero_()
        taps = basis.reshape(len(basis), x.shape[1], 2, 2)
        conv.weight[: len(basis), : x.shape[1], :2, :2] = taps
        x = F.conv2d(x, taps, stride=2)
    _pairs(encoder, x)
    _point(model.quant_conv, torch.eye(8))
    model.quant_conv.bias[4:] = NEARLY_EXACT


def _point(conv: Any, matrix: Tensor) -> None:
    """Make a 3x3 or 1x1 kernel the ``matrix`` (out, in) at its middle, and nothing elsewhere."""
    middle = conv.kernel_size[0] // 2
    conv.weight.zero_()
    conv.bias.zero_()
    conv.weight[: matrix.shape[0], : matrix.shape[1], middle, middle] = matrix


def _pass_on(resnet: Any, channels: int) -> None:
    if resnet.conv_shortcut is not None:
        _point(resnet.conv_shortcut, torch.eye(channels))


def _cells(x: Tensor) -> Tensor:
    """(N, C, h, w) to rows (N h/2 w/2, C 2 2)."""
    rows = F.unfold(x, 2, stride=2)
    return rows.transpose(1, 2).reshape(-1, rows.shape[1])


def _principal(rows: Tensor, count: int) -> Tensor:
    """The ``count`` directions (count, features) along which ``rows`` vary most, the mean's own direction included."""
    _, vectors = torch.linalg.eigh(rows.double().T @ rows.double() / len(rows))
    return vectors.flip(1)[:, :count].T.float()


def _pairs(encoder: Any, x: Tensor) -> None:
    """Each of the first components as a pair of opposite channels in one group, and the first four as the latents."""
    last = encoder.down_blocks[3].resnets[0]
    _pass_on(last, 0)
    groups = encoder.conv_norm_out.num_groups
    half = last.out_channels // groups // 2 - 1
    flat = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
    kept = flat[:, : half * groups]
    variance = kept.square().sum(dim=1).mean() * 2 / groups + 2 * CONSTANT**2
    spread = (variance / (2 * half + 2)).sqrt()
    size = last.out_channels // groups
    for group in range(groups):
        at = group * size
        for k in range(half):
            component = group + k * groups
            if component < x.shape[1]:
                last.conv_shortcut.weight[at + 2 * k, component] = 1
                last.conv_shortcut.weight[at + 2 * k + 1, component] = -1
        last.conv_shortcut.bias[at + size - 2], last.conv_shortcut.bias[at + size - 1] = CONSTANT, -CONSTANT
    encoder.conv_out.weight.zero_()
    encoder.conv_out.bias.zero_()
    for k in range(4):
        at = (k % groups) * size + 2 * (k // groups)
        gain = spread / flat[:, k].std()
        encoder.conv_out.weight[k, at, 1, 1], encoder.conv_out.weight[k, at + 1, 1, 1] = gain, -gain
