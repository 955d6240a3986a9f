"""What a learning is asked for and how it is watched: engines that learn, its preview, its pace, its curves."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from pydantic import BaseModel

from core.engines.api import Goal, LearningEngine
from core.engines.registry import learning_engines
from core.evaluation.results import Curve
from core.images import cached_file, png_bytes
from core.jobs.runner import JobControl
from core.types import Image


@dataclass(frozen=True)
class LearnerCard:
    """An engine that learns, as the app shows it. ``reason`` is None, or why it cannot be used and what to do.

    ``from_examples`` says whether it learns from real anomalies; else photos of good parts are enough. ``clusters``
    says whether it learns the looks of a label one by one.
    """

    name: str
    title: str
    summary: str
    reason: str | None
    params: type[BaseModel]
    from_examples: bool
    clusters: bool
    goal: Goal
    paper: str
    first_choice: bool


@dataclass(frozen=True)
class LearningPreview:
    """What an order would take, in words by verb; ``resumes_at`` says where a stopped one would go on, else "".

    ``can_measure``: nobody has learned so on this machine yet, and a few steps would tell how long it takes.
    """

    facts: dict[str, str]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    resumes_at: str = ""
    can_measure: bool = False


def learner_cards() -> dict[str, LearnerCard]:
    """Every engine that learns, those that cannot here with the reason."""
    return {name: _learner_card(e) for name, e in learning_engines().items()}


class LearningProgress:
    """Tells those who look at a job how long it will go on, and keeps its pictures."""

    def __init__(self, control: JobControl, pictures: Path) -> None:
        self._control, self._pictures = control, pictures
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, float] | None = None

    @property
    def seconds_per_step(self) -> float:
        """Seconds a step; 0 before there were enough."""
        if self._first is None or self._last is None or self._last[0] - self._first[0] < 3:
            return 0.0
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])

    def progress(self, done: int, total: int, preview: Image | None = None) -> None:
        """As Context.progress."""
        self._last = (done, time.monotonic())
        self._first = self._first or self._last
        left = self.seconds_per_step * (total - done)
        message = f"{duration(left)} left" if left > 1 else " "
        if preview is not None:
            cached_file(self._pictures / f"{done:07d}.png", lambda: png_bytes(preview))
        self._control.progress(done, total, preview, message)


def running_mean(curve: Curve, over: int = 24) -> Curve:
    """``curve`` with each value the mean of the last ``over``."""
    sums = [0.0, *accumulate(curve.y)]
    means = ((sums[i] - sums[max(0, i - over)]) / min(i, over) for i in range(1, len(sums)))
    return replace(curve, y=tuple(means))


def duration(seconds: float) -> str:
    """A time in the unit a person would use."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _learner_card(engine: LearningEngine) -> LearnerCard:
    return LearnerCard(
        engine.name,
        engine.title,
        engine.summary,
        engine.available(),
        engine.Learning,
        engine.learns_from == "examples",
        engine.grouping() is not None,
        engine.goal,
        engine.paper,
        engine.first_choice,
    )
