"""Photos seen by a detector that an evaluation of the project trained."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import NotFound
from core.images import atomic_write, isolated, png_bytes
from core.memory_budget import WarmCache
from core.store import Project

if TYPE_CHECKING:
    from core.evaluation.saved_detector import SavedDetector

CACHE_FOLDER = "looks"
"""Of the project's cache folder: the pictures."""
MAX_PHOTOS = 200
_MAX_LOADED = 2
"""Detectors that stay in memory: one to look with, one to compare it with."""
_PANEL_HEIGHT = 480


@dataclass(frozen=True)
class PhotoPrediction:
    """What a detector says of a photo: ``score`` of the whole, the share of good test photos ``above_good`` it, the
    name of the good photo it was compared with ("" for none), and ``pictures``: photo, neighbour, scores."""

    score: float
    above_good: float
    neighbour: str
    pictures: Mapping[str, Path]


class PhotoScores:
    """The part of the Evaluate desk that shows single photos to kept detectors. ``folder`` holds the runs."""

    def __init__(self, project: Project, folder: Path) -> None:
        self._project, self._folder = project, folder
        self._warm: WarmCache[str, SavedDetector] = WarmCache(lambda one: one.nbytes, most=_MAX_LOADED)

    def trained(self, run: str) -> bool:
        """Whether a run kept its detector."""
        from core.evaluation.saved_detector import DETECTOR_FILE

        return bool(run) and (self._folder / run / DETECTOR_FILE).is_file()

    def photos(self) -> list[tuple[str, str]]:
        """Photos of the project to look at, by title and id: real anomalies, then good ones, at most MAX_PHOTOS."""
        bad = [(f"{row.label}: {Path(row.name).name}", f"bad/{row.id}") for row in self._project.examples()]
        good = [(f"good: {Path(row.name).name}", f"good/{row.id}") for row in self._project.normals(0, MAX_PHOTOS)]
        return [*bad, *good][:MAX_PHOTOS]

    def path(self, photo: str) -> Path:
        """Where a photo of ``photos`` lies; NotFound."""
        kind, _, id = photo.partition("/")
        return self._project.example_row(id).path if kind == "bad" else self._project.normal_row(id).path

    def look(self, run: str, photo: Path) -> PhotoPrediction:
        """What the detector of ``run`` says of the photo in the file ``photo``.

        NotFound where the run kept none; ImageError where the file is no photo.
        """
        trained = self._detector(run)
        image = isolated.read_photo(photo, scales=trained.scales).pixels
        seen = trained.predict(image)
        stamp = hashlib.sha256(run.encode() + image.tobytes()).hexdigest()[:20]
        pictures = {name: self._project.cache_dir / CACHE_FOLDER / f"{stamp}-{name}.png" for name in seen.panels()}
        for name, panel in seen.panels(_PANEL_HEIGHT).items():
            pictures[name].parent.mkdir(parents=True, exist_ok=True)
            atomic_write(pictures[name], png_bytes(panel))
        near = seen.neighbour.name.rpartition("/")[2] if seen.neighbour else ""
        return PhotoPrediction(seen.score, seen.above_good, near, pictures)

    def _detector(self, run: str) -> SavedDetector:
        from core.evaluation.saved_detector import load_detector

        if not self.trained(run):
            raise NotFound("this run kept no detector: run a localization again to have one")
        return self._warm.get(run, lambda: load_detector(self._folder / run))
