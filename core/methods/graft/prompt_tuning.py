"""The prompt's embedding, tuned after the text encoder until it describes the references' anomalies (after O2MAG).

Name here ↔ symbol: states ↔ the prompt's token states c, masks ↔ M_ref. With ε_θ(z_t, t, c) the model's prediction,

    c* = argmin_c E_{t, ε} | M_ref (ε - ε_θ(a_t z_ref + s_t ε, t, c)) |²

over the references' latents z_ref; the paper takes 500 steps at a rate of 3e-3. The model stays as it is, and the text
encoder is not asked, so that it works with any. What is tuned is kept warm for the next sample of the same references.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.diffusion.backbone import Backbone, encode_image
from core.diffusion.conditioning import Conditioning
from core.diffusion.inpainting import latent_mask
from core.diffusion.model_crop import CropSettings, crop_for_model
from core.diffusion.tokens import encode_text
from core.memory_budget import WarmCache, image_key
from core.training.loop import Trainable, TrainingPlan, train
from core.training.training_samples import EncodedSamples
from core.types import Image, Mask

RATE = 3e-3
"""The paper's."""
_BACKGROUND = 0.1
"""Weight of the loss beside the anomaly: the words shall not take the surroundings for something else."""

_tuned: weakref.WeakKeyDictionary[Any, WarmCache[tuple[object, ...], Tensor]] = weakref.WeakKeyDictionary()


def tuned_words(
    backbone: Backbone,
    prompt: str,
    references: Sequence[tuple[Image, Mask]],
    steps: int,
    frame: CropSettings,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Conditioning:
    """``prompt`` as one row, tuned for ``steps`` (0: as it is) to the anomalies of ``references``, photos uint8
    (H, W, 3) with masks bool (H, W). InputError for a model in float16; Cancelled within a step."""
    plain = encode_text(backbone, [prompt])
    if not steps:
        return plain
    warm = _tuned.setdefault(backbone.unet, WarmCache(lambda states: states.nbytes))
    shown = tuple((image_key(photo), image_key(mask.view(np.uint8))) for photo, mask in references)
    key = (prompt, steps, frame, shown)
    tuned = warm.get(key, lambda: _tuned_states(backbone, plain, references, steps, frame, progress, cancelled))
    return replace(plain, states=tuned)


def _tuned_states(
    backbone: Backbone,
    plain: Conditioning,
    references: Sequence[tuple[Image, Mask]],
    steps: int,
    frame: CropSettings,
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Tensor:
    """Token states float32 (1, L, D)."""
    windows = [crop_for_model(backbone, *reference, frame) for reference in references]
    latents = torch.cat([encode_image(backbone, window.pixels) for window in windows])
    shape = (int(latents.shape[2]), int(latents.shape[3]))
    masks = torch.cat([latent_mask(w.crop_mask(ref[1]), shape) for w, ref in zip(windows, references, strict=True)])
    states = nn.Parameter(plain.states.detach().clone())

    def conditioning(_: EncodedSamples, rows: Tensor) -> Conditioning:
        return replace(plain, states=states).expanded(len(rows))

    with torch.enable_grad():
        train(
            Trainable(backbone, {"states": states}, conditioning),
            EncodedSamples(latents.cpu(), masks),
            TrainingPlan(steps, batch=2, lr=RATE, background=_BACKGROUND),
            progress=None if progress is None else lambda done, count, _: progress(done, count),
            cancelled=cancelled,
        )
    return states.detach()
