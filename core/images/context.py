"""What of a photo a model sees around a mask: by a share of the mask's size, or a rectangle that a person set."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import InputError, MaskError
from core.images.crop import PhotoCrop, crop_around_mask, crop_of_mask
from core.types import Mask

LEAST_SIDE, MOST_SIDE = 16, 32_768
"""Of a rectangle, in photo pixels."""
_GEOMETRY = re.compile(r"(\d{1,5})[x×](\d{1,5})(?:([+-]\d{1,5})([+-]\d{1,5}))?")


@dataclass(frozen=True)
class ContextMargin:
    """The mask's box, wider by ``margin`` times its longer side, and at least ``least`` pixels a side where the photo
    has them."""

    margin: float
    least: int

    def around(self, mask: Mask) -> PhotoCrop:
        """What is seen around a mask, bool (H, W). MaskError if it is empty."""
        return crop_around_mask(mask, self.margin, min(self.least, *mask.shape))


@dataclass(frozen=True)
class ContextRectangle:
    """``width`` x ``height`` photo pixels, their middle ``dx`` and ``dy`` from the middle of the mask's box.

    Written ``800x600`` or ``800x600+40-20``. On every photo it lies about that photo's mask.
    """

    width: int
    height: int
    dx: int = 0
    dy: int = 0

    def __post_init__(self) -> None:
        if not all(LEAST_SIDE <= side <= MOST_SIDE for side in (self.width, self.height)):
            raise InputError(
                f"context {self}: expected sides of {LEAST_SIDE} to {MOST_SIDE} pixels; give for example 800x600"
            )

    def __str__(self) -> str:
        return f"{self.width}x{self.height}" + (f"{self.dx:+d}{self.dy:+d}" if self.dx or self.dy else "")

    @classmethod
    def parse(cls, text: str) -> ContextRectangle | None:
        """The rectangle that ``text`` says; None for an empty one. InputError on anything else."""
        if not (text := text.replace(" ", "")):
            return None
        found = _GEOMETRY.fullmatch(text)
        if found is None:
            raise InputError(
                f"context {text[:40]!r}: expected WIDTHxHEIGHT in photo pixels, as 800x600, or with an offset from "
                "the mask's middle, as 800x600+40-20; empty for the mask's surroundings by their share"
            )
        return cls(*(int(number or 0) for number in found.groups()))

    def around(self, mask: Mask) -> PhotoCrop:
        """The rectangle on the photo of a mask, bool (H, W): moved, and where it is too small widened, to hold the
        whole mask. MaskError if that is empty."""
        box = crop_of_mask(mask, grow=0)
        if box is None:
            raise MaskError("mask: it is empty, so there is no rectangle around it; draw or place a mask")
        y0, y1 = _laid(box.y0, box.y1, self.height, self.dy, mask.shape[0])
        x0, x1 = _laid(box.x0, box.x1, self.width, self.dx, mask.shape[1])
        return PhotoCrop(y0, x0, y1, x1)


def _laid(start: int, end: int, wanted: int, offset: int, limit: int) -> tuple[int, int]:
    """Where ``wanted`` pixels of ``limit`` lie that hold those from ``start`` to ``end``."""
    length = min(limit, max(wanted, end - start))
    first = (start + end - length) // 2 + offset
    first = min(max(first, end - length), start)
    first = min(max(first, 0), limit - length)
    return first, first + length
