"""Adaptive Attention Re-weighting: more attention to the anomaly's words where its drawing is least to be seen.

Name here ↔ symbol in AnomalyDiffusion (section 3.3): weight ↔ w_m, region and mask ↔ m, z0 and window ↔ y, x0 ↔ x̂_0.

    literal    w_m = |m|_1 Softmax(f(|m ⊙ y - m ⊙ x̂_0|²)), f(x) = 1/x, on decoded pixels in -1..1 (eq. 7);
               m'_c = m_c ⊙ w_m
    paper      the same on pixels in 0..255, of which one level is the least difference
    code       w = |m|_1 (1/d) / Σ(1/d) of the noisy latents' distance d, 0 → 1, clamped to 1..1.5; times the logits of
               these words and of the first token; the mask is dilated by int((t + 100) 8 / 1000) latents, to 0
    flawsmith  w = (mean of d / d)^(1/2) of the predicted x̂_0's distance in latents, both evened out over neighbours
               and steps, clamped to 1..3; more attention share (log w on the logits). Nothing is decoded. The mask
               is dilated as by the code, by up to 5/32 of the window's side and to 0 at the end.

With a small model the dilation is what fills a mask: a mask a few latents wide is held to its surroundings at every
step. The paper does not say on which scale its pixels are. In -1..1 a squared distance is a small number, 1/x a
large one, and the softmax puts nearly all weight on one pixel: everywhere else the mask loses the anomaly's words. In
0..255 the least changed pixels get up to e times the attention of those that clearly changed, which keep theirs: what
the paper says that it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.diffusion.attention import AttentionController
from core.diffusion.backbone import Backbone, decode
from core.diffusion.inpainting import InpaintingHooks, InpaintingState
from core.diffusion.sampling import SamplingStep
from core.diffusion.word_attention import AttentionReweight
from core.types import Image

ReweightingVariant = Literal["off", "paper", "literal", "code", "flawsmith"]
CODE_BOUNDS = (1.0, 1.5)
BOUNDS = (1.0, 3.0)
_LEVELS = 127.5
"""Levels of 255 in one unit of pixels in -1..1."""
_FIRST_TOKEN = 0
"""The start token, which AnomalyDiffusion's code weights along by an index that is one off."""
_DILATION_SHARE = 5 / 32
"""Share of the window's side by which ours dilates at pure noise: with the code's 8/32, wide masks fill with flat
patches of another brightness."""
_DISTANCE_MOMENTUM = 0.6
"""Share of the distance of the steps before that stays: single steps are noisy."""


def reweighting(
    backbone: Backbone, variant: ReweightingVariant, tokens: tuple[int, ...], scene: InpaintingState
) -> InpaintingHooks:
    """What ``variant`` does to the sampling of ``scene``, for the words at ``tokens`` of the padded prompts."""
    if variant == "off":
        return InpaintingHooks()
    if variant == "code":
        return _ReleasedReweighting(tokens, scene).guide()
    if variant in ("paper", "literal"):
        return _PaperReweighting(backbone, tokens, scene, in_levels=variant == "paper").guide()
    return _FlawsmithReweighting(tokens, scene).guide()


def paper_weight(distance: Tensor, mask: Tensor) -> Tensor:
    """w_m of eq. 7 (..., H, W), from squared distances and masks of 0 and 1 (..., H, W); 0 outside the mask."""
    inside = (mask > 0) & (distance > 0)
    f = torch.where(inside, 1 / distance.clamp(min=1e-12), -torch.inf)
    shares = f.flatten(-2).softmax(dim=-1).reshape(f.shape)
    return torch.where(_any(inside), _sum(mask) * shares, (mask > 0).float())


def paper_weight_in_levels(distance: Tensor, mask: Tensor) -> Tensor:
    """The same (..., H, W) from squared distances of pixels in 0..255; below one level all are alike."""
    return paper_weight(distance.clamp(min=1), mask)


def code_weight(distance: Tensor, mask: Tensor) -> Tensor:
    """The released code's weight (..., h, w): |m| (1/d) / Σ(1/d), 1 where the distance is 0, clamped to 1..1.5."""
    inverse = torch.where(distance > 0, 1 / distance.clamp(min=1e-12), 0.0)
    share = _sum(mask) * inverse / _sum(inverse).clamp(min=1e-12)
    return torch.where(share > 0, share, 1.0).clamp(*CODE_BOUNDS)


def flawsmith_weight(distance: Tensor, mask: Tensor) -> Tensor:
    """(mean d / d)^(1/2) clamped to 1..3 inside the mask (..., h, w), 1 outside: what changed least gets most."""
    inside = mask > 0
    mean = (_sum(distance * inside) / _sum(inside).clamp(min=1)).clamp(min=1e-8)
    weight = (mean / distance.clamp(min=1e-8)).sqrt().clamp(*BOUNDS)
    return torch.where(inside, weight, 1.0)


