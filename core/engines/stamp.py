"""Crop and paste from a defect bank: a real or kept anomaly with its soft edge, stamped on another photo.

FLASH (2026) makes a few anomalies once and synthesises many pairs from them; this is its second half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from core.device import numpy_rng
from core.engines.api import Context, Engine, EngineParams, read_params, require_mask
from core.engines.finalize import finalize_sample
from core.engines.recipe_notes import BankNotes, with_notes
from core.engines.surface.harmony import described_place
from core.engines.surface.outline_warp import TurnLimit
from core.engines.surface.stamping import UPRIGHT, StampSettings, place_reach, shows_light_direction, stamp_onto
from core.engines.surface.surface import crop_surface, paste_surface
from core.errors import InputError
from core.types import AnomalyExample, Image, Mask, Request, Sample

ANY, FITTING = "any", "fits"
_SAME_PLACE = 0.5
"""Overlap (IoU) with the place on its own photo from which on a stamp would be a copy."""


class StampParams(EngineParams):
    """Form and bounds of the ``stamp`` engine."""

    entry: str = Field(
        ANY,
        max_length=64,
        title="Entry of the bank",
        description="any: each time another of the label; fits: the one that suits its place best; or an entry's id, "
        "as the bank in Concepts or `launch.py bank list` shows it.",
    )
    rotate: float = Field(
        180, ge=0, le=180, title="Rotation (degrees)",
        description="How far an entry may be turned into its mask. One that shows where its light comes from is "
        "turned by 30 at most and never mirrored.",
    )  # fmt: skip
    vary: float = Field(
        0.15, ge=0, le=1, title="Vary the outline",
        description="How far corners of the outline are moved at random, as a share of its width there (GAA's ΔP). "
        "The pixels are bent along.",
    )  # fmt: skip
    blend: Literal["auto", "alpha", "feather", "poisson"] = Field(
        "auto", title="Edge",
        description="alpha: the entry's own soft edge; feather: a fade; poisson: by its gradients; auto: alpha where "
        "its edge is clear, poisson where its surroundings differ from the new ones, else feather.",
    )  # fmt: skip
    feather: float = Field(2.0, ge=0, le=32, title="Feather (px)", description="Width of the fade, where it is used.")
    contrast: float = Field(
        8, ge=0, le=120, title="Minimum contrast",
        description="Levels of 255 by which it differs at least; a fainter one is helped. 0: as it is.",
    )  # fmt: skip


class Stamp(Engine):
    """An anomaly of the bank, bent into the mask."""

    name = "stamp"
    title = "Stamp from the bank"
    summary = "A defect from your bank, turned and bent into the mask, in the light and colour of its new place."
    goal = "examples"
    kind = "structural"
    needs = frozenset({"mask", "examples"})
    example_source = "bank"
    Params = StampParams

    def matching_examples(
        self,
        params: Mapping[str, object],
        label: str,
        seed: int,
        examples: Sequence[AnomalyExample],
        concepts: Path | None,
    ) -> Sequence[AnomalyExample] | None:
        """All entries of the label where the best of them is wanted, else one of them."""
        wanted = str(params.get("entry", ANY)).strip() or ANY
        if wanted == FITTING or not examples:
            return examples
        if wanted == ANY:
            return [examples[int(numpy_rng(seed, self.name, "entry").integers(len(examples)))]]
        for example in examples:
            if example.id.rpartition(":")[2] == wanted.rpartition(":")[2]:
                return [example]
        raise InputError(
            f"stamp: the bank has no entry {wanted!r} labelled {label!r}; `launch.py bank list` shows those there are"
        )

    def best_example(
        self, params: Mapping[str, object], examples: Sequence[AnomalyExample], photo: Image, mask: Mask
    ) -> AnomalyExample | None:
        """Where the best is wanted, the one whose size, form and surroundings are nearest to the place's."""
        if str(params.get("entry", ANY)).strip() != FITTING or not examples:
            return None
        place = described_place(photo, mask)
        return min(examples, key=lambda one: place.difference(described_place(one.pixels, one.mask)))

    def keeps_direction(self, example: AnomalyExample) -> bool:
        """One that shows where its light comes from."""
        return shows_light_direction(example)

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample per request; InputError without an entry, and where it would be a copy of itself."""
        ctx.check()
        params: StampParams = read_params(self, request.params)
        mask = require_mask(self, request)
        if not request.examples:
            raise InputError(
                f"stamp: it needs an entry of the bank labelled {request.label!r}; "
                "add real anomalies or kept samples to the bank first"
            )
        example = request.examples[0]
        _refuse_copy(example, mask)
        rng = numpy_rng(request.seed, self.name)
        surface = crop_surface(request, mask, ctx, pad=place_reach(mask) + 2)
        settings = StampSettings(params.vary, params.blend, params.feather, params.contrast)
        pixels = stamp_onto(surface, example, self._limit(request, params, example), settings, request.label, rng)
        ctx.check()
        ctx.progress(1, 1, None)
        sample = finalize_sample(self, request, paste_surface(request, surface, pixels), mask, params=params)
        notes = BankNotes(bank_sources=example.sources)
        yield replace(sample, recipe=with_notes(sample.recipe, notes)) if example.sources else sample

    def _limit(self, request: Request, params: StampParams, example: AnomalyExample) -> TurnLimit:
        placed_alike = request.placement is not None and request.placement.follows_example
        if placed_alike or self.keeps_direction(example):
            return TurnLimit(min(UPRIGHT.degrees, params.rotate), False)
        return TurnLimit(params.rotate, params.rotate >= 90)


def _refuse_copy(example: AnomalyExample, mask: Mask) -> None:
    own = example.mask
    if own.shape != mask.shape:
        return
    overlap = np.count_nonzero(own & mask) / max(1, int(np.count_nonzero(own | mask)))
    if overlap >= _SAME_PLACE:
        raise InputError(
            "stamp: the mask lies where the entry lies on its own photo, so that the sample would be a copy of it; "
            "move the mask, or choose another entry"
        )
