"""The layout engine: from a request to a sample with a true mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from core.device import numpy_rng
from core.engines.api import Context, Engine, read_params
from core.engines.finalize import NoVisibleChange, finalize_sample
from core.engines.ground.other_photos import chosen_ids, other_photos
from core.engines.layout.free_place import NoFreePlace
from core.engines.layout.operations import OPS
from core.engines.layout.region_choice import at_border, named_regions
from core.engines.layout.scene import LayoutEdit, LayoutScene
from core.engines.layout.settings import LayoutParams
from core.engines.layout.work_area import blur, work_area_of
from core.images import is_grey
from core.images.geometry import dilated
from core.quality import visible_change
from core.types import Image, Mask, Request, Sample

ATTEMPTS = 4
"""How many of the possible regions are tried before giving up."""
SOFT_LEVELS = 3.5
"""A broad difference is seen at a lower contrast than a lone pixel's: the edge of a shadow given back to the
photo shows as a ring from about 2 levels of 255 on."""


RIM_PIXELS, RIM_LEVELS = 1, 3.0
"""Against the change, a difference of so few levels belongs to it: left out it would stay as a thin line."""
ISLAND_SHARE = 0.02
"""Largest enclosed unchanged island, as a share of the changed area, that is counted in."""


class Layout(Engine):
    """Edits named regions: a missing, extra, displaced, turned, exchanged or recoloured component."""

    name = "layout"
    title = "Layout"
    summary = "Remove, duplicate, move, rotate, flip, swap, replace or recolour a component of the photo."
    goal = "components"
    kind = "logical"
    needs = frozenset({"regions"})
    tools = frozenset({"parts"})
    Params = LayoutParams

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample. Of several regions that are meant, random ones are tried until one can be edited."""
        params: LayoutParams = read_params(self, request.params)
        photo = request.normal.pixels
        rng = numpy_rng(request.seed, "layout")
        targets = named_regions(request.regions, params.region, params.instance, request.normal.name)
        ids = request.normal_ids if request.normal_ids is not None else chosen_ids(request.normal, ctx.normals)
        goods = other_photos(request.normal, ctx.normals, ids, ctx.check, ctx.regions_of)
        scene = LayoutScene(
            photo, request.normal.name, is_grey(photo), request.regions, targets[0], params, request.object_mask, rng,
            goods,
        )  # fmt: skip
        sample = self._first_success(scene, _shuffled_targets(scene, targets, rng), request, ctx)
        if goods:
            # Photos that come later must not change what this recipe makes.
            sample = replace(sample, recipe=replace(sample.recipe, notes={"normal_ids": list(ids)}))
        yield sample

    def _first_success(self, scene: LayoutScene, targets: list[int], request: Request, ctx: Context) -> Sample:
        failure: NoFreePlace | NoVisibleChange | None = None
        for target in targets[:ATTEMPTS]:
            ctx.check()
            try:
                rng = numpy_rng(request.seed, "layout", target)
                sample = self._sample(OPS[scene.params.op](scene.with_target(target, rng)), scene, request)
            except (NoFreePlace, NoVisibleChange) as error:
                failure = failure or error
                continue
            ctx.progress(1, 1, sample.image)
            return sample
        assert failure is not None
        raise failure

    def _sample(self, edit: LayoutEdit, scene: LayoutScene, request: Request) -> Sample:
        image = cv2.merge([cv2.extractChannel(edit.image, 0)] * 3) if scene.grey else edit.image
        bounds = np.logical_or.reduce(edit.changed_places)
        mask = visible_change_with_shadows(scene.photo, image, edit.changed_places) if scene.params.tighten else bounds
        instances = _instance_masks(mask, edit.changed_places)
        # The mask is already as tight as it may be.
        return finalize_sample(self, request, image, mask, tighten=False, params=scene.params, instances=instances)


def visible_change_with_shadows(before: Image, after: Image, places: Sequence[Mask]) -> Mask:
    """The bool (H, W) part of the places that changed visibly, broad faint changes (shadows) included.

    Small islands that chance to look as before belong to the change around them.
    """
    out = np.zeros(before.shape[:2], np.bool_)
    for place in places:
        view = work_area_of(place).grown(4).clipped(out.shape).slices
        old, new, bounds = before[view], after[view], place[view]
        sharp = visible_change(old, new, within=bounds)
        change = cv2.cvtColor(new, cv2.COLOR_RGB2GRAY).astype(np.float32) - cv2.cvtColor(old, cv2.COLOR_RGB2GRAY)
        rest = (~sharp).astype(np.float32)
        faint = blur(change * rest, 2.0) / np.maximum(blur(rest, 2.0), 0.05)
        soft = (np.abs(faint) >= SOFT_LEVELS) & (np.abs(change) >= 1) & bounds
        if sharp.any():
            seen = _without_islands(sharp | soft, bounds)
            out[view] |= seen | (dilated(seen, RIM_PIXELS) & bounds & (np.abs(blur(change, 0.8)) >= RIM_LEVELS))
    return out


def _without_islands(mask: Mask, bounds: Mask) -> Mask:
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= max(32, ISLAND_SHARE * float(mask.sum()))
    small[0] = False
    return np.asarray(mask | (small[labels] & bounds), np.bool_)


def _shuffled_targets(scene: LayoutScene, targets: list[int], rng: np.random.Generator) -> list[int]:
    """Targets in random order; those cut by the frame last where the cut would be laid bare."""
    shuffled = [targets[i] for i in rng.permutation(len(targets))]
    if scene.params.op in ("remove", "recolour"):
        return shuffled
    return sorted(shuffled, key=lambda i: at_border(scene.regions[i].mask))


def _instance_masks(mask: Mask, places: tuple[Mask, ...]) -> tuple[Mask, ...]:
    """One instance per place; a pixel of two places belongs to the later one, which lies on top."""
    if len(places) < 2:
        return (mask,)
    parts: list[Mask] = []
    taken = np.zeros_like(mask)
    for place in reversed(places):
        parts.append(mask & place & ~taken)
        taken |= place
    return tuple(part for part in reversed(parts) if part.any())