def _sum(maps: Tensor) -> Tensor:
    return maps.sum(dim=(-2, -1), keepdim=True)


def _any(maps: Tensor) -> Tensor:
    return maps.flatten(-2).any(dim=-1)[..., None, None]


class _Reweighting:
    """One controller whose weight follows the drawing."""

    def __init__(self, controller: AttentionReweight) -> None:
        self.controller = controller

    def guide(self) -> InpaintingHooks:
        controllers: list[AttentionController] = [self.controller]
        return InpaintingHooks(after=[self.after], controllers=controllers)

    def after(self, x: Tensor, step: SamplingStep, x0: Tensor) -> Tensor:
        raise NotImplementedError


class _PaperReweighting(_Reweighting):
    def __init__(
        self, backbone: Backbone, tokens: tuple[int, ...], scene: InpaintingState, *, in_levels: bool
    ) -> None:
        super().__init__(AttentionReweight(tokens, 1.0, "probs", _prompted_rows(scene)))
        self._backbone, self._scene, self._in_levels = backbone, scene, in_levels
        self._y = _pixels([window.pixels for window in scene.windows])
        self._mask = F.interpolate(scene.region.cpu(), tuple(self._y.shape[1:3]), mode="nearest")[:, 0]

    def after(self, x: Tensor, step: SamplingStep, x0: Tensor) -> Tensor:
        seen = _pixels(decode(self._backbone, x0))
        apart = (seen - self._y).square().sum(dim=3)
        if self._in_levels:
            weight = paper_weight_in_levels(_LEVELS**2 * apart, self._mask)
        else:
            weight = paper_weight(apart, self._mask)
        # Layers read the map at their own size; means keep what points would miss.
        self.controller.weight = F.adaptive_avg_pool2d(weight, (x.shape[2], x.shape[3]))
        return x


class _ReleasedReweighting(_Reweighting):
    def __init__(self, tokens: tuple[int, ...], scene: InpaintingState) -> None:
        super().__init__(AttentionReweight((_FIRST_TOKEN, *tokens), 1.0, "logits", _prompted_rows(scene)))
        self._scene = scene

    def guide(self) -> InpaintingHooks:
        return InpaintingHooks(before=[self._before], controllers=[self.controller], region=self._dilated_region)

    def _before(self, x: Tensor, step: SamplingStep) -> Tensor:
        mask = self._dilated_region(step).to(x)
        distance = (mask * (x - self._scene.z0)).square().mean(dim=1)
        self.controller.weight = code_weight(distance, mask[:, 0])
        return x

    def _dilated_region(self, step: SamplingStep) -> Tensor:
        return _dilated(self._scene.region, 0 if step.last else int((step.t + 100) * 8 / 1000))


class _FlawsmithReweighting(_Reweighting):
    def __init__(self, tokens: tuple[int, ...], scene: InpaintingState) -> None:
        super().__init__(AttentionReweight(tokens, 1.0, "share", _prompted_rows(scene)))
        self._scene = scene
        self._distance: Tensor | None = None

    def guide(self) -> InpaintingHooks:
        return InpaintingHooks(after=[self.after], controllers=[self.controller], region=self._dilated_region)

    def _dilated_region(self, step: SamplingStep) -> Tensor:
        region = self._scene.region
        return _dilated(region, 0 if step.last else int(_DILATION_SHARE * max(region.shape[2:]) * step.t / 1000))

    def after(self, x: Tensor, step: SamplingStep, x0: Tensor) -> Tensor:
        region = self._scene.region.to(x0)
        change = (x0 - self._scene.z0.to(x0)).square().mean(dim=1, keepdim=True) * region
        near = F.avg_pool2d(change, 3, 1, 1) / F.avg_pool2d(region, 3, 1, 1).clamp(min=1e-6)
        now = near[:, 0]
        self._distance = (
            now if self._distance is None else _DISTANCE_MOMENTUM * self._distance + (1 - _DISTANCE_MOMENTUM) * now
        )
        self.controller.weight = flawsmith_weight(self._distance, region[:, 0])
        return x


def _dilated(region: Tensor, reach: int) -> Tensor:
    return F.max_pool2d(region, 2 * reach + 1, 1, reach) if reach else region


def _prompted_rows(scene: InpaintingState) -> slice:
    """The rows that read the prompt, of a batch that may begin with the negative prompt's."""
    return slice(-len(scene.z0), None)


def _pixels(images: Sequence[Image]) -> Tensor:
    """(N, H, W, 3) in -1..1."""
    return torch.from_numpy(np.stack(images)).float() / 127.5 - 1
