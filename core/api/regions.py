"""Named regions: click, all regions at once, propagate to every photo."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from core.errors import Cancelled, InputError, MaskError, Unavailable
from core.images import mask_png_bytes
from core.jobs.product_data import ProductData
from core.jobs.runner import JobControl, JobRunner
from core.lookup import named
from core.masks import rle
from core.memory_budget import WarmCache
from core.progress import Steps, saying, unwatched
from core.segmentation import Click, MaskCandidate, PreparedPhoto, Segmenter, best_segmenter, segmenters
from core.segmentation.segmenter import Cancel
from core.segmentation.word_detector import WordDetector, detector_folders, missing_detector, split_words
from core.store import NormalRow, RegionRow, RegionSource
from core.types import Mask, Region

DOUBTFUL_BELOW = 0.5
"""Confidence below which a person should look at a propagated region."""


class RegionsApi:
    """The desk behind the Regions tab and the canvas' click tool."""

    def __init__(self, material: ProductData, jobs: JobRunner) -> None:
        self._product_data = material
        self._project = material.project
        self._jobs = jobs
        self._prepared: WarmCache[tuple[str, str], PreparedPhoto] = WarmCache(lambda ready: ready.nbytes)
        # One photo is prepared at a time: an encoder takes all cores as it is.
        self._preparing = threading.Lock()

    def forget_photos(self) -> None:
        """Prepare all photos anew, since their working copies were made again."""
        self._prepared.clear()

    def segmenter(self) -> Segmenter:
        """The one in use: the person's choice where it is available, else the best there is."""
        chosen = segmenters().get(str(self._project.get_setting("segmenter", "")))
        return chosen if chosen is not None and chosen.available() is None else best_segmenter()

    def choose_segmenter(self, name: str) -> None:
        """Choose a segmenter for this project."""
        chosen = named(segmenters(), name, "segmenter", InputError)
        if reason := chosen.available():
            raise Unavailable(f"segmenter {name}: {reason}")
        self._project.set_setting("segmenter", name)

    def is_ready(self, normal_id: str) -> bool:
        """Whether a click on this photo is answered at once."""
        return (self.segmenter().name, normal_id) in self._prepared

    def prepare(
        self,
        normal_id: str,
        progress: Steps | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> PreparedPhoto:
        """The photo made ready for clicks; the slow part, done once per photo and segmenter."""
        segmenter = self.segmenter()
        key = (segmenter.name, normal_id)
        with self._preparing:
            photo = self._product_data.normal(normal_id).pixels
            return self._prepared.get(key, lambda: segmenter.prepare(photo, progress, cancelled))

    def click(
        self,
        normal_id: str,
        clicks: Sequence[tuple[float, float, bool]],
        box_xyxy: tuple[float, float, float, float] | None = None,
        mask: Mask | None = None,
    ) -> list[MaskCandidate]:
        """Masks for (x, y, positive) clicks and a box in photo pixels, best first."""
        if not clicks and box_xyxy is None:
            raise InputError("click: give at least one click or a box")
        return self.prepare(normal_id).predict([Click(*c) for c in clicks], box_xyxy, mask)

    def of_photo(self, normal_id: str) -> list[RegionRow]:
        """The regions of a photo."""
        return self._project.regions(normal_id)

    def with_masks(self, normal_id: str) -> tuple[Region, ...]:
        """The regions of a photo with their masks."""
        return self._product_data.regions(normal_id)

    def names(self) -> dict[str, int]:
        """Region names and on how many photos each is."""
        return self._project.region_names()

    def save(
        self, normal_id: str, name: str, mask: Mask, source: RegionSource = "hand", confidence: float = 1.0
    ) -> RegionRow:
        """Store a region; one of the same name on this photo is replaced."""
        name = _checked_name(name)
        if not mask.any():
            raise MaskError(f"region {name!r}: the mask is empty; click or draw the region first")
        shape = self._product_data.normal(normal_id).shape
        if mask.shape != shape:
            raise MaskError(f"region {name!r}: expected a mask of {shape}, got {mask.shape}; draw it on this photo")
        return self._project.set_region(normal_id, name, mask_png_bytes(mask), source, confidence)

    def free_name(self, normal_id: str, name: str) -> str:
        """``name``, or ``name_2``, ``name_3`` ... where the photo already has one so called."""
        taken = {r.name for r in self.of_photo(normal_id)}
        return next(n for n in (name, *(f"{name}_{i}" for i in range(2, len(taken) + 3))) if n not in taken)

    def rename(self, normal_id: str | None, old: str, new: str) -> None:
        """Rename on one photo, or on all if ``normal_id`` is None; InputError if a photo has ``new`` already."""
        new = _checked_name(new)
        rows = self._project.region_rows(None if normal_id is None else [normal_id])
        mine = [r.normal_id for r in rows if r.name == old]
        taken = {r.normal_id for r in rows if r.name == new}
        if new != old and (both := len(taken.intersection(mine))):
            where = "this photo has" if normal_id else f"{both} photos have"
            raise InputError(f"rename: {where} a region {new!r} already; choose another name or delete that one first")
        for photo in mine:
            self._project.rename_region(photo, old, new)

    def delete(self, normal_id: str | None, name: str) -> list[RegionRow]:
        """Delete on one photo, or on every photo if ``normal_id`` is None; returns what ``restore`` takes back."""
        rows = self._project.region_rows(None if normal_id is None else [normal_id])
        gone = [row for row in rows if row.name == name]
        for row in gone:
            self._project.delete_region(row.normal_id, name)
        return gone

    def restore(self, rows: Sequence[RegionRow]) -> None:
        """Bring deleted regions back; one drawn under the same name since then stays."""
        for row in rows:
            if all(row.name != r.name for r in self.of_photo(row.normal_id)):
                png = row.mask_path.read_bytes()
                self._project.set_region(row.normal_id, row.name, png, row.source, row.confidence)

    def approve(self, normal_id: str) -> None:
        """A person looked at a photo's propagated regions and found them right: full confidence."""
        for row in self.of_photo(normal_id):
            if row.source == "propagated":
                png = row.mask_path.read_bytes()
                self._project.set_region(normal_id, row.name, png, row.source, 1.0)

    def propose(
        self, normal_id: str, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[MaskCandidate]:
        """All regions of a photo as the segmenter sees them, largest first, unnamed."""
        return self.segmenter().regions(self._product_data.normal(normal_id).pixels, progress, cancelled)

    def find_words(
        self, normal_id: str, words: str, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[tuple[str, MaskCandidate]]:
        """Regions of a photo by words with commas between, best first, each with its word.

        A detector finds a box for each word, the segmenter the region in the box. Unavailable says what to fetch where
        there is no detector.
        """
        wanted = split_words(words)
        if reason := missing_detector():
            raise Unavailable(f"words: {reason}")
        detector = _word_detector(detector_folders()[0])
        photo = self._product_data.normal(normal_id).pixels
        boxes = detector.find(photo, wanted, progress=progress, cancelled=cancelled)
        ready = self.prepare(normal_id, cancelled=cancelled) if boxes else None
        found = [(one, ready.predict([], one.box_xyxy)) for one in boxes] if ready else []
        return [(one.word, replace(masks[0], score=one.score)) for one, masks in found if masks]

    @staticmethod
    def words_missing() -> str | None:
        """None, or in one line what to fetch so that words find regions."""
        return missing_detector()

    def store_words(self, normal_id: str, words: str) -> list[RegionRow]:
        """``find_words``, each region stored under its word; a second of the same word gets a number."""
        return [
            self.save(
                normal_id, self.free_name(normal_id, word), region.mask, "auto", min(1.0, max(0.0, region.score))
            )
            for word, region in self.find_words(normal_id, words)
        ]

    def store_proposals(
        self, normal_id: str, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[RegionRow]:
        """Store all proposals of a photo as ``region_1``, ``region_2`` ... for a person to name."""
        found = self.propose(normal_id, progress, cancelled)
        rows: list[RegionRow] = []
        for candidate in found:
            name = self.free_name(normal_id, f"region_{len(rows) + 1}")
            rows.append(self.save(normal_id, name, candidate.mask, "auto", min(1.0, max(0.0, candidate.score))))
        return rows

    def propagate(
        self,
        source_ids: Sequence[str] | None = None,
        *,
        progress: Steps = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Carry the regions of annotated photos to all others; regions drawn by hand are never replaced.

        Returns ``{"photos", "regions", "doubtful": [normal ids, worst first]}``.
        """
        by_photo = self._photos_drawn_by_hand(source_ids)
        if not by_photo:
            raise InputError("propagate: no photo has a region yet; click and name one on at least one photo")
        sources = [(self._product_data.normal(i).pixels, self._product_data.regions(i)) for i in by_photo]
        # Its matching needs scipy, which the page does not: the app is up sooner without.
        from core.segmentation.propagation import Propagator

        carrier = Propagator(sources)
        targets = [r.id for r in self._project.normals() if r.id not in by_photo]
        written = 0
        for done, normal_id in enumerate(targets):
            if cancelled():
                raise Cancelled(f"stopped after {done} of {len(targets)} photos; their regions are kept")
            found = carrier.propagate_to(self._product_data.normal(normal_id).pixels, cancelled)
            for region in found:
                self.save(normal_id, region.name, region.mask, "propagated", region.confidence)
            written += len(found)
            progress(done + 1, len(targets))
        return {"photos": len(targets), "regions": written, "doubtful": [row.id for row, _ in self.doubtful()]}

    def doubtful(self, below: float = DOUBTFUL_BELOW) -> list[tuple[NormalRow, float]]:
        """Photos to look at, worst first, with a confidence 0..1: the lowest of their propagated regions.

        A photo on which a region was not found at all counts as 0; before any propagation there is none.
        """
        rows = self._project.region_rows(None)
        if not any(r.source == "propagated" for r in rows):
            return []
        on_photo: dict[str, list[RegionRow]] = {}
        for row in rows:
            on_photo.setdefault(row.normal_id, []).append(row)
        expected = {r.name for r in rows}
        worst = []
        for normal in self._project.normals():
            here = on_photo.get(normal.id, [])
            if any(r.source != "propagated" for r in here):
                continue
            complete = {r.name for r in here} == expected
            worst.append((normal, min(r.confidence for r in here) if complete else 0.0))
        return sorted((pair for pair in worst if pair[1] < below), key=lambda pair: pair[1])

    def start_propose(self, normal_id: str) -> str:
        """``propose`` in the background; its result holds ``normal_id`` and ``found``: (packed mask, score, "")."""

        def work(control: JobControl) -> dict[str, Any]:
            found = self.propose(normal_id, saying(control.progress, "Looking for parts"), control.cancelled)
            return {"normal_id": normal_id, "found": [(rle.pack(c.mask), float(c.score), "") for c in found]}

        return self._jobs.submit("propose", "Find all regions", work, lane="studio")

    def start_find_words(self, normal_id: str, words: str) -> str:
        """``find_words`` in the background; the result is that of ``start_propose``, with the word of each region."""
        split_words(words)

        def work(control: JobControl) -> dict[str, Any]:
            progress = saying(control.progress, "Looking for words")
            found = self.find_words(normal_id, words, progress, control.cancelled)
            return {"normal_id": normal_id, "found": [(rle.pack(c.mask), float(c.score), word) for word, c in found]}

        return self._jobs.submit("propose", "Find regions by words", work, lane="studio")

    def start_propagate(self) -> str:
        """``propagate`` in the background."""

        def work(control: JobControl) -> dict[str, Any]:
            progress = saying(control.progress, "Carrying regions over")
            return self.propagate(progress=progress, cancelled=control.cancelled)

        return self._jobs.submit("propagate", "Propagate regions", work)

    def _photos_drawn_by_hand(self, source_ids: Sequence[str] | None) -> list[str]:
        if source_ids:
            return list(source_ids)
        rows = self._project.region_rows(None)
        return sorted({r.normal_id for r in rows if r.source == "hand"}) or sorted(
            {r.normal_id for r in rows if r.source == "auto"}
        )


@cache
def _word_detector(folder: Path) -> WordDetector:
    """One detector a folder, so that it stays loaded."""
    return WordDetector(folder)


def all_segmenters() -> dict[str, Segmenter]:
    """All segmenters by name; ``available()`` of each says why it cannot be used, or None."""
    return segmenters()


def _checked_name(name: str) -> str:
    """The name of a region with single spaces; InputError for one that is empty, too long or not to be printed."""
    clean = " ".join(name.split())
    if not clean or len(clean) > 64 or not clean.isprintable():
        raise InputError(
            f"region name {name[:80]!r}: use 1 to 64 characters that can be printed, for example 'washer'"
        )
    return clean
