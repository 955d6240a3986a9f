"""What words look at: their cross-attention, recorded, and given more or less weight."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from core.diffusion.attention import AttentionController, AttentionSite
from core.errors import InputError


class AttentionStore(AttentionController):
    """Averages the cross-attention maps of tokens over heads, layers and every call while it is installed.

    ``tokens`` are positions in the padded prompt (core.diffusion.tokens.positions), None for all. ``sides`` are the
    longer sides, in positions, of the maps to keep ((16,) for 16x16), None for all. ``rows`` are the rows of the batch
    that count: under guidance the prompt's own is the last half, ``slice(-1, None)`` for one image.
    """

    def __init__(
        self, tokens: Sequence[int] | None = None, sides: Collection[int] | None = None, rows: slice = slice(None)
    ) -> None:
        self._tokens = None if tokens is None else list(tokens)
        self._sides = sides
        self._rows = rows
        self._sums: dict[tuple[int, int], tuple[Tensor, int]] = {}

    def wants(self, site: AttentionSite) -> bool:
        """Cross-attention only."""
        return site.cross

    def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
        """Look, and pass on."""
        if self._sides is None or max(site.shape) in self._sides:
            seen = probs.detach()[self._rows].mean(dim=(0, 1)).transpose(0, 1)
            seen = seen if self._tokens is None else seen[self._tokens]
            total, calls = self._sums.get(site.shape, (torch.zeros_like(seen), 0))
            self._sums[site.shape] = (total + seen, calls + 1)
        return probs

    def maps(self, shape: tuple[int, int] | None = None) -> Tensor:
        """Mean maps float32 (tokens, h, w) on the CPU, 0..1, at ``shape`` or at the finest kept.

        At a position the maps of all tokens of the prompt add up to 1. InputError where nothing was recorded.
        """
        if not self._sums:
            raise InputError(f"attention maps: none of side {self._sides} passed; choose sides that the model has")
        shape = shape or max(self._sums)
        total = torch.zeros(())
        for (h, w), (maps, _) in self._sums.items():
            grid = maps.float().cpu().reshape(1, -1, h, w)
            grid = grid if (h, w) == shape else F.interpolate(grid, shape, mode="bilinear", align_corners=False)
            total = total + grid[0]
        return total / sum(calls for _, calls in self._sums.values())

    def reset(self) -> None:
        """Forget what was recorded."""
        self._sums = {}


class AttentionReweight(AttentionController):
    """Gives tokens more or less of the cross-attention, everywhere or by a map.

    ``weight`` is a number, a map (h, w), or one for each of the ``rows`` (N, h, w); maps are resized to each layer's.
    It may be set anew between steps.
    ``how``: ``probs`` multiplies the attention itself (AnomalyDiffusion, section 3.3; Prompt-to-Prompt). ``logits``
    multiplies before the softmax, as AnomalyDiffusion's code does: where a logit is negative, more weight is less
    attention. ``share`` adds log(weight) to the logits: more weight is more attention, and the sum stays 1.
    """

    def __init__(
        self,
        tokens: Sequence[int],
        weight: float | Tensor = 1.0,
        how: Literal["probs", "logits", "share"] = "share",
        rows: slice = slice(None),
    ) -> None:
        self._tokens = list(tokens)
        self.weight = weight
        self._how = how
        self._rows = rows

    def wants(self, site: AttentionSite) -> bool:
        """Cross-attention only."""
        return site.cross

    def logits(self, site: AttentionSite, logits: Tensor) -> Tensor:
        """Weighted, for ``logits`` and ``share``."""
        if self._how == "probs":
            return logits
        weight = self._weight(site, logits)
        return self._apply(
            logits,
            (lambda part: part * weight)
            if self._how == "logits"
            else (lambda part: part + weight.clamp(min=1e-8).log()),
        )

    def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
        """Weighted, for ``probs``."""
        if self._how != "probs":
            return probs
        weight = self._weight(site, probs)
        return self._apply(probs, lambda part: part * weight)

    def _apply(self, scores: Tensor, change: Any) -> Tensor:
        scores = scores.clone()
        rows = scores[self._rows]
        rows[..., self._tokens] = change(rows[..., self._tokens])
        return scores

    def _weight(self, site: AttentionSite, like: Tensor) -> Tensor:
        """(N or 1, 1, n, 1) of this layer's map, or one number."""
        if not isinstance(self.weight, Tensor):
            return torch.tensor(float(self.weight), device=like.device)
        grid = self.weight.to(like.device, torch.float32)
        grid = grid.reshape(-1, 1, *grid.shape[-2:])
        if tuple(grid.shape[2:]) != site.shape:
            grid = F.interpolate(grid, site.shape, mode="bilinear", align_corners=False)
        return grid.flatten(2)[..., None]
