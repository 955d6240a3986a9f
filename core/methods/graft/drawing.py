"""The target between photo and references: noised, read through their attention, and brought back to the photo.

Name here ↔ symbol: photo, references ↔ the inverted normal and anomaly branch of O2MAG; initial ↔ the anomaly as it is
bent into the mask before anything is drawn; inside ↔ M; reinjection ↔ λ, renewal ↔ the share of the steps that are
drawn. At each level t of the schedule, a_t and s_t as in core.diffusion.noise_schedule:

    start     x_t = M (a_t z_initial + s_t ε) + (1 - M) z_t^photo
    FAST      x̂_0 ← x̂_0 + λ M (z_initial - x̂_0)
    DDIM      x_{t-1} = a_{t-1} x̂_0 + s_{t-1} ε̂, ε̂ = (x_t - a_t x̂_0) / s_t
    outside   x_{t-1} ← M x_{t-1} + (1 - M) z_{t-1}^photo
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.device import torch_generator
from core.diffusion.attention import AttentionController, attention_control
from core.diffusion.backbone import Backbone, decode, encode_image, predict_noise, require_unet
from core.diffusion.conditioning import Conditioning
from core.diffusion.inpainting import latent_mask
from core.diffusion.model_crop import CropSettings, ModelCrop, crop_for_model, latent_previewer, paste_back
from core.diffusion.sampling import SamplingSchedule, ddim_step, draw_noise, make_schedule, raise_if_cancelled
from core.diffusion.tokens import encode_text
from core.diffusion.word_attention import AttentionReweight
from core.methods.graft.inversion import inverted_path
from core.methods.graft.reference_reading import ReferenceReading
from core.progress import PreviewedSteps
from core.types import Image, Mask

MaskedPhoto = tuple[Image, Mask]
"""A photo uint8 (H, W, 3) and a mask bool (H, W) of an anomaly on it."""


@dataclass(frozen=True)
class GraftSettings:
    """How to draw.

    Of ``steps`` the last ``renewal``, a share above 0 and up to 1, are drawn; ``rounds`` refine each step of the
    inversion. ``reinjection`` 0..1 is the share of the initial picture that is given back at each step, ``attention``
    the factor on the attention to the prompt's words inside the mask, and ``detail`` 0..1 how much of the initial
    picture's fine structure comes back that the autoencoder loses.
    """

    steps: int = 10
    renewal: float = 0.5
    rounds: int = 1
    reinjection: float = 0.6
    attention: float = 1.0
    detail: float = 1.0


@dataclass(frozen=True)
class GraftTask:
    """What is drawn: ``initial`` is the photo of ``target`` with the anomaly bent into its mask; ``words`` are the
    prompt's embedding, one row, and ``tokens`` where its words stand in it."""

    target: MaskedPhoto
    initial: Image
    references: Sequence[MaskedPhoto]
    words: Conditioning
    tokens: Sequence[int]
    seed: int


@dataclass(frozen=True)
class _Branches:
    """Latents of the rows that are read, (1 + R, C, h, w) at each level, the photo's first; ``initial`` (1, C, h, w);
    ``inside`` (1, 1, h, w) and ``anomaly`` (R, 1, h, w) in 0..1."""

    schedule: SamplingSchedule
    path: Sequence[Tensor]
    initial: Tensor
    inside: Tensor
    anomaly: Tensor


