"""Training samples: images as latents, masks at latent size and prompts as ids, encoded once; and the loss on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from core.diffusion.backbone import Backbone, encode_image
from core.diffusion.conditioning import Conditioning
from core.diffusion.inpainting import latent_mask, latent_surroundings
from core.diffusion.sampling import raise_if_cancelled
from core.diffusion.tokens import encode_text, padded_ids
from core.errors import InputError
from core.types import Image, Mask

AREA_WEIGHT = (1.0, 100.0)
"""Bounds of HW / |m|, by which a masked loss makes small defects count as much as large ones."""


@dataclass(frozen=True)
class TrainingSample:
    """One image to learn from: uint8 (H, W, 3) with sides the model takes, its prompt, and where it counts."""

    image: Image
    prompt: str
    mask: Mask | None = None


@dataclass(frozen=True)
class EncodedSamples:
    """What the training loop draws its batches from, on the CPU.

    ``latents`` are float32 (N, C, h, w); ``masks`` float32 (N, 1, h, w) or (N, C, h, w) say where the loss counts.
    ``surroundings``, of inpainting models only, are what the model reads beside the noise; see Conditioning.
    """

    latents: Tensor
    masks: Tensor
    surroundings: Tensor | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.latents)


@dataclass(frozen=True)
class PromptSamples(EncodedSamples):
    """Samples with a prompt each: ``ids`` int64 (N, length).

    ``conditioning``, N prompts, is cached where nothing that is trained shapes it, else None: each step then encodes
    the ids anew.
    """

    ids: Tensor
    conditioning: Conditioning | None = None


def encode_samples(
    backbone: Backbone,
    samples: Sequence[TrainingSample],
    *,
    text_frozen: bool,
    cancelled: Callable[[], bool] | None = None,
) -> PromptSamples:
    """Encode all images, and the prompts where ``text_frozen``. InputError unless the images have one size."""
    if not samples:
        raise InputError("training: expected at least one image; add examples")
    if len({sample.image.shape for sample in samples}) > 1:
        raise InputError("training: expected images of one size; crop or resize them first")
    latents = []
    for sample in samples:
        raise_if_cancelled(cancelled)
        latents.append(encode_image(backbone, sample.image).cpu())
    shape = (latents[0].shape[2], latents[0].shape[3])
    masks = [torch.ones(1, 1, *shape) if x.mask is None else latent_mask(x.mask, shape) for x in samples]
    conditioning = None
    if text_frozen:
        encoded = {p: encode_text(backbone, [p]).to("cpu") for p in dict.fromkeys(x.prompt for x in samples)}
        conditioning = Conditioning.cat([encoded[x.prompt] for x in samples])
    ids = padded_ids(backbone, [x.prompt for x in samples])
    masked = any(sample.mask is not None for sample in samples)
    around = _surroundings(backbone, samples, cancelled) if masked and backbone.reads_surroundings else None
    return PromptSamples(torch.cat(latents), torch.cat(masks), ids, conditioning, surroundings=around)


def _surroundings(
    backbone: Backbone, samples: Sequence[TrainingSample], cancelled: Callable[[], bool] | None
) -> Tensor:
    """(N, 1 + C, h, w): each anomaly is learned as it is drawn, from what lies around it."""
    found = []
    for sample in samples:
        raise_if_cancelled(cancelled)
        mask = np.ones(sample.image.shape[:2], np.bool_) if sample.mask is None else sample.mask
        found.append(latent_surroundings(backbone, [sample.image], [mask]).cpu())
    return torch.cat(found)


def masked_loss(
    out: Tensor, wanted: Tensor, mask: Tensor, *, area_weight: bool = True, background: float = 0.0
) -> Tensor:
    """Mean squared error (N,) under ``mask`` (N, 1, h, w) of (N, C, h, w), over all of h w as AnomalyDiffusion has it.

    ``area_weight`` multiplies it by HW / |m| clamped to 1..100: a small mask then counts by its own mean error.
    """
    mask = mask.to(out)
    weight = mask + background * (1 - mask)
    loss = ((out - wanted) ** 2 * weight).flatten(1).mean(dim=1)
    if area_weight:
        loss = loss / mask.flatten(1).mean(dim=1).clamp(1 / AREA_WEIGHT[1], 1 / AREA_WEIGHT[0])
    return loss
