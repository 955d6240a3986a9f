"""What runs of learning share, whatever is learned: who looks on, a model of one's own, losses to keep."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from core.diffusion.model import Backbone, exclusive
from core.types import Image

_COPIED_BELOW = 1e9
"""Bytes of a model below which learning takes a copy, so that others can use the model meanwhile."""
_POINTS = 400


@dataclass(frozen=True)
class Watch:
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


def thinned(losses: Sequence[float]) -> list[list[float]]:
    """(step, mean loss since the last point), at most a few hundred points."""
    width = max(1, -(-len(losses) // _POINTS))
    return [[min(i + width, len(losses)), float(np.mean(losses[i : i + width]))] for i in range(0, len(losses), width)]
