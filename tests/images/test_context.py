"""What of a photo a model sees around a mask."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError, MaskError
from core.images import ContextMargin, ContextRectangle


def box_mask() -> np.ndarray:
    mask = np.zeros((96, 120), np.bool_)
    mask[30:60, 40:80] = True
    return mask


def xyxy(context: ContextMargin | ContextRectangle) -> tuple[int, int, int, int]:
    crop = context.around(box_mask())
    return crop.x0, crop.y0, crop.x1, crop.y1


# The same cases are in tests/js/context.test.js: what is drawn is what the engine cuts out.
@pytest.mark.parametrize(
    ("margin", "least", "seen"),
    [
        (0.5, 16, (20, 10, 100, 80)),
        (0.5, 64, (20, 10, 100, 80)),
        (0.0625, 16, (38, 28, 82, 62)),
        (0, 512, (12, 0, 108, 96)),
    ],
)
def test_by_the_share_of_the_mask(margin: float, least: int, seen: tuple[int, ...]) -> None:
    assert xyxy(ContextMargin(margin, least)) == seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("60x50", (30, 20, 90, 70)),
        ("60 x 50 +8 -5", (38, 15, 98, 65)),
        ("60x50+99-99", (40, 10, 100, 60)),
        ("20x20", (40, 30, 80, 60)),
        ("900x50", (0, 20, 120, 70)),
    ],
)
def test_a_rectangle_holds_the_mask_and_lies_on_the_photo(text: str, seen: tuple[int, ...]) -> None:
    rectangle = ContextRectangle.parse(text)
    assert rectangle is not None and xyxy(rectangle) == seen
    assert ContextRectangle.parse(str(rectangle)) == rectangle


def test_what_is_no_rectangle_is_refused_in_one_line() -> None:
    assert ContextRectangle.parse("  ") is None
    for text in ("wide", "800", "800x", "800x600+4", "-8x600", "8x600", "99999x600", "800x600\n+1+1+1"):
        with pytest.raises(InputError, match="800x600"):
            ContextRectangle.parse(text)
    with pytest.raises(MaskError):
        ContextRectangle(60, 50).around(np.zeros((96, 120), np.bool_))
