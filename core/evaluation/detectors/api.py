"""What a detector is, and how the house finds it.

One new file in this folder is all a detector needs::

    class Brightness(Detector):
        name = "brightness"             # as in ``--detector brightness``
        title = "Brightness"            # as in the app
        summary = "Marks what is darker than the good photos."
        needs_pairs = False             # True: learns from anomalies and their masks; False: from good photos alone

        class Params(DetectorParams):
            PRESETS = {"cpu": {}, "paper": {"sharp": 2.0}}
            sharp: float = Field(1.0, gt=0, title="Sharpness", description="...")

        def fit(self, train, params, ctx, watch=None) -> Fitted:
            ...                                     # ctx.check() at every step; watch(fitted, epoch) now and then

A ``RestorableDetector`` has ``unpack`` too, and its trained form ``pack``: runs keep the detector.

Torch is imported inside functions only: the registry is read by the app and the command line before anything trains.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from core.errors import Cancelled, InputError
from core.evaluation.photo_sets import Shot
from core.lookup import named
from core.progress import Progress, unwatched
from core.types import Image
from core.validation import read_settings

ScoreMap = npt.NDArray[np.float32]
"""float32 (H, W): one score per pixel, higher is more anomalous."""

POOLED_SHARE = 21 / 256
"""The published window of the image score, 21 pixels of a map of 256, as a share of the map's sides."""


class DetectorParams(BaseModel):
    """Base of every detector's ``Params``: frozen, unknown names refused, named presets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"cpu": {}, "paper": {}}

    @classmethod
    def preset(cls, name: str, changes: Mapping[str, object] | None = None) -> Self:
        """The values of preset ``name`` with ``changes`` on top; InputError in one line for a wrong name or value."""
        preset = named(cls.PRESETS, name, "preset", InputError)
        return read_settings(cls, {**preset, **(changes or {})}, "detector settings")


@dataclass(frozen=True)
class TrainContext:
    """What a job lends a training.

    ``progress`` counts steps; ``curve(name, x, y)`` adds a point to a live curve.
    ``checkpoint`` is a folder where finished seeds are kept and found again; None keeps nothing. With ``keep`` the
    result holds the trained detector of the first seed.
    """

    seed: int = 0
    device: str = "auto"
    progress: Progress = unwatched
    cancelled: Callable[[], bool] = lambda: False
    curve: Callable[[str, float, float], None] = lambda name, x, y: None
    checkpoint: Path | None = None
    keep: bool = True

    def check(self) -> None:
        """Raise Cancelled if the person pressed stop; detectors call this at every step."""
        if self.cancelled():
            raise Cancelled("stopped; what was finished is kept")


class TrainedDetector(Protocol):
    """A trained detector."""

    def score(self, images: Sequence[Image]) -> list[ScoreMap]:
        """One map for each uint8 (H, W, 3) photo, at that photo's own size."""
        ...


@dataclass(frozen=True)
class PackedDetector:
    """A trained detector as it is kept: arrays by name, and what else a reader must know of them, as JSON."""

    tensors: Mapping[str, npt.NDArray[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class SerializableDetector(Protocol):
    """A trained detector that can be kept; its detector has ``unpack``."""

    def pack(self) -> PackedDetector: ...


@dataclass(frozen=True)
class ComparedPhoto:
    """A good photo that a detector compared with: ``image`` as the detector knows it, uint8 (h, w, 3)."""

    name: str
    image: Image


@runtime_checkable
class ComparingDetector(Protocol):
    """A trained detector that compares each photo with a good one."""

    def neighbour(self, image: Image) -> ComparedPhoto: ...


EpochCallback = Callable[[TrainedDetector, int], None]
"""Called while training with the detector as it is now and the number of epochs done."""


def pooled_maximum(scores: ScoreMap) -> float:
    """The maximum of the averaged map: the papers' image score, 21x21 windows on a map of 256x256.

    The window is 21/256 of each side, at least one pixel and odd; as published the surroundings count as 0.
    """
    height, width = scores.shape
    window = tuple(2 * (max(1, round(side * POOLED_SHARE)) // 2) + 1 for side in (width, height))
    return float(cv2.blur(scores.astype(np.float32), window, borderType=cv2.BORDER_CONSTANT).max())


class Detector(ABC):
    """Base of all detectors: what the module's docstring shows, with defaults for what a detector may leave out."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    needs_pairs: ClassVar[bool]
    """True: it learns from anomalies and their masks; False: from good photos alone."""
    Params: ClassVar[type[DetectorParams]] = DetectorParams

    def available(self) -> str | None:
        """None, or the reason why it cannot be used and what to do."""
        return None

    @abstractmethod
    def fit(
        self, train: Sequence[Shot], params: Any, ctx: TrainContext, watch: EpochCallback | None = None
    ) -> TrainedDetector:
        """Train with ``params``, values of ``Params``; ``ctx.check()`` at every step, ``watch`` now and then."""

    def image_score(self, scores: ScoreMap) -> float:
        """The score of one photo from its map; the papers' image score if left out."""
        return pooled_maximum(scores)


class RestorableDetector(Detector):
    """A detector whose trained form can be kept and used again."""

    @abstractmethod
    def unpack(self, packed: PackedDetector, params: Any, ctx: TrainContext) -> TrainedDetector:
        """What the ``pack`` of a trained one wrote; ``params`` are those it was trained with. InputError."""


@cache
def detectors() -> dict[str, Detector]:
    """Every detector by name, in alphabetical order: those of this folder and those that methods bring along."""
    found: dict[str, Detector] = {}
    here, methods = (importlib.import_module(name) for name in ("core.evaluation.detectors", "core.methods"))
    names = [f"{here.__name__}.{m.name}" for m in pkgutil.iter_modules(here.__path__) if m.name != "api"]
    # A method of a paper brings its detector along, in a module of that name.
    modules = pkgutil.walk_packages(methods.__path__, "core.methods.")
    names += [m.name for m in modules if m.name.endswith(".detector")]
    for module in map(importlib.import_module, sorted(names)):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Detector) and value.__module__ == module.__name__:
                found[value.name] = value()
    return dict(sorted(found.items()))


def detector(name: str) -> Detector:
    """The detector called ``name``; NotFound names those there are."""
    return named(detectors(), name, "detector")