@torch.no_grad()
def draw_graft(
    backbone: Backbone,
    task: GraftTask,
    settings: GraftSettings,
    frame: CropSettings,
    progress: PreviewedSteps | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Image:
    """The target's photo, uint8 (H, W, 3), with an anomaly like the references' in its mask; outside it is the photo's
    own. Cancelled within a step; Unavailable on a model without a UNet."""
    require_unet(backbone, "graft")
    photo, mask = task.target
    window = crop_for_model(backbone, photo, mask, frame)
    initial = window.crop(task.initial)
    branches = _branches(backbone, task, window, initial, settings, frame, cancelled)
    preview = _previewed(progress, photo, mask, window, branches, frame)
    x = _sampled(backbone, branches, task, settings, preview, cancelled)
    drawn, rebuilt = decode(backbone, torch.cat([x, branches.initial]))
    lost = initial.astype(np.float32) - rebuilt
    whole = np.asarray(np.clip(np.rint(drawn + settings.detail * lost), 0, 255), np.uint8)
    return paste_back(photo, mask, window, whole, frame, task.initial)


def _branches(
    backbone: Backbone,
    task: GraftTask,
    window: ModelCrop,
    initial: Image,
    settings: GraftSettings,
    frame: CropSettings,
    cancelled: Callable[[], bool] | None,
) -> _Branches:
    schedule = make_schedule(backbone.noise_schedule, settings.steps, strength=settings.renewal)
    seen = [crop_for_model(backbone, *reference, frame) for reference in task.references]
    paths = [
        inverted_path(backbone, one.pixels, schedule, settings.rounds, cancelled).latents for one in (window, *seen)
    ]
    path = [torch.cat(level) for level in zip(*paths, strict=True)]
    shape = (int(path[0].shape[2]), int(path[0].shape[3]))
    inside = latent_mask(window.crop_mask(task.target[1]), shape).to(path[0])
    anomaly = torch.cat(
        [latent_mask(one.crop_mask(ref[1]), shape) for one, ref in zip(seen, task.references, strict=True)]
    )
    return _Branches(schedule, path, encode_image(backbone, initial), inside, anomaly.to(path[0]))


def _sampled(
    backbone: Backbone,
    branches: _Branches,
    task: GraftTask,
    settings: GraftSettings,
    progress: Callable[[int, int, Tensor], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Tensor:
    """The target's latents (1, C, h, w); outside the mask those of the photo."""
    inside, first = branches.inside, branches.initial
    plain = encode_text(backbone, [""])
    told = Conditioning.cat([plain.expanded(len(branches.path[0])), task.words])
    noise = draw_noise(first.shape, torch_generator(task.seed), first)
    x = _outside_kept(branches.schedule.levels[0].add_noise(first, noise), branches, 0)
    with attention_control(backbone.unet, *_controllers(branches, task, settings)):
        for step in branches.schedule.steps():
            raise_if_cancelled(cancelled)
            rows = torch.cat([branches.path[step.index], x])
            noise = predict_noise(backbone, rows, step.t, told)[-1:]
            x0 = step.level.predict_x0(x, noise)
            x0 = x0 + settings.reinjection * inside * (first - x0)
            x = ddim_step(x, (x - step.level.a * x0) / step.level.s, step.level, step.after)
            x = _outside_kept(x, branches, step.index + 1)
            if progress is not None:
                progress(step.index + 1, step.count, x0)
    return x


def _controllers(branches: _Branches, task: GraftTask, settings: GraftSettings) -> list[AttentionController]:
    reading: list[AttentionController] = [ReferenceReading(branches.inside, branches.anomaly)]
    if settings.attention == 1 or not task.tokens:
        return reading
    weight = 1 + (settings.attention - 1) * branches.inside[0, 0]
    return [*reading, AttentionReweight(task.tokens, weight, rows=slice(-1, None))]


def _outside_kept(x: Tensor, branches: _Branches, level: int) -> Tensor:
    return x * branches.inside + branches.path[level][:1] * (1 - branches.inside)


def _previewed(
    progress: PreviewedSteps | None,
    photo: Image,
    mask: Mask,
    window: ModelCrop,
    branches: _Branches,
    frame: CropSettings,
) -> Callable[[int, int, Tensor], None] | None:
    """Tells of each step, about five times with a sketch of the photo."""
    if progress is None:
        return None
    sketch = latent_previewer(branches.path[-1][:1], window.pixels)

    def show(done: int, count: int, x0: Tensor) -> None:
        shown = paste_back(photo, mask, window, sketch(x0), frame) if done % max(1, count // 5) == 0 else None
        progress(done, count, shown)

    return show
