"""Named regions of annotated photos, found again on every other photo.

Where the camera and the part stand still the region is warped and snapped to the edges. Where parts move it is
looked for: every component of the target is compared with it under any turn. A region that is not there is not
returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from core.errors import InputError, Unavailable
from core.features import extract
from core.images.registration import Registration, correlation, evened, register
from core.segmentation.classic import ClassicSegmenter
from core.segmentation.part_match import PartAppearance, compare_parts, describe_part
from core.segmentation.segmenter import Cancel, Click, PreparedPhoto, Segmenter, iou, raise_if_cancelled
from core.types import Image, Mask, Region, check_image

AnnotatedPhoto = tuple[Image, Sequence[Region]]

_MIN_UNMOVED_CORRELATION = 0.75
"""Correlation of region and surroundings above which a part counts as not having moved."""
_MIN_EXACT_CORRELATION = 0.93
"""Correlation above which the warped outline is not questioned."""
_MIN_PRESENT_SCORE = 0.66
"""Match score below which a region counts as absent."""
_POSITION_WEIGHT = 0.08
"""Share of the score for lying where the part lay."""
_MIN_SNAP_IOU = 0.8
"""A snapped outline must agree this much (IoU) with the warped one to replace it."""


@dataclass(frozen=True)
class _SourcePhoto:
    pixels: Image
    regions: tuple[Region, ...]
    appearances: tuple[PartAppearance, ...]


@dataclass(frozen=True)
class _FoundRegion:
    mask: Mask
    confidence: float


class Propagator:
    """Carries the regions of ``annotated`` photos to others; the annotated ones are looked at once.

    ``segmenter`` finds and outlines (default: the classic one); ``use_features`` adds the network's features when
    they can be loaded, and does without where they can't.
    """

    def __init__(
        self, annotated: Sequence[AnnotatedPhoto], segmenter: Segmenter | None = None, use_features: bool = True
    ) -> None:
        if not any(regions for _, regions in annotated):
            raise InputError("propagate: no region is named on any annotated photo; segment and name one first")
        self._segmenter: Segmenter = segmenter or ClassicSegmenter()
        self._use_features = use_features
        self._sources = []
        for pixels, regions in annotated:
            photo = check_image(pixels)
            dense = self._patch_features(photo)
            looks = tuple(describe_part(photo, r.mask, dense) for r in regions)
            self._sources.append(_SourcePhoto(photo, tuple(regions), looks))

    def propagate_to(self, target: Image, cancelled: Cancel | None = None) -> list[Region]:
        """The regions found on ``target``, source "propagated", with confidence 0..1, in the order of their names'
        first appearance; at most one per name, none for an absent part."""
        photo = check_image(target)
        raise_if_cancelled(cancelled)
        prepared = self._segmenter.prepare(photo, None, cancelled)
        found: dict[str, _FoundRegion] = {}
        for source in self._sources:
            raise_if_cancelled(cancelled)
            registration = register(source.pixels, photo)
            for region in source.regions:
                still = _find_unmoved(source.pixels, photo, region, registration, prepared)
                if still is not None and (
                    region.name not in found or still.confidence > found[region.name].confidence
                ):
                    found[region.name] = still
        names = list(dict.fromkeys(r.name for s in self._sources for r in s.regions))
        missing = [n for n in names if n not in found]
        if missing:
            found.update(self._search_moved(photo, prepared, missing, found, cancelled))
        return [
            Region(name, found[name].mask, "propagated", float(np.clip(found[name].confidence, 0, 1)))
            for name in names
            if name in found
        ]

    def _patch_features(self, photo: Image) -> npt.NDArray[np.float32] | None:
        if not self._use_features or min(photo.shape[:2]) < extract.MIN_SIDE:
            return None
        try:
            return extract.patch_features(photo, stride=8, longest=768)
        except Unavailable:
            self._use_features = False
            return None

    def _search_moved(
        self,
        photo: Image,
        prepared: PreparedPhoto,
        names: list[str],
        found: dict[str, _FoundRegion],
        cancelled: Cancel | None,
    ) -> dict[str, _FoundRegion]:
        """Components of the photo, each given to at most one of ``names``."""
        pool = self._candidate_masks(photo, prepared, names, cancelled)
        pool = [m for m in pool if all(_overlap(m, f.mask) < 0.5 for f in found.values())]
        if not pool:
            return {}
        dense = self._patch_features(photo)
        looks = [describe_part(photo, m, dense) for m in pool]
        scores = np.array([[self._score(name, one, photo) for one in looks] for name in names])
        out: dict[str, _FoundRegion] = {}
        rows, columns = linear_sum_assignment(-np.where(scores >= _MIN_PRESENT_SCORE, scores, 0))
        taken: list[Mask] = []
        for r, c in sorted(zip(rows, columns, strict=True), key=lambda rc: -scores[rc]):
            if scores[r, c] < _MIN_PRESENT_SCORE or any(_overlap(pool[c], t) > 0.5 for t in taken):
                continue
            rivals = np.delete(scores[:, c], r)
            margin = scores[r, c] - (float(rivals.max()) if rivals.size else 0.0)
            out[names[r]] = _FoundRegion(pool[c], _calibrated(float(scores[r, c]), margin))
            taken.append(pool[c])
        return out

    def _candidate_masks(
        self, photo: Image, prepared: PreparedPhoto, names: list[str], cancelled: Cancel | None
    ) -> list[Mask]:
        """Components of the right size: from the all-regions pass and from clicks where the part used to be."""
        areas = [
            one.area for s in self._sources for r, one in zip(s.regions, s.appearances, strict=True) if r.name in names
        ]
        candidates = self._segmenter.regions(photo, None, cancelled)
        height, width = photo.shape[:2]
        for source in self._sources:
            for region, one in zip(source.regions, source.appearances, strict=True):
                if region.name not in names:
                    continue
                sy, sx = height / source.pixels.shape[0], width / source.pixels.shape[1]
                for x, y in _inner_points(one.mask):
                    raise_if_cancelled(cancelled)
                    candidates += prepared.predict([Click(min(x * sx, width - 1), min(y * sy, height - 1))])
        out: list[Mask] = []
        for candidate in sorted(candidates, key=lambda c: -c.score):
            area = np.count_nonzero(candidate.mask)
            if 0.4 * min(areas) <= area <= 2.5 * max(areas) and all(iou(candidate.mask, m) < 0.9 for m in out):
                out.append(candidate.mask)
        return out

    def _score(self, name: str, one: PartAppearance, photo: Image) -> float:
        """The best match of ``one`` with any annotated region called ``name``; parts mostly keep their place."""
        best = 0.0
        for source in self._sources:
            size = np.array([photo.shape[1] / source.pixels.shape[1], photo.shape[0] / source.pixels.shape[0]])
            for region, theirs in zip(source.regions, source.appearances, strict=True):
                if region.name != name:
                    continue
                gone = float(np.linalg.norm(np.array(theirs.centre) * size - np.array(one.centre)))
                near = float(np.exp(-((gone / (0.25 * np.hypot(*photo.shape[:2]))) ** 2)))
                best = max(best, (1 - _POSITION_WEIGHT) * compare_parts(theirs, one).score + _POSITION_WEIGHT * near)
        return best


def propagate(
    source: Image,
    regions: Sequence[Region],
    target: Image,
    segmenter: Segmenter | None = None,
    use_features: bool = True,
    cancelled: Cancel | None = None,
) -> list[Region]:
    """``regions`` of ``source`` found on ``target``; for many targets keep a Propagator."""
    return Propagator([(source, regions)], segmenter, use_features).propagate_to(target, cancelled)


def _find_unmoved(
    source: Image, target: Image, region: Region, registration: Registration, prepared: PreparedPhoto
) -> _FoundRegion | None:
    """The region warped and snapped, if region and surroundings look the same there."""
    shape = (target.shape[0], target.shape[1])
    warped = registration.warp(region.mask, shape)
    if np.count_nonzero(warped) < 0.5 * np.count_nonzero(region.mask):
        return None
    seen = registration.warp_image(source, shape)
    dy, dx = _local_shift(seen, target, warped)
    if dy or dx:
        move = np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])
        size = (shape[1], shape[0])
        seen = np.asarray(cv2.warpAffine(seen, move, size, borderMode=cv2.BORDER_REPLICATE))
        warped = cv2.warpAffine(warped.astype(np.uint8), move, size) > 0
        if not warped.any():
            return None
    alike = _local_correlation(seen, target, warped)
    if alike < _MIN_UNMOVED_CORRELATION:
        return None
    snapped = prepared.predict([], None, warped)[0].mask
    agreed = iou(snapped, warped)
    mask = snapped if agreed >= _MIN_SNAP_IOU else warped
    if alike < _MIN_EXACT_CORRELATION:
        mask, agreed = _re_outlined(prepared, warped, mask, agreed)
    return _FoundRegion(
        mask, 0.5 * min(1.0, (alike - _MIN_UNMOVED_CORRELATION) / 0.2 + 0.3) + 0.5 * min(1.0, max(agreed, 0.3))
    )


def _re_outlined(prepared: PreparedPhoto, warped: Mask, mask: Mask, agreed: float) -> tuple[Mask, float]:
    """The part's own outline where a click on it gives nearly the warped one: it moved or turned a little."""
    (x, y), *_ = _inner_points(warped)
    for candidate in prepared.predict([Click(x, y)]):
        grown = np.count_nonzero(candidate.mask) / np.count_nonzero(warped)
        near = iou(candidate.mask, warped)
        if near >= 0.72 and 0.85 < grown < 1.18:
            return candidate.mask, near
    return mask, agreed


