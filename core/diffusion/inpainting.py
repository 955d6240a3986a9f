"""Blended latent diffusion inside a mask, at the photo's native resolution (AnomalyDiffusion, eq. 1).

The surroundings of the mask are cut out, brought to the model's size, generated and pasted back; every pixel outside
the mask is the photo's own. Against AnomalyDiffusion's code: the mask comes to latent size by max-pooling, so that no
defect is too thin to be kept; the surroundings are also put back after the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.device import torch_generator
from core.diffusion.attention import AttentionController, attention_control
from core.diffusion.backbone import Backbone, decode, encode_images
from core.diffusion.conditioning import Conditioning
from core.diffusion.model_crop import CropSettings, ModelCrop, crop_for_model, latent_previewer, paste_back
from core.diffusion.sampling import (
    AfterStep,
    BeforeStep,
    SamplingStep,
    Solver,
    classifier_free_guidance,
    draw_noise,
    make_schedule,
    sample,
)
from core.diffusion.tokens import encode_text
from core.errors import Unavailable
from core.progress import PreviewedSteps
from core.types import Image, Mask, check_image, check_mask

_TOO_LARGE = "{}: one picture is more than the GPU's memory holds; close what else uses it, or take a smaller model"


@dataclass(frozen=True)
class DrawingSettings:
    """How to sample. ``strength`` below 1 starts from the noised photo and keeps its shapes; see sampling.sample."""

    steps: int = 30
    guidance: float = 5.0
    strength: float = 1.0
    method: Solver = "ddim"
    eta: float = 0.0


@dataclass(frozen=True)
class InpaintTask:
    """What is drawn and where: ``prompt`` (in words, or encoded: one row) inside ``mask`` bool (H, W) of ``photo``
    uint8 (H, W, 3), from the noise of ``seed``.

    ``initial_image``, of the photo's size, is what a strength below 1 starts from in place of the photo, and whose
    fine structure the frame's ``detail`` gives back. With ``hard_edge`` nothing fades at the mask's edge.
    """

    photo: Image
    mask: Mask
    prompt: str | Conditioning
    seed: int
    initial_image: Image | None = None
    hard_edge: bool = False


@dataclass(frozen=True)
class InpaintingState:
    """What is drawn into by one batch, a row for each place: the ``windows``, all of one size, their latents ``z0``
    (N, C, h, w) and the latent masks ``region`` (N, 1, h, w) in 0..1."""

    windows: Sequence[ModelCrop]
    z0: Tensor
    region: Tensor


@dataclass(frozen=True)
class InpaintingHooks:
    """What acts on the sampling of one scene. ``region`` gives the latent masks of a step where it is not the scene's
    own throughout."""

    before: Sequence[BeforeStep] = ()
    after: Sequence[AfterStep] = ()
    controllers: Sequence[AttentionController] = ()
    region: Callable[[SamplingStep], Tensor] | None = None


def latent_mask(mask: Mask, shape: tuple[int, int]) -> Tensor:
    """``mask`` bool (H, W) at latent size: float32 (1, 1, h, w), 1 wherever a pixel of the mask falls (max-pool)."""
    pixels = torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None]
    return F.adaptive_max_pool2d(pixels, shape)


def latent_surroundings(backbone: Backbone, images: Sequence[Image], masks: Sequence[Mask]) -> Tensor:
    """What an inpainting model reads beside the noise: float32 (N, 1 + C, h, w), Conditioning.surroundings.

    ``images`` uint8 (H, W, 3) are of one size, and ``masks`` bool (H, W) say where the model shall draw.
    """
    seen = [np.where(mask[..., None], np.uint8(128), image) for image, mask in zip(images, masks, strict=True)]
    latents = encode_images(backbone, seen)
    regions = torch.cat([latent_mask(mask, (latents.shape[2], latents.shape[3])) for mask in masks])
    return torch.cat([regions.to(latents), latents], dim=1)


def blended_hooks(
    z0: Tensor, mask: Tensor, noise: Tensor, region: Callable[[SamplingStep], Tensor] | None = None
) -> tuple[BeforeStep, AfterStep]:
    """Hooks that keep the latents outside ``mask`` those of the photo (AnomalyDiffusion, eq. 1).

    x = x m + (1 - m) q(z_0) at the start of each step and, with z_0 itself, after the last. ``z0`` is (N, C, h, w),
    ``mask`` (N, 1, h, w) in 0..1; ``region`` gives another mask for the start of a step. The photo is noised by the
    same ``noise`` (N, C, h, w) each time, so that it moves along one path as the rest does.
    """
    keep = 1 - mask.to(z0.device)

    def before(x: Tensor, step: SamplingStep) -> Tensor:
        kept = keep if region is None else 1 - region(step).to(z0.device)
        return x * (1 - kept) + step.level.add_noise(z0, noise) * kept

    def after(x: Tensor, step: SamplingStep, x0: Tensor) -> Tensor:
        return x * (1 - keep) + z0 * keep if step.last else x

    return before, after


def inpaint(
    backbone: Backbone,
    places: Sequence[InpaintTask],
    negative: str = "",
    *,
    look: DrawingSettings | None = None,
    frame: CropSettings | None = None,
    guide: Callable[[InpaintingState], InpaintingHooks] | None = None,
    progress: PreviewedSteps | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[Image]:
    """The photo of each place, uint8 (H, W, 3), with its prompt drawn inside its mask; outside it is the photo's own.

    Places whose windows are of one size are drawn as one batch, or in halves where a GPU's memory does not hold it.
    Each row has its own noise, so that what is drawn in a place does not depend on the others but for rounding.
    ``guide`` is asked for what else acts on a batch; its hooks run after those that blend. ``progress(done, count,
    preview)`` comes at each step, about ten times with a sketch of the batch's first photo. MaskError if a mask is
    empty; Unavailable where not even one picture fits the GPU; Cancelled within a step.
    """
    look, frame = look or DrawingSettings(), frame or CropSettings()
    windows = []
    for place in places:
        mask = check_mask(place.mask, check_image(place.photo).shape[:2])
        windows.append(crop_for_model(backbone, place.photo, mask, frame))
    sizes: dict[tuple[int, ...], list[int]] = {}
    for row, window in enumerate(windows):
        sizes.setdefault(window.pixels.shape, []).append(row)
    drawn: dict[int, Image] = {}
    waiting = list(sizes.values())
    while waiting:
        rows = waiting.pop(0)
        batch = _InpaintBatch(backbone, [places[i] for i in rows], [windows[i] for i in rows], look, frame)
        try:
            drawn |= zip(rows, batch.draw(negative, guide, progress, cancelled), strict=True)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise Unavailable(_TOO_LARGE.format(backbone.name)) from None
            half = len(rows) // 2
            waiting[:0] = [rows[:half], rows[half:]]
    return [drawn[row] for row in range(len(places))]


@dataclass(frozen=True)
class _InpaintBatch:
    """Places whose windows are of one size."""

    backbone: Backbone
    places: Sequence[InpaintTask]
    windows: Sequence[ModelCrop]
    look: DrawingSettings
    frame: CropSettings

    def draw(
        self,
        negative: str,
        guide: Callable[[InpaintingState], InpaintingHooks] | None,
        progress: PreviewedSteps | None,
        cancelled: Callable[[], bool] | None,
    ) -> list[Image]:
        backbone, look = self.backbone, self.look
        begun = [
            w.pixels if p.initial_image is None else w.crop(check_image(p.initial_image)) for w, p in self._pairs()
        ]
        z0 = encode_images(backbone, [w.pixels for w in self.windows])
        origin = z0 if all(p.initial_image is None for p in self.places) else encode_images(backbone, begun)
        crops = [w.crop_mask(p.mask) for w, p in self._pairs()]
        region = torch.cat([latent_mask(crop, (z0.shape[2], z0.shape[3])) for crop in crops])
        scene = InpaintingState(self.windows, z0, region)
        more = guide(scene) if guide is not None else InpaintingHooks()
        generators = [torch_generator(place.seed) for place in self.places]
        noise = draw_noise(z0.shape, generators, z0)
        schedule = make_schedule(backbone.noise_schedule, look.steps, strength=look.strength)
        prompts = [encode_text(backbone, [p.prompt]) if isinstance(p.prompt, str) else p.prompt for p in self.places]
        told = Conditioning.cat(prompts)
        if backbone.reads_surroundings:
            around = latent_surroundings(backbone, [w.pixels for w in self.windows], crops)
            told = replace(told, surroundings=around)
        keep, finish = blended_hooks(z0, scene.region, noise, more.region)
        with attention_control(backbone.unet, *more.controllers):
            x = sample(
                classifier_free_guidance(backbone, told, encode_text(backbone, [negative]), look.guidance),
                schedule.levels[0].add_noise(origin, noise) if look.strength < 1 else noise,
                schedule,
                method=look.method,
                eta=look.eta,
                generator=generators,
                before=[keep, *more.before],
                after=[finish, *more.after],
                progress=None if progress is None else self._preview_callback(progress, z0, len(schedule.timesteps)),
                cancelled=cancelled,
            )
        if not self.frame.detail:
            return self._pasted_back(decode(backbone, x))
        pictures = decode(backbone, torch.cat([x, origin]))
        drawn, rebuilt = pictures[: len(x)], pictures[len(x) :]
        return self._pasted_back([self._with_detail(*three) for three in zip(drawn, begun, rebuilt, strict=True)])

    def _pairs(self) -> Iterator[tuple[ModelCrop, InpaintTask]]:
        return zip(self.windows, self.places, strict=True)

    def _preview_callback(
        self, progress: PreviewedSteps, z0: Tensor, steps: int
    ) -> Callable[[int, int, Tensor], None]:
        every = max(1, -(-steps // 10))
        window, place, edge = self.windows[0], self.places[0], self._edge(self.places[0])
        sketch = latent_previewer(z0[:1], window.pixels)

        def show(done: int, count: int, x0: Tensor) -> None:
            due = done % every == 0
            sketched = paste_back(place.photo, place.mask, window, sketch(x0[:1]), edge) if due else None
            progress(done, count, sketched)

        return show

    def _edge(self, place: InpaintTask) -> CropSettings:
        return replace(self.frame, feather=0.0, seam="feather") if place.hard_edge else self.frame

    def _with_detail(self, drawn: Image, begun: Image, rebuilt: Image) -> Image:
        """``drawn`` with what the autoencoder lost of what it began with."""
        lost = begun.astype(np.float32) - rebuilt
        return np.asarray(np.clip(np.rint(drawn + self.frame.detail * lost), 0, 255), np.uint8)

    def _pasted_back(self, pictures: Sequence[Image]) -> list[Image]:
        return [
            paste_back(
                p.photo, p.mask, w, picture, self._edge(p), p.photo if p.initial_image is None else p.initial_image
            )
            for (w, p), picture in zip(self._pairs(), pictures, strict=True)
        ]
