"""A picture and its anomalous part drawn together, both branches in one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.device import derive_seed, torch_generator
from core.diffusion.attention import attention_control, cross_attention_levels
from core.diffusion.backbone import Backbone, decode, encode_image
from core.diffusion.sampling import NoisePredictor, draw_noise, make_schedule, sample
from core.diffusion.word_attention import AttentionStore
from core.methods.dual_ano_diff.adapters import NORMAL_LABEL, DualModel
from core.methods.dual_ano_diff.interaction import (
    ANOMALOUS_BRANCH,
    predict_pairs,
    stacked_channels,
    unstacked_channels,
)
from core.methods.dual_ano_diff.training_samples import NEUTRAL, masked_on_grey
from core.progress import Steps, unwatched
from core.types import Image, Mask


@dataclass(frozen=True)
class InitialImage:
    """What is drawn below full ``strength``: a picture uint8 (S, S, 3) and where its anomaly is, bool (S, S)."""

    image: Image
    mask: Mask
    strength: float


@dataclass(frozen=True)
class DrawnPair:
    """A picture and its part, uint8 (S, S, 3). ``attention`` float32 (S, S), 0..1, says where the part's word for the
    anomaly looks otherwise than it mostly does, in its finest maps; ``reconstructed`` is what the autoencoder makes
    of the picture that was begun with."""

    whole: Image
    part: Image
    attention: npt.NDArray[np.float32]
    reconstructed: Image | None = None


@torch.no_grad()
def draw_pair(
    model: DualModel,
    label: str,
    *,
    seed: int,
    steps: int,
    guidance: float,
    sampler: Literal["ddim", "dpmpp_2m"] = "ddim",
    background: Image | None = None,
    negative: str = NORMAL_LABEL,
    begin: InitialImage | None = None,
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] | None = None,
) -> DrawnPair:
    """A pair of ``label``. ``background`` is what is around the part (neutral inside it), read where BCM was learned.

    Guidance compares with the label ``negative``: a good part, of which the part branch is empty, or EMPTY_PROMPT.
    Cancelled within a step.
    """
    backbone, group = model.backbone, model.spec.group
    side = backbone.side // backbone.vae_scale_factor
    noise = draw_noise((2, backbone.channels, side, side), torch_generator(derive_seed(seed, "pair")))
    noise = noise.to(backbone.device)
    schedule = make_schedule(backbone.noise_schedule, steps, strength=begin.strength if begin else 1.0)
    x, first = noise, None
    if begin is not None and begin.strength < 1:
        first = torch.cat([encode_image(backbone, p) for p in (begin.image, masked_on_grey(begin.image, begin.mask))])
        x = schedule.levels[0].add_noise(first, noise)
    around = _background_latents(model, background, seed) if group == 3 else None
    rows = slice((group if guidance != 1 else 0) + ANOMALOUS_BRANCH, None, group)
    seen = AttentionStore(model.anomaly_tokens(label), sides=(_finest_map_side(backbone),), rows=rows)
    with attention_control(backbone.unet, seen):
        latents = sample(
            _guided_model(model, (negative, label), guidance, around),
            stacked_channels(x, 2),
            schedule,
            method=sampler,
            cancelled=cancelled,
            progress=lambda done, total, _: progress(done, total),
        )
    whole, part = decode(backbone, unstacked_channels(latents, 2))
    return DrawnPair(
        whole,
        part,
        _attention_departure(seen.maps(), backbone.side),
        decode(backbone, first[:1])[0] if first is not None else None,
    )


def _finest_map_side(backbone: Backbone) -> int:
    """The side, in positions, of the model's finest cross-attention maps."""
    finest = cross_attention_levels(backbone.unet)[0]
    return int(-(-(backbone.side // backbone.vae_scale_factor) // 2**finest))


def _attention_departure(looked: Tensor, side: int) -> npt.NDArray[np.float32]:
    """Attention (tokens, h, w) at picture size, 0 where it is as usual and 1 at its peak: float32 (side, side).

    What a learned word turns to is up to the learning: it may look at the anomaly or at all else. Either way it
    departs there from what it mostly does.
    """
    # The rim of a map knows of the frame, not of the picture.
    inner = np.pad(looked.numpy().astype(np.float32)[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1)), mode="edge")
    smooth = np.stack([cv2.GaussianBlur(one, (0, 0), 0.7) for one in inner])
    apart = np.abs(smooth - np.median(smooth, axis=(1, 2), keepdims=True))
    usual = np.maximum(np.median(apart, axis=(1, 2), keepdims=True), 1e-8)
    far = np.clip((apart / usual).mean(axis=0) - 1, 0, None)
    return np.asarray(
        cv2.resize(far / max(float(far.max()), 1e-6), (side, side), interpolation=cv2.INTER_LINEAR), np.float32
    )


def _background_latents(model: DualModel, background: Image | None, seed: int) -> tuple[Tensor, Tensor]:
    """Latents (1, C, h, w) of the background and its noise; of nothing where there is none."""
    backbone = model.backbone
    picture = np.full((backbone.side, backbone.side, 3), NEUTRAL, np.uint8) if background is None else background
    z = encode_image(backbone, picture)
    return z, draw_noise(z.shape, torch_generator(derive_seed(seed, "background")), z)


def _guided_model(
    model: DualModel, compared: tuple[str, str], guidance: float, around: tuple[Tensor, Tensor] | None
) -> NoisePredictor:
    """eps of pairs (1, 2 C, h, w) by classifier-free guidance, from the first label to the second, in one batch."""
    backbone, group = model.backbone, model.spec.group
    labels = [compared[1]] if guidance == 1 else list(compared)
    conditioning = model.conditioning(labels)

    def eps_of(x: Tensor, t: int) -> Tensor:
        pair = unstacked_channels(x, 2)
        if around is not None:
            pair = torch.cat([pair, backbone.noise_schedule.level(t).add_noise(*around)])
        pairs = stacked_channels(pair, group).expand(len(labels), -1, -1, -1)
        predicted = predict_pairs(backbone, pairs, t, conditioning, group)
        out = backbone.noise_schedule.to_epsilon(pairs, t, predicted)[:, : x.shape[1]]
        return out if len(labels) == 1 else out[:1] + guidance * (out[1:] - out[:1])

    return eps_of
