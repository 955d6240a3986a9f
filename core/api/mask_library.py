"""A project's library of masks: a drawn mask kept by name, to be stamped on other photos."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from core.errors import InputError, MaskError
from core.lookup import named
from core.masks import rle
from core.store import Project
from core.stored import JsonObject, StoredFormat, plain_record, read_record
from core.types import Mask

FORMAT = StoredFormat("mask library")
SETTING = "mask_library"
"""The project's setting that holds the library: ``{"format", "masks": {name: KeptMask}}``."""
MOST = 200
"""Masks in one library; the list to choose from is for people."""


@dataclass(frozen=True)
class KeptMask:
    """What lies in the smallest box around a mask, ``packed`` as in recipes.

    The box is ``height`` x ``width`` pixels; ``y`` and ``x`` are its middle as a share of the photo, 0..1.
    """

    packed: str
    height: int
    width: int
    y: float
    x: float
    extra: JsonObject = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or not (0 <= self.y <= 1 and 0 <= self.x <= 1):
            raise InputError(
                f"kept mask: expected a box of at least one pixel with its middle on the photo, got {self.height}x"
                f"{self.width} at ({self.y}, {self.x}); delete it and keep it again"
            )


class MaskLibrary:
    """The desk behind *Kept masks* of the Studio."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def names(self) -> list[str]:
        """Names of the kept masks, sorted."""
        return sorted(self._masks())

    def keep(self, name: str, mask: Mask) -> str:
        """Keep a mask, bool (H, W), under a name; one of the same name is replaced. Returns the name as kept."""
        name = " ".join(name.split())
        if not name or len(name) > 64:
            raise InputError(f"mask name {name!r}: use 1 to 64 characters, for example 'long scratch'")
        if not mask.any():
            raise MaskError(f"mask {name!r}: it is empty; draw it first")
        masks = self._masks()
        if name not in masks and len(masks) >= MOST:
            raise InputError(f"mask {name!r}: {MOST} masks are kept already; delete one first")
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        middle = ((y0 + y1) / 2 / mask.shape[0], (x0 + x1) / 2 / mask.shape[1])
        kept = KeptMask(rle.pack(mask[y0:y1, x0:x1]), y1 - y0, x1 - x0, *middle)
        self._store(masks | {name: plain_record(kept)})
        return name

    def stamp(self, name: str, shape: tuple[int, int]) -> Mask:
        """The kept mask on a photo of ``shape`` (H, W), bool, at its own size: about the same share of the photo.

        It is moved as far as it takes to lie on the photo; MaskError where it is larger than that.
        """
        kept = _read(name, named(self._masks(), name, "kept mask", InputError))
        if kept.height > shape[0] or kept.width > shape[1]:
            raise MaskError(
                f"mask {name!r}: it is {kept.width}x{kept.height} pixels, the photo {shape[1]}x{shape[0]}; "
                "draw a smaller one on this photo"
            )
        y0 = min(max(round(kept.y * shape[0] - kept.height / 2), 0), shape[0] - kept.height)
        x0 = min(max(round(kept.x * shape[1] - kept.width / 2), 0), shape[1] - kept.width)
        out = np.zeros(shape, np.bool_)
        out[y0 : y0 + kept.height, x0 : x0 + kept.width] = rle.unpack(kept.packed, (kept.height, kept.width))
        return out

    def delete(self, name: str) -> None:
        """Forget a kept mask; masks that were stamped from it stay."""
        masks = self._masks()
        named(masks, name, "kept mask", InputError)
        self._store({n: m for n, m in masks.items() if n != name})

    def _masks(self) -> dict[str, object]:
        """What is stored by name; a damaged one keeps nobody from the others."""
        stored = self._project.get_setting(SETTING)
        if stored is None:
            return {}
        raw = FORMAT.upgraded(stored, "the project's mask library")
        masks = raw.get("masks")
        if not isinstance(masks, dict):
            raise InputError("the project's mask library: expected masks by name; take the project from a backup")
        return {str(name): one for name, one in masks.items()}

    def _store(self, masks: dict[str, object]) -> None:
        self._project.set_setting(SETTING, FORMAT.stamped({"masks": masks}))


def _read(name: str, stored: object) -> KeptMask:
    if not isinstance(stored, dict):
        raise InputError(f"kept mask {name!r}: it is damaged; delete it and keep it again")
    return read_record(KeptMask, stored, f"kept mask {name!r}")
