"""What runs of learning share, whatever is learned: who looks on, a model of one's own, losses to keep."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from core.diffusion.backbone import Backbone, exclusive
from core.types import Image

_COPIED_BELOW = 1e9
"""Bytes of a model below which learning takes a copy, so that others can use the model meanwhile."""
_KEPT_BY_ONE = 2e9
"""Bytes that one row of 512 pixels keeps for the way back, in float32, and some to spare."""
_POINTS = 400


@dataclass(frozen=True)
class TrainingCallbacks:
    """Who looks on: ``progress(done, total, preview)``, ``curve(name, step, value)`` and ``cancelled()``; and how many
    ``previews`` on the way they want to see."""

    progress: Callable[[int, int, Image | None], None] = lambda done, total, preview: None
    curve: Callable[[str, float, float], None] = lambda name, x, y: None
    cancelled: Callable[[], bool] = lambda: False
    previews: int = 6


@contextmanager
def own_model(backbone: Backbone, cancelled: Callable[[], bool]) -> Iterator[Backbone]:
    """A model that may be changed: a copy of a small one, else the model itself, held alone."""
    with ExitStack() as held:
        held.enter_context(exclusive(backbone, cancelled))
        parts = (backbone.unet, backbone.text_encoder)
        if sum(p.nbytes for part in parts for p in part.parameters()) < _COPIED_BELOW:
            unet, encoder = (copy.deepcopy(part) for part in parts)
            backbone = replace(backbone, unet=unet, text_encoder=encoder, lock=threading.RLock())
            held.close()
        yield backbone


@contextmanager
def thrifty(backbone: Backbone, batch: int) -> Iterator[None]:
    """Where a GPU has no room for what a ``batch`` of learning keeps, keep less and compute it again on the way back.

    Up to a third slower. A batch of four of Stable Diffusion 1.5 keeps 3.4 GB beside the weights, in place of 7.4.
    """
    if _room(backbone) > _KEPT_BY_ONE * batch * (backbone.side / 512) ** 2:
        yield
        return
    backbone.unet.enable_gradient_checkpointing()
    try:
        yield
    finally:
        backbone.unet.disable_gradient_checkpointing()


def _room(backbone: Backbone) -> float:
    """Free bytes of the GPU; without one there is room."""
    return torch.cuda.mem_get_info(backbone.device)[0] if backbone.device.type == "cuda" else math.inf


def thinned(losses: Sequence[float]) -> list[list[float]]:
    """(step, mean loss since the last point), at most a few hundred points."""
    width = max(1, -(-len(losses) // _POINTS))
    return [[min(i + width, len(losses)), float(np.mean(losses[i : i + width]))] for i in range(0, len(losses), width)]
