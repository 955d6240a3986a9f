"""The network while it learns: the shipped wiring with batch normalisation, and its folding away afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.segmentation.click_network import WIDTHS, forward, layers


class ClickNet(nn.Module):
    """The shipped wiring, learning: see ``core.segmentation.click_network.forward``."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.plan = layers(widths)
        self.convolutions, self.norms = nn.ModuleDict(), nn.ModuleDict()
        for name, layer in self.plan.items():
            self.convolutions[name] = nn.Conv2d(
                layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding, layer.dilation,
                bias=layer.plain,
            )  # fmt: skip
            if layer.kernel == 1:
                # The pretrained maps join an otherwise trained network from nothing.
                nn.init.zeros_(self.convolutions[name].weight)
                nn.init.zeros_(self.convolutions[name].bias)
            if not layer.plain:
                self.norms[name] = nn.BatchNorm2d(layer.outputs)

    def block(self, name: str, x: Tensor, add: Tensor | None = None) -> Tensor:
        """Convolution, normalisation, sum, rectifier."""
        y = self.convolutions[name](x)
        if self.plan[name].plain:
            return y
        y = self.norms[name](y)
        return functional.relu(y if add is None else y + add, inplace=True)

    def forward(self, x: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Logits."""
        return forward(x, maps, self.block)

    @torch.no_grad()
    def start_from(self, weights: Mapping[str, Tensor], x: Tensor, maps: Sequence[Tensor]) -> None:
        """Take over shipped weights, whose normalisation was folded in: each is given back, as ``x`` shows it."""

        def block(name: str, x: Tensor, add: Tensor | None = None) -> Tensor:
            convolution = self.convolutions[name]
            if f"{name}.weight" in weights:
                convolution.weight.copy_(weights[f"{name}.weight"])
                if self.plan[name].plain:
                    convolution.bias.copy_(weights[f"{name}.bias"])
                else:
                    self._spread(name, convolution(x), weights[f"{name}.bias"])
            y = convolution(x)
            if self.plan[name].plain:
                return y
            y = functional.batch_norm(y, None, None, self.norms[name].weight, self.norms[name].bias, True)
            return functional.relu(y if add is None else y + add)

        forward(x, maps, block)

    def _spread(self, name: str, y: Tensor, bias: Tensor) -> None:
        norm = self.norms[name]
        variance, mean = torch.var_mean(y, (0, 2, 3), correction=0)
        norm.running_var.copy_(variance)
        norm.running_mean.copy_(mean)
        norm.weight.copy_(torch.sqrt(variance + 1e-5))
        norm.bias.copy_(mean + bias)


@torch.no_grad()
def folded(state: Mapping[str, Tensor], widths: tuple[int, ...] = WIDTHS) -> dict[str, Tensor]:
    """The weights that core.segmentation.click_network.FoldedBlock wants, of a ClickNet's state."""
    out: dict[str, Tensor] = {}
    for name, layer in layers(widths).items():
        weight = state[f"convolutions.{name}.weight"]
        if layer.plain:
            out[f"{name}.weight"], out[f"{name}.bias"] = weight, state[f"convolutions.{name}.bias"]
            continue
        norm = {k: state[f"norms.{name}.{k}"] for k in ("weight", "bias", "running_mean", "running_var")}
        scale = norm["weight"] / torch.sqrt(norm["running_var"] + 1e-5)
        out[f"{name}.weight"] = weight * scale[:, None, None, None]
        out[f"{name}.bias"] = norm["bias"] - norm["running_mean"] * scale
    return out


def loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean of binary cross-entropy, heavier near and in small things, and of 1 - soft IoU."""
    area = truth.mean((1, 2, 3), keepdim=True)
    # A small thing's few pixels must not drown in the ground.
    heavy = 1 + truth * (0.15 / area.clamp(0.03, 0.15) - 1)
    crossed = functional.binary_cross_entropy_with_logits(logits, truth, heavy)
    p = torch.sigmoid(logits)
    common = (p * truth).sum((1, 2, 3))
    union = (p + truth - p * truth).sum((1, 2, 3))
    return crossed + 0.5 * (1 - (common + 1) / (union + 1)).mean()
