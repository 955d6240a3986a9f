"""One entry of a defect bank: what is stored of it, and the anomaly that it stands for."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from core.bank.soft_alpha import soft_alpha
from core.errors import InputError, MaskError
from core.images import MAX_PIXELS
from core.images.geometry import mask_box, resized
from core.stored import StoredFormat
from core.types import AnomalyExample, Image, Kind, Mask, check_label

BANK_PREFIX = "bank:"
"""Ids of anomalies from the bank begin with it, so that no project has one of the same id."""
ENTRY_FORMAT = StoredFormat("bank entry")
FACTS_FILE = "entry.json"
ENTRY_PICTURES = ("pixels.png", "mask.png", "alpha.png", "thumbnail.png")
ENTRY_FILES = frozenset({FACTS_FILE, *ENTRY_PICTURES})
"""The files of an entry's folder."""
EntrySource = Literal["anomaly", "pair", "sample"]
_FRAME_SIDE, _LEAST_SIDE = 64, 16
_LEAST_AROUND = 16


@dataclass(frozen=True)
class EntryFacts:
    """What is known of an entry beside its pictures.

    ``frame`` is the height and width of the photo that it was cut from, ``place`` the row and column of the cut's
    corner in it. ``scores`` are its believability (``ars``, 0..1) and ``seam_contrast`` (1 is seamless) where they are
    known. ``normal_id`` is the good photo that a sample was made on, ``sources`` the ids of the real anomalies behind
    it.
    """

    label: str
    kind: Kind
    source: EntrySource
    name: str
    frame: tuple[int, int]
    place: tuple[int, int]
    licence: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    normal_id: str = ""
    sources: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_label(self.label)
        if min(self.frame) < 1 or self.frame[0] * self.frame[1] > MAX_PIXELS:
            raise InputError(f"frame: expected a photo's size of up to {MAX_PIXELS:,} pixels, got {self.frame}")
        if not all(map(math.isfinite, self.scores.values())):
            raise InputError("scores: expected finite numbers")


@dataclass(frozen=True)
class BankEntry:
    """An anomaly and its surroundings: ``pixels`` uint8 (h, w, 3), ``mask`` bool (h, w), ``alpha`` float32 (h, w) in
    0..1, and ``thumbnail``, the whole photo at 64 pixels or fewer a side."""

    facts: EntryFacts
    pixels: Image
    mask: Mask
    alpha: npt.NDArray[np.float32]
    thumbnail: Image

    @property
    def id(self) -> str:
        """The first 16 hex digits of the sha256 of label, pixels and mask: the same anomaly is the same entry."""
        digest = hashlib.sha256(f"{self.facts.label} {self.mask.shape}".encode())
        digest.update(np.ascontiguousarray(self.pixels).tobytes())
        digest.update(np.packbits(self.mask).tobytes())
        return digest.hexdigest()[:16]

    @classmethod
    def cut_from(cls, pixels: Image, mask: Mask, facts: EntryFacts, before: Image | None = None) -> BankEntry:
        """The anomaly under ``mask``, bool (H, W), with surroundings as wide as itself. ``before`` is the same photo
        without it. MaskError if the mask is empty or covers the photo."""
        area = int(np.count_nonzero(mask))
        if not 0 < area < mask.size:
            raise MaskError(
                f"bank: {facts.name}: expected a mask of the defect, got one that is {'full' if area else 'empty'}; "
                "draw the defect alone"
            )
        rows, cols = mask_box(mask, pad=max(_LEAST_AROUND, round(1.2 * np.sqrt(area))))
        part = np.ascontiguousarray(pixels[rows, cols]), np.ascontiguousarray(mask[rows, cols])
        alpha = soft_alpha(*part, None if before is None else before[rows, cols])
        placed = {**vars(facts), "frame": mask.shape, "place": (rows.start, cols.start)}
        return cls(EntryFacts(**placed), *part, alpha, _thumbnail(pixels))

    def as_example(self) -> AnomalyExample:
        """The anomaly on its own photo, (H, W) as ``facts.frame`` says; far from it that photo is a blurred one."""
        height, width = self.facts.frame
        top, left = self.facts.place
        box = np.s_[top : top + self.mask.shape[0], left : left + self.mask.shape[1]]
        photo = cv2.resize(self.thumbnail, (width, height), interpolation=cv2.INTER_LINEAR)
        mask, alpha = np.zeros((height, width), np.bool_), np.zeros((height, width), np.uint8)
        photo[box], mask[box], alpha[box] = self.pixels, self.mask, np.rint(self.alpha * 255)
        facts = self.facts
        return AnomalyExample(BANK_PREFIX + self.id, facts.label, photo, (mask,), facts.kind, alpha, facts.sources)


def _thumbnail(pixels: Image) -> Image:
    """The whole photo, its longer side 64 pixels, or its shorter one 16 if that is more; never larger than it is."""
    height, width = pixels.shape[:2]
    scale = min(1.0, max(_FRAME_SIDE / max(height, width), _LEAST_SIDE / min(height, width)))
    return resized(pixels, (max(_LEAST_SIDE, round(height * scale)), max(_LEAST_SIDE, round(width * scale))))


def whole_entry(id: str, facts: EntryFacts, pixels: Image, mask: Mask, alpha: Image, thumbnail: Image) -> BankEntry:
    """The entry of these pictures, ``alpha`` grey in three channels; InputError where they do not fit each other."""
    fits = all(a >= 0 and a + b <= c for a, b, c in zip(facts.place, mask.shape, facts.frame, strict=True))
    if not mask.any() or not fits or pixels.shape[:2] != mask.shape or alpha.shape[:2] != mask.shape:
        raise InputError(f"bank: entry {id[:40]!r} is damaged: its pictures do not fit each other; remove it")
    return BankEntry(facts, pixels, mask, np.asarray(alpha[..., 0] / 255, np.float32), thumbnail)
