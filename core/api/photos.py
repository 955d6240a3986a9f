"""Photos of good parts and real anomalies: import, list, look."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.api.album import chosen_rows
from core.api.close_up import close_up_box, close_up_bytes
from core.api.import_drafts import ImportDraftsApi
from core.api.outline import outline
from core.images import cached_file, read_image, read_mask, thumbnail_bytes
from core.importers.corrections import Corrections
from core.jobs.import_images import import_images, preview_import
from core.jobs.import_report import IntakeReport
from core.jobs.product_data import ProductData
from core.jobs.project_photos import project_photos
from core.jobs.runner import JobControl, JobRunner
from core.progress import Steps, unwatched
from core.store import ExamplePart, ExampleRow, ExampleSplit, NormalRow, SplitRule
from core.types import Mask

__all__ = ["Corrections", "IntakeReport", "PhotosApi", "preview_import"]

THUMB_SIDE = 320
"""Longer side of a thumbnail in pixels; twice the 160 that the gallery shows, for dense screens."""


class PhotosApi:
    """The desk behind the Product tab."""

    def __init__(self, material: ProductData, jobs: JobRunner) -> None:
        self._product_data = material
        self._project = material.project
        self._jobs = jobs
        self.drafts = ImportDraftsApi(material.project, jobs)

    def preview_import(
        self,
        source: Path | Sequence[Path],
        *,
        anomalies: Path | None = None,
        said: Corrections | None = None,
        progress: Steps = unwatched,
    ) -> IntakeReport:
        """What ``import_images`` would take, with nothing written."""
        known, kept = partial(project_photos, self._project), self._project.depth_scales()
        return preview_import(source, anomalies=anomalies, said=said, known=known, kept=kept, progress=progress)

    def import_images(
        self,
        source: Path | Sequence[Path],
        *,
        anomalies: Path | None = None,
        said: Corrections | None = None,
        looking: Steps = unwatched,
        progress: Steps = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> IntakeReport:
        """Import ``source`` (anything that an importer knows) and, if given, a folder of labelled anomalies.

        ``said`` is what a person says against what was recognised.
        """
        return import_images(
            self._project,
            source,
            anomalies=anomalies,
            said=said,
            looking=looking,
            progress=progress,
            cancelled=cancelled,
        )

    def start_import(
        self, source: Path | Sequence[Path], anomalies: Path | None = None, said: Corrections | None = None
    ) -> str:
        """The same in the background; the job's result is the report as a dict."""

        def work(control: JobControl) -> dict[str, Any]:
            looked = 0

            def looking(done: int, total: int) -> None:
                nonlocal looked
                looked = done
                control.progress(done, 2 * total, message="Looking at photos")

            def reading(done: int, total: int) -> None:
                control.progress(looked + done, looked + total, message="Reading photos")

            stop = control.cancelled
            return self.import_images(
                source, anomalies=anomalies, said=said, looking=looking, progress=reading, cancelled=stop
            ).as_dict()

        title = f"Import {source.name if isinstance(source, Path) else 'photos'}"
        return self._jobs.submit("import", title, work, lane="studio")

    def page(self, offset: int = 0, limit: int | None = None) -> list[NormalRow]:
        """Photos in the order they were imported."""
        return self._project.normals(offset, limit)

    def find(self, search: str = "", order: str = "imported") -> list[NormalRow]:
        """Photos whose name holds every word of ``search``, in an order of core.api.album."""
        return chosen_rows(self._project.normals(), search, order)

    def find_examples(self, search: str = "", order: str = "imported") -> list[ExampleRow]:
        """Real anomalies whose name or label holds every word of ``search``, in an order of core.api.album."""
        return chosen_rows(self._project.examples(), search, order)

    def count(self) -> int:
        """How many photos of good parts there are."""
        return self._project.count_normals()

    def sizes(self) -> dict[tuple[int, int], tuple[int, int]]:
        """By width and height in pixels: how many photos, and how many of them are grey."""
        return self._project.normal_sizes()

    def row(self, normal_id: str) -> NormalRow:
        """Name, size, notes and file of one photo; NotFound if it is gone."""
        return self._project.normal_row(normal_id)

    def photo_beside(self, normal_id: str, forward: bool) -> NormalRow:
        """The next photo in the list, or the one before, round the end; NotFound."""
        return self._project.neighbour_row(normal_id, forward)

    def place(self, normal_id: str) -> int:
        """How many photos come before this one in the list."""
        return self._project.normal_place(normal_id)

    def remove(self, normal_ids: list[str]) -> None:
        """Take photos out of the project, with their regions and samples."""
        self._project.remove_normals(normal_ids)

    def examples(self, label: str | None = None) -> list[ExampleRow]:
        """Real anomalies."""
        return self._project.examples(label)

    def example(self, id: str) -> ExampleRow:
        """One real anomaly; NotFound if it is gone."""
        return self._project.example_row(id)

    def remove_examples(self, ids: Sequence[str]) -> None:
        """Take real anomalies out of the project; what was learned or made from them stays."""
        self._project.remove_examples(ids)

    def label_examples(self, ids: Sequence[str], label: str) -> int:
        """Give real anomalies another label; return how many had another one before. InputError for a bad label."""
        return self._project.label_examples(ids, label)

    def split(self) -> ExampleSplit | None:
        """Which real anomalies are kept for the test; None where all are learned from."""
        return self._project.example_split()

    def set_split(self, share: str, seed: int | None = None) -> ExampleSplit | None:
        """Learn from ``share`` of each label's real anomalies, as "1/3", and keep the rest for the test; "none" or ""
        takes the split away. InputError."""
        chosen = share.strip().casefold()
        return self._project.set_split(None if chosen in ("", "none") else SplitRule.parse(chosen, seed))

    def move_example(self, id: str, part: ExamplePart) -> ExampleRow:
        """Put a real anomaly into the other part of the split; NotFound, InputError."""
        return self._project.move_example(id, part)

    def count_test_examples(self) -> int:
        """How many real anomalies an evaluation may test on."""
        return len(self._project.examples(part="test"))

    def part_counts(self) -> dict[str, dict[ExamplePart, int]]:
        """How many real anomalies each label has in each part of the split, by label."""
        found: dict[str, Counter[ExamplePart]] = {}
        for row in self._project.examples():
            found.setdefault(row.label, Counter())[row.part] += 1
        return {label: dict(found[label]) for label in sorted(found)}

    def rename_label(self, old: str, new: str) -> int:
        """Rename a label of real anomalies, or merge it into another that is there; return how many were moved."""
        return self._project.rename_label(old, new)

    def thumbnail(self, normal_id: str) -> Path:
        """A small picture of a photo, made once and kept in the project's cache."""
        path = self._project.cache_dir / "thumbs" / f"{normal_id}.jpg"
        return cached_file(path, lambda: thumbnail_bytes(read_image(self.row(normal_id).path), THUMB_SIDE))

    def example_thumbnail(self, row: ExampleRow) -> Path:
        """A small picture of a real anomaly and its surroundings, its mask outlined."""
        path = self._project.cache_dir / "thumbs" / f"example-{row.id}-close.jpg"

        def make() -> bytes:
            mask = _union_mask(row)
            image = read_image(row.path)
            return close_up_bytes(image, close_up_box(outline(mask)["box"], mask.shape), mask)

        return cached_file(path, make)

    def example_outline(self, row: ExampleRow) -> dict[str, Any]:
        """The mask of a real anomaly as an SVG path with its box, see core.api.outline; made once."""
        path = self._project.cache_dir / "outlines" / f"example-{row.id}.json"
        cached_file(path, lambda: json.dumps(outline(_union_mask(row))).encode())
        return dict(json.loads(path.read_text()))


def _union_mask(row: ExampleRow) -> Mask:
    return np.asarray(np.logical_or.reduce([read_mask(file) for file in row.mask_paths]), np.bool_)
