"""Crop and paste from a defect bank: a real or kept anomaly with its soft edge, stamped on another photo.

FLASH (2026) makes a few anomalies once and synthesises many pairs from them; this is its second half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.device import numpy_rng
from core.engines.api import Context, Engine, EngineParams, read_params, require_mask
from core.engines.finalize import finalize_sample
from core.engines.recipe_notes import BankNotes, with_notes
from core.engines.surface.harmony import described_place, edge_crispness, fitting_blend, harmonised, is_shaded
from core.engines.surface.outline_warp import OutlineWarp, TurnLimit, warp_onto
from core.engines.surface.surface import (
    Pixels,
    Surface,
    crop_surface,
    min_visible_levels,
    paste_surface,
    pick_tone,
    strengthen,
)
from core.errors import InputError
from core.images import inner_alpha, poisson_blend
from core.images.geometry import dilated, mask_box
from core.masks.perturbation import MaskEnhancement, enhance_mask
from core.types import AnomalyExample, Image, Mask, Request, Sample

ANY, FITTING = "any", "fits"
_SAME_PLACE = 0.5
"""Overlap (IoU) with the place on its own photo from which on a stamp would be a copy."""
_UPRIGHT = TurnLimit(30.0, False)
"""How far an anomaly may be turned that shows where its light comes from."""
_LEAST_VARIED = 40
"""Pixels of a mask below which its outline is left alone."""


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
        rows, cols = mask_box(example.mask, pad=12)
        return is_shaded(example.pixels[rows, cols], np.ascontiguousarray(example.mask[rows, cols]))

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
        surface = crop_surface(request, mask, ctx, pad=_reach(mask) + 2)
        pixels = _stamped(request, params, surface, example, self._limit(request, params, example), rng)
        ctx.check()
        ctx.progress(1, 1, None)
        sample = finalize_sample(self, request, paste_surface(request, surface, pixels), mask, params=params)
        notes = BankNotes(bank_sources=example.sources)
        yield replace(sample, recipe=with_notes(sample.recipe, notes)) if example.sources else sample

    def _limit(self, request: Request, params: StampParams, example: AnomalyExample) -> TurnLimit:
        placed_alike = request.placement is not None and request.placement.follows_example
        if placed_alike or self.keeps_direction(example):
            return TurnLimit(min(_UPRIGHT.degrees, params.rotate), False)
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


def _reach(mask: Mask) -> int:
    """Pixels around the mask that say what its surroundings look like."""
    return int(np.clip(0.25 * np.sqrt(np.count_nonzero(mask)), 4, 24))


def _stamped(
    request: Request,
    params: StampParams,
    surface: Surface,
    example: AnomalyExample,
    limit: TurnLimit,
    rng: np.random.Generator,
) -> Pixels:
    rows, cols = mask_box(example.mask, pad=_reach(example.mask) + 8)
    source, defect = example.pixels[rows, cols], np.ascontiguousarray(example.mask[rows, cols])
    soft = inner_alpha(defect, 1.0) if example.alpha is None else example.alpha[rows, cols].astype(np.float32) / 255
    target = _varied(surface.mask, params.vary, rng)
    warp = warp_onto(defect, target, limit, rng)
    how = cv2.INTER_NEAREST if surface.two_tone is not None else cv2.INTER_LINEAR
    patch = cv2.remap(source, warp.where, None, how, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    alpha = cv2.remap(np.ascontiguousarray(soft), warp.where, None, cv2.INTER_LINEAR).astype(np.float32)
    if surface.two_tone is not None:
        return np.where((alpha >= 0.5)[..., None] & surface.mask[..., None], patch, surface.pixels)
    patch = _in_new_light(patch, source, defect, warp, surface)
    ring = dilated(surface.mask, _reach(surface.mask)) & ~dilated(surface.mask, 1)
    blend = params.blend
    if blend == "auto":
        blend = fitting_blend(patch, surface, edge_crispness(source, defect), ring)
    pixels = _blended(blend, patch, alpha, warp, surface, target, params.feather)
    if not params.contrast:
        return pixels
    tone = pick_tone(surface, "auto", request.label, rng)
    levels = min(params.contrast, min_visible_levels(surface, params.contrast, False))
    return strengthen(surface, pixels, _weight(alpha, surface, target), levels, tone)


def _varied(mask: Mask, amount: float, rng: np.random.Generator) -> Mask:
    """``mask`` with its outline varied (GAA, eq. 5), a subset of it."""
    if not amount or np.count_nonzero(mask) < _LEAST_VARIED or mask.all():
        return mask
    how = MaskEnhancement(close_px=0, delta=0.05, jitter=amount, bend=0.2 * min(amount, 1), alpha=0)
    varied = enhance_mask(mask, how, rng) & mask
    return varied if 2 * np.count_nonzero(varied) >= np.count_nonzero(mask) else mask


def _in_new_light(patch: Pixels, source: Image, defect: Mask, warp: OutlineWarp, surface: Surface) -> Pixels:
    around = dilated(surface.mask, _reach(surface.mask)) & ~dilated(surface.mask, 1)
    if warp.with_surroundings:
        covers = cv2.remap(defect.astype(np.uint8), warp.where, None, cv2.INTER_NEAREST, borderValue=1) == 0
        return harmonised(patch, surface.pixels, around & covers, around)
    # Bent without its surroundings: their middle colour stands for them.
    ring = dilated(defect, 8) & ~dilated(defect, 1)
    if not ring.any() or not around.any():
        return patch
    stand_in = patch.copy()
    stand_in[around] = np.median(source[ring], axis=0)
    return harmonised(stand_in, surface.pixels, around, around)


def _weight(alpha: npt.NDArray[np.float32], surface: Surface, target: Mask) -> npt.NDArray[np.float32]:
    """``alpha`` inside the mask; a thin or tiny one, of which nothing is left, counts as a whole."""
    inside = np.where(surface.mask, alpha, 0).astype(np.float32)
    return inside if inside.max() >= 0.5 else target.astype(np.float32)


def _blended(
    blend: str,
    patch: Pixels,
    alpha: npt.NDArray[np.float32],
    warp: OutlineWarp,
    surface: Surface,
    target: Mask,
    feather: float,
) -> Pixels:
    if blend == "poisson" and warp.with_surroundings:
        photo, cut = surface.pixels.astype(np.uint8), np.clip(np.rint(patch), 0, 255).astype(np.uint8)
        return poisson_blend(photo, cut, surface.mask).astype(np.float32)
    weight = _weight(alpha, surface, target)
    if blend == "feather":
        weight = np.minimum(inner_alpha(target, feather), np.maximum(weight, target * np.float32(0.5)))
    return np.asarray(surface.pixels + (patch - surface.pixels) * weight[..., None], np.float32)