def _window(mask: Mask, margin: float) -> tuple[slice, slice, int]:
    """Rows and columns of the mask's box with a margin (share of its longer side), and that side."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    side = int(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 1
    pad = max(4, int(margin * side))
    y = slice(max(int(rows[0]) - pad, 0), int(rows[-1]) + pad + 1)
    return y, slice(max(int(columns[0]) - pad, 0), int(columns[-1]) + pad + 1), side


def _local_shift(seen: Image, target: Image, mask: Mask) -> tuple[int, int]:
    """Whole pixels (dy, dx) by which this part sits off the registration: up to an eighth of its size."""
    y, x, side = _window(mask, 0.15)
    reach = max(2, side // 8)
    h, w = mask.shape
    top, left = min(reach, y.start), min(reach, x.start)
    bottom, right = min(reach, h - min(y.stop, h)), min(reach, w - min(x.stop, w))
    near = target[y.start - top : min(y.stop, h) + bottom, x.start - left : min(x.stop, w) + right]
    scale = min(1.0, 128 / side)
    planes = []
    for image in (seen[y, x], near):
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        size = (max(round(grey.shape[1] * scale), 4), max(round(grey.shape[0] * scale), 4))
        planes.append(cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32))
    if planes[0].shape[0] > planes[1].shape[0] or planes[0].shape[1] > planes[1].shape[1] or planes[0].std() < 1:
        return 0, 0
    table = cv2.matchTemplate(planes[1], planes[0], cv2.TM_CCOEFF_NORMED)
    r, c = np.unravel_index(int(table.argmax()), table.shape)
    home = table[min(round(top * scale), table.shape[0] - 1), min(round(left * scale), table.shape[1] - 1)]
    # The registration is right unless the picture clearly says otherwise.
    if table[r, c] < home + 0.03:
        return 0, 0
    return round(int(r) / scale) - top, round(int(c) / scale) - left


def _local_correlation(warped: Image, target: Image, mask: Mask) -> float:
    """Correlation -1..1 in the region with a rim, lighting taken out."""
    y, x, side = _window(mask, 0.2)
    scale = min(1.0, 160 / side)
    part = mask[y, x].astype(np.uint8)
    size = (max(int(part.shape[1] * scale), 6), max(int(part.shape[0] * scale), 6))
    k = 2 * max(2, int(0.12 * side * scale)) + 1
    where = cv2.dilate(cv2.resize(part, size, interpolation=cv2.INTER_NEAREST), np.ones((k, k), np.uint8)) > 0
    planes = []
    for image in (warped, target):
        lab = cv2.cvtColor(np.ascontiguousarray(image[y, x]), cv2.COLOR_RGB2LAB)
        small = cv2.resize(lab, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        planes.append([evened(small[..., c], sigma=max(size) / 3) for c in range(3)])
    weights = [float(np.std(p[where])) for p in planes[1]]
    total = sum(w * correlation(p, q, where) for w, p, q in zip(weights, *planes, strict=True))
    return float(total / max(sum(weights), 1e-6))


def _inner_points(mask: Mask) -> list[tuple[float, float]]:
    """The deepest point of the region, and the deepest of its other half."""
    ys, xs = np.nonzero(mask)
    centre = (float(xs.mean()), float(ys.mean()))
    field = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(field.argmax()), field.shape)
    first = (float(x), float(y))
    yy, xx = np.ogrid[: field.shape[0], : field.shape[1]]
    away = (xx - x) * (centre[0] - x) + (yy - y) * (centre[1] - y) > 0
    if not (away & mask).any():
        return [first]
    y2, x2 = np.unravel_index(int(np.where(away, field, 0).argmax()), field.shape)
    return [first, (float(x2), float(y2))]


def _overlap(a: Mask, b: Mask) -> float:
    """Intersection over the smaller area."""
    smaller = min(int(np.count_nonzero(a)), int(np.count_nonzero(b)))
    return float(np.count_nonzero(a & b)) / max(smaller, 1)


def _calibrated(score: float, margin: float) -> float:
    """A match score as a confidence: just present is 0.3, alike in all respects 0.95; a close rival costs."""
    sure = 0.3 + 0.65 * min(max((score - _MIN_PRESENT_SCORE) / (0.95 - _MIN_PRESENT_SCORE), 0.0), 1.0)
    return sure * (0.75 + 0.25 * min(max(margin, 0.0) / 0.1, 1.0))
