"""Looking through samples: page, compare, keep, reject, undo."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.api.close_up import Box, close_up_box, close_up_bytes
from core.api.contact_sheet import SheetCell, contact_sheet_pdf
from core.api.outline import outline
from core.api.second_opinions import SecondOpinions
from core.api.studio.attention_evidence import (
    AttentionEvidence,
    AttentionEvidenceApi,
    NearestGoodPart,
    NearestGoodPartIndex,
    edit_of,
    nearest_good_part_applies,
)
from core.api.studio.drawn_pairs import NearestExample, PairView, drawn_pair_view, nearest_example
from core.errors import InputError
from core.images import cached_file, png_bytes, read_image, read_mask, thumbnail_bytes
from core.images.source_depth import read_deep_png, working_copy
from core.jobs.auto_review import FlawPlace, ReviewRules, auto_review, believability, count_reasons, flaw_places
from core.jobs.product_data import ProductData
from core.quality import group_near_duplicates, nearest_distance
from core.quality.visible_change import difference
from core.store import NormalRow, SampleFilter, SampleRow
from core.types import ReviewStatus, VerdictSource
from core.validation import read_settings

MAX_GROUPED = 5000
"""Samples looked through for look-alikes at once; more take seconds."""

__all__ = ["FlawPlace", "ReviewApi", "ReviewRules", "SampleComparison", "believability", "flaw_places"]


@dataclass(frozen=True)
class SampleComparison:
    """A sample beside the photo it was made from. Paths are PNG or JPEG files a browser shows.

    ``note`` is a line for a person, "" where there is nothing to say.
    """

    sample: SampleRow
    normal: NormalRow
    source_path: Path
    image_path: Path
    mask_path: Path
    attention_path: Path | None
    note: str = ""


class ReviewApi:
    """The desk behind the Review tab and ``launch.py review``."""

    def __init__(self, material: ProductData) -> None:
        self._project = material.project
        self._evidences = AttentionEvidenceApi(material)
        self._neighbours = NearestGoodPartIndex(material)
        self.opinions = SecondOpinions(material.project)

    def page(self, chosen: SampleFilter, offset: int = 0, limit: int = 48) -> list[SampleRow]:
        """A page of samples."""
        return self._project.samples(chosen, offset, limit)

    def count(self, chosen: SampleFilter) -> int:
        """How many samples a filter lets through."""
        return self._project.count_samples(chosen)

    def counts(self) -> dict[str, dict[str, int]]:
        """Samples per label and verdict."""
        return self._project.label_counts()

    def row(self, sample_id: str) -> SampleRow:
        """One sample; NotFound if it is gone."""
        return self._project.sample_row(sample_id)

    def compare(self, sample_id: str) -> SampleComparison:
        """The sample with its photo, mask and attention map."""
        row = self._project.sample_row(sample_id)
        normal = self._project.normal_row(row.normal_id)
        source, note = self._drawn_on(row, normal)
        return SampleComparison(row, normal, source, row.image_path, row.mask_path, row.attention_path, note)

    def _drawn_on(self, row: SampleRow, normal: NormalRow) -> tuple[Path, str]:
        """The working copy that a sample was drawn on, and a note where its photo has another one now."""
        earlier = self._project.earlier_scales().get(normal.id, ())
        scale = next((one for one in earlier if row.number <= one.last_sample), None)
        depth = self._project.source_depths().get(normal.path.stem) if scale is not None else None
        if scale is None or depth is None:
            return normal.path, ""

        def make() -> bytes:
            return png_bytes(working_copy(read_deep_png(depth.file.read_bytes(), normal.name), scale.low, scale.high))

        path = self._project.cache_dir / "earlier" / f"{normal.id}-{scale.last_sample}.png"
        return cached_file(path, make), "drawn before its photo's scale was changed: make it again for the new one"

    def thumbnail(self, row: SampleRow, outline: bool = True) -> Path:
        """A small picture of a sample's anomaly and its surroundings, the mask outlined or not; made once."""
        path = self._project.cache_dir / "thumbs" / f"{row.id}-close{'-mask' if outline else ''}.jpg"

        def make() -> bytes:
            mask = read_mask(row.mask_path) if outline else None
            return close_up_bytes(read_image(row.image_path), self.close_up_box(row), mask)

        return cached_file(path, make)

    def close_up_box(self, row: SampleRow) -> Box:
        """What ``thumbnail`` shows of the sample: (x0, y0, x1, y1) in its pixels."""
        photo = self._project.normal_row(row.normal_id)
        return close_up_box(self.outline(row)["box"], (photo.height, photo.width))

    def outline(self, row: SampleRow) -> dict[str, Any]:
        """The mask as an SVG path with its box, see core.api.outline; made once."""
        path = self._project.cache_dir / "outlines" / f"{row.id}.json"
        cached_file(path, lambda: json.dumps(outline(read_mask(row.mask_path))).encode())
        return dict(json.loads(path.read_text()))

    def difference_map(self, sample_id: str) -> Path:
        """Where and how much the sample differs from its photo, as a grey PNG; made once."""
        seen = self.compare(sample_id)
        return cached_file(self._project.cache_dir / "difference" / f"{sample_id}.png", lambda: _difference_png(seen))

    def attention_evidence(self, row: SampleRow) -> AttentionEvidence | None:
        """What the engine saw of each component; None where it compares no attention."""
        return self._evidences.of_sample(row)

    def edit(self, row: SampleRow) -> tuple[str, str]:
        """What was done to the components, and which of them differs most; "" for engines without components."""
        return edit_of(row)

    def drawn_pair(self, row: SampleRow) -> PairView | None:
        """What the sample's picture and its anomaly alone looked like; None where no pair was drawn."""
        return drawn_pair_view(row)

    def nearest_example(self, row: SampleRow) -> NearestExample | None:
        """How near the sample is to the real examples; None where that was not measured."""
        return nearest_example(row)

    @staticmethod
    def nearest_good_part_applies(row: SampleRow) -> bool:
        """Whether ``nearest_good_part`` has anything to say of a sample."""
        return nearest_good_part_applies(row)

    def photo_thumbnail(self, row: NormalRow) -> Path:
        """A small picture of a photo; made once."""
        path = self._project.cache_dir / "thumbs" / f"photo-{row.id}.jpg"
        return cached_file(path, lambda: thumbnail_bytes(read_image(row.path), 320))

    def nearest_good_part(self, row: SampleRow, look: bool = False) -> tuple[NearestGoodPart, NormalRow] | None:
        """The nearest good part, where the engine may have redrawn the photo; None where that is not known.

        With ``look`` it is looked for where it is not known yet, which takes seconds the first time in a project.
        """
        if not nearest_good_part_applies(row):
            return None
        near = self._neighbours.find(row) if look else self._neighbours.cached(row.id)
        return (near, self._project.normal_row(near.id)) if near is not None else None

    def set_status(
        self, sample_ids: Sequence[str], verdict: ReviewStatus | str, reason: str = "", by: str = ""
    ) -> None:
        """Keep, reject or reset samples, which the person who is logged in as ``by`` does; one undo takes it back."""
        self._project.set_review_status(list(sample_ids), ReviewStatus(verdict), reason, VerdictSource("person", by))

    def relabel(self, sample_ids: Sequence[str], label: str) -> int:
        """Give samples another label; return how many had another one. InputError for a bad label."""
        return self._project.relabel_samples(sample_ids, label)

    def star(self, sample_ids: Sequence[str], favourite: bool) -> int:
        """Make samples favourites, or take the star off; return how many were changed."""
        return self._project.set_favourite(sample_ids, favourite)

    def write_note(self, sample_id: str, note: str) -> None:
        """Write a note on a sample; "" takes it away."""
        self._project.set_note(sample_id, note)

    def revision(self) -> str:
        """Changes with each verdict and each new sample, so that a window knows when it shows something old."""
        return self._project.review_revision()

    def undo(self, by: str = "") -> list[str]:
        """Take the last verdicts back, also after a restart; returns the samples concerned.

        With ``by``, the person who is logged in, others' verdicts stay.
        """
        return self._project.undo_review(by)

    def redo(self, by: str = "") -> list[str]:
        """Give the verdicts last taken back again; ``by`` as in ``undo``."""
        return self._project.redo_review(by)

    @staticmethod
    def parse_rules(given: Mapping[str, object]) -> ReviewRules:
        """Rules from names and values; InputError names each wrong one."""
        checked: ReviewRules = read_settings(ReviewRules, given, "rules")
        return checked

    def apply_rules(self, rules: ReviewRules, chosen: SampleFilter | None = None, by: str = "") -> dict[str, Any]:
        """Apply the rules to new samples, which the person who is logged in as ``by`` may undo; see core.jobs."""
        return auto_review(self._project, rules, chosen, by)

    def reject_reasons(self, chosen: SampleFilter) -> dict[str, int]:
        """Why samples of a filter were rejected, the most frequent kind first; of the newest MAX_GROUPED of them."""
        rejected = replace(chosen, verdict=ReviewStatus.REJECTED, order_by="created", descending=True)
        return count_reasons(row.reason for row in self.page(rejected, 0, MAX_GROUPED))

    def duplicate_groups(self, rows: Sequence[SampleRow], distance: float = 0.08) -> list[int]:
        """A group number for each row; near-duplicates share one."""
        return group_near_duplicates(_similarity_vectors(rows), distance)

    def lookalike_groups(self, chosen: SampleFilter, distance: float = 0.08) -> list[list[SampleRow]]:
        """The filter's samples in groups of look-alikes, the most believable of each first.

        Groups of several come before samples that resemble no other; both keep the filter's order. At most
        the first MAX_GROUPED samples are looked at.
        """
        rows = self.page(chosen, 0, MAX_GROUPED)
        if not rows:
            return []
        found: dict[int, list[SampleRow]] = {}
        for row, group in zip(rows, self.duplicate_groups(rows, distance), strict=True):
            found.setdefault(group, []).append(row)
        best_first = [sorted(g, key=lambda r: (-believability(dict(r.scores)), r.id)) for g in found.values()]
        return sorted(best_first, key=lambda g: len(g) == 1)

    def keep_best(self, sample_ids: Sequence[str], by: str = "") -> str:
        """Keep the most believable of look-alikes and reject the others, in one undoable step; returns its id.

        ``by`` as in ``set_status``.
        """
        rows = [self.row(i) for i in sample_ids]
        best = min(rows, key=lambda r: (-believability(dict(r.scores)), r.id))
        others = [(r.id, ReviewStatus.REJECTED, f"look-alike of {best.id}") for r in rows if r.id != best.id]
        said = [(best.id, ReviewStatus.KEPT, "best of its look-alikes"), *others]
        self._project.review_samples(said, VerdictSource("person", by))
        return best.id

    def contact_sheet(self) -> bytes:
        """A PDF of what was kept, by label, the most believable first. InputError where nothing was kept."""
        kept = self._project.samples(SampleFilter(verdict=ReviewStatus.KEPT))
        if not kept:
            raise InputError("nothing to show: keep some samples in Review first")
        kept.sort(key=lambda row: (row.label, -believability(dict(row.scores)), row.id))
        cells = [
            SheetCell(
                self.thumbnail(row),
                (
                    f"{row.label}{' (favourite)' if row.favourite else ''}",
                    f"{row.engine}, {believability(dict(row.scores)):.2f}",
                ),
            )
            for row in kept
        ]
        return contact_sheet_pdf(f"{self._project.name}: {len(kept):,} kept, with their believability", cells)

    def kept_count(self) -> int:
        """How many samples are kept."""
        return self._project.count_samples(SampleFilter(verdict=ReviewStatus.KEPT))

    def distance_to_kept(self, row: SampleRow) -> float:
        """Distance 0..1 to the most similar kept sample of the same label; 1.0 if there is none."""
        kept = self._project.samples(SampleFilter(label=row.label, verdict=ReviewStatus.KEPT))
        others = [r for r in kept if r.id != row.id]
        return nearest_distance(_similarity_vectors([row])[0], _similarity_vectors(others)) if others else 1.0

    def delete(self, sample_ids: Sequence[str]) -> None:
        """Remove samples for good."""
        self._project.delete_samples(list(sample_ids))


def _similarity_vectors(rows: Sequence[SampleRow]) -> np.ndarray:
    return np.stack([np.frombuffer(r.descriptor or b"", np.float32) for r in rows])


def _difference_png(seen: SampleComparison) -> bytes:
    gap = difference(read_image(seen.source_path), read_image(seen.image_path))
    scaled = np.clip(gap.astype(np.uint16) * 3, 0, 255).astype(np.uint8)
    return png_bytes(np.repeat(scaled[..., None], 3, axis=2), grey=True)
