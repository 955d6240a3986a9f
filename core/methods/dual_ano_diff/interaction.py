"""Two interrelated branches in one batch, for a model that draws a picture and its anomalous part together.

Name here ↔ symbol in DualAnoDiff (Jin et al., CVPR 2025): Interaction ↔ SAIM (eq. 3), Compensation ↔ BCM (eqs. 5 and
6), whole, part, background ↔ z, z', z^b, scale ↔ gamma.

A batch is interleaved: row 0 is the whole of the first pair, row 1 its part and, where there is a background, row 2
that; then comes the next pair. The background goes through the model in the same batch as the pair it belongs to,
which is what an extra pass with the same weights would give: rows of a batch do not see each other but here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.diffusion.attention import AttentionController, AttentionSite, attention_layers
from core.diffusion.backbone import Backbone, model_output
from core.diffusion.conditioning import Conditioning
from core.errors import InputError

GLOBAL_BRANCH, ANOMALOUS_BRANCH, BACKGROUND_BRANCH = 0, 1, 2
"""Where the rows of a pair stand in its group."""
HIDDEN = 320
"""Width of the compensation's MLP, as the released code has it."""


def interleaved(*rows: Tensor) -> Tensor:
    """Whole, part and perhaps background, each (N, ...), as one interleaved batch (N rows, ...)."""
    return torch.stack(rows, dim=1).flatten(0, 1)


def deinterleaved(batch: Tensor, group: int) -> tuple[Tensor, ...]:
    """Inverse of ``interleaved``: ``group`` tensors (N, ...) of a batch (N group, ...)."""
    if len(batch) % group:
        raise InputError(f"branches: expected a batch of {group} rows a pair, got {len(batch)} rows")
    return tuple(torch.unflatten(batch, 0, (-1, group)).unbind(dim=1))


def stacked_channels(rows: Tensor, group: int) -> Tensor:
    """(N group, C, h, w) as (N, group C, h, w), one row a pair."""
    return torch.unflatten(rows, 0, (-1, group)).flatten(1, 2)


def unstacked_channels(pairs: Tensor, group: int) -> Tensor:
    """Inverse of ``stacked_channels``."""
    return torch.unflatten(pairs, 1, (group, -1)).flatten(0, 1)


class SAIM(nn.Module):
    """SAIM at one layer: LayerNorm, Linear, single-head attention over a position's branches, Linear, residual."""

    def __init__(self, width: int, zero: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.into = nn.Linear(width, width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        if zero:
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    def forward(self, pairs: Tensor) -> Tensor:
        """(N, 2, n, C) to the same shape: sequences of length 2, so that nothing moves in space (eq. 3)."""
        known = self.norm(pairs)
        mixed = self._folded(known) if known[:, 0].numel() > known.shape[-1] ** 2 else self._plain(known)
        return pairs + mixed

    def _plain(self, known: Tensor) -> Tensor:
        x = self.into(known).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x))
        return cast(Tensor, self.out(mixed)).transpose(1, 2)

    def _folded(self, known: Tensor) -> Tensor:
        """The same with three products of a position with a matrix instead of ten.

        Linear layers in a row are one, and of two keys only the difference matters: softmax over a pair is a sigmoid,
        a_i = σ(q_i (k_0 - k_1) / √C), and the mixture is v_1 + a_i (v_0 - v_1). Making the matrices pays where there
        are more positions than channels.
        """
        query, key = self.query.weight @ self.into.weight, self.key.weight @ self.into.weight
        start = self.query(self.into.bias)
        value = self.out.weight @ self.value.weight @ self.into.weight
        always = self.out(self.value(self.into.bias))
        part = known[:, 1]
        apart = known[:, 0] - part
        score = (known * F.linear(apart, query.T @ key)[:, None]).sum(-1) + (apart @ (start @ key))[:, None]
        share = torch.sigmoid(score / known.shape[-1] ** 0.5)[..., None]
        return F.linear(part, value, always)[:, None] + share * F.linear(apart, value)[:, None]


