"""Real anomalies: which there are, which cannot be learned from and why, and masks drawn in the app."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.api.regions import RegionsApi
from core.errors import InputError, MaskError
from core.images import (
    cached_file,
    crop_around_mask,
    isolated,
    mask_png_bytes,
    read_image,
    read_mask,
    thumbnail_bytes,
)
from core.images.square_crop import Framing
from core.jobs.product_data import ProductData
from core.segmentation import Click, MaskCandidate, PreparedPhoto
from core.store import ExamplePart, ExampleRow
from core.training.example_crops import defect_targets, reject_reason
from core.types import AnomalyExample, Image, Kind, Mask, check_mask, check_new_label

_THUMB_SIDE = 192
_CROP_SIDE, _CROP_MARGIN = 256, 0.5
"""Window by which the defects of an example are told apart: those of the shipped model."""


@dataclass(frozen=True)
class ExampleCard:
    """A real anomaly as the app shows it. ``reason`` is None, or why it cannot be learned from and what to do.

    Of one that the project's split keeps for the test, ``row.part`` says so.
    """

    row: ExampleRow
    reason: str | None
    defects: int


@dataclass(frozen=True)
class MaskDraft:
    """A photo of a defect whose mask is being drawn; ``replaces`` is the example it becomes of, "" for a new one."""

    id: str
    name: str
    path: Path
    width: int
    height: int
    label: str = ""
    kind: Kind = "structural"
    replaces: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return (self.height, self.width)


class ExamplesApi:
    """The desk behind the examples of the Concepts tab."""

    def __init__(self, material: ProductData, regions: RegionsApi) -> None:
        self._project = material.project
        self._regions = regions
        self._prepared: tuple[str, str, PreparedPhoto] | None = None
        self._prepare_lock = threading.Lock()

    def cards(self, label: str | None = None, part: ExamplePart = "") -> list[ExampleCard]:
        """The project's real anomalies, perhaps of one part of its split, in the order they were added."""
        return [self._card(row) for row in self._project.examples(label, part)]

    def rows(self, label: str | None = None, part: ExamplePart = "") -> list[ExampleRow]:
        """The same without what they say of being learned from."""
        return self._project.examples(label, part)

    def row(self, id: str) -> ExampleRow:
        """The real anomaly with this id; NotFound."""
        return self._project.example_row(id)

    def thumbnail(self, row: ExampleRow) -> Path:
        """A small picture of the defect and its surroundings, the mask outlined; kept in the project's cache."""
        path = self._project.cache_dir / "thumbs" / f"defect-{row.id}.jpg"
        return cached_file(path, lambda: defect_thumbnail_bytes(read_image(row.path), _union_mask(row)))

    def import_photo(self, source: Path, name: str | None = None) -> MaskDraft:
        """A photo of a defect, read and kept, for its mask to be drawn; ImageError if it is no usable photo."""
        photo = isolated.read_photo(source, name)
        kept = self._project.store_file(photo.data, photo.ext)
        height, width = photo.pixels.shape[:2]
        return MaskDraft(kept.digest[:16], photo.name, self._project.path / kept.file, width, height)

    def edit_mask(self, id: str) -> tuple[MaskDraft, Mask]:
        """An example on the table again, with its mask; NotFound."""
        row = self._project.example_row(id)
        draft = MaskDraft(row.id, row.name, row.path, row.width, row.height, row.label, row.kind, row.id)
        return draft, _union_mask(row)

    def prepare(self, draft: MaskDraft) -> PreparedPhoto:
        """The photo made ready for clicks: the slow part, done once for the photo on the table."""
        segmenter = self._regions.segmenter()
        with self._prepare_lock:
            if self._prepared is None or self._prepared[:2] != (segmenter.name, draft.id):
                self._prepared = (segmenter.name, draft.id, segmenter.prepare(read_image(draft.path)))
            return self._prepared[2]

    def click(
        self,
        draft: MaskDraft,
        clicks: Sequence[tuple[float, float, bool]],
        box_xyxy: tuple[float, float, float, float] | None = None,
        mask: Mask | None = None,
    ) -> list[MaskCandidate]:
        """Masks for (x, y, positive) clicks and a box in photo pixels, best first."""
        return self.prepare(draft).predict([Click(*c) for c in clicks], box_xyxy, mask)

    def save(self, draft: MaskDraft, mask: Mask | None, label: str, kind: Kind = "structural") -> ExampleRow:
        """The draft as a real anomaly, in place of the one it was drawn from. InputError or MaskError, in one line.

        Where the mask is as it was, its defects stay apart as they were.
        """
        label = check_new_label(label)
        pngs = self._mask_files(draft, mask)
        data = self._project.store_file(draft.path.read_bytes(), draft.path.suffix)
        with self._project.transaction():
            row = self._project.add_example(
                data, draft.path.suffix, label, kind, pngs, draft.name, draft.width, draft.height
            )
            if draft.replaces not in ("", row.id):
                self._project.remove_examples([draft.replaces])
        return row

    def remove(self, id: str) -> None:
        """Take a real anomaly out of the project; concepts learned from it stay. NotFound."""
        self._project.remove_examples([self._project.example_row(id).id])

    def _mask_files(self, draft: MaskDraft, mask: Mask | None) -> list[bytes]:
        """The PNGs to store: those there are where nothing was redrawn, which need not be fit to learn from."""
        if mask is None or not mask.any():
            raise MaskError("there is no mask yet: click the defect on the photo, or paint it with the brush")
        check_mask(mask, draft.shape)
        for row in self._project.examples():
            if row.id == draft.replaces and np.array_equal(_union_mask(row), mask):
                return [path.read_bytes() for path in row.mask_paths]
        if reason := reject_reason(mask):
            raise MaskError(reason)
        return [mask_png_bytes(mask)]

    def _card(self, row: ExampleRow) -> ExampleCard:
        path = self._project.cache_dir / "examples" / f"{row.id}.json"
        facts = json.loads(cached_file(path, lambda: json.dumps(_example_facts(row)).encode()).read_text())
        return ExampleCard(row, facts["fault"], facts["defects"])


def defect_thumbnail_bytes(image: Image, mask: Mask) -> bytes:
    """A JPEG of the defect and its surroundings, as square as the photo allows, the mask outlined."""
    side = min(max(crop_around_mask(mask, 0.4, 48).shape), *mask.shape)
    roi = crop_around_mask(mask, 0.4, side)
    return thumbnail_bytes(roi.crop(image), _THUMB_SIDE, roi.crop(mask))


def _example_facts(row: ExampleRow) -> dict[str, str | int | None]:
    # What is asked of it hangs on the masks alone, so its pixels need not be read.
    blank = np.broadcast_to(np.uint8(0), (row.height, row.width, 3))
    try:
        example = AnomalyExample(row.id, row.label, blank, tuple(read_mask(p) for p in row.mask_paths), row.kind)
    except InputError as error:
        return {"fault": str(error), "defects": 0}
    reason = reject_reason(example.mask)
    return {
        "fault": reason,
        "defects": 0 if reason else len(defect_targets(example, Framing(_CROP_SIDE, _CROP_MARGIN, _CROP_SIDE))),
    }


def _union_mask(row: ExampleRow) -> Mask:
    return np.asarray(np.logical_or.reduce([read_mask(path) for path in row.mask_paths]), np.bool_)
