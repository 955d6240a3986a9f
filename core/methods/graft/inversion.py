"""Photos on the way to noise: what the reading branches show at each step, found once and kept warm."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.diffusion.backbone import Backbone, encode_image
from core.diffusion.sampling import SamplingSchedule, classifier_free_guidance, invert
from core.diffusion.tokens import encode_text
from core.memory_budget import WarmCache, image_key
from core.types import Image

TOLERANCE = 1e-2
"""Of the inversion: a branch is read by its path, so that the path need not lead back to the last bit."""


@dataclass(frozen=True)
class InvertedPath:
    """Latents (1, C, h, w) of a photo, noisiest first, one at each level of a schedule; the last is the photo's."""

    latents: tuple[Tensor, ...]

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return sum(x.nbytes for x in self.latents)


_paths: weakref.WeakKeyDictionary[Any, WarmCache[tuple[object, ...], InvertedPath]] = weakref.WeakKeyDictionary()


def inverted_path(
    backbone: Backbone,
    picture: Image,
    schedule: SamplingSchedule,
    rounds: int,
    cancelled: Callable[[], bool] | None = None,
) -> InvertedPath:
    """The path of ``picture``, uint8 (h, w, 3) of the model's size, under an empty prompt. Cancelled within a step."""
    warm = _paths.setdefault(backbone.unet, WarmCache(lambda path: path.nbytes))
    key = (image_key(picture), schedule.timesteps, rounds)
    return warm.get(key, lambda: _inverted(backbone, picture, schedule, rounds, cancelled))


@torch.no_grad()
def _inverted(
    backbone: Backbone,
    picture: Image,
    schedule: SamplingSchedule,
    rounds: int,
    cancelled: Callable[[], bool] | None,
) -> InvertedPath:
    model = classifier_free_guidance(backbone, encode_text(backbone, [""]), None, 1.0)
    path: list[Tensor] = []
    z0 = encode_image(backbone, picture)
    invert(model, z0, schedule, rounds=rounds, tolerance=TOLERANCE, path=path, cancelled=cancelled)
    return InvertedPath(tuple(path))
