"""What a run of learning tells those who look on, and what they tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.progress import PreviewedSteps, unwatched


@dataclass(frozen=True)
class TrainingCallbacks:
    """``progress(done, total, preview)``, ``curve(name, step, value)`` and ``cancelled()``; and how many ``previews``
    on the way are wanted."""

    progress: PreviewedSteps = unwatched
    curve: Callable[[str, float, float], None] = lambda name, x, y: None
    cancelled: Callable[[], bool] = lambda: False
    previews: int = 6
