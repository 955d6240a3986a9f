"""A loss that draws each word's attention to its regions, after Break-A-Scene (Avrahami et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.diffusion.attention import AttentionController, AttentionSite

SIDE = 16
"""Longer side of the maps that count: 16x16, as where they are read."""


@dataclass(frozen=True)
class Wanted:
    """Where the words of one lesson should look: ``at[i]`` are a word's positions in the padded prompt, ``cells``
    float32 (len(at), h, w) in 0..1 the shares of the cells that its regions cover."""

    token_positions: tuple[tuple[int, ...], ...]
    coverage: Tensor


class AttentionRecorder(AttentionController):
    """Keeps the cross-attention of the pass that runs, with its gradients."""

    def __init__(self, side: int = SIDE) -> None:
        self._side = side
        self._seen: list[Tensor] = []

    def wants(self, site: AttentionSite) -> bool:
        """Cross-attention only."""
        return site.cross

    def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
        """Look, and pass on."""
        if max(site.shape) == self._side:
            self._seen.append(probs.mean(dim=1))
        return probs

    def clear(self) -> None:
        """Drop what passed, as passes that are not part of the lesson."""
        self._seen = []

    def take_maps(self) -> Tensor:
        """Mean over layers and heads, (rows, positions, tokens), of all that passed since it was last asked."""
        out = torch.stack(self._seen).mean(dim=0)
        self._seen = []
        return out


def region_attention_loss(maps: Tensor, wanted: Sequence[Wanted]) -> Tensor:
    """How far words look beside their regions, (rows,) in 0..1: 1 - Dice of each map, over its maximum, and its cells.

    ``maps`` (rows, positions, tokens) and one ``wanted`` a row; a row without regions costs nothing.
    """
    costs = []
    for row, one in zip(maps, wanted, strict=True):
        if not one.token_positions:
            costs.append(row.sum() * 0)
            continue
        seen = torch.stack([row[:, list(at)].sum(dim=1) for at in one.token_positions])
        seen = seen / seen.amax(dim=1, keepdim=True).clamp(min=1e-6)
        cells = one.coverage.flatten(1).to(seen)
        dice = 2 * (seen * cells).sum(dim=1) / ((seen**2).sum(dim=1) + (cells**2).sum(dim=1)).clamp(min=1e-6)
        costs.append((1 - dice).mean())
    return torch.stack(costs)
