"""A picture and its anomalous part drawn together, both branches in one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.concepts.dual.views import NEUTRAL, kept
from core.concepts.dual.wearing import GOOD, Dual
from core.device import derive_seed, torch_generator
from core.diffusion.attention import Record, controlled
from core.diffusion.branches import narrow, predict_pairs, wide
from core.diffusion.model import decode, encode_image
from core.diffusion.sampling import Model, draw_noise, make_schedule, mix, sample
from core.types import Image, Mask


@dataclass(frozen=True)
class Begin:
    """What is drawn below full ``strength``: a picture uint8 (S, S, 3) and where its anomaly is, bool (S, S)."""

    image: Image
    mask: Mask
    strength: float


@dataclass(frozen=True)
class DrawnPair:
    """A picture and its part, uint8 (S, S, 3); ``attention`` float32 (S, S), 0..1 of its greatest value, says where
    the whole's word for the anomaly looked. ``rebuilt`` is what the autoencoder makes of the picture that was begun
    with."""

    whole: Image
    part: Image
    attention: npt.NDArray[np.float32]
    rebuilt: Image | None = None


@torch.no_grad()
def draw_pair(
    model: Dual,
    label: str,
    *,
    seed: int,
    steps: int,
    guidance: float,
    sampler: Literal["ddim", "dpmpp_2m"] = "ddim",
    background: Image | None = None,
    begin: Begin | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] | None = None,
) -> DrawnPair:
    """A pair of ``label``. ``background`` is what is around the part (neutral inside it), read where BCM was learned.

    Guidance compares with a good part, of which the part branch is empty. Cancelled within a step.
    """
    backbone, group = model.backbone, model.build.group
    side = backbone.side // backbone.factor
    noise = draw_noise((2, backbone.channels, side, side), torch_generator(derive_seed(seed, "pair")))
    noise = noise.to(backbone.device)
    schedule = make_schedule(backbone.alphas_cumprod, steps, strength=begin.strength if begin else 1.0)
    x, first = noise, None
    if begin is not None and begin.strength < 1:
        first = torch.cat([encode_image(backbone, p) for p in (begin.image, kept(begin.image, begin.mask))])
        x = mix(first, noise, schedule.alphas[0])
    around = _around(model, background, seed) if group == 3 else None
    rows = slice((group if guidance != 1 else 0), None, group)
    tokens = model.anomaly_tokens(label)
    seen = Record(tokens, rows=rows)
    with controlled(backbone.unet, seen):
        latents = sample(
            _model(model, label, guidance, around), wide(x, 2), schedule, method=sampler, cancelled=cancelled,
            progress=lambda done, total, _: progress(done, total),
        )  # fmt: skip
    whole, part = decode(backbone, narrow(latents, 2))
    looked = seen.maps((backbone.side, backbone.side)).sum(dim=0)
    low, high = float(looked.min()), float(looked.max())
    attention = ((looked - low) / max(high - low, 1e-6)).numpy().astype(np.float32)
    return DrawnPair(whole, part, attention, decode(backbone, first[:1])[0] if first is not None else None)


def _around(model: Dual, background: Image | None, seed: int) -> tuple[Tensor, Tensor]:
    """Latents (1, C, h, w) of the background and its noise; of nothing where there is none."""
    backbone = model.backbone
    picture = np.full((backbone.side, backbone.side, 3), NEUTRAL, np.uint8) if background is None else background
    z = encode_image(backbone, picture)
    return z, draw_noise(z.shape, torch_generator(derive_seed(seed, "background")), z)


def _model(model: Dual, label: str, guidance: float, around: tuple[Tensor, Tensor] | None) -> Model:
    """eps of pairs (1, 2 C, h, w) by classifier-free guidance, good part and anomaly in one batch."""
    backbone, group = model.backbone, model.build.group
    labels = [label] if guidance == 1 else [GOOD, label]
    text = model.text(labels)

    def eps_of(x: Tensor, t: int) -> Tensor:
        pair = narrow(x, 2)
        if around is not None:
            pair = torch.cat([pair, mix(around[0], around[1], float(backbone.alphas_cumprod[t]))])
        pairs = wide(pair, group).expand(len(labels), -1, -1, -1)
        out = _eps(model, pairs, t, text)[:, : x.shape[1]]
        return out if len(labels) == 1 else out[:1] + guidance * (out[1:] - out[:1])

    return eps_of


def _eps(model: Dual, pairs: Tensor, t: int, text: Tensor) -> Tensor:
    backbone = model.backbone
    out = predict_pairs(backbone, pairs, t, text, model.build.group)
    a = backbone.alphas_cumprod[t].to(out.device, torch.float32)
    if backbone.prediction == "epsilon":
        return out
    if backbone.prediction == "v_prediction":
        return a.sqrt() * out + (1 - a).sqrt() * pairs
    return (pairs - a.sqrt() * out) / (1 - a).sqrt()
