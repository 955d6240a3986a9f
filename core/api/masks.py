"""Mask tools for the canvas: grow, smooth, perturb, place. Masks in and out are bool (H, W)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.device import numpy_rng
from core.errors import InputError, MaskError
from core.images import isolated
from core.jobs.product_data import ProductData, mean_area
from core.jobs.requests import PlacedMask, RequestBuilder
from core.masks import morphology, rle
from core.masks.perturbation import MaskEnhancement, enhance_mask
from core.masks.placement.drop import DropShape
from core.masks.placement.free_area import PlacementMap
from core.placement_rules import Placement
from core.types import Mask, check_label
from core.validation import read_settings

__all__ = ["EDITS", "DropShape", "MasksApi", "PlacedMask"]

EDITS = {
    "grow": morphology.dilate,
    "shrink": morphology.erode,
    "smooth": morphology.smooth,
}
"""Edits by a number of pixels."""


class MasksApi:
    """What the mask buttons of the app do. Nothing here touches the store."""

    Placement = Placement
    Enhancement = MaskEnhancement

    def __init__(self, material: ProductData) -> None:
        self._product_data = material

    def edit(self, mask: Mask, how: str, px: int = 1) -> Mask:
        """``mask`` after one edit: grow, shrink, smooth (by ``px``), fill_holes, invert, clear."""
        if how in EDITS:
            return EDITS[how](mask, px)
        if how == "fill_holes":
            return morphology.fill_holes(mask)
        if how == "invert":
            return morphology.invert(mask)
        raise InputError(f"mask edit {how!r}: there are {', '.join([*EDITS, 'fill_holes', 'invert'])}")

    def perturb(self, mask: Mask, params: Mapping[str, object], seed: int, label: str | None = None) -> Mask:
        """GAA's geometric enhancement; areas drift towards the mean of the label's real anomalies."""
        if not mask.any():
            raise MaskError("perturb: the mask is empty; draw or place one first")
        checked = read_settings(MaskEnhancement, params, "perturb")
        average = mean_area(self._product_data.examples(label)) if label else None
        return enhance_mask(mask, checked, numpy_rng(seed, "perturb"), average)

    def place(
        self, normal_id: str, engine: str, label: str, params: Mapping[str, Any], rules: Mapping[str, Any], seed: int
    ) -> PlacedMask:
        """A mask where the ``rules`` allow, as a batch of this engine, label and settings gets it with this seed."""
        builder = RequestBuilder.of(self._product_data, engine, label, params, rules)
        return builder.place(self._product_data.normal(normal_id), seed)

    def drop_shape(self, normal_id: str, label: str, seed: int) -> DropShape:
        """A shape for this label and photo, to be dropped where a person points; another for each seed."""
        check_label(label)
        data = self._product_data
        masks = [example.mask for example in data.examples(label) or data.bank_examples(label)]
        return DropShape.for_label(label, self._terrain(normal_id), numpy_rng(seed, "drop"), masks)

    def drop(self, normal_id: str, shape: DropShape, x: float, y: float) -> Mask:
        """``shape`` about (x, y) in pixels, on the component there: bool (H, W)."""
        return shape.dropped_at(x, y, self._terrain(normal_id))

    def _terrain(self, normal_id: str) -> PlacementMap:
        data = self._product_data
        return data.placement_map(normal_id, data.regions(normal_id))

    def read_file(self, path: Path, normal_id: str) -> Mask:
        """A mask file for this photo; MaskError if its size is another."""
        return isolated.read_mask(path, self._product_data.normal(normal_id).shape)

    @staticmethod
    def unpack(text: str, shape: tuple[int, int]) -> Mask:
        """The mask in a recipe or a proposal; MaskError if it is not of ``shape`` (H, W)."""
        return rle.unpack(text, shape)

    @staticmethod
    def encode(mask: Mask) -> list[int]:
        """Run lengths for the browser."""
        return rle.encode(mask)

    @staticmethod
    def decode(runs: list[int], shape: tuple[int, int]) -> Mask:
        """A mask from the browser's run lengths; MaskError if they do not fill ``shape`` (H, W)."""
        return rle.decode(runs, shape)
