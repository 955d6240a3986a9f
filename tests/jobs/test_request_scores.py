"""A sample against what was asked for: how much of the mask is left, and how much lies off the part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from core.engines.api import Context, Engine, EngineParams
from core.engines.finalize import finalize_sample
from core.jobs.generation import make_samples
from core.types import Kind, Mask, NormalImage, Request, Sample

SHAPE = (60, 80)


def half(left: bool) -> Mask:
    """The left or the right half of the photo."""
    return np.broadcast_to((np.arange(SHAPE[1]) < 40) == left, SHAPE).copy()


class DarkBar(Engine):
    """Darkens a bar that lies on both halves alike, whatever mask was asked for."""

    name = "dark_bar"
    title = summary = "dark bar"
    kind: ClassVar[Kind] = "structural"
    Params = EngineParams

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        mask = np.zeros(SHAPE, np.bool_)
        mask[20:40, 20:60] = True
        image = np.where(mask[..., None], request.normal.pixels - 60, request.normal.pixels)
        yield finalize_sample(self, request, image, mask, params=EngineParams())


def scores(mask: Mask | None) -> dict[str, float]:
    """Of a bar of which half lies on the part, the photo's left half."""
    photo = NormalImage("n", "n.png", np.full((*SHAPE, 3), 150, np.uint8))
    asked = Request(photo, "crack", {}, 0, mask=mask, object_mask=half(left=True))
    return dict(next(make_samples(DarkBar(), asked, Context())).scores)


def test_what_lies_beside_the_part_counts_where_nobody_asked_for_it() -> None:
    assert scores(None)["off_part"] == scores(half(left=True))["off_part"] == 0.5
    assert scores(half(left=False))["off_part"] == 0.0


def test_what_is_left_of_the_mask_asked_for() -> None:
    assert scores(half(left=True))["asked_kept"] == 400 / 2400 and "asked_kept" not in scores(None)