class BcmLayer(nn.Module):
    """BCM at one layer: scale, and the MLP through which the background's input goes."""

    def __init__(self, width: int, scale: float, bent: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.down = nn.Linear(width, HIDDEN)
        self.bend = nn.SiLU() if bent else nn.Identity()
        self.up = nn.Linear(HIDDEN, width)

    def forward(self, background: Tensor) -> Tensor:
        return cast(Tensor, self.up(self.bend(self.down(background))))


class SaimController(AttentionController):
    """Lets the two branches of each pair share what they have after every attention layer (SAIM).

    ``group`` is the number of rows a pair has; a background takes no part. With ``zero`` the last linear layer starts
    at zero and both branches are what they would be alone.
    """

    def __init__(self, unet: nn.Module, group: int, seed: int, zero: bool = True) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = _by_site({n: SAIM(w, zero) for n, w in _widths(unet).items()}, unet)
        self._group = group

    def out(self, site: AttentionSite, out: Tensor) -> Tensor:
        """Both branches' outputs, exchanged."""
        rows = torch.unflatten(out, 0, (-1, self._group))
        pairs = self.layers[_key(site.name)](rows[:, :2])
        return torch.cat([pairs, rows[:, 2:]], dim=1).flatten(0, 1)


class BCM(AttentionController):
    """Gives the whole's self-attention keys and values that know the background (BCM).

    ``add``: h + scale MLP(c), the paper's eq. 5; ``blend``: (1 - scale) h + scale MLP(c), as the released code has
    it. ``bent`` puts a nonlinearity between the MLP's two layers, which the released code leaves out. ``reads`` says
    what c is: the ``output`` of the background's own self-attention, as in eq. 5, or its ``input``, as in the code.
    """

    def __init__(
        self,
        unet: nn.Module,
        seed: int,
        scale: float = 0.1,
        how: Literal["add", "blend"] = "add",
        bent: bool = True,
        reads: Literal["input", "output"] = "input",
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            widths = _widths(unet, cross=False)
            self.layers = _by_site({n: BcmLayer(w, scale, bent) for n, w in widths.items()}, unet)
        self._how = how
        self._attention = dict(attention_layers(unet)) if reads == "output" else {}

    def wants(self, site: AttentionSite) -> bool:
        """Self-attention only."""
        return not site.cross

    def context(self, site: AttentionSite, context: Tensor) -> Tensor:
        """What the whole's keys and values are made of; the other rows' as it was."""
        whole, part, background = deinterleaved(context, 3)
        known = background
        if self._attention:
            # All rows at once: which adapter a row goes through is told by its place in the batch.
            known = deinterleaved(_self_attention(self._attention[site.name], context), 3)[BACKGROUND_BRANCH]
        layer = self.layers[_key(site.name)]
        assert isinstance(layer, BcmLayer)
        kept = whole if self._how == "add" else (1 - layer.scale) * whole
        return interleaved(kept + layer.scale * layer(known), part, background)


def _self_attention(layer: Any, hidden: Tensor) -> Tensor:
    """What an attention layer gives of hidden states (B, n, C) that attend to themselves: SelfAtt of eq. 5."""
    q, k, v = (
        made.unflatten(2, (layer.heads, -1)).transpose(1, 2)
        for made in (layer.to_q(hidden), layer.to_k(hidden), layer.to_v(hidden))
    )
    mixed = F.scaled_dot_product_attention(q, k, v, scale=layer.scale)
    return cast(Tensor, layer.to_out[0](mixed.transpose(1, 2).flatten(2)))


def trainable_parameters(controllers: Mapping[str, SaimController | BCM]) -> dict[str, nn.Parameter]:
    """The parameters of controllers by name: ``<name>.<site>.<parameter>``."""
    return {
        f"{name}.{inner}": value for name, one in controllers.items() for inner, value in one.layers.named_parameters()
    }


def predict_pairs(
    backbone: Backbone, pairs: Tensor, t: int | Tensor, conditioning: Conditioning, group: int
) -> Tensor:
    """core.diffusion.backbone.model_output of pairs (N, group C, h, w) at ``t`` (one, or (N,)), as
    ``stacked_channels`` has them.

    ``conditioning`` has N group rows, interleaved as those of the pairs are.
    """
    when = t.repeat_interleave(group) if isinstance(t, Tensor) and t.ndim else t
    return stacked_channels(model_output(backbone, unstacked_channels(pairs, group), when, conditioning), group)


def _widths(unet: nn.Module, cross: bool = True) -> dict[str, int]:
    layers = attention_layers(unet)
    return {name: int(m.to_out[0].out_features) for name, m in layers if cross or not m.is_cross_attention}


def _by_site(layers: Mapping[str, nn.Module], unet: nn.Module) -> nn.ModuleDict:
    # Names of modules must not hold dots.
    found = nn.ModuleDict({_key(name): layer for name, layer in layers.items()})
    return found.to(next(unet.parameters()).device).requires_grad_(False)


def _key(name: str) -> str:
    return name.replace(".", "-")
