"""Blended latent diffusion inside a mask, at the photo's native resolution (AnomalyDiffusion, eq. 1).

The surroundings of the mask are cut out, brought to the model's size, generated and pasted back; every pixel outside
the mask is the photo's own. Against AnomalyDiffusion's code: the mask comes to latent size by max-pooling, so that no
defect is too thin to be kept; the surroundings are also put back after the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from core.diffusion.attention import Controller, controlled
from core.diffusion.model import Backbone, decode, encode_image
from core.diffusion.sampling import After, Before, Method, Step, draw_noise, guided, make_schedule, mix, sample
from core.diffusion.tokens import encode_text
from core.errors import InputError, MaskError
from core.images import Roi, alpha_blend, inner_alpha, poisson_blend, roi_around
from core.types import Image, Mask, check_image, check_mask


@dataclass(frozen=True)
class Look:
    """How to sample. ``strength`` below 1 starts from the noised photo and keeps its shapes; see sampling.sample."""

    steps: int = 30
    guidance: float = 5.0
    strength: float = 1.0
    method: Method = "ddim"
    eta: float = 0.0


@dataclass(frozen=True)
class Frame:
    """What is cut out and how it comes back: context ``margin`` relative to the mask's box, working ``side`` in pixels
    (0: the model's own), inner ``feather`` in pixels, and how the edge is closed. ``square`` cuts out a square where
    the photo has room for it. ``detail`` 0..1 gives back that share of the fine structure that the model's autoencoder
    loses, so that the surface's grain goes on inside the mask."""

    margin: float = 0.5
    side: int = 0
    feather: float = 3.0
    seam: Literal["feather", "poisson"] = "feather"
    square: bool = False
    detail: float = 0.0


@dataclass(frozen=True)
class Scene:
    """What is drawn into: the ``window``, its latents ``z0`` (1, C, h, w) and the latent mask ``region`` (1, 1, h, w)
    in 0..1."""

    window: Window
    z0: Tensor
    region: Tensor


@dataclass(frozen=True)
class Guide:
    """What acts on the sampling of one scene. ``region`` gives the latent mask of a step where it is not the scene's
    own throughout."""

    before: Sequence[Before] = ()
    after: Sequence[After] = ()
    controllers: Sequence[Controller] = ()
    region: Callable[[Step], Tensor] | None = None


def latent_mask(mask: Mask, shape: tuple[int, int]) -> Tensor:
    """``mask`` bool (H, W) at latent size: float32 (1, 1, h, w), 1 wherever a pixel of the mask falls (max-pool)."""
    pixels = torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None]
    return F.adaptive_max_pool2d(pixels, shape)


def blending(
    z0: Tensor, mask: Tensor, noise: Tensor, region: Callable[[Step], Tensor] | None = None
) -> tuple[Before, After]:
    """Hooks that keep the latents outside ``mask`` those of the photo (AnomalyDiffusion, eq. 1).

    x = x m + (1 - m) q(z_0) at the start of each step and, with z_0 itself, after the last. ``z0`` is (1, C, h, w),
    ``mask`` (1, 1, h, w) in 0..1; ``region`` gives another mask for the start of a step. The photo is noised by the
    same ``noise`` (N, C, h, w) each time, so that it moves along one path as the rest does.
    """
    keep = 1 - mask.to(z0.device)

    def before(x: Tensor, step: Step) -> Tensor:
        kept = keep if region is None else 1 - region(step).to(z0.device)
        return x * (1 - kept) + mix(z0, noise, step.a) * kept

    def after(x: Tensor, step: Step, x0: Tensor) -> Tensor:
        return x * (1 - keep) + z0 * keep if step.last else x

    return before, after


def inpaint(
    backbone: Backbone,
    photo: Image,
    mask: Mask,
    text: str | Tensor,
    negative: str = "",
    *,
    look: Look | None = None,
    frame: Frame | None = None,
    generator: torch.Generator,
    before: Sequence[Before] = (),
    after: Sequence[After] = (),
    controllers: Sequence[Controller] = (),
    guide: Callable[[Scene], Guide] | None = None,
    start: Image | None = None,
    progress: Callable[[int, int, Image | None], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Image:
    """``photo`` uint8 (H, W, 3) with ``text`` (a prompt, or float (1, length, width)) drawn inside ``mask`` (H, W).

    Outside the mask every pixel is the photo's own. ``before`` and ``after`` run after the blending hooks; ``guide``
    gives more of them, made for the scene. ``start``, of the photo's size, is what a ``strength`` below 1 starts from
    in place of the photo, and whose fine structure the frame's ``detail`` gives back.
    ``progress(done, count, preview)`` comes at each step, about ten times with a sketch of the photo. MaskError if
    the mask is empty; Cancelled within a step.
    """
    photo, mask = check_image(photo), check_mask(mask, photo.shape[:2])
    look, frame = look or Look(), frame or Frame()
    window = open_window(backbone, photo, mask, frame)
    z0 = encode_image(backbone, window.pixels)
    region = latent_mask(window.roi.crop(mask), (z0.shape[2], z0.shape[3]))
    more = guide(Scene(window, z0, region)) if guide is not None else Guide()
    noise = draw_noise(z0.shape, generator, z0)
    schedule = make_schedule(backbone.alphas_cumprod, look.steps, strength=look.strength)
    words = encode_text(backbone, [text]) if isinstance(text, str) else text
    model = guided(backbone, words, encode_text(backbone, [negative]), look.guidance)
    keep, finish = blending(z0, region, noise, more.region)
    every = max(1, -(-len(schedule.timesteps) // 10))
    sketch = sketcher(z0, window.pixels)

    def show(done: int, count: int, x0: Tensor) -> None:
        if progress is not None:
            preview = close_window(photo, mask, window, sketch(x0), frame) if done % every == 0 else None
            progress(done, count, preview)

    begun = window.pixels if start is None else _cut(check_image(start), window)
    origin = z0 if start is None else encode_image(backbone, begun)
    with controlled(backbone.unet, *controllers, *more.controllers):
        x = sample(
            model,
            mix(origin, noise, schedule.alphas[0]) if look.strength < 1 else noise,
            schedule,
            method=look.method,
            eta=look.eta,
            generator=generator,
            before=[keep, *before, *more.before],
            after=[finish, *after, *more.after],
            progress=show,
            cancelled=cancelled,
        )
    drawn = decode(backbone, x)[0]
    if frame.detail:
        lost = begun.astype(np.float32) - decode(backbone, origin)[0]
        drawn = np.clip(np.rint(drawn + frame.detail * lost), 0, 255).astype(np.uint8)
    return close_window(photo, mask, window, drawn, frame, photo if start is None else start)


def _cut(image: Image, window: Window) -> Image:
    return resized(window.roi.crop(image), (window.pixels.shape[0], window.pixels.shape[1]))


@dataclass(frozen=True)
class Window:
    """A region of the photo, and its ``pixels`` uint8 (h, w, 3) at the model's size."""

    roi: Roi
    pixels: Image


def open_window(backbone: Backbone, photo: Image, mask: Mask, frame: Frame) -> Window:
    """The mask's surroundings, at least the working size where the photo is that large, resized to it."""
    if not mask.any():
        raise MaskError("mask: it is empty, so there is nothing to draw; draw or place a mask")
    side = frame.side or backbone.side
    if side % backbone.multiple:
        raise InputError(f"working size: expected a multiple of {backbone.multiple} for {backbone.name}, got {side}")
    roi = roi_around(mask, frame.margin, min(side, *mask.shape))
    if frame.square:
        roi = roi_around(mask, frame.margin, max(roi.shape))
    scale = side / max(roi.shape)
    h, w = (max(backbone.multiple, round(n * scale / backbone.multiple) * backbone.multiple) for n in roi.shape)
    return Window(roi, resized(roi.crop(photo), (h, w)))


def close_window(
    photo: Image, mask: Mask, window: Window, generated: Image, frame: Frame, begun: Image | None = None
) -> Image:
    """``generated``, of the window's size, back in the photo; outside ``mask`` the photo is exact.

    Where the window is smaller than what it was cut from, the frame's ``detail`` also gives back what ``begun``, of
    the photo's size, lost on the way.
    """
    roi = window.roi
    patch = resized(generated, roi.shape)
    if begun is not None and frame.detail and max(roi.shape) > max(window.pixels.shape[:2]):
        lost = roi.crop(begun).astype(np.float32) - resized(_cut(begun, window), roi.shape)
        patch = np.clip(np.rint(patch + frame.detail * lost), 0, 255).astype(np.uint8)
    under, inside = roi.crop(photo), roi.crop(mask)
    if frame.seam == "poisson":
        return roi.paste(photo, poisson_blend(under, patch, inside))
    depth = float(cv2.distanceTransform(inside.view(np.uint8), cv2.DIST_L2, 3).max()) if not inside.all() else np.inf
    # A ramp wider than the mask is deep would leave a thin defect half drawn.
    alpha = inner_alpha(inside, max(0.0, min(frame.feather, depth / 2 - 0.5)))
    return roi.paste(photo, alpha_blend(under, patch, alpha))


def resized(image: Image, shape: tuple[int, int]) -> Image:
    """``image`` at (h, w): area means down, cubic up."""
    if image.shape[:2] == shape:
        return image.copy()
    down = shape[0] * shape[1] < image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if down else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=how), np.uint8)


def sketcher(z0: Tensor, pixels: Image) -> Callable[[Tensor], Image]:
    """A rough decoder for previews: the colour of each latent, by the linear map that fits this window best.

    The decoder itself costs as much as several steps. ``z0`` (1, C, h, w) are the latents of ``pixels``.
    """
    h, w = z0.shape[2], z0.shape[3]
    colours = cv2.resize(pixels, (w, h), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float64)
    solution = np.linalg.lstsq(_rows(z0), colours, rcond=None)[0]

    def sketch(x0: Tensor) -> Image:
        small = np.clip(_rows(x0) @ solution, 0, 255).round().astype(np.uint8).reshape(h, w, 3)
        return resized(small, (pixels.shape[0], pixels.shape[1]))

    return sketch


def _rows(latents: Tensor) -> npt.NDArray[np.float64]:
    """Latents (1, C, h, w) as (h w, C + 1), the last column 1."""
    flat = latents[0].flatten(1).T.double().cpu().numpy()
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
